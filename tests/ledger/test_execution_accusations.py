"""Two signed contradictions are a proof against their author, and against nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from doxedge.contracts import numbering
from doxedge.ledger import bodies
from doxedge.ledger.receipt import record_outcomes
from doxedge.signing import envelope
from doxedge.signing.canonical import Value
from doxedge.signing.tags import ZERO_HASH, SourceId
from tests.ledger.channels import Author, TestChannel, signer
from tests.ledger.running import (
    ACCEPTED,
    NOTE,
    REFUSED,
    device,
    last_receipts,
    rewound,
    running,
    wrongly_signed,
)


def conflict_of(
    channel: TestChannel, author: Author, *, first: str = "one", second: str = "two"
) -> list[Value]:
    """Two records of the author's next number, of which nothing is on the ledger yet."""
    return [rewound(author).say("event", [None, "note", 0, text]).raw for text in (first, second)]


def test_two_records_with_one_number_suspend_their_source_and_the_first_final_one_stands() -> None:
    channel = running()
    proof = conflict_of(channel, device(channel))
    stands = device(channel).say("event", [None, "note", 0, "one"])
    accuser = channel.officer("beta")
    receipts = last_receipts(channel, stands, accuser.say("conflict", proof), accuser.say("conflict", proof))
    assert [(r.outcome, r.clause) for r in receipts] == [(ACCEPTED, None), (ACCEPTED, None), (REFUSED, "3.7")]
    entry = numbering.find_source(channel.chain.state, device(channel).source)
    assert entry is not None
    assert (entry.suspended, entry.seq, entry.prev) == (True, 2, stands.record_ids[0])
    regulator = channel.officer("regulator")
    (receipt,) = last_receipts(
        channel, regulator.say("source.reinstate", [device(channel).source, "destroyed"])
    )
    assert receipt.outcome is ACCEPTED
    assert last_receipts(channel, device(channel).say("event", NOTE))[0].outcome is ACCEPTED


def test_a_conflict_about_a_number_that_is_free_is_refused() -> None:
    channel = running()
    (receipt,) = last_receipts(
        channel, channel.officer("beta").say("conflict", conflict_of(channel, device(channel)))
    )
    assert (receipt.outcome, receipt.clause) == (REFUSED, "3.4")


def test_records_in_batches_conflict_like_single_ones() -> None:
    channel = running()
    author = device(channel)
    texts = [[None, "note", 0, text] for text in ("a", "b", "c")]
    one = rewound(author).batch([("event", list[Value](text)) for text in texts])
    two = rewound(author).batch([("event", list[Value](text)) for text in (texts[0], texts[2], texts[1])])
    receipts = last_receipts(channel, one, channel.officer("beta").say("conflict", [one.raw, two.raw]))
    assert receipts[1].outcome is ACCEPTED
    key = author.source + (3).to_bytes(8, "big")
    fork = channel.chain.state.get(numbering.FORKS, key)
    assert fork == [one.record_ids[1], two.record_ids[1], "beta"], "the lowest number that differs"


def framed_by(channel: TestChannel, key_name: str) -> list[Value]:
    """Two records in the name of alpha's device, its consumed number, signed by somebody else."""
    forger = Author(channel.chain.channel, signer(key_name), device(channel).source)
    return conflict_of(channel, forger)


@pytest.mark.parametrize(
    ("what", "make", "clause"),
    [
        ("another party's officer", lambda c: framed_by(c, "beta officer"), "3.6"),
        ("another party's device", lambda c: framed_by(c, "beta device"), "3.6"),
        ("the officer of the same party", lambda c: framed_by(c, "alpha officer"), "3.6"),
        ("a key that nobody knows", lambda c: framed_by(c, "stranger"), "0.2"),
        (
            "one and the same record",
            lambda c: [rewound(device(c), seq=0, prev=ZERO_HASH).say("event", NOTE).raw] * 2,
            "0.2",
        ),
        (
            "two records of two sources",
            lambda c: [
                rewound(device(c), seq=0, prev=ZERO_HASH).say("event", NOTE).raw,
                rewound(device(c, "beta"), seq=0, prev=ZERO_HASH).say("event", [None, "x", 0, ""]).raw,
            ],
            "0.2",
        ),
        (
            "two records of two numbers",
            lambda c: [
                rewound(device(c), seq=0, prev=ZERO_HASH).say("event", NOTE).raw,
                rewound(device(c), seq=1).say("event", NOTE).raw,
            ],
            "0.2",
        ),
        (
            "records of another channel",
            lambda c: conflict_of(
                c, replace(rewound(device(c), seq=0, prev=ZERO_HASH), channel=bytes(32))
            ),
            "0.2",
        ),
        (
            "a wrong signature",
            lambda c: [wrongly_signed(c).raw, rewound(device(c)).say("event", NOTE).raw],
            "0.2",
        ),
        (
            "a source that is none",
            lambda c: conflict_of(c, replace(device(c), source=SourceId(bytes(16)))),
            "3.2",
        ),
        ("bytes that cannot be read", lambda c: [b"\xff", b"\x84"], "0.2"),
    ],
)  # fmt: skip
def test_nobody_is_accused_by_what_he_did_not_sign(
    what: str, make: Callable[[TestChannel], list[Value]], clause: str
) -> None:
    channel = running()
    (receipt,) = last_receipts(channel, channel.officer("beta").say("conflict", make(channel)))
    assert (receipt.outcome, receipt.clause) == (REFUSED, clause)
    entry = numbering.find_source(channel.chain.state, device(channel).source)
    assert entry is not None
    assert not entry.suspended


