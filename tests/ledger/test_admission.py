"""At the door: who may come in, with a stable code and words that say what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts.numbering import SourceEntry
from doxedge.ledger import bodies
from doxedge.ledger.admission import (
    KINDS,
    Inadmissible,
    SequenceConflict,
    check_kinds,
    check_number,
    check_signature,
    find_signer,
)
from doxedge.ledger.transaction import Transaction
from doxedge.signing.signer import Es256Signer
from doxedge.signing.tags import ZERO_HASH, RecordId, SourceId
from tests.ledger.channels import Author, signer
from tests.ledger.running import NOTE, device, rewound, running, wrongly_signed

CHANNEL = bytes(range(32))


def author(seq: int = 0) -> Author:
    """Somebody who has said so many things."""
    who = Author(CHANNEL, signer("somebody"), SourceId(b"s" * 16))
    for _ in range(seq):
        who.say("event", NOTE)
    return who


def standing(who: Author) -> SourceEntry:
    """What the ledger knows when everything so far is final."""
    return SourceEntry(who.signer.key_id, who.seq, who.prev, False, "alpha", None, None)


@given(st.integers(0, 4), st.integers(1, 6), st.integers(0, 3), st.booleans())
def test_a_number_is_admitted_exactly_when_it_continues_what_was_said(
    consumed: int, first: int, more: int, right_prev: bool
) -> None:
    """The twin: one number after the last, naming the last."""
    who = author(consumed)
    prev = who.prev if right_prev or first == 1 else RecordId(b"x" * 32)
    sayer = replace(who, seq=first - 1, prev=RecordId(ZERO_HASH) if first == 1 else prev)
    transaction = (
        sayer.batch([("event", [None, "new", 0, ""])] * (more + 1)) if more else sayer.say("event", NOTE)
    )
    fits = first == consumed + 1 and transaction.record.prev == who.prev
    if fits:
        check_number(standing(who), transaction)
        return
    with pytest.raises(Inadmissible) as refused:
        check_number(standing(who), transaction)
    assert refused.value.code in {"wrong_sequence", "wrong_previous", "duplicate"}
    assert (refused.value.code == "wrong_previous") == (first == consumed + 1)


@pytest.mark.parametrize(
    ("what", "seq", "prev", "code", "words"),
    [
        ("a hole", 3, b"x" * 32, "wrong_sequence", "leaves a hole; the next is 3"),
        ("a consumed number", 0, ZERO_HASH, "wrong_sequence", "was consumed; the next is 3"),
        ("another predecessor", 2, b"x" * 32, "wrong_previous", "was one removed or altered"),
    ],
)
def test_a_number_that_does_not_follow_is_told_what_would(
    what: str, seq: int, prev: bytes, code: str, words: str
) -> None:
    who = author(2)
    transaction = replace(who, seq=seq, prev=RecordId(prev)).say("event", NOTE)
    with pytest.raises(Inadmissible, match=words) as refused:
        check_number(standing(who), transaction)
    assert refused.value.code == code


def test_the_last_record_again_is_a_duplicate_alone_and_at_the_end_of_a_batch() -> None:
    who = author(1)
    again = rewound(who).say("event", NOTE)
    batch = rewound(who, seq=0, prev=ZERO_HASH).batch([("event", NOTE), ("event", NOTE)])
    who.say("event", NOTE)
    for transaction in (again, batch):
        with pytest.raises(Inadmissible, match="on the ledger already") as refused:
            check_number(standing(who), transaction)
        assert refused.value.code == "duplicate"


def test_a_signer_in_force_is_found_with_his_source() -> None:
    channel = running()
    who = device(channel)
    source, key = find_signer(channel.chain.state, rewound(who).say("event", NOTE))
    assert (source.device, source.seq, key.party, key.purpose) == ("alpha-gw", 1, "alpha", "device")


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("unknown key", "unknown_key", "was it meant for another one"),
        ("revoked key", "revoked_key", "sign with a key that is in force"),
        ("another's source", "unknown_source", "does not number the records of this source"),
        ("no source", "unknown_source", "does not number the records of this source"),
        ("suspended", "suspended", "the regulator must reinstate it"),
        ("another algorithm", "bad_signature", "another algorithm"),
    ],
)
def test_whoever_may_not_sign_is_told_why(what: str, code: str, words: str) -> None:
    channel = running()
    who = device(channel)
    said = rewound(who).say("event", NOTE)
    if what == "unknown key":
        said = replace(rewound(who), signer=signer("stranger")).say("event", NOTE)
    elif what == "revoked key":
        channel.block(channel.officer("alpha").say("key.revoke", [who.signer.key_id, "stolen"]))
    elif what == "another's source":
        said = replace(rewound(who), source=device(channel, "beta").source).say("event", NOTE)
    elif what == "no source":
        said = replace(rewound(who), source=SourceId(bytes(16))).say("event", NOTE)
    elif what == "suspended":
        rivals = [rewound(who).say("event", [None, "note", 0, text]).raw for text in ("one", "two")]
        first = who.say("event", [None, "note", 0, "one"])
        channel.block(first, channel.officer("beta").say("conflict", rivals))
        said = rewound(who).say("event", NOTE)
    else:
        said = replace(said, envelope=replace(said.envelope, alg=Es256Signer(1).alg))
    with pytest.raises(Inadmissible, match=words) as refused:
        find_signer(channel.chain.state, said)
    assert refused.value.code == code
    assert str(refused.value) == f"{code}: {refused.value.reason}"


def check(transaction: Transaction, *, channel: bytes, verified: set[bytes]) -> None:
    state = running().chain.state
    _, key = find_signer(state, transaction)
    check_signature(transaction, key, channel=channel, verified=verified)


def test_a_signature_must_hold_on_this_channel_unless_it_was_checked_before() -> None:
    channel = running()
    name = channel.chain.channel
    good, bad = rewound(device(channel)).say("event", NOTE), wrongly_signed(channel)
    check(good, channel=name, verified=set())
    check(bad, channel=name, verified={bytes(bad.wire_id)})
    for transaction, where in ((bad, name), (good, bytes(32))):
        with pytest.raises(Inadmissible) as refused:
            check(transaction, channel=where, verified={bytes(good.tx_id)})
        assert refused.value.code == "bad_signature"


def test_every_kind_with_a_shape_may_come_in_and_no_other() -> None:
    assert set(bodies.SHAPES) < KINDS
    for kind in sorted(bodies.SHAPES):
        check_kinds(author().say(kind, []))
        check_kinds(author().batch([("event", NOTE), (kind, [])]))
    for kind in ("gift", "Hour", "hour ", "party.expel"):
        for transaction in (author().say(kind, []), author().batch([("event", NOTE), (kind, [])])):
            with pytest.raises(Inadmissible, match="is not a kind of record") as refused:
                check_kinds(transaction)
            assert refused.value.code == "unknown_kind"


def test_a_conflict_says_which_number_and_what_stands() -> None:
    error = SequenceConflict(7, b"r" * 32)
    assert (error.code, error.seq, error.consumed) == ("conflict", 7, b"r" * 32)
    assert isinstance(error, Inadmissible)
