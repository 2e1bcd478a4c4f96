"""The engine for one validator, effect by effect. What every engine promises is in tests/conformance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doxedge.consensus.certificate import VoteKind, check
from doxedge.consensus.engine import (
    AmnesiaError,
    Build,
    Built,
    Checked,
    Commit,
    Committed,
    Effect,
    Persist,
    Received,
    Started,
    TimePassed,
    WakeAt,
    WorkArrived,
)
from doxedge.consensus.header import Header, InvalidBlock
from doxedge.consensus.solo import PROPOSED, SoloEngine
from doxedge.signing.tags import BlockId
from tests.consensus.voters import CHANNEL, START_MS, header, validator_set, voter, voters

ONE = validator_set(1)
(KEY,) = voters(1)


def engine(floor: Header | None = None, *, interval_ms: int = 200) -> SoloEngine:
    """The engine above a floor."""
    return SoloEngine(channel=CHANNEL, validators=ONE, signer=KEY, floor=floor, interval_ms=interval_ms)


def only_build(effects: list[Effect]) -> Build:
    (effect,) = effects
    assert isinstance(effect, Build)
    return effect


def answer(wanted: Build, *, root: bytes = b"t" * 32) -> Header:
    """A header that is the answer to it."""
    return header(
        view=wanted.view,
        parent_view=wanted.parent_view,
        parent_id=wanted.parent_id,
        height=wanted.height,
        time_ms=wanted.time_ms,
        epoch=wanted.epoch,
        root=root,
    )


FLOOR = header(view=4, parent_view=3, height=3, parent_id=b"p" * 32, time_ms=START_MS + 500)


def test_the_first_block_stands_on_the_channel_itself() -> None:
    solo = engine()
    assert solo.step(Started(START_MS, {})) == []
    wanted = only_build(solo.step(WorkArrived(START_MS)))
    assert wanted == Build(0, 1, 0, BlockId(CHANNEL), 1, START_MS)


def test_a_later_block_stands_on_the_floor_and_after_its_time() -> None:
    wanted = only_build(engine(FLOOR).step(WorkArrived(START_MS)))
    assert wanted == Build(0, 5, 4, FLOOR.block_id, 4, START_MS + 501)


def test_the_signed_header_is_persisted_and_then_committed_with_its_certificate() -> None:
    solo = engine(FLOOR)
    made = answer(only_build(solo.step(WorkArrived(START_MS + 900))))
    persist, commit = solo.step(Built(START_MS + 900, made))
    assert persist == Persist({PROPOSED: made.encode()})
    assert isinstance(commit, Commit)
    assert commit.header == made
    assert commit.certificate.kind is VoteKind.FINALIZE
    check(commit.certificate, channel=CHANNEL, validators=ONE)


def test_work_that_comes_while_a_block_is_made_is_taken_after_it() -> None:
    solo = engine(interval_ms=0)
    made = answer(only_build(solo.step(WorkArrived(START_MS))))
    assert solo.step(WorkArrived(START_MS)) == []
    solo.step(Built(START_MS, made))
    assert solo.step(WorkArrived(START_MS)) == []
    following = only_build(solo.step(Committed(START_MS + 5, made)))
    assert (following.parent_id, following.height, following.view) == (made.block_id, 2, 2)


def test_without_new_work_nothing_follows_a_block() -> None:
    solo = engine(interval_ms=0)
    made = answer(only_build(solo.step(WorkArrived(START_MS))))
    solo.step(Built(START_MS, made))
    assert solo.step(Committed(START_MS, made)) == []
    assert solo.step(TimePassed(START_MS + 1_000)) == []


def test_between_two_blocks_lies_the_interval() -> None:
    solo = engine()
    made = answer(only_build(solo.step(WorkArrived(START_MS))))
    solo.step(Built(START_MS, made))
    solo.step(Committed(START_MS + 5, made))
    assert solo.step(WorkArrived(START_MS + 10)) == [WakeAt(START_MS + 200)]
    assert solo.step(TimePassed(START_MS + 199)) == [WakeAt(START_MS + 200)]
    assert only_build(solo.step(TimePassed(START_MS + 200))).height == 2


def test_a_clock_that_was_set_back_does_not_stop_the_channel() -> None:
    solo = engine()
    made = answer(only_build(solo.step(WorkArrived(START_MS))))
    solo.step(Built(START_MS, made))
    solo.step(Committed(START_MS + 5, made))
    wanted = only_build(solo.step(WorkArrived(START_MS - 3_600_000)))
    assert wanted.time_ms == made.time_ms + 1


def test_a_block_of_nothing_uses_no_view() -> None:
    solo = engine(interval_ms=0)
    assert only_build(solo.step(WorkArrived(START_MS))).view == 1
    assert solo.step(Built(START_MS, None)) == []
    assert only_build(solo.step(WorkArrived(START_MS + 1))).view == 1


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("another view", {"view": 9}),
        ("another height", {"height": 9}),
        ("another parent", {"parent_id": bytes(32)}),
        ("another parent's view", {"parent_view": 3}),
        ("another epoch", {"epoch": 1}),
        ("another time", {"time_ms": START_MS}),
    ],
)
def test_only_the_block_that_was_asked_for_is_signed(what: str, change: dict[str, object]) -> None:
    solo = engine(FLOOR)
    wanted = only_build(solo.step(WorkArrived(START_MS + 900)))
    with pytest.raises(RuntimeError, match="not asked for"):
        solo.step(Built(START_MS + 900, replace(answer(wanted), **change)))  # type: ignore[arg-type]


def test_a_second_answer_to_one_question_is_not_signed() -> None:
    solo = engine()
    wanted = only_build(solo.step(WorkArrived(START_MS)))
    solo.step(Built(START_MS, answer(wanted)))
    with pytest.raises(RuntimeError, match="voted in"):
        solo.step(Built(START_MS, answer(wanted, root=b"u" * 32)))


def test_after_a_crash_between_vote_and_commit_the_next_block_takes_a_later_view() -> None:
    signed = header(view=5, parent_view=4, height=4, parent_id=FLOOR.block_id, time_ms=START_MS + 900)
    solo = engine(FLOOR)
    assert solo.step(Started(START_MS + 950, {PROPOSED: signed.encode()})) == []
    wanted = only_build(solo.step(WorkArrived(START_MS + 950)))
    assert (wanted.view, wanted.parent_view, wanted.parent_id) == (6, 4, FLOOR.block_id)


def test_after_a_commit_the_journal_says_nothing_new() -> None:
    solo = engine(FLOOR)
    assert solo.step(Started(START_MS, {PROPOSED: FLOOR.encode()})) == []
    assert only_build(solo.step(WorkArrived(START_MS))).view == 5


def test_a_vote_above_the_next_height_means_that_the_disk_is_an_old_copy() -> None:
    ahead = header(view=9, parent_view=8, height=5, parent_id=b"q" * 32)
    with pytest.raises(AmnesiaError, match="height 5, and its disk ends at 3"):
        engine(FLOOR).step(Started(START_MS, {PROPOSED: ahead.encode()}))
    with pytest.raises(AmnesiaError, match="disk ends at 0"):
        engine().step(Started(START_MS, {PROPOSED: ahead.encode()}))


def test_a_journal_that_cannot_be_read_stops_the_node() -> None:
    with pytest.raises(InvalidBlock):
        engine(FLOOR).step(Started(START_MS, {PROPOSED: b"torn"}))


def test_it_serves_one_validator_and_only_at_that_validator() -> None:
    for validators, key in ((validator_set(2), KEY), (ONE, voter(5))):
        with pytest.raises(ValueError, match="one validator"):
            SoloEngine(channel=CHANNEL, validators=validators, signer=key, floor=None)


def test_what_others_say_means_nothing_to_it() -> None:
    solo = engine()
    assert solo.step(Received(START_MS, bytes(16), b"vote")) == []
    assert solo.step(Checked(BlockId(bytes(32)), True)) == []