def test_another_device_of_the_same_party_cannot_accuse_its_neighbour() -> None:
    channel = running()
    regulator, neighbour = channel.officer("regulator"), signer("alpha device 2")
    unit = regulator.say("unit.register", ["alpha-2", "alpha", "boiler", 1_000, "zone 1"])
    second = channel.officer("alpha").say(
        "device.register",
        ["alpha-gw-2", "alpha-2", neighbour.alg, neighbour.public_key, bytes(32), "doxedge test"],
    )
    assert [r.outcome for r in last_receipts(channel, unit, second)] == [ACCEPTED, ACCEPTED]
    proof = framed_by(channel, "alpha device 2")
    (receipt,) = last_receipts(channel, channel.officer("alpha").say("conflict", proof))
    assert (receipt.outcome, receipt.clause) == (REFUSED, "3.6")


def test_what_a_key_signed_before_it_named_its_successor_is_proved_and_does_not_silence_the_successor() -> (
    None
):
    channel = running()
    old, new = device(channel), signer("alpha device, renewed")
    clone = rewound(old, seq=0, prev=ZERO_HASH).say("event", [None, "note", 0, "clone"])
    first = rewound(old, seq=0, prev=ZERO_HASH).say("event", NOTE)
    possession = new.sign(bodies.possession_bytes(channel.chain.channel, old.signer.key_id))
    rotation = old.say("key.rotate", [old.signer.key_id, new.alg, new.public_key, possession])
    accusation = channel.officer("beta").say("conflict", [clone.raw, first.raw])
    assert [r.outcome for r in last_receipts(channel, rotation, accusation)] == [ACCEPTED, ACCEPTED]
    entry = numbering.find_source(channel.chain.state, old.source)
    assert entry is not None
    assert (entry.suspended, entry.holder_key_id) == (False, new.key_id)
    assert channel.chain.state.get(numbering.FORKS, old.source + (1).to_bytes(8, "big")) is not None


def test_a_withdrawn_key_of_another_party_does_not_accuse() -> None:
    channel = running()
    revoked = channel.officer("beta").say("key.revoke", [device(channel, "beta").signer.key_id, "stolen"])
    assert last_receipts(channel, revoked)[0].outcome is ACCEPTED
    accusation = channel.officer("beta").say("conflict", framed_by(channel, "beta device"))
    assert last_receipts(channel, accusation)[0].clause == "3.6"


def test_who_accuses_himself_in_a_batch_is_suspended_from_the_next_record_on() -> None:
    channel = running()
    officer = channel.officer("alpha")
    rivals = [
        Author(officer.channel, officer.signer, officer.source).say("key.revoke", [bytes(16), text]).raw
        for text in ("one", "two")
    ]
    batch = officer.batch([("conflict", rivals), ("key.revoke", [device(channel).signer.key_id, "late"])])
    (receipt,) = last_receipts(channel, batch)
    assert [clause for _, _, clause in record_outcomes(receipt)] == [None, "0.1"]


def test_the_words_of_a_refusal_do_not_depend_on_a_library() -> None:
    """Receipts are hashed: what cbor2 or OpenSSL say of bad bytes differs between versions and must not stand there."""
    texts = set()
    for noise in (b"", b"\xff", b"\x9f\x01\xff", b"\x18\x01", b"\x62\xff\xff", b"\xfb" + bytes(8)):
        channel = running()
        key, name = device(channel).signer, channel.chain.channel
        raw = envelope.seal(noise, object_name="tx", channel=name, signer=key).encode()
        (receipt,) = last_receipts(channel, channel.officer("beta").say("conflict", [raw, raw]))
        texts.add(str(receipt.events))
    assert len(texts) == 1


def test_a_double_vote_is_named_on_the_ledger_once() -> None:
    from doxedge.consensus.certificate import VoteKind, sign_vote
    from doxedge.consensus.equivocation import encode_vote

    channel = running()
    leader = signer("regulator node")
    name = channel.chain.channel
    votes: list[Value] = [
        encode_vote(
            VoteKind.FINALIZE, epoch=0, view=9, block_id=block, key_id=leader.key_id,
            signature=sign_vote(VoteKind.FINALIZE, channel=name, epoch=0, view=9, block_id=block, signer=leader),
        )
        for block in (b"1" * 32, b"2" * 32)
    ]  # fmt: skip
    accuser = channel.officer("alpha")
    receipts = last_receipts(
        channel,
        accuser.say("equivocation", votes),
        accuser.say("equivocation", votes[::-1]),
        accuser.say("equivocation", [votes[0], votes[0]]),
    )
    assert [(r.outcome, r.clause) for r in receipts] == [
        (ACCEPTED, None),
        (REFUSED, "3.13"),
        (REFUSED, "0.2"),
    ]
    assert receipts[0].events == (["validator.equivocated", bytes(leader.key_id), 9],)
