"""Two records with one number wait for the block that can hold the proof."""

from __future__ import annotations

import pytest

from doxedge.contracts import numbering
from doxedge.contracts.rule import Book
from doxedge.node.accusations import FRAME_BYTES, KEPT_MAX, PER_BLOCK, Accusations, stands
from doxedge.signing import limits
from tests.ledger.channels import TestChannel

SOURCE = bytes(16)


def book_at(seq: int, *, proved: int | None = None) -> Book:
    """A state in which the source has consumed `seq` numbers, and `proved` is proved to be claimed twice."""
    draft = TestChannel.begin().chain.state.draft()
    entry = numbering.SourceEntry(bytes(16), seq, bytes(32), False, "alpha", None, None)
    numbering.put_source(draft, SOURCE, entry)
    if proved is not None:
        draft.put(numbering.FORKS, SOURCE + proved.to_bytes(8, "big"), [bytes(32), bytes(32), "regulator"])
    return draft


def test_a_proof_waits_until_its_number_is_consumed() -> None:
    kept = Accusations()
    assert kept.add(book_at(0), source=SOURCE, seq=1, first=b"one", second=b"two")
    assert kept.bodies(book_at(0)) == []
    assert kept.bodies(book_at(0), consumed_now={(SOURCE, 1)}) == [[b"one", b"two"]]
    assert kept.bodies(book_at(1)) == [[b"one", b"two"]]


def test_a_proof_that_stands_is_forgotten_and_not_taken_again() -> None:
    kept = Accusations()
    kept.add(book_at(1), source=SOURCE, seq=1, first=b"one", second=b"two")
    proved = book_at(1, proved=1)
    assert stands(proved, SOURCE, 1)
    assert not stands(proved, SOURCE, 2)
    assert kept.bodies(proved) == []
    assert len(kept) == 0
    assert not kept.add(proved, source=SOURCE, seq=1, first=b"one", second=b"three")


def test_the_first_accusation_of_a_number_is_the_one_that_is_kept() -> None:
    kept = Accusations()
    assert kept.add(book_at(1), source=SOURCE, seq=1, first=b"one", second=b"two")
    assert not kept.add(book_at(1), source=SOURCE, seq=1, first=b"one", second=b"three")
    assert kept.bodies(book_at(1)) == [[b"one", b"two"]]


@pytest.mark.parametrize(
    ("what", "size", "is_kept"),
    [
        ("as large as a record may be", limits.ENVELOPE_BYTES - FRAME_BYTES, True),
        ("a byte more", limits.ENVELOPE_BYTES - FRAME_BYTES + 1, False),
    ],
)
def test_two_envelopes_must_fit_one_record(what: str, size: int, is_kept: bool) -> None:
    first = bytes(size // 2)
    assert (
        Accusations().add(book_at(1), source=SOURCE, seq=1, first=first, second=bytes(size - len(first)))
        == is_kept
    )


def test_no_more_wait_than_may_and_no_more_enter_one_block_than_may() -> None:
    kept = Accusations()
    book = book_at(KEPT_MAX + 1)
    taken = [kept.add(book, source=SOURCE, seq=n, first=b"1", second=b"2") for n in range(1, KEPT_MAX + 2)]
    assert taken == [True] * KEPT_MAX + [False]
    assert len(kept.bodies(book)) == PER_BLOCK
