"""Notes of what was seen: gathered, bounded, paced; and counted by member."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.gossip import message
from doxedge.gossip.message import InvalidMessage, Kind
from doxedge.gossip.seen import (
    NOTE_IDS_MAX,
    NOTES_BURST,
    NOTES_PER_S,
    PENDING_IDS_MAX,
    Notes,
    Sightings,
    note,
    read_note,
)
from doxedge.signing.canonical import Value
from tests.ledger.channels import signer

AUTHOR, OTHER = b"A" * 16, b"B" * 16


def names(count: int, *, start: int = 0) -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in range(start, start + count)]


def told(notes: Notes, now_s: float) -> dict[bytes, list[bytes]]:
    return {author: read_note(body) for author, body in notes.due(now_s)}


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=50))
def test_a_note_is_read_as_it_was_written(tx_ids: list[bytes]) -> None:
    assert read_note(note(tx_ids)) == tx_ids


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="empty body"),
        pytest.param([b""], id="no name"),
        pytest.param([bytes(31)], id="half a name"),
        pytest.param([bytes(33)], id="a name and a byte"),
        pytest.param([bytes(32), bytes(32)], id="two strings"),
        pytest.param([[bytes(32)]], id="a list"),
        pytest.param(["a" * 32], id="text"),
        pytest.param([bytes(32 * (NOTE_IDS_MAX + 1))], id="one name too many"),
    ],
)
def test_what_is_no_note_is_refused(body: list[Value]) -> None:
    with pytest.raises(InvalidMessage):
        read_note(body)


def test_the_largest_note_fits_a_message() -> None:
    body = note(names(NOTE_IDS_MAX))
    sealed = message.seal(Kind.SEEN, body, channel=bytes(32), signer=signer("alpha node"))
    assert read_note(message.open_message(sealed).body) == names(NOTE_IDS_MAX)


def test_what_was_gathered_goes_in_one_note_for_each_author() -> None:
    notes = Notes()
    notes.add(AUTHOR, names(3))
    notes.add(OTHER, names(1))
    notes.add(AUTHOR, names(3, start=2))  # one of them waits already
    assert told(notes, 0.0) == {AUTHOR: names(5), OTHER: names(1)}
    assert told(notes, 0.0) == {}


def test_a_name_that_was_told_is_told_again_when_its_author_says_it_again() -> None:
    notes = Notes()
    for _ in range(2):
        notes.add(AUTHOR, names(1))
        assert told(notes, 0.0) == {AUTHOR: names(1)}


def test_an_author_is_told_no_faster_than_the_pace_and_the_others_are_not_held_up() -> None:
    notes = Notes()
    for number in range(NOTES_BURST):
        notes.add(AUTHOR, names(1, start=number))
        assert told(notes, 0.0)
    notes.add(AUTHOR, names(2, start=1_000))
    notes.add(OTHER, names(1))
    assert told(notes, 0.0) == {OTHER: names(1)}
    assert told(notes, 1 / NOTES_PER_S) == {AUTHOR: names(2, start=1_000)}


def test_a_long_list_goes_in_several_notes_and_beyond_the_bound_the_oldest_are_dropped() -> None:
    notes = Notes()
    notes.add(AUTHOR, names(PENDING_IDS_MAX + 5))
    assert notes.dropped == 5
    found: list[bytes] = []
    while page := told(notes, 0.0):
        assert len(page[AUTHOR]) <= NOTE_IDS_MAX
        found += page[AUTHOR]
    assert found == names(PENDING_IDS_MAX, start=5)


def test_a_transaction_is_seen_from_so_many_distinct_members_on() -> None:
    (tx_id,) = names(1)
    sightings = Sightings(2)
    sightings.follow(tx_id)
    assert sightings.saw("beta", [tx_id])
    assert not sightings.saw("beta", [tx_id]), "one member is counted once"
    assert (sightings.seen_by(tx_id), sightings.is_seen(tx_id)) == (("beta",), False)
    assert sightings.saw("alpha", [tx_id])
    assert (sightings.seen_by(tx_id), sightings.is_seen(tx_id)) == (("alpha", "beta"), True)


def test_notes_of_what_does_not_wait_here_take_no_memory() -> None:
    sightings = Sightings(1)
    assert not sightings.saw("beta", names(1_000))
    assert len(sightings) == 0
    assert not sightings.is_seen(names(1)[0])


def test_what_has_left_the_pool_is_forgotten_and_the_rest_keeps_its_count() -> None:
    gone, stays, new = names(3)
    sightings = Sightings(1)
    for tx_id in (gone, stays):
        sightings.follow(tx_id)
    sightings.saw("beta", [gone, stays])
    sightings.keep_only([stays, new])
    assert len(sightings) == 2
    assert sightings.seen_by(gone) == ()
    assert sightings.seen_by(stays) == ("beta",)
    sightings.follow(stays)
    assert sightings.seen_by(stays) == ("beta",), "to follow twice forgets nothing"
