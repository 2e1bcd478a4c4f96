"""A batch is its records one after the other: the same state, the same events, whoever looked at the bodies before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxedge.contracts import numbering
from doxedge.contracts.rule import Value
from doxedge.ledger import bodies
from doxedge.ledger.execution import Execution, execute
from doxedge.ledger.pool import Pool
from doxedge.ledger.receipt import Outcome, record_outcomes
from doxedge.ledger.transaction import TICK, Transaction, sign_record
from doxedge.signing.canonical import Value as Wire
from doxedge.signing.record import Record
from tests.ledger import every_kind
from tests.ledger.channels import FIRST, HOUR_MS, START_MS, Author, TestChannel, hour, signer
from tests.ledger.running import device, rewound, running

Entry = tuple[str, list[Wire]]
HOURS = 30
MAP, OTHER_MAP = bytes(32), b"m" * 32


def commissioned() -> TestChannel:
    """A channel on which the hours of alpha count from the second on, and its credits are few.

    Its year begins ten hours later than in UTC, in the midst of those hours.
    """
    channel = running(hours_before_registration=1, utc_offset_min=-600)
    channel.now_ms = START_MS + HOURS * HOUR_MS
    channel.block(
        device(channel).say("hour", hour("alpha-1", START_MS)),
        *(
            channel.officer("regulator").say(
                "vintage.issue", ["alpha-1", channel.chain.channel, year, [0, 9_000], bytes(32)]
            )
            for year in (2025, 2026)
        ),
        channel.officer("regulator").say(
            "device.commission", ["alpha-gw", MAP, [[START_MS, 1_000]], bytes(32)]
        ),
    )
    return channel


CHANNEL = commissioned()
starts = st.integers(-1, HOURS).map(lambda slot: START_MS + slot * HOUR_MS)
units = st.sampled_from(["alpha-1", "alpha-1", "alpha-1", "beta-1", "nowhere"])
hours = st.builds(
    lambda unit, start, grams, own, quality: hour(
        unit, start, grams, profile_hash=MAP if own else OTHER_MAP, quality=quality
    ),
    units,
    starts,
    st.integers(-1, 3_000),
    st.booleans(),
    st.sampled_from(["valid", "valid", "substituted"]),
)
entries: st.SearchStrategy[Entry] = st.one_of(
    hours.map(lambda body: ("hour", body)),
    hours.map(lambda body: ("hour", body)),
    hours.map(lambda body: ("hour.revise", [CHANNEL.authors["alpha-1 device"].prev, "a reason", body])),
    st.tuples(units, starts, st.integers(0, 3)).map(
        lambda of: ("gap", [of[0], of[1], of[1] + of[2] * HOUR_MS, "power"])
    ),
    st.just(("event", [None, "note", 0, "door opened"])),
    st.just(("event", ["alpha-1", "", 0, "an event without a code"])),
    st.just(("event", ["of another shape"])),
    st.just(("transfer", ["alpha-1", "alpha-trade", CHANNEL.chain.channel, 2026, [0, 1], "not a device's"])),
    st.just(("key.revoke", [signer("alpha device").key_id, "by itself"])),
    st.just(("config", ["warning_percent", 90, "not a device's"])),
)


def rotation(old: Author) -> Entry:
    """The author's key names its successor."""
    new = signer("a successor")
    possession = new.sign(bodies.possession_bytes(old.channel, old.signer.key_id))
    return "key.rotate", [old.signer.key_id, new.alg, new.public_key, possession]


def confession(author: Author) -> Entry:
    """Two records of the author with one number that was consumed."""
    rivals = [
        sign_record(
            Record("key.revoke", author.source, 1, FIRST, [bytes(16), reason]),
            channel=author.channel,
            signer=author.signer,
        )
        for reason in ("one", "two")
    ]
    return "conflict", [rival.raw for rival in rivals]


ENDS: dict[str, tuple[str, Callable[[Author], Entry]]] = {
    "a device's key is replaced": ("alpha-1 device", rotation),
    "an officer's key is replaced": ("alpha officer", rotation),
    "an officer withdraws his key": (
        "alpha officer",
        lambda author: ("key.revoke", [author.signer.key_id, "lost"]),
    ),
    "an officer's source is suspended": ("alpha officer", confession),
}
"""Whose batch, and what puts an end to his numbering in the midst of it."""


def executed(transactions: Sequence[Transaction]) -> Execution:
    """What they leave behind on the channel, which stays as it is."""
    chain, leader = CHANNEL.chain, CHANNEL.authors["regulator node"]
    tick = rewound(leader).say(TICK, [CHANNEL.now_ms])
    return execute(chain.state, [tick, *transactions], setting=chain.setting)


