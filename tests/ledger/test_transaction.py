"""Signed bytes are opened in one way, and named by what was signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.ledger.transaction import open_transaction, sign_record
from doxedge.signing import canonical, envelope, limits
from doxedge.signing.canonical import NonCanonical, Value
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.record import SEQ_MAX, InvalidRecord, Record
from doxedge.signing.tags import ZERO_HASH, RecordId, SourceId
from tests.ledger import every_kind
from tests.ledger.channels import Author, signer

CHANNEL = every_kind.CHANNEL
SOURCE = SourceId(b"s" * 16)
KEY = signer("somebody")


def author() -> Author:
    """A fresh source."""
    return Author(CHANNEL, KEY, SOURCE)


def sealed(payload: Value) -> bytes:
    """An envelope around any payload, validly signed."""
    return envelope.seal(canonical.encode(payload), object_name="tx", channel=CHANNEL, signer=KEY).encode()


@pytest.mark.parametrize("kind", sorted(every_kind.bodies()))
def test_a_record_is_named_by_its_five_items_and_its_channel(kind: str) -> None:
    sent = author().say(kind, every_kind.bodies()[kind])
    opened = open_transaction(sent.raw, CHANNEL)
    assert opened == sent
    assert opened.record_ids == (opened.record.record_id(CHANNEL),)
    assert opened.wire_id == opened.envelope.wire_id()
    assert opened.tx_id == opened.envelope.tx_id(CHANNEL)
    elsewhere = open_transaction(sent.raw, bytes(32))
    assert elsewhere.record_ids != opened.record_ids
    assert elsewhere.tx_id != opened.tx_id


@given(
    st.lists(st.sampled_from(["event", "gap", "transfer"]), min_size=1, max_size=64), st.integers(1, 2**62)
)
def test_the_records_of_a_batch_are_named_as_if_they_came_alone(kinds: list[str], first: int) -> None:
    known = every_kind.bodies()
    writer = author()
    writer.seq = first - 1
    writer.prev = RecordId(ZERO_HASH if first == 1 else b"p" * 32)
    batch = writer.batch([(kind, known[kind]) for kind in kinds])
    assert [record.kind for record in batch.records] == kinds
    assert (batch.first_seq, batch.last_seq) == (first, first + len(kinds) - 1)
    assert batch.record_ids == tuple(record.record_id(CHANNEL) for record in batch.records)
    prevs = [record.prev for record in batch.records]
    assert prevs[1:] == list(batch.record_ids[:-1])
    assert batch.record.prev == prevs[0]


def chained(count: int) -> list[list[Value]]:
    """Entries that follow each other, however many."""
    prev = RecordId(ZERO_HASH)
    made: list[list[Value]] = []
    for seq in range(1, count + 1):
        body: list[Value] = [None, "note", 0, str(seq)]
        made.append(["event", seq, prev, body])
        prev = Record("event", SOURCE, seq, prev, body).record_id(CHANNEL)
    return made


def entries() -> list[list[Value]]:
    """The entries of an honest batch."""
    return chained(3)


def framed(body: list[list[Value]]) -> Value:
    """The payload of a batch of these."""
    return [1, "batch", SOURCE, 1, ZERO_HASH, list[Value](body)]


def bent(place: int, field: int, value: Value) -> list[list[Value]]:
    """That batch with one field changed."""
    changed = entries()
    changed[place][field] = value
    return changed


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("an empty batch", []),
        ("a batch of 65", chained(65)),
        ("an entry that is no list", [7]),
        ("an entry of three", [entries()[0][:3]]),
        ("a batch in a batch", bent(0, 0, "batch")),
        ("a tick in a batch", bent(1, 0, "tick")),
        ("a number that leaves a hole", bent(1, 1, 3)),
        ("a number that is true", bent(0, 1, True)),
        ("a number twice", bent(1, 1, 1)),
        ("a prev of something else", bent(1, 2, b"x" * 32)),
        ("a first prev that differs from the frame's", bent(0, 2, b"x" * 32)),
        ("a changed record under its successor", bent(0, 3, [None, "other", 0, ""])),
        ("a body that is no list", bent(2, 3, "body")),
        ("a kind that is no text", bent(0, 0, 5)),
        ("a kind of no letters", bent(2, 0, "")),
        ("a kind of 33 letters", bent(2, 0, "k" * 33)),
        ("a kind that is not ASCII", bent(2, 0, "évent")),
    ],
)
def test_a_batch_that_does_not_hang_together_is_refused(what: str, body: list[Value]) -> None:
    assert len(open_transaction(sealed(framed(entries())), CHANNEL).records) == 3
    assert len(open_transaction(sealed(framed(chained(64))), CHANNEL).records) == 64
    with pytest.raises(InvalidRecord):
        open_transaction(sealed([1, "batch", SOURCE, 1, ZERO_HASH, body]), CHANNEL)


@pytest.mark.parametrize("length", [1, 23, 24, 32])
def test_a_kind_of_any_length_is_a_part_of_the_name(length: int) -> None:
    batch = author().batch([("k" * length, [1]), ("event", []), ("k" * length, [2])])
    assert batch.record_ids == tuple(record.record_id(CHANNEL) for record in batch.records)


def test_a_batch_does_not_number_its_records_beyond_what_a_source_can_count() -> None:
    writer = author()
    writer.seq, writer.prev = SEQ_MAX - 2, RecordId(b"p" * 32)
    assert writer.batch([("event", [])] * 2).last_seq == SEQ_MAX
    with pytest.raises(InvalidRecord):
        writer.batch([("event", [])])
    writer.seq = SEQ_MAX - 2
    with pytest.raises(InvalidRecord, match="numbers"):
        writer.batch([("event", [])] * 3)


@pytest.mark.parametrize(
    "payload",
    [
        7,
        [],
        [2, "event", SOURCE, 1, ZERO_HASH, []],
        [True, "event", SOURCE, 1, ZERO_HASH, []],
        [1, "", SOURCE, 1, ZERO_HASH, []],
        [1, "k" * 33, SOURCE, 1, ZERO_HASH, []],
        [1, "évent", SOURCE, 1, ZERO_HASH, []],
        [1, "event", b"short", 1, ZERO_HASH, []],
        [1, "event", SOURCE, 0, ZERO_HASH, []],
        [1, "event", SOURCE, True, ZERO_HASH, []],
        [1, "event", SOURCE, 2**63, b"p" * 32, []],
        [1, "event", SOURCE, 1, b"p" * 32, []],
        [1, "event", SOURCE, 2, b"p" * 31, []],
        [1, "event", SOURCE, 1, ZERO_HASH, None],
        [1, "event", SOURCE, 1, ZERO_HASH],
    ],
)
def test_a_payload_of_another_shape_is_refused(payload: Value) -> None:
    with pytest.raises(InvalidRecord):
        open_transaction(sealed(payload), CHANNEL)


def test_a_payload_that_is_not_canonical_is_refused_though_it_is_signed() -> None:
    honest = Record("event", SOURCE, 1, RecordId(ZERO_HASH), [7]).payload()
    assert honest.endswith(b"\x81\x07")
    for payload in (honest[:-1] + b"\x18\x07", honest + b"\0", honest[:-2] + b"\x9f\x07\xff", b""):
        raw = envelope.seal(payload, object_name="tx", channel=CHANNEL, signer=KEY).encode()
        with pytest.raises(NonCanonical):
            open_transaction(raw, CHANNEL)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_worse(noise: bytes) -> None:
    with pytest.raises((InvalidEnvelope, NonCanonical, InvalidRecord)):
        open_transaction(noise, CHANNEL)


@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_the_name_of_the_bytes(data: st.DataObject) -> None:
    sent = author().say("transfer", every_kind.bodies()["transfer"])
    bit = data.draw(st.integers(0, 8 * len(sent.raw) - 1))
    raw = (int.from_bytes(sent.raw) ^ 1 << bit).to_bytes(len(sent.raw))
    try:
        opened = open_transaction(raw, CHANNEL)
    except (InvalidEnvelope, NonCanonical, InvalidRecord):
        return
    assert opened.wire_id != sent.wire_id
    with pytest.raises(InvalidEnvelope):
        opened.envelope.verify(KEY.public_key, object_name="tx", channel=CHANNEL)


def test_two_signatures_over_one_record_have_one_name_and_two_wire_ids() -> None:
    sent = author().say("event", [None, "note", 0, ""])
    again = replace(sent.envelope, signature=bytes(64))
    opened = open_transaction(again.encode(), CHANNEL)
    assert (opened.tx_id, opened.record_ids) == (sent.tx_id, sent.record_ids)
    assert opened.wire_id != sent.wire_id


def test_a_batch_of_the_largest_size_fits_an_envelope() -> None:
    batch = author().batch([("hour", every_kind.bodies()["hour"])] * limits.BATCH_RECORDS)
    assert len(batch.raw) < limits.ENVELOPE_BYTES
    assert len(batch.record_ids) == limits.BATCH_RECORDS


def test_signing_opens_what_it_sealed() -> None:
    record = Record("event", SOURCE, 1, RecordId(ZERO_HASH), [None, "note", 0, ""])
    signed = sign_record(record, channel=CHANNEL, signer=KEY)
    assert signed.record == record
    signed.envelope.verify(KEY.public_key, object_name="tx", channel=CHANNEL)
