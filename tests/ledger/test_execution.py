"""Order goes in, receipts and a state come out: what is consumed, what is refused, what changes nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from doxedge.consensus.header import InvalidBlock
from doxedge.consensus.validators import Validator
from doxedge.contracts import numbering, parties
from doxedge.ledger import bodies
from doxedge.ledger.chain import ChainState
from doxedge.ledger.execution import CLOCK_MS_MAX, Setting, execute, execution_clock_ms
from doxedge.ledger.receipt import record_outcomes
from doxedge.ledger.transaction import Transaction, open_transaction, sign_record
from doxedge.signing import envelope
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Es256Signer
from doxedge.signing.tags import ZERO_HASH, RecordId, SourceId
from tests.ledger.channels import HOUR_MS, START_MS, Author, TestChannel, genesis, hour, signer
from tests.ledger.running import (
    ACCEPTED,
    INADMISSIBLE,
    NOTE,
    REFUSED,
    device,
    everything,
    last_receipts,
    rewound,
    running,
    wrongly_signed,
)


def of_a_stranger(channel: TestChannel) -> Transaction:
    return Author(channel.chain.channel, signer("stranger"), device(channel).source, 1).say("event", NOTE)


def of_a_revoked_key(channel: TestChannel) -> Transaction:
    revoked = channel.officer("alpha").say("key.revoke", [device(channel).signer.key_id, "stolen"])
    channel.block(revoked)
    return rewound(device(channel)).say("event", NOTE)


def of_another_channel(channel: TestChannel) -> Transaction:
    """Signed for the south, with the number and predecessor that the north expects."""
    return replace(device(channel), channel=TestChannel.begin("south").chain.channel).say("event", NOTE)


def reopened(channel: TestChannel, transaction: Transaction) -> Transaction:
    """As this channel reads its bytes."""
    return open_transaction(transaction.raw, channel.chain.channel)


def of_a_suspended_source(channel: TestChannel) -> Transaction:
    clone = rewound(device(channel), seq=0, prev=ZERO_HASH).say("event", [None, "note", 0, "clone"])
    first = Author(channel.chain.channel, device(channel).signer, device(channel).source).say("event", NOTE)
    (receipt,) = last_receipts(channel, channel.officer("beta").say("conflict", [first.raw, clone.raw]))
    assert receipt.outcome is ACCEPTED
    return rewound(device(channel)).say("event", NOTE)


def under_another_algorithm(channel: TestChannel) -> Transaction:
    """An envelope that names the device's key, and an algorithm that this key does not have."""
    said = rewound(device(channel)).say("event", NOTE)
    signed = envelope.seal(
        said.envelope.payload, object_name="tx", channel=channel.chain.channel, signer=Es256Signer(7)
    )
    return open_transaction(replace(signed, key_id=said.envelope.key_id).encode(), channel.chain.channel)


