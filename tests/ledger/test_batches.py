"""A batch is its records one after the other: the same state, the same events, whoever looked at the bodies before."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from doxedge.contracts.rule import Value
from doxedge.ledger import bodies
from doxedge.ledger.execution import Execution, execute
from doxedge.ledger.pool import Pool
from doxedge.ledger.transaction import TICK, Transaction
from doxedge.signing.canonical import Value as Wire
from tests.ledger import every_kind
from tests.ledger.channels import HOUR_MS, START_MS, Author, TestChannel, hour, signer
from tests.ledger.running import device, rewound, running

Entry = tuple[str, list[Wire]]
HOURS = 30
MAP, OTHER_MAP = bytes(32), b"m" * 32


def commissioned() -> TestChannel:
    """A channel on which the hours of alpha count from the second on, and its credits are few."""
    channel = running()
    channel.now_ms = START_MS + HOURS * HOUR_MS
    channel.block(
        device(channel).say("hour", hour("alpha-1", START_MS)),
        channel.officer("regulator").say(
            "vintage.issue", ["alpha-1", channel.chain.channel, 2026, [0, 9_000], bytes(32)]
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
    lambda unit, start, grams, own: hour(unit, start, grams, profile_hash=MAP if own else OTHER_MAP),
    units,
    starts,
    st.integers(-1, 3_000),
    st.booleans(),
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
