"""What a gateway may rely on, whoever keeps the ledger: the words, and who must act on an error."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from doxedge.backends.port import (
    STATES,
    UNFINISHED,
    WAITS,
    LedgerError,
    RecordStatus,
    Rejected,
    State,
    Unauthorised,
    Unreachable,
    Wait,
)
from doxedge.ledger.block import TRANSACTIONS_MAX


def test_the_lists_hold_every_word_of_their_types() -> None:
    assert get_args(State) == STATES
    assert get_args(Wait) == WAITS
    assert tuple(UNFINISHED) == WAITS


def test_each_wait_is_satisfied_by_more_than_it_asks_for_and_by_every_refusal() -> None:
    """A longer wait waits for everything that a shorter one waits for."""
    waited = [UNFINISHED[wait] for wait in WAITS]
    assert all(shorter <= longer for shorter, longer in itertools.pairwise(waited))
    for wait in WAITS:
        assert not UNFINISHED[wait] & {"final", "conflict", "refused_at_admission"}
        assert wait not in UNFINISHED[wait]


def test_a_status_says_by_itself_only_what_is_known() -> None:
    status = RecordStatus(bytes(32), "stored")
    assert (status.outcome, status.clause, status.height, status.code, status.seen_by) == (
        None, None, None, None, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (Unreachable("away", outcome_unknown=True, retry_after_s=2), "later"),
        (Rejected("wrong", status=400, code="bad_id"), "never"),
        (Unauthorised("who?", status=401), "never"),
    ],
    ids=["unreachable", "rejected", "unauthorised"],
)
def test_an_error_says_whether_to_come_back(error: LedgerError, family: str) -> None:
    assert isinstance(error, Unreachable) is (family == "later")
    assert isinstance(error, Rejected) is (family == "never")


def test_a_full_submission_fits_one_block() -> None:
    from doxedge.backends.port import SUBMISSION_ENVELOPES

    assert SUBMISSION_ENVELOPES < TRANSACTIONS_MAX