@pytest.mark.parametrize(
    ("what", "make", "code"),
    [
        ("a wrong signature", wrongly_signed, "bad_signature"),
        ("another algorithm", under_another_algorithm, "bad_signature"),
        ("an unknown key", of_a_stranger, "unknown_key"),
        ("a revoked key", of_a_revoked_key, "revoked_key"),
        ("another channel", of_another_channel, "bad_signature"),
        ("a suspended source", of_a_suspended_source, "suspended"),
        (
            "another's source",
            lambda c: replace(device(c, "beta"), source=device(c).source, prev=device(c).prev).say("event", NOTE),
            "unknown_source",
        ),
        (
            "a source of nobody",
            lambda c: replace(device(c), source=SourceId(bytes(16))).say("event", NOTE),
            "unknown_source",
        ),
        ("a number that leaves a hole", lambda c: rewound(device(c), seq=2).say("event", NOTE), "wrong_sequence"),
        (
            "a number that was consumed",
            lambda c: rewound(device(c), seq=0, prev=ZERO_HASH).say("event", [None, "other", 0, ""]),
            "wrong_sequence",
        ),
        (
            "a record that is final",
            lambda c: rewound(device(c), seq=0, prev=ZERO_HASH).say("event", NOTE),
            "duplicate",
        ),
        ("another predecessor", lambda c: rewound(device(c), prev=b"x" * 32).say("event", NOTE), "wrong_previous"),
        ("a kind that is none", lambda c: rewound(device(c)).say("gift", []), "unknown_kind"),
        (
            "a kind that is none, in a batch",
            lambda c: rewound(device(c)).batch([("event", NOTE), ("gift", [])]),
            "unknown_kind",
        ),
    ],
)  # fmt: skip
def test_what_is_inadmissible_gets_a_receipt_consumes_no_number_and_changes_nothing(
    what: str, make: Callable[[TestChannel], Transaction], code: str
) -> None:
    channel = running()
    transaction = reopened(channel, make(channel))
    before = everything(channel)
    (receipt,) = last_receipts(channel, transaction)
    assert (receipt.tx_id, receipt.outcome, receipt.clause, receipt.events) == (
        transaction.tx_id, INADMISSIBLE, code, (),
    )  # fmt: skip
    assert everything(channel) == before
    if code in {"revoked_key", "suspended"}:
        return
    (receipt,) = last_receipts(channel, device(channel).say("event", NOTE))
    assert receipt.outcome is ACCEPTED, "its number was free"


def test_the_same_transaction_twice_in_a_block_counts_once() -> None:
    channel = running()
    said = device(channel).say("event", NOTE)
    assert [r.outcome for r in last_receipts(channel, said, said)] == [ACCEPTED, INADMISSIBLE]


def test_a_refusal_consumes_the_number_and_leaves_nothing_else() -> None:
    channel = running()
    before = everything(channel)
    refused = device(channel).say("hour", hour("beta-1", START_MS))
    (receipt,) = last_receipts(channel, refused)
    assert (receipt.outcome, receipt.clause) == (REFUSED, "8.2")
    assert [event[:2] for event in receipt.events] == [["refused", "8.2"]]
    after = everything(channel)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {(numbering.ROOM, device(channel).source)}
    entry = numbering.find_source(channel.chain.state, device(channel).source)
    assert entry is not None
    assert (entry.seq, entry.prev) == (2, refused.record_ids[0])
    assert last_receipts(channel, device(channel).say("event", NOTE))[0].outcome is ACCEPTED


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("hour", []),
        ("event", [None, "note", "now", "text"]),
        ("transfer", ["alpha-1", "beta-1", bytes(32), 2026, [1, 5], "hidden"]),
        ("conflict", []),
        ("conflict", [b"noise", b"more noise"]),
        ("equivocation", [b"", b""]),
    ],
)
def test_a_body_without_meaning_that_was_ordered_is_refused_and_consumes_its_number(
    kind: str, body: Sequence[Value]
) -> None:
    channel = running()
    nonsense, after = device(channel).say(kind, body), device(channel).say("event", NOTE)
    receipts = last_receipts(channel, nonsense, after)
    assert [(r.outcome, r.clause) for r in receipts] == [(REFUSED, "0.2"), (ACCEPTED, None)]


def test_a_batch_of_64_has_one_receipt_with_64_outcomes() -> None:
    channel = running()
    channel.now_ms = START_MS + 70 * HOUR_MS
    batch = device(channel).batch([("hour", hour("alpha-1", START_MS + n * HOUR_MS)) for n in range(64)])
    (receipt,) = last_receipts(channel, batch)
    assert receipt.tx_id == batch.tx_id
    assert record_outcomes(receipt) == [(seq, ACCEPTED, None) for seq in range(2, 66)]
    assert (receipt.outcome, receipt.clause) == (ACCEPTED, None)


