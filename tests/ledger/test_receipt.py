"""A receipt is the final word about a transaction, in one encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.ledger.receipt import InvalidReceipt, Outcome, Receipt, decode_receipt, record_outcomes
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import TxId

TX_ID = TxId(b"x" * 32)
events = st.lists(
    st.lists(st.one_of(st.integers(0, 2**64 - 1), st.text("abc"), st.binary(max_size=4), st.none())),
    max_size=4,
)
receipts = st.builds(
    Receipt,
    tx_id=st.binary(min_size=32, max_size=32).map(TxId),
    outcome=st.sampled_from(Outcome),
    clause=st.none() | st.text("0123456789.", max_size=5),
    events=events.map(lambda made: tuple(list[Value](event) for event in made)),
)


@given(receipts)
def test_every_receipt_comes_back_from_its_bytes(made: Receipt) -> None:
    assert decode_receipt(made.encode()) == made


@given(receipts, st.data())
def test_a_flipped_bit_is_refused_or_gives_another_receipt(made: Receipt, data: st.DataObject) -> None:
    encoded = made.encode()
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    changed = (int.from_bytes(encoded) ^ 1 << bit).to_bytes(len(encoded))
    try:
        decoded = decode_receipt(changed)
    except InvalidReceipt:
        return
    assert decoded != made
    assert decoded.encode() == changed


def test_the_outcomes_are_the_numbers_of_the_wire() -> None:
    assert [(outcome.name, int(outcome)) for outcome in Outcome] == [
        ("ACCEPTED", 0), ("REFUSED", 1), ("INADMISSIBLE", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("a number", 7),
        ("a field less", [TX_ID, 0, None]),
        ("a field more", [TX_ID, 0, None, [], None]),
        ("an id of 31 bytes", [bytes(31), 0, None, []]),
        ("an id in text", ["x" * 32, 0, None, []]),
        ("an outcome that is none", [TX_ID, 3, None, []]),
        ("an outcome below 0", [TX_ID, -1, None, []]),
        ("an outcome that is true", [TX_ID, True, None, []]),
        ("an outcome that is false", [TX_ID, False, None, []]),
        ("a clause that is a number", [TX_ID, 1, 7, []]),
        ("events that are no list", [TX_ID, 0, None, "event"]),
        ("an event that is no list", [TX_ID, 0, None, [["good"], "bad"]]),
    ],
)
def test_other_values_are_no_receipt(what: str, value: Value) -> None:
    with pytest.raises(InvalidReceipt):
        decode_receipt(canonical.encode(value))


@given(st.binary(max_size=100))
def test_noise_is_refused_and_never_worse(noise: bytes) -> None:
    with pytest.raises(InvalidReceipt):
        decode_receipt(noise)


def test_the_outcomes_of_a_batch_are_read_from_its_events_and_from_no_other() -> None:
    made = Receipt(
        TX_ID,
        Outcome.REFUSED,
        "8.7",
        (
            ["record", 1, 0, None],
            ["hour.accepted", "alpha-1", 0, 700, "trial"],
            ["record", 2, 1, "8.7"],
            ["refused", "8.7", "stated already"],
            ["record", 3, 0, None],
            ["record", 4, True, None],
            ["record", 4, 3, None],
            ["record", "5", 0, None],
            ["record", 6, 0],
            ["records", 7, 0, None],
        ),
    )
    assert record_outcomes(made) == [
        (1, Outcome.ACCEPTED, None), (2, Outcome.REFUSED, "8.7"), (3, Outcome.ACCEPTED, None),
    ]  # fmt: skip
    assert record_outcomes(Receipt(TX_ID, Outcome.ACCEPTED, None, ())) == []