def own_author() -> Author:
    return rewound(device(CHANNEL))


@given(st.lists(entries, min_size=1, max_size=12))
@settings(deadline=None)
def test_a_batch_leaves_behind_what_its_records_leave_behind_one_by_one(said: list[Entry]) -> None:
    batch = own_author().batch(said)
    alone = own_author()
    singles = [alone.say(kind, body) for kind, body in said]
    assert batch.record_ids == tuple(single.record_ids[0] for single in singles)
    together, apart = executed([batch]), executed(singles)
    assert together.sealed.encoded == apart.sealed.encoded
    assert together.sealed.root == apart.sealed.root
    expected: list[list[Value]] = []
    for single, receipt in zip(singles, apart.receipts[1:], strict=True):
        expected += [["record", single.first_seq, int(receipt.outcome), receipt.clause], *receipt.events]
    assert list(together.receipts[1].events) == expected


@pytest.mark.parametrize("end", ENDS)
@given(before=st.lists(entries, max_size=5), after=st.lists(entries, max_size=5))
@settings(deadline=None, max_examples=30)
def test_what_follows_the_end_of_a_numbering_in_its_batch_is_refused(
    end: str, before: list[Entry], after: list[Entry]
) -> None:
    name, last = ENDS[end]
    author = CHANNEL.authors[name]
    said = [*before, last(author)]
    alone, together = rewound(author), rewound(author)
    apart = executed([alone.say(kind, body) for kind, body in said])
    batch = together.batch([*said, *after])
    execution = executed([batch])
    events = list(execution.receipts[1].events)
    expected: list[list[Value]] = []
    for number, receipt in enumerate(apart.receipts[1:], batch.first_seq):
        expected += [["record", number, int(receipt.outcome), receipt.clause], *receipt.events]
    assert receipt.outcome is Outcome.ACCEPTED
    assert events[: len(expected)] == expected
    late = events[len(expected) :]
    assert late[::2] == [["record", batch.last_seq - n, 1, "0.1"] for n in reversed(range(len(after)))]
    assert all(event[:2] == ["refused", "0.1"] for event in late[1::2])
    numbered = (numbering.ROOM, author.source)
    consumed = execution.sealed.values[numbered]
    assert isinstance(consumed, list)
    assert consumed[1:3] == [batch.last_seq, batch.record_ids[-1]]
    assert {**apart.sealed.values, numbered: consumed} == execution.sealed.values


def test_a_whole_day_of_hours_and_a_refused_one_among_them_are_as_if_they_came_alone() -> None:
    hours = [hour("alpha-1", START_MS + slot * HOUR_MS, 1_000 + slot) for slot in (3, 1, 2, 3, *range(4, 30))]
    batch, alone = own_author().batch([("hour", body) for body in hours]), own_author()
    together, apart = executed([batch]), executed([alone.say("hour", body) for body in hours])
    assert together.sealed.encoded == apart.sealed.encoded
    assert [clause for _, _, clause in record_outcomes(together.receipts[1])] == [
        receipt.clause for receipt in apart.receipts[1:]
    ]
    refused = [receipt.clause for receipt in apart.receipts[1:] if receipt.clause]
    words = {event[0] for receipt in apart.receipts for event in receipt.events}
    assert (refused, words) == (
        ["8.7"],
        {"hour.accepted", "headroom.warning", "headroom.exceeded", "refused"},
    )


@given(st.lists(entries, min_size=1, max_size=12))
@settings(deadline=None)
def test_who_took_it_into_his_pool_and_who_did_not_execute_it_alike(said: list[Entry]) -> None:
    meant = [entry for entry in said if entry != ("event", ["of another shape"])]
    if not meant:
        return
    fresh, admitted = own_author().batch(meant), own_author().batch(meant)
    assert Pool(CHANNEL.chain.channel).admit(CHANNEL.chain.state, admitted)
    assert (len(fresh.facts), len(admitted.facts)) == (0, len(meant))
    here, there = executed([fresh]), executed([admitted])
    assert here.encoded_receipts == there.encoded_receipts
    assert here.sealed.encoded == there.sealed.encoded


def test_what_is_kept_of_a_body_needs_nothing_but_the_body() -> None:
    """The facts of a plain kind are the same with and without a context, so they may be kept from the door on."""
    channel = running()
    plain = 0
    for kind, body in every_kind.bodies().items():
        if bodies.is_plain(kind):
            plain += 1
            context = bodies.BodyContext(channel.chain.channel, bytes(32), channel.chain.state)
            assert bodies.facts_of(kind, body, context) == bodies.facts_of(kind, body, None)
    assert plain