def test_a_refused_record_of_a_batch_takes_nothing_with_it() -> None:
    channel = running()
    channel.now_ms = START_MS + 9 * HOUR_MS
    starts = [2, 2, 3, 30, 4]
    batch = device(channel).batch([("hour", hour("alpha-1", START_MS + n * HOUR_MS)) for n in starts])
    (receipt,) = last_receipts(channel, batch)
    assert (receipt.outcome, receipt.clause) == (REFUSED, "8.7"), "the first refusal is named"
    assert [clause for _, _, clause in record_outcomes(receipt)] == [None, "8.7", None, "8.4", None]
    order = [event[0] for event in receipt.events]
    assert order == [
        "record", "hour.accepted", "record", "refused", "record", "hour.accepted", "record", "refused", "record",
        "hour.accepted",
    ]  # fmt: skip
    entry = numbering.find_source(channel.chain.state, device(channel).source)
    assert entry is not None
    assert entry.seq == 6


def test_a_rotated_key_numbers_on_where_the_old_one_stopped() -> None:
    channel = running()
    old, new = device(channel), signer("alpha device, renewed")
    possession = new.sign(bodies.possession_bytes(channel.chain.channel, old.signer.key_id))
    rotation = old.say("key.rotate", [old.signer.key_id, new.alg, new.public_key, possession])
    next_one = replace(old, signer=new)
    receipts = last_receipts(
        channel, rotation, rewound(old).say("event", NOTE), rewound(next_one).say("event", NOTE)
    )
    assert [(r.outcome, r.clause) for r in receipts] == [
        (ACCEPTED, None), (INADMISSIBLE, "revoked_key"), (ACCEPTED, None),
    ]  # fmt: skip


# The execution clock.


def council(leaders: int = 3) -> tuple[ChainState, list[Author]]:
    """A channel with several validators, and their nodes as authors in the order of the set."""
    members = genesis().members
    keys = [signer(f"{party} node") for party in ("regulator", "alpha", "beta")][:leaders]
    validators = tuple(Validator(key.alg, key.public_key) for key in keys)
    chain = ChainState(replace(genesis(), members=members, validators=validators, quorum=leaders).encode())
    keys.sort(key=lambda key: key.key_id)
    authors = [TestChannel(chain).author("node", key) for key in keys]
    return chain, authors


def tick(author: Author, body: Sequence[Value]) -> Transaction:
    return rewound(author).say("tick", body)


def test_the_clock_is_the_largest_tick_so_far_and_may_stand() -> None:
    channel = TestChannel.begin()
    assert channel.chain.clock_ms == execution_clock_ms(channel.chain.state) == 0
    for now_ms in (START_MS, START_MS, START_MS + 7):
        channel.now_ms = now_ms
        channel.block()
        assert channel.chain.clock_ms == now_ms


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("backwards", [START_MS - 1]),
        ("before the beginning", [-1]),
        ("without a time", []),
        ("with a time that is true", [True]),
        ("with a text", ["now"]),
        ("with two times", [START_MS, START_MS]),
        ("beyond what a record can name", [CLOCK_MS_MAX + 1]),
        ("at the end of 64 bits", [2**64 - 1]),
    ],
)
def test_a_tick_that_is_no_time_from_the_last_one_on_makes_no_block(what: str, body: list[Value]) -> None:
    channel = TestChannel.begin()
    channel.block()
    root = channel.chain.state.root
    leader = channel.authors["regulator node"]
    with pytest.raises(InvalidBlock, match="tick"):
        channel.chain.build([tick(leader, body)], view=2, parent_view=1, time_ms=2**64 - 1)
    assert channel.chain.state.root == root


def test_only_the_leader_of_the_view_ticks() -> None:
    chain, authors = council()
    for view in (1, 2, 3):
        leader = chain.validators.leader(view)
        for author in authors:
            said = tick(author, [START_MS])
            if author.signer.key_id == leader.key_id:
                assert chain.build([said], view=view, parent_view=0, time_ms=START_MS).header.view == view
            else:
                with pytest.raises(InvalidBlock, match="not signed by the leader"):
                    chain.build([said], view=view, parent_view=0, time_ms=START_MS)


