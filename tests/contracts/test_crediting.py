"""§ 6 Vintages."""

from __future__ import annotations

import pytest

from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import accounts, crediting
from doxedge.quantity import MAX_AMOUNT_G
from tests.contracts.refusals import (
    Attempt,
    Fault,
    RuleCases,
    accepted,
    check_accepted,
    check_lower,
    check_refused,
    pairs,
    singles,
)
from tests.contracts.small_channel import SmallChannel, issue, long


def _issue() -> Attempt:
    channel = SmallChannel.begin(pending_max=2, bilateral_transfers=1).with_plants()
    return Attempt(channel, "vintage.issue", channel.regulator, issue("alpha-1", 10_000))


def _full(attempt: Attempt) -> None:
    """Two gifts from beta are pending, and no more fit."""
    attempt.channel.issue("beta-1", 100)
    for _ in range(2):
        attempt.channel.send("beta-1", "alpha-1", 1)


CASES = (
    RuleCases(
        "vintage.issue",
        _issue,
        {
            "6.1": {
                "a company": lambda a: a.by(role="company"),
                "the regulator's node": lambda a: a.by(purpose="node"),
            },
            "6.2": {"an unknown account": lambda a: a.saying(account="nowhere")},
            "6.3": {"credits of another channel": lambda a: a.saying(asset=long("another channel"))},
            "6.4": {
                "before 1970": lambda a: a.saying(vintage=1969),
                "after 2200": lambda a: a.saying(vintage=2201),
                "year nought": lambda a: a.saying(vintage=0),
                "more than four bytes": lambda a: a.saying(vintage=2**32),
            },
            "6.5": {
                "nothing": lambda a: a.saying(amount=OpenAmount(0)),
                "less than nothing": lambda a: a.saying(amount=OpenAmount(-1)),
                "2^40 g": lambda a: a.saying(amount=OpenAmount(2**40)),
                "2^63 g": lambda a: a.saying(amount=OpenAmount(2**63)),
            },
            "6.6": {
                "the same year again": lambda a: a.first(),
                "the same year again, another amount": lambda a: a.first().saying(amount=OpenAmount(1)),
            },
            "6.7": {"too many pending credits": _full},
        },
        apart=frozenset({("6.6", "6.7")}),
    ),
)


@accepted(*CASES)
def test_the_act_without_a_fault_is_accepted(cases: RuleCases) -> None:
    check_accepted(cases)


@singles(*CASES)
def test_a_fault_is_refused_with_its_clause(cases: RuleCases, clause: str, fault: Fault) -> None:
    check_refused(cases, clause, fault)


@pairs(*CASES)
def test_of_two_faults_the_lower_clause_is_cited(cases: RuleCases, lower: str, two: list[Fault]) -> None:
    check_lower(cases, lower, two)


def test_issued_credits_are_pending_and_the_record_keeps_the_origin() -> None:
    attempt = _issue()
    book = attempt.channel.book
    assert attempt.judge() == [["vintage.issued", "alpha-1", 2026, 10_000]]
    assert crediting.issued_g(book, "alpha-1", 2026) == 10_000
    position = accounts.position(book, "alpha-1", 2026)
    assert (position.held_g, position.pending_g) == (10_000, 10_000)


def test_every_account_has_its_credits_of_every_year_once() -> None:
    channel = _issue().channel
    for account in ("alpha-1", "alpha-trade", "beta-1"):
        for vintage in (1970, 2026, 2027, 2200):
            channel.issue(account, 5, vintage)
            with pytest.raises(Exception, match=r"^6\.6"):
                channel.issue(account, 5, vintage)


def test_the_greatest_amount_is_issued() -> None:
    attempt = _issue()
    attempt.saying(amount=OpenAmount(MAX_AMOUNT_G))
    attempt.judge()
    assert accounts.position(attempt.channel.book, "alpha-1", 2026).held_g == 2**40 - 1


@pytest.mark.parametrize("vintage", [2025, 2027, 0, 2**32])
def test_nothing_is_issued_for_a_year_that_nobody_issued(vintage: int) -> None:
    attempt = _issue()
    attempt.judge()
    assert crediting.issued_g(attempt.channel.book, "alpha-1", vintage) == 0


def test_credits_that_come_after_the_emission_end_its_exceedance() -> None:
    channel = SmallChannel.begin().commissioned()
    assert channel.state("alpha-1", 1, 500)[-1] == ["headroom.exceeded", "alpha-1", 2026, 500, 0]
    assert channel.issue("alpha-1", 10_000) == [
        ["vintage.issued", "alpha-1", 2026, 10_000],
        ["headroom.recovered", "alpha-1", 2026, 9_500],
    ]
