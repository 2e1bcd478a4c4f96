"""A channel without signatures and blocks: acts and facts go straight to the rules, over a book in memory.

Parties regulator, alpha, beta (companies) and verifier. Keys, sources and record ids are hashes of their names, so that
a test may name what it means.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import (
    accounts,
    crediting,
    figures,
    in_force,
    numbering,
    parties,
    statements,
    transfer,
    units,
)
from doxedge.contracts.rule import Act, Refused, Value
from doxedge.quantity import HOUR_MS
from tests.contracts.memory_book import MemoryBook

START_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC."""
CHANNEL = hashlib.sha256(b"the channel").digest()
MAP = hashlib.sha256(b"the registered register map").digest()
OTHER_MAP = hashlib.sha256(b"another register map").digest()
ZERO = bytes(32)
PARTIES = {"regulator": "regulator", "alpha": "company", "beta": "company", "verifier": "verifier"}


def short(name: str) -> bytes:
    """16 bytes that stand for a name: key ids and sources."""
    return hashlib.sha256(name.encode()).digest()[:16]


def long(name: str) -> bytes:
    """32 bytes that stand for a name: record ids and hashes."""
    return hashlib.sha256(name.encode()).digest()


@dataclass
class SmallChannel:
    """The book, the execution clock, and the shortest way to say something."""

    book: MemoryBook = field(default_factory=MemoryBook)
    now_ms: int = START_MS
    records: int = 0

    @classmethod
    def begin(cls, **chosen: int) -> SmallChannel:
        """Four parties, as a genesis enters them, and the figures that differ from their default."""
        channel = cls()
        for name, value in {"commission_hours_min": 1, **chosen}.items():
            channel.book.put(figures.ROOM, name.encode(), [value])
        for party, role in PARTIES.items():
            facts = enrol(party, role)
            parties.write_party(channel.book, facts)
            numbering.create_source(
                channel.book, facts.new_source, holder_key_id=facts.officer_key_id, party=party
            )
            node = short(f"{party} node")
            numbering.create_source(
                channel.book, short(f"{party} node source"), holder_key_id=node, party=party
            )
        return channel

    def with_plants(self) -> SmallChannel:
        """A unit, its compliance account and its device for each company, and a trading account each."""
        for party in ("alpha", "beta"):
            self.do("unit.register", self.regulator, register_unit(f"{party}-1", party))
            self.do("account.open", self.regulator, open_account(f"{party}-1", party, f"{party}-1"))
            self.do("account.open", self.regulator, open_account(f"{party}-trade", party))
            self.do("device.register", self.officer(party), register_device(f"{party}-gw", f"{party}-1"))
        return self

    def commissioned(self, **credits_g: int) -> SmallChannel:
        """Alpha's device has stated one trial hour of 700 g and counts from 01:00 on; accounts get credits of 2026.

        Keywords are account names with `_` for `-`.
        """
        self.with_plants()
        self.now_ms = START_MS + HOUR_MS
        self.do("hour", self.device("alpha-gw"), hour("alpha-1", START_MS, 700))
        self.do("device.commission", self.officer("verifier"), commission("alpha-gw", (START_MS, 700)))
        for account, grams in credits_g.items():
            self.issue(account.replace("_", "-"), grams)
        return self

    def do(self, kind: str, act: Act, facts: object) -> list[list[Value]]:
        """Let the rule in force judge; returns the events. Raises Refused, and then nothing was written."""
        wanted, rule = in_force.RULES[in_force.CURRENT].table[kind]
        assert type(facts) is wanted
        before = dict(self.book.entries)
        self.book.events = []
        try:
            rule(self.book, act, facts)
        except Refused:
            self.book.entries = before
            raise
        return self.book.events

    @property
    def regulator(self) -> Act:
        """An officer of the regulator acts."""
        return self.officer("regulator")

    def officer(self, party: str) -> Act:
        """An officer of a party acts under his own numbering."""
        return self._act(party, "officer", f"{party} officer")

    def node(self, party: str) -> Act:
        """The node of a party acts."""
        return self._act(party, "node", f"{party} node")

    def account(self, account: str) -> Act:
        """The officer of the account's party acts under the account's numbering."""
        entry = accounts.find_account(self.book, account)
        party = account.split("-", maxsplit=1)[0] if entry is None else entry.party
        return self._act(party, "officer", f"{party} officer", source=f"{account} account", account=account)

    def device(self, device: str) -> Act:
        """A device acts."""
        entry = units.find_device(self.book, device)
        unit = None if entry is None else units.find_unit(self.book, entry.unit)
        party = device.split("-", maxsplit=1)[0] if unit is None else unit.party
        return self._act(party, "device", f"{device} key", source=f"{device} device", device=device)

    def issue(self, account: str, grams: int, vintage: int = 2026) -> list[list[Value]]:
        """The regulator issues credits."""
        return self.do("vintage.issue", self.regulator, issue(account, grams, vintage))

    def send(self, giver: str, taker: str, grams: int, vintage: int = 2026) -> list[list[Value]]:
        """An account gives credits."""
        return self.do("transfer", self.account(giver), give(giver, taker, grams, vintage))

    def state(self, unit: str, hours_after_start: int, nox_g: int, **changes: Any) -> list[list[Value]]:
        """The unit's device states an hour; the clock is moved on when the hour has not ended."""
        start_ms = START_MS + hours_after_start * HOUR_MS
        self.now_ms = max(self.now_ms, start_ms + HOUR_MS)
        device = self.device(unit.replace("-1", "-gw"))
        return self.do("hour", device, hour(unit, start_ms, nox_g, **changes))

    def _act(
        self,
        party: str,
        purpose: str,
        key: str,
        *,
        source: str | None = None,
        device: str | None = None,
        account: str | None = None,
    ) -> Act:
        self.records += 1
        role = "company" if purpose == "device" else parties.role_of(self.book, party) or "company"
        return Act(
            channel=CHANNEL,
            clock_ms=self.now_ms,
            party=party,
            role=role,
            purpose=purpose,
            key_id=short(key),
            source=short(source or f"{key} source"),
            record_id=long(f"record {self.records}"),
            device=device,
            account=account,
        )