def test_without_views_any_validator_ticks_and_nobody_else() -> None:
    chain, authors = council(2)
    setting = Setting(chain.channel, chain.validators, chain.genesis.rules_version)
    for author in authors:
        assert execute(chain.state, [tick(author, [START_MS])], setting=setting).clock_ms == START_MS
    for name in ("beta node", "regulator officer"):
        other = TestChannel(chain).author("other", signer(name))
        with pytest.raises(InvalidBlock, match="not signed by a validator"):
            execute(chain.state, [tick(other, [START_MS])], setting=setting)


def test_a_tick_must_be_admissible_itself() -> None:
    channel = TestChannel.begin()
    channel.block()
    leader = channel.authors["regulator node"]
    forged = replace(tick(leader, [START_MS]).envelope, signature=bytes(64)).encode()
    for bad in (
        rewound(leader, seq=2).say("tick", [START_MS]),
        rewound(leader, prev=b"x" * 32).say("tick", [START_MS]),
        rewound(leader, seq=0, prev=ZERO_HASH).say("tick", [START_MS]),
        open_transaction(forged, channel.chain.channel),
        Author(channel.chain.channel, signer("stranger"), leader.source, 1).say("tick", [START_MS]),
    ):
        with pytest.raises(InvalidBlock, match="tick"):
            channel.chain.build([bad], view=2, parent_view=1, time_ms=START_MS + 1)


def test_a_block_begins_with_its_tick_and_has_no_other() -> None:
    channel = TestChannel.begin()
    leader = channel.author("regulator node", signer("regulator node"))
    first, second = leader.say("tick", [START_MS]), leader.say("tick", [START_MS])
    note = channel.officer("regulator").say("config", ["warning_percent", 10, "test"])
    for wrong in ([], [note], [note, first], [first, second], [first, note, second]):
        with pytest.raises(InvalidBlock, match="tick"):
            channel.chain.build(wrong, view=1, parent_view=0, time_ms=START_MS)


def test_rules_see_the_tick_of_their_own_block() -> None:
    channel = running()
    early = hour("alpha-1", START_MS + 5 * HOUR_MS)
    channel.now_ms = START_MS + 6 * HOUR_MS - 300_001
    assert last_receipts(channel, device(channel).say("hour", early))[0].clause == "8.4"
    channel.now_ms += 1
    assert last_receipts(channel, device(channel).say("hour", early))[0].outcome is ACCEPTED


def test_a_signature_that_was_checked_before_is_not_checked_again() -> None:
    channel = running()
    forged = wrongly_signed(channel)
    leader = channel.authors["regulator node"]
    setting = Setting(channel.chain.channel, channel.chain.validators, 1)
    block = [tick(leader, [channel.now_ms]), forged]
    for verified, outcome in ((frozenset(), INADMISSIBLE), (frozenset({forged.wire_id}), ACCEPTED)):
        done = execute(channel.chain.state, block, setting=setting, verified=verified)
        assert done.receipts[1].outcome is outcome


def test_es256_keys_number_and_sign_like_the_others() -> None:
    channel = running()
    key = Es256Signer(20_261_125)
    body: list[Value] = ["gamma", "company", key.alg, key.public_key, None, None]
    enrolled = channel.officer("regulator").say("party.enrol", body)
    assert last_receipts(channel, enrolled)[0].outcome is ACCEPTED
    source = bodies.BodyContext(channel.chain.channel, enrolled.record_ids[0], channel.chain.state).new_source
    record = Record("key.revoke", SourceId(source), 1, RecordId(ZERO_HASH), [bytes(16), "unknown key"])
    (receipt,) = last_receipts(channel, sign_record(record, channel=channel.chain.channel, signer=key))
    assert (receipt.outcome, receipt.clause) == (REFUSED, "2.11")
    assert parties.role_of(channel.chain.state, "gamma") == "company"
