"""Fetching what was missed: one question at a time, answers bound to it, large blocks in parts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.gossip import message
from doxedge.gossip.catch_up import ASK_AGAIN_S, BLOCKS_PER_ANSWER, PART_BYTES, CatchUp, Question, answer
from doxedge.gossip.message import InvalidMessage, Kind
from doxedge.ledger.block import BLOCK_BYTES_MAX
from doxedge.signing.canonical import Value
from tests.ledger.channels import signer

ALPHA, BETA = b"A" * 16, b"B" * 16


def asking(height: int = 10, *peers: bytes) -> tuple[CatchUp, Question]:
    """A follower without any block who has asked for the first."""
    catch_up = CatchUp()
    for peer in peers or (ALPHA,):
        catch_up.saw_head(peer, height)
    question = catch_up.next_question(0, now_s=0.0)
    assert question is not None
    return catch_up, question


def blocks(*sizes: int) -> list[bytes]:
    return [bytes([number % 256]) * size for number, size in enumerate(sizes, 1)]


def test_nothing_is_asked_while_nobody_shows_more() -> None:
    catch_up = CatchUp()
    assert catch_up.next_question(0, now_s=0.0) is None
    catch_up.saw_head(ALPHA, 7)
    assert catch_up.next_question(7, now_s=0.0) is None
    assert catch_up.next_question(8, now_s=0.0) is None
    assert catch_up.best_height == 7


def test_a_head_never_goes_back() -> None:
    catch_up = CatchUp()
    catch_up.saw_head(ALPHA, 7)
    catch_up.saw_head(ALPHA, 3)
    assert catch_up.peers == {ALPHA: 7}


def test_one_question_is_outstanding_until_its_time_is_up_then_another_member_is_asked() -> None:
    catch_up, first = asking(10, ALPHA, BETA)
    assert (first.from_height, first.offset) == (1, 0)
    assert catch_up.next_question(0, now_s=ASK_AGAIN_S - 0.01) is None
    second = catch_up.next_question(0, now_s=ASK_AGAIN_S)
    assert second is not None
    assert {first.to, second.to} == {ALPHA, BETA}
    assert second.correlation != first.correlation


def test_only_who_is_ahead_is_asked() -> None:
    catch_up = CatchUp()
    catch_up.saw_head(ALPHA, 3)
    catch_up.saw_head(BETA, 9)
    for turn in range(4):
        question = catch_up.next_question(5, now_s=turn * ASK_AGAIN_S)
        assert question is not None
        assert (question.to, question.from_height) == (BETA, 6)


def test_whole_blocks_come_in_order_and_the_next_question_follows_them() -> None:
    catch_up, question = asking()
    given_blocks = blocks(10, 20, 30)
    assert catch_up.answered(ALPHA, question.correlation, answer(1, 0, given_blocks)) == given_blocks
    following = catch_up.next_question(3, now_s=0.0)
    assert following is not None
    assert following.from_height == 4


@pytest.mark.parametrize("case", ["another member", "another number", "twice", "too late", "never asked"])
def test_an_answer_that_was_not_asked_for_is_dropped(case: str) -> None:
    catch_up, question = asking(10, ALPHA, BETA)
    sender, correlation, body = question.to, question.correlation, answer(1, 0, blocks(10))
    if case == "another member":
        sender = BETA if question.to == ALPHA else ALPHA
    elif case == "another number":
        correlation += 1
    elif case == "twice":
        assert catch_up.answered(sender, correlation, body)
    elif case == "too late":
        assert catch_up.next_question(0, now_s=ASK_AGAIN_S)
    else:
        catch_up = CatchUp()
    assert catch_up.answered(sender, correlation, body) == []


def test_a_late_answer_does_not_end_the_question_that_is_due() -> None:
    catch_up, first = asking(10, ALPHA, BETA)
    second = catch_up.next_question(0, now_s=ASK_AGAIN_S)
    assert second is not None
    assert catch_up.answered(first.to, first.correlation, answer(1, 0, blocks(10))) == []
    assert catch_up.answered(second.to, second.correlation, answer(1, 0, blocks(10))) == blocks(10)


def test_who_does_not_have_them_says_so_and_another_is_asked_when_the_time_is_up() -> None:
    catch_up, question = asking(10, ALPHA, BETA)
    assert catch_up.answered(question.to, question.correlation, answer(1, 0, [])) == []
    other = catch_up.next_question(0, now_s=ASK_AGAIN_S)
    assert other is not None
    assert other.to != question.to


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="nothing"),
        pytest.param([1, 0, 0], id="no blocks"),
        pytest.param([2, 0, 0, [b"block"]], id="of another height"),
        pytest.param([1, 0, 0, [b"block", 7]], id="a block that is a number"),
        pytest.param([1, 0, 0, [b"x"] * (BLOCKS_PER_ANSWER + 1)], id="too many"),
        pytest.param([2, 10, 0, b"part"], id="a part of another height"),
        pytest.param([1, 10, 5, b"part"], id="a part from the middle"),
        pytest.param([1, 10, 0, b""], id="an empty part"),
        pytest.param([1, 3, 0, b"part"], id="more than the whole"),
        pytest.param([1, 0, 0, b"part"], id="more than nothing"),
        pytest.param([1, BLOCK_BYTES_MAX + 1, 0, b"part"], id="a block over the limit"),
        pytest.param([1, -1, -4, b"part"], id="negative numbers"),
        pytest.param(["1", 0, 0, []], id="a height in text"),
    ],
)
def test_an_answer_that_cannot_be_one_is_refused_and_another_member_is_asked(body: list[Value]) -> None:
    catch_up, question = asking(10, ALPHA, BETA)
    with pytest.raises(InvalidMessage):
        catch_up.answered(question.to, question.correlation, body)
    other = catch_up.next_question(0, now_s=0.0)
    assert other is not None
    assert other.to != question.to
    assert other.offset == 0


def fetch(catch_up: CatchUp, whole: bytes, *, now_s: float = 0.0) -> bytes:
    """Ask an honest member for the first block until it is whole."""
    while True:
        question = catch_up.next_question(0, now_s=now_s)
        assert question is not None
        found = catch_up.answered(question.to, question.correlation, answer(1, question.offset, [whole]))
        if found:
            return found[0]


@given(st.integers(PART_BYTES - 10, 5 * PART_BYTES))
def test_a_large_block_is_put_together_from_its_parts(size: int) -> None:
    whole = random.Random(size).randbytes(size)
    catch_up, question = asking()
    found = catch_up.answered(ALPHA, question.correlation, answer(1, 0, [whole]))
    assert (found[0] if found else fetch(catch_up, whole)) == whole


LARGE = random.Random(1).randbytes(3 * PART_BYTES)


@pytest.mark.parametrize(
    ("offset", "total"),
    [
        pytest.param(2 * PART_BYTES, len(LARGE), id="missing"),
        pytest.param(0, len(LARGE), id="doubled"),
        pytest.param(PART_BYTES, len(LARGE) + 1, id="of another length"),
    ],
)
def test_after_a_wrong_part_the_block_is_fetched_anew_of_another_member(offset: int, total: int) -> None:
    catch_up, first = asking(10, ALPHA, BETA)
    assert catch_up.answered(first.to, first.correlation, answer(1, 0, [LARGE])) == []
    second = catch_up.next_question(0, now_s=0.0)
    assert second is not None
    assert (second.to, second.offset) == (first.to, PART_BYTES)
    with pytest.raises(InvalidMessage):
        catch_up.answered(second.to, second.correlation, [1, total, offset, bytes(PART_BYTES)])
    third = catch_up.next_question(0, now_s=0.0)
    assert third is not None
    assert third.to != first.to
    assert third.offset == 0
    found = catch_up.answered(third.to, third.correlation, answer(1, 0, [LARGE]))
    assert (found[0] if found else fetch(catch_up, LARGE)) == LARGE


def test_a_part_whose_bytes_are_wrong_is_found_by_the_blocks_own_hash_and_nothing_of_it_stays() -> None:
    """This file does not know a block's hash; whoever does says `failed`."""
    catch_up, first = asking(10, ALPHA, BETA)
    wrong = bytes(len(LARGE))
    catch_up.answered(first.to, first.correlation, answer(1, 0, [wrong]))
    assert fetch(catch_up, wrong) == wrong
    catch_up.failed()
    again = catch_up.next_question(0, now_s=0.0)
    assert again is not None
    assert again.to != first.to
    assert again.offset == 0


def test_when_the_block_comes_another_way_its_parts_are_forgotten() -> None:
    catch_up, first = asking()
    catch_up.answered(first.to, first.correlation, answer(1, 0, [LARGE]))
    question = catch_up.next_question(1, now_s=0.0)
    assert question is not None
    assert (question.from_height, question.offset) == (2, 0)


@given(st.lists(st.integers(1, PART_BYTES), max_size=20))
def test_every_answer_fits_a_message(sizes: list[int]) -> None:
    body = answer(1, 0, blocks(*sizes))
    sealed = message.seal(Kind.HAVE, body, channel=bytes(32), signer=signer("alpha node"), correlation=2**31)
    assert message.open_message(sealed).body == body


def test_an_answer_holds_no_more_blocks_than_are_taken() -> None:
    body = answer(1, 0, blocks(*[1] * (BLOCKS_PER_ANSWER + 5)))
    assert isinstance(body[3], list)
    assert len(body[3]) == BLOCKS_PER_ANSWER


def test_beyond_the_end_of_a_block_there_is_nothing() -> None:
    assert answer(1, 100, blocks(50)) == [1, 50, 100, b""]
    assert answer(1, 100, []) == [1, 0, 0, []]
