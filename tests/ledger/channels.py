"""A small channel for tests: regulator, two companies, verifier, units, accounts and devices; all keys from seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from doxedge.consensus.certificate import VoteKind, assemble, sign_vote
from doxedge.consensus.validators import Validator
from doxedge.ledger.block import Block
from doxedge.ledger.chain import ChainState, Extension
from doxedge.ledger.genesis import Genesis, Member
from doxedge.ledger.receipt import decode_receipt
from doxedge.ledger.transaction import TICK, Transaction, sign_record
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Ed25519Signer
from doxedge.signing.tags import ZERO_HASH, RecordId, SourceId, source_id

START_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC."""
HOUR_MS = 3_600_000
FIRST = RecordId(ZERO_HASH)


def signer(name: str) -> Ed25519Signer:
    """The key of a name, always the same."""
    return Ed25519Signer(hashlib.sha256(name.encode()).digest())


def genesis(name: str = "north", **parameters: int) -> Genesis:
    """Regulator, companies alpha and beta, verifier; the regulator's node orders."""
    members = []
    for party, role, has_node in (
        ("regulator", "regulator", True),
        ("alpha", "company", True),
        ("beta", "company", True),
        ("verifier", "verifier", False),
    ):
        officer, node = signer(f"{party} officer"), signer(f"{party} node")
        node_fields = (node.alg, node.public_key) if has_node else (None, None)
        members.append(Member(party, role, officer.alg, officer.public_key, *node_fields))
    leader = signer("regulator node")
    return Genesis(
        name=name,
        place="test geofence",
        created_ms=START_MS,
        members=tuple(members),
        validators=(Validator(leader.alg, leader.public_key),),
        quorum=1,
        parameters=tuple(sorted({"commission_hours_min": 1, **parameters}.items())),
    )


@dataclass
class Author:
    """Numbers and signs the records of one source."""

    channel: bytes
    signer: Ed25519Signer
    source: SourceId
    seq: int = 0
    prev: RecordId = FIRST

    def say(self, kind: str, body: Sequence[Value]) -> Transaction:
        """The next record."""
        record = Record(kind, self.source, self.seq + 1, self.prev, list(body))
        transaction = sign_record(record, channel=self.channel, signer=self.signer)
        self.seq, self.prev = record.seq, transaction.record_ids[0]
        return transaction

    def batch(self, entries: Sequence[tuple[str, Sequence[Value]]]) -> Transaction:
        """Several records under one signature."""
        seq, prev = self.seq + 1, self.prev
        body: list[Value] = []
        for number, (kind, content) in enumerate(entries, seq):
            record = Record(kind, self.source, number, self.prev, list(content))
            body.append([kind, number, self.prev, list(content)])
            self.seq, self.prev = number, record.record_id(self.channel)
        frame = Record("batch", self.source, seq, prev, body)
        return sign_record(frame, channel=self.channel, signer=self.signer)


@dataclass
class TestChannel:
    """The chain of the channel, driven by hand."""

    __test__ = False
    chain: ChainState
    now_ms: int = START_MS
    authors: dict[str, Author] = field(default_factory=dict)

    @classmethod
    def begin(cls, name: str = "north", **parameters: int) -> TestChannel:
        """A fresh channel."""
        return cls(ChainState(genesis(name, **parameters).encode()))

    def officer(self, party: str) -> Author:
        """The officer of a party of the genesis."""
        return self.author(f"{party} officer", signer(f"{party} officer"))

    def author(self, name: str, key: Ed25519Signer, anchor: bytes | None = None) -> Author:
        """Whoever numbers under this name; the anchor is a registration's record id."""
        if name not in self.authors:
            channel = self.chain.channel
            self.authors[name] = Author(channel, key, source_id(channel, anchor or key.key_id))
        return self.authors[name]

    def block(self, *transactions: Transaction) -> Extension:
        """Build, certify and take a block of these; every receipt reads back as what was said, and is canonical."""
        leader = self.author("regulator node", signer("regulator node"))
        tick = leader.say(TICK, [self.now_ms])
        view = (self.chain.head.view if self.chain.head else 0) + 1
        time_ms = max(self.now_ms, self.chain.head.time_ms + 1 if self.chain.head else 0)
        extension = self.chain.build([tick, *transactions], view=view, parent_view=view - 1, time_ms=time_ms)
        assert tuple(map(decode_receipt, extension.receipts)) == extension.execution.receipts
        self.chain.take(extension)
        return extension

    def with_units(self) -> TestChannel:
        """Register a unit, its account and its device for each company; alpha has a trading account as well."""
        regulator = self.officer("regulator")
        registrations = []
        for party in ("alpha", "beta"):
            registrations.append(
                regulator.say("unit.register", [f"{party}-1", party, "boiler", 100_000, "zone 1"])
            )
            opened = regulator.say("account.open", [f"{party}-1", party, f"{party}-1"])
            self.author(f"{party}-1 account", signer(f"{party} officer"), opened.record_ids[0])
            device = signer(f"{party} device")
            registered = self.officer(party).say(
                "device.register",
                [f"{party}-gw", f"{party}-1", device.alg, device.public_key, bytes(32), "doxedge test"],
            )
            self.author(f"{party}-1 device", device, registered.record_ids[0])
            registrations += [opened, registered]
        registrations.append(opened := regulator.say("account.open", ["alpha-trade", "alpha", None]))
        self.author("alpha-trade account", signer("alpha officer"), opened.record_ids[0])
        self.block(*registrations)
        return self


def hour(unit: str, start_ms: int, nox_g: int = 1_000, **changes: Value) -> list[Value]:
    """The body of an hour, with any field changed by name."""
    fields: dict[str, Value] = {
        "unit": unit, "start_ms": start_ms, "rule_set": "us60", "operating_percent": 100, "nox_g": nox_g,
        "energy_wh": 50_000_000, "quality": "valid", "clause": "60.13(h)(2)(i)", "method_code": "01",
        "minutes_valid": 60, "samples": 720, "samples_root": bytes(32), "profile_hash": bytes(32),
        "rules_hash": bytes(32), "clock_state": "synchronised", "clock_offset_ms": 0, "boot_id": bytes(16),
        "firmware": "doxedge test", "recipe": None,
    }  # fmt: skip
    return list({**fields, **changes}.values())


def certified(extension: Extension, chain: ChainState) -> Block:
    """The block of an extension, with the certificate of the one validator."""
    header, leader = extension.header, signer("regulator node")
    signature = sign_vote(
        VoteKind.FINALIZE, channel=header.channel, epoch=header.epoch, view=header.view, block_id=header.block_id,
        signer=leader,
    )  # fmt: skip
    certificate = assemble(
        VoteKind.FINALIZE, view=header.view, block_id=header.block_id, votes={leader.key_id: signature},
        validators=chain.validators,
    )  # fmt: skip
    return Block(header, certificate.encode(), tuple(t.raw for t in extension.transactions))
