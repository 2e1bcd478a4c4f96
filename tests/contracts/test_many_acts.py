"""Whatever the parties do, in whatever order: no credit is made or lost, and the books agree with a dumb twin."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from doxedge.contracts import accounts, day_book, numbering
from doxedge.contracts.rule import Value
from doxedge.ledger.bodies import possession_bytes
from doxedge.ledger.receipt import Outcome, record_outcomes
from doxedge.ledger.transaction import sign_record
from doxedge.signing.record import Record
from tests.contracts.dumb_ledger import Accepted, DumbLedger
from tests.ledger.channels import FIRST, HOUR_MS, Author, TestChannel, hour, signer

NEW_YEAR_MS = int(dt.datetime(2027, 1, 1, tzinfo=dt.UTC).timestamp()) * 1000
UNITS = {"alpha-1": "alpha-1", "beta-1": "beta-1", "alpha-trade": None}
"""Accounts, and the unit whose compliance account it is."""
YEARS = (2026, 2027)
WARNING_PERCENT = 20

names = st.sampled_from(sorted(UNITS))
plants = st.sampled_from(["alpha-1", "beta-1"])
years = st.sampled_from([*YEARS, 2026, 2027, 2028, 0])
starts = st.integers(-5, 4).map(lambda hours: NEW_YEAR_MS + hours * HOUR_MS)
grams = st.one_of(
    st.integers(0, 60), st.integers(0, 2_000), st.sampled_from([-1, 0, 1, 2**40 - 1, 2**40, 2**63, -(2**63)])
)
masses = st.one_of(st.integers(0, 60), st.integers(0, 2_000), st.sampled_from([-1, 0, 2**40 - 1, 2**40]))


class ManyActs(RuleBasedStateMachine):
    """Two companies, a regulator and a verifier around a new year, over real blocks."""

    @initialize(pending_max=st.integers(2, 5), issued=st.booleans(), commissioned=st.booleans())
    def begin(self, pending_max: int, issued: bool, commissioned: bool) -> None:
        """Units, accounts and devices stand; perhaps credits are issued, and devices are commissioned."""
        self.channel = TestChannel.begin(
            bilateral_transfers=1, hours_before_registration=1, pending_max=pending_max
        )
        self.channel.now_ms = NEW_YEAR_MS + HOUR_MS
        self.channel.with_units()
        self.twin = DumbLedger()
        self.devices = {"alpha-1": "alpha-gw", "beta-1": "beta-gw"}
        self.stating = {
            f"{party}-gw": self.channel.authors[f"{party}-1 device"] for party in ("alpha", "beta")
        }
        self.keys = 0
        for unit in self.devices:
            for year in YEARS if issued else ():
                self.the_regulator_issues(unit, year, 2_000)
            if commissioned:
                self.a_device_states_an_hour(unit, NEW_YEAR_MS - 4 * HOUR_MS, 5)
                self.the_verifier_commissions(unit, wrong=False)

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours: int) -> None:
        """The execution clock goes on with the next tick."""
        self.channel.now_ms += hours * HOUR_MS

    @rule(account=names, year=years, amount=grams)
    def the_regulator_issues(self, account: str, year: int, amount: int) -> None:
        """Credits of a year."""
        body: list[Value] = [account, self.channel.chain.channel, year, [0, amount], bytes(32)]
        self._say(self.channel.officer("regulator"), "vintage.issue", body)

    @rule(pair=st.permutations(sorted(UNITS)), year=years, amount=grams)
    def an_account_transfers(self, pair: list[str], year: int, amount: int) -> None:
        """Any amount of any year to another account."""
        self._say(self._account(pair[0]), "transfer", self._transfer(pair[0], pair[1], year, amount))

    @rule(giver=names, taker=names, signing=names, amount=st.integers(1, 60))
    def somebody_transfers_from_any_account(self, giver: str, taker: str, signing: str, amount: int) -> None:
        """Also from an account that is another's, and to itself."""
        self._say(self._account(signing), "transfer", self._transfer(giver, taker, 2027, amount))

    @rule(unit=plants, taker=names, year=st.sampled_from(YEARS), more_g=st.integers(-1, 1))
    def a_company_sells_its_headroom(self, unit: str, taker: str, year: int, more_g: int) -> None:
        """Exactly all of it, a gram more, or a gram less."""
        amount = self.twin.headroom_g(unit, unit, year) + more_g
        accepted = self._say(self._account(unit), "transfer", self._transfer(unit, taker, year, amount))
        assert not (accepted and more_g > 0)

    @rule(account=names, takers=st.lists(names, min_size=2, max_size=4), amount=st.integers(1, 600))
    def an_account_transfers_in_a_batch(self, account: str, takers: list[str], amount: int) -> None:
        """Each record stands for itself: what was given by the one before is gone."""
        entries = [("transfer", self._transfer(account, taker, 2027, amount)) for taker in takers]
        self._say_all(self._account(account), entries)

    @rule(account=names, year=years)
    def an_account_folds(self, account: str, year: int) -> None:
        """Pending credits become one balance."""
        self._say(self._account(account), "account.fold", [account, year])

    @rule(unit=plants, start_ms=starts, mass=masses)
    def a_device_states_an_hour(self, unit: str, start_ms: int, mass: int) -> None:
        """Trial or counted."""
        self._state(unit, [("hour", hour(unit, start_ms, mass))])

    @rule(unit=plants, first_ms=starts, mass=st.integers(0, 400), count=st.integers(2, 6))
    def a_device_empties_its_outbox(self, unit: str, first_ms: int, mass: int, count: int) -> None:
        """A backlog in one batch, of which some hours may be known."""
        backlog = [("hour", hour(unit, first_ms + place * HOUR_MS, mass)) for place in range(count)]
        self._state(unit, backlog)

    @rule(unit=plants, start_ms=starts, mass=masses, name=st.sampled_from(["original", "latest", "other"]))
    def a_device_revises(self, unit: str, start_ms: int, mass: int, name: str) -> None:
        """An hour that may or may not be stated."""
        known = day_book.find_hour(self.channel.chain.state, unit, start_ms)
        record_id: bytes = bytes(32) if known is None or name == "other" else getattr(known, name)
        self._state(unit, [("hour.revise", [record_id, "span check", hour(unit, start_ms, mass)])])

    @rule(unit=plants, start_ms=starts, hours=st.integers(1, 4))
    def a_device_states_a_gap(self, unit: str, start_ms: int, hours: int) -> None:
        """Hours without a mass."""
        self._state(unit, [("gap", [unit, start_ms, start_ms + hours * HOUR_MS, "power cut"])])

    @rule(unit=plants, wrong=st.booleans())
    def the_verifier_commissions(self, unit: str, wrong: bool) -> None:
        """By the earliest trial hour that is known, or by a mass that nobody stated."""
        trial = sorted(
            (start_ms, mass) for (own, start_ms), (mass, counts) in self.twin.hours().items()
            if own == unit and not counts
        )  # fmt: skip
        if trial:
            witnessed: list[Value] = [[trial[0][0], trial[0][1] + wrong]]
            body: list[Value] = [self.devices[unit], bytes(32), witnessed, bytes(32)]
            self._say(self.channel.officer("verifier"), "device.commission", body)

    @rule(unit=plants, by_regulator=st.booleans(), often=st.integers(0, 4))
    def a_device_is_replaced(self, unit: str, by_regulator: bool, often: int) -> None:
        """By its operator, or by the regulator once it counts."""
        if often:
            return
        self.keys += 1
        device, key = f"{unit} gw {self.keys}", signer(f"device {self.keys}")
        party = unit.split("-", maxsplit=1)[0]
        officer = self.channel.officer("regulator" if by_regulator else party)
        body: list[Value] = [device, unit, key.alg, key.public_key, bytes(32), "doxedge test"]
        accepted = self._say(officer, "device.register", body)
        if accepted:
            self.devices[unit] = device
            self.stating[device] = self.channel.author(f"{device} device", key, officer.prev)

    @rule(party=st.sampled_from(["alpha", "beta"]))
    def an_officer_changes_his_key(self, party: str) -> None:
        """All that he numbers goes on under the new one."""
        self.keys += 1
        officer, new = self.channel.officer(party), signer(f"officer {self.keys}")
        old = officer.signer
        proof = new.sign(possession_bytes(self.channel.chain.channel, old.key_id))
        if self._say(officer, "key.rotate", [old.key_id, new.alg, new.public_key, proof]):
            for author in self.channel.authors.values():
                if author.signer.key_id == old.key_id:
                    author.signer = new

    @rule(account=names, forged=st.booleans(), often=st.integers(0, 2))
    def somebody_accuses_an_account(self, account: str, forged: bool, often: int) -> None:
        """With a second record for its last number, signed by its own key or by another."""
        author = self._account(account)
        if author.seq == 0 or often:
            return
        key = signer("beta device") if forged else author.signer
        prev = FIRST if author.seq == 1 else author.prev
        two = [
            sign_record(
                Record("transfer", author.source, author.seq, prev, ["double", place]),
                channel=self.channel.chain.channel,
                signer=key,
            ).raw
            for place in range(2)
        ]
        accepted = self._say(self.channel.officer("verifier"), "conflict", list(two))
        assert not (accepted and forged)

    @rule(account=names)
    def the_regulator_reinstates(self, account: str) -> None:
        """A suspended account goes on."""
        self._say(
            self.channel.officer("regulator"), "source.reinstate", [self._account(account).source, "heard"]
        )

    @invariant()
    def credits_are_neither_made_nor_lost(self) -> None:
        """Over all accounts a vintage holds what was issued of it, and nothing is below zero."""
        state = self.channel.chain.state
        for year in (*YEARS, 2028):
            held = [accounts.balance(state, account, year) for account in UNITS]
            assert sum(holding.held().grams for holding in held) == self.twin.issued_g(year)
            for holding in held:
                assert holding.folded.grams >= 0
                assert holding.reserved.grams == 0
                assert all(pending.grams > 0 for pending in holding.pending)
        known = {key for key, _ in state.items(accounts.BALANCES)}
        assert known <= {accounts.balance_key(account, year) for account in UNITS for year in (*YEARS, 2028)}

    @invariant()
    def every_position_is_that_of_the_twin(self) -> None:
        """Holding, emission and headroom."""
        for account, unit in UNITS.items():
            for year in YEARS:
                found = accounts.position(self.channel.chain.state, account, year)
                assert found.held_g == self.twin.held_g(account, year)
                assert found.emitted_g == (0 if unit is None else self.twin.emitted_g(unit, year))
                assert found.headroom_g == self.twin.headroom_g(account, unit, year)

    def _account(self, account: str) -> Author:
        return self.channel.authors[f"{account} account"]

    def _transfer(self, giver: str, taker: str, year: int, amount: int) -> list[Value]:
        return [giver, taker, self.channel.chain.channel, year, [0, amount], "test"]

    def _state(self, unit: str, entries: list[tuple[str, list[Value]]]) -> None:
        """The present device of a unit speaks."""
        self._say_all(self.stating[self.devices[unit]], entries, device=self.devices[unit])

    def _say(self, author: Author, kind: str, body: list[Value]) -> bool:
        return self._say_all(author, [(kind, body)]) == 1

    def _say_all(
        self, author: Author, entries: list[tuple[str, list[Value]]], device: str | None = None
    ) -> int:
        """One block with one transaction; returns how many of its records were accepted, after checking them."""
        before_seq, before_prev = author.seq, author.prev
        transaction = author.say(*entries[0]) if len(entries) == 1 else author.batch(entries)
        rooms = {room: dict(known) for room, known in self.channel.chain.state.rooms.items()}
        receipt = self.channel.block(transaction).execution.receipts[1]
        outcomes = [outcome for _, outcome, _ in record_outcomes(receipt)] or [receipt.outcome]
        changed = self._changed(rooms, author)
        if receipt.outcome is Outcome.INADMISSIBLE:
            assert receipt.clause == "suspended"
            assert changed == set()
            author.seq, author.prev = before_seq, before_prev
            return 0
        entry = numbering.find_source(self.channel.chain.state, author.source)
        assert entry is not None
        assert (entry.seq, entry.prev) == (author.seq, author.prev)
        if Outcome.ACCEPTED not in outcomes:
            assert changed == {(numbering.ROOM, author.source)}
        told = [event for event in receipt.events if str(event[0]).startswith("headroom.")]
        due: list[list[Value]] = []
        for (kind, body), outcome in zip(entries, outcomes, strict=True):
            if outcome is Outcome.ACCEPTED:
                due += self._accept(kind, body, device)
        assert [event[:3] for event in told] == due
        return outcomes.count(Outcome.ACCEPTED)

    def _changed(self, rooms: dict[str, dict[bytes, Value]], author: Author) -> set[tuple[str, bytes]]:
        """What the block wrote, less what its tick wrote."""
        tick = {("clock", b"execution"), (numbering.ROOM, self.channel.authors["regulator node"].source)}
        now = self.channel.chain.state.rooms
        return {
            (room, key)
            for room in {*rooms, *now}
            for key in {*rooms.get(room, {}), *now.get(room, {})}
            if rooms.get(room, {}).get(key) != now.get(room, {}).get(key)
        } - tick

    def _accept(self, kind: str, body: list[Any], device: str | None) -> list[list[Value]]:
        """Note it, and say whose owners must be told what."""
        counted = self.twin.hours()
        self.twin.accepted.append(Accepted(kind, body, device))
        looked: list[tuple[str, int]] = []
        if kind == "vintage.issue":
            looked = [(body[0], body[2])]
        elif kind == "transfer":
            looked = [(body[0], body[3]), (body[1], body[3])]
        elif kind in {"hour", "hour.revise"}:
            unit, start_ms = (body if kind == "hour" else body[2])[:2]
            if self.twin.hours()[unit, start_ms][1]:
                assert kind == "hour" or counted[unit, start_ms][1]
                looked = [(unit, dt.datetime.fromtimestamp(start_ms // 1000, dt.UTC).year)]
        due: list[list[Value]] = []
        for account, year in looked:
            unit = UNITS[account]
            word = None if unit is None else self.twin.due(account, unit, year, percent=WARNING_PERCENT)
            if word is not None:
                due.append([word, account, year])
        return due


ManyActs.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestManyActs = ManyActs.TestCase


def test_the_twin_counts_what_was_accepted_by_hand() -> None:
    """100 g issued, 30 given; an hour of trial, one of 20 g counted and revised to 25."""
    start_ms = NEW_YEAR_MS
    twin = DumbLedger(
        [
            Accepted("vintage.issue", ["a", b"", 2027, [0, 100], b""], None),
            Accepted("transfer", ["a", "b", b"", 2027, [0, 30], ""], None),
            Accepted("hour", ["u", start_ms, "", 0, 7], "gw"),
            Accepted("device.commission", ["gw", b"", [[start_ms, 7]], b""], None),
            Accepted("hour", ["u", start_ms + HOUR_MS, "", 0, 20], "gw"),
            Accepted("hour.revise", [b"", "", ["u", start_ms + HOUR_MS, "", 0, 25]], "gw"),
        ]
    )
    assert (twin.issued_g(2027), twin.held_g("a", 2027), twin.held_g("b", 2027)) == (100, 70, 30)
    assert (twin.emitted_g("u", 2027), twin.emitted_g("u", 2026)) == (25, 0)
    assert twin.headroom_g("a", "u", 2027) == 45
