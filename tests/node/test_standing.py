"""Who may vote, who follows, and what stops him."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doxedge.consensus.header import Header
from doxedge.node.standing import BEHIND, Standing
from tests.ledger.channels import TestChannel


def header(height: int) -> Header:
    return replace(TestChannel.begin().block().header, height=height)


def validator(*, has_listened: bool = False) -> Standing:
    return Standing("north", is_validator=True, has_listened=has_listened)


def test_a_validator_votes_only_after_it_has_listened() -> None:
    standing = validator()
    assert not standing.votes
    standing.has_listened = True
    assert standing.votes


def test_a_node_without_the_validators_key_never_votes() -> None:
    standing = Standing("north", is_validator=False, has_listened=True)
    assert not standing.votes


def test_a_later_certified_block_silences_a_validator_and_is_news_once() -> None:
    standing = validator(has_listened=True)
    assert standing.saw_certified(header(9), own_height=5)
    assert not standing.votes
    assert "height 5" in (standing.silent or "")
    assert "vote_again_from_height = 9" in (standing.silent or "")
    assert not standing.saw_certified(header(9), own_height=5)
    assert not standing.saw_certified(header(7), own_height=5)
    assert standing.saw_certified(header(12), own_height=5)


def test_a_certified_block_that_it_has_changes_nothing_for_a_validator() -> None:
    standing = validator(has_listened=True)
    assert not standing.saw_certified(header(5), own_height=5)
    assert standing.votes


def test_a_follower_that_is_behind_is_told_to_wait_and_is_not_silenced() -> None:
    standing = Standing("north", is_validator=False, has_heard=True)
    assert not standing.saw_certified(header(9), own_height=5)
    assert standing.silent is None
    assert not standing.is_in_step(5)
    assert standing.reasons(5) == ["is at height 5 of 9: wait"]
    assert standing.is_in_step(9)
    assert standing.reasons(9) == []


@pytest.mark.parametrize(
    ("what", "behind", "own", "allowed", "votes"),
    [
        ("no word of the operator", 9, 9, None, False),
        ("his word is of an earlier block", 9, 9, 8, False),
        ("his word is of a block that is not here yet", 9, 8, 9, False),
        ("his word is of the block, and it is here", 9, 9, 9, True),
        ("it is further already", 9, 20, 9, True),
        ("his word is of a later block, and it is here", 9, 20, 15, True),
        ("a file that was set aside, an old word, nothing fetched", 0, 0, 15, False),
    ],
)
def test_votes_that_were_lost_come_back_by_the_operators_word(
    what: str, behind: int, own: int, allowed: int | None, votes: bool
) -> None:
    standing = validator(has_listened=True)
    assert standing.resume(behind, own_height=own, allowed_height=allowed) is votes
    assert standing.votes is votes


def test_a_validator_whose_file_was_set_aside_keeps_on_disk_that_it_must_not_vote() -> None:
    standing = validator(has_listened=True)
    assert standing.lost_its_file() == {BEHIND: bytes(8)}
    assert not standing.votes
    assert "set aside" in standing.reasons(0)[0]


def test_a_follower_whose_file_was_set_aside_has_nothing_to_keep() -> None:
    standing = Standing("north", is_validator=False)
    assert standing.lost_its_file() == {}
    assert standing.reasons(0) == []


def test_the_first_reason_to_stop_stands_and_nothing_votes_after_it() -> None:
    standing = validator(has_listened=True)
    standing.halt("two blocks of one height")
    standing.halt("something later")
    assert not standing.votes
    assert standing.reasons(0) == ["stopped: two blocks of one height"]


def test_a_node_knows_that_it_is_in_step_only_after_it_has_heard_a_validator_or_orders_itself() -> None:
    follower = Standing("north", is_validator=False)
    assert not follower.is_in_step(0)
    follower.has_heard = True
    assert follower.is_in_step(0)
    assert Standing("north", is_validator=False, is_alone=True).is_in_step(0)
    assert validator(has_listened=True).is_in_step(0)


def test_a_block_from_the_future_is_told_with_what_to_check() -> None:
    standing = Standing("north", is_validator=False)
    standing.clock_differs(20_000)
    assert standing.reasons(0) == ["the next block is 20000 ms ahead of this clock: check the time service"]