def enrol(party: str, role: str = "company", **changes: Any) -> parties.Enrol:
    """A party with its officer key and its node key."""
    fields: dict[str, Any] = {
        "party": party, "role": role, "alg": -8, "officer_key": long(f"{party} officer"),
        "officer_key_id": short(f"{party} officer"), "node_alg": -8, "node_key": long(f"{party} node"),
        "node_key_id": short(f"{party} node"), "new_source": short(f"{party} officer source"),
    }  # fmt: skip
    return parties.Enrol(**{**fields, **changes})


def register_unit(unit: str, party: str, **changes: Any) -> units.RegisterUnit:
    """A boiler of 100 MW."""
    fields: dict[str, Any] = {
        "unit": unit,
        "party": party,
        "kind": "boiler",
        "capacity_kw": 100_000,
        "zone": "1",
    }
    return units.RegisterUnit(**{**fields, **changes})


def open_account(account: str, party: str, unit: str | None = None, **changes: Any) -> accounts.OpenAccount:
    """An account held by the party's officer."""
    fields: dict[str, Any] = {
        "account": account, "party": party, "unit": unit, "holder_key_id": short(f"{party} officer"),
        "new_source": short(f"{account} account"),
    }  # fmt: skip
    return accounts.OpenAccount(**{**fields, **changes})


def register_device(device: str, unit: str, **changes: Any) -> units.RegisterDevice:
    """A gateway with its own key and the registered register map."""
    fields: dict[str, Any] = {
        "device": device, "unit": unit, "alg": -8, "public_key": long(f"{device} key"),
        "key_id": short(f"{device} key"), "profile_hash": MAP, "firmware": "1.0",
        "new_source": short(f"{device} device"),
    }  # fmt: skip
    return units.RegisterDevice(**{**fields, **changes})


def commission(device: str, *witnessed: tuple[int, int], **changes: Any) -> units.Commission:
    """A verifier's statement about hours that he has witnessed."""
    fields: dict[str, Any] = {
        "device": device, "profile_hash": MAP, "witnessed": witnessed, "statement_hash": ZERO,
    }  # fmt: skip
    return units.Commission(**{**fields, **changes})


def issue(account: str, grams: int, vintage: int = 2026) -> crediting.IssueVintage:
    """Credits of a year for an account."""
    return crediting.IssueVintage(account, CHANNEL, vintage, OpenAmount(grams), ZERO)


def give(giver: str, taker: str, grams: int, vintage: int = 2026) -> transfer.Transfer:
    """Credits from an account to another."""
    return transfer.Transfer(giver, taker, CHANNEL, vintage, OpenAmount(grams), "")


def hour(unit: str, start_ms: int, nox_g: int = 1_000, **changes: Any) -> statements.Hour:
    """A valid hour, with any field changed by name."""
    fields: dict[str, Any] = {
        "unit": unit, "start_ms": start_ms, "rule_set": "us60", "operating_percent": 100, "nox_g": nox_g,
        "energy_wh": 50_000_000, "quality": "valid", "clause": "60.13(h)(2)(i)", "method_code": "01",
        "minutes_valid": 60, "samples": 720, "samples_root": ZERO, "profile_hash": MAP, "rules_hash": ZERO,
        "clock_state": "synchronised", "clock_offset_ms": 0, "boot_id": bytes(16), "firmware": "1.0", "recipe": None,
    }  # fmt: skip
    return statements.Hour(**{**fields, **changes})
