"""§ 7 Transfer."""

from __future__ import annotations

import pytest

from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import accounts
from doxedge.contracts.figures import Config
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
from tests.contracts.small_channel import SmallChannel, give, long, open_account


def _transfer() -> Attempt:
    """Alpha holds 10,000 g of 2026 and has emitted 4,000 g; beta may hold two pending credits."""
    channel = SmallChannel.begin(bilateral_transfers=1, pending_max=2).commissioned(alpha_1=10_000)
    channel.state("alpha-1", 1, 4_000)
    return Attempt(channel, "transfer", channel.account("alpha-1"), give("alpha-1", "beta-1", 1_000))


def _market_only(attempt: Attempt) -> None:
    channel = attempt.channel
    channel.do("config", channel.regulator, Config("bilateral_transfers", 0, "the market is open"))


def _full(attempt: Attempt) -> None:
    for _ in range(2):
        attempt.channel.send("alpha-1", "beta-1", 1)


CASES = (
    RuleCases(
        "transfer",
        _transfer,
        {
            "7.1": {
                "the numbering of the receiving account": lambda a: a.by(account="beta-1"),
                "the officer's own numbering": lambda a: a.by(account=None),
                "the regulator": lambda a: a.by(account=None, party="regulator", role="regulator"),
                "an account that is not there": lambda a: a.saying(from_account="nowhere"),
            },
            "7.2": {"an unknown account": lambda a: a.saying(to_account="nowhere")},
            "7.3": {"to itself": lambda a: a.saying(to_account="alpha-1")},
            "7.4": {
                "credits of another channel": lambda a: a.saying(asset=long("another channel")),
                "no channel": lambda a: a.saying(asset=b""),
            },
            "7.5": {
                "nothing": lambda a: a.saying(amount=OpenAmount(0)),
                "less than nothing": lambda a: a.saying(amount=OpenAmount(-1)),
                "2^40 g": lambda a: a.saying(amount=OpenAmount(2**40)),
                "2^63 g": lambda a: a.saying(amount=OpenAmount(2**63)),
                "-2^63 g": lambda a: a.saying(amount=OpenAmount(-(2**63))),
            },
            "7.6": {"between owners where the market is": _market_only},
            "7.7": {"too many pending credits": _full},
            "7.8": {
                "a gram more than is held": lambda a: a.saying(amount=OpenAmount(10_001)),
                "the greatest amount": lambda a: a.saying(amount=OpenAmount(2**40 - 1)),
                "credits of a year that nobody has": lambda a: a.saying(vintage=2027),
                "credits of a year that is none": lambda a: a.saying(vintage=0),
                "a number that fits no key": lambda a: a.saying(vintage=2**40),
            },
            "7.9": {
                "a gram of what was emitted": lambda a: a.saying(amount=OpenAmount(6_001)),
                "all that is held": lambda a: a.saying(amount=OpenAmount(10_000)),
            },
        },
        apart=frozenset({("7.2", "7.3")}),
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


def test_credits_move_and_what_is_pending_at_the_giver_is_folded() -> None:
    attempt = _transfer()
    book = attempt.channel.book
    assert attempt.judge() == [["transfer.made", "alpha-1", "beta-1", 2026, 1_000]]
    giver, taker = (accounts.position(book, account, 2026) for account in ("alpha-1", "beta-1"))
    assert (giver.held_g, giver.pending_g, giver.headroom_g) == (9_000, 0, 5_000)
    assert (taker.held_g, taker.pending_g) == (1_000, 1_000)


def test_exactly_what_was_not_emitted_is_sold_and_not_a_gram_more() -> None:
    channel = _transfer().channel
    channel.send("alpha-1", "beta-1", 6_000)
    assert accounts.position(channel.book, "alpha-1", 2026).headroom_g == 0
    rest = Attempt(channel, "transfer", channel.account("alpha-1"), give("alpha-1", "beta-1", 1))
    assert rest.cited() == "7.9"


def test_pending_credits_are_spent_once() -> None:
    channel = SmallChannel.begin(bilateral_transfers=1).with_plants()
    channel.issue("alpha-1", 1_000)
    channel.send("alpha-1", "beta-1", 1_000)
    again = Attempt(channel, "transfer", channel.account("alpha-1"), give("alpha-1", "beta-1", 1))
    assert again.cited() == "7.8"
    channel.send("beta-1", "alpha-1", 1_000)
    assert accounts.position(channel.book, "beta-1", 2026).held_g == 0


def test_a_full_list_of_pending_credits_has_room_again_after_an_outgoing_transfer() -> None:
    channel = _transfer().channel
    for _ in range(2):
        channel.send("alpha-1", "beta-1", 1)
    full = Attempt(channel, "transfer", channel.account("alpha-1"), give("alpha-1", "beta-1", 1))
    assert full.cited() == "7.7"
    channel.send("beta-1", "beta-trade", 1)
    assert full.cited() is None


def test_the_bound_of_pending_credits_is_that_of_the_figure() -> None:
    channel = SmallChannel.begin(bilateral_transfers=1).with_plants()
    channel.issue("alpha-1", 1_000)
    for _ in range(256):
        channel.send("alpha-1", "beta-1", 1)
    full = Attempt(channel, "transfer", channel.account("alpha-1"), give("alpha-1", "beta-1", 1))
    assert full.cited() == "7.7"
    assert accounts.position(channel.book, "beta-1", 2026).held_g == 256


def test_the_emission_of_a_year_binds_only_credits_of_that_year() -> None:
    channel = _transfer().channel
    channel.issue("alpha-1", 500, 2027)
    channel.send("alpha-1", "beta-1", 500, 2027)
    assert accounts.position(channel.book, "alpha-1", 2027).held_g == 0


@pytest.mark.parametrize(
    ("giver", "taker", "clause"),
    [
        ("alpha-1", "alpha-trade", None),
        ("alpha-trade", "alpha-1", None),
        ("alpha-1", "reserve", None),
        ("reserve", "beta-1", None),
        ("alpha-1", "beta-1", "7.6"),
        ("beta-trade", "alpha-trade", "7.6"),
        ("verifier's", "alpha-1", "7.6"),
    ],
)
def test_without_the_figure_credits_move_within_an_owner_or_with_the_regulator(
    giver: str, taker: str, clause: str | None
) -> None:
    channel = SmallChannel.begin().with_plants()
    channel.do("account.open", channel.regulator, open_account("reserve", "regulator"))
    channel.do("account.open", channel.regulator, open_account("verifier's", "verifier"))
    channel.issue(giver, 10)
    assert Attempt(channel, "transfer", channel.account(giver), give(giver, taker, 10)).cited() == clause


def test_a_sale_that_leaves_little_warns_and_a_purchase_recovers() -> None:
    channel = SmallChannel.begin(bilateral_transfers=1).commissioned(alpha_1=10_000, beta_1=20_000)
    channel.state("alpha-1", 1, 4_000)
    sold = channel.send("alpha-1", "beta-1", 5_500)
    assert sold[1][:4] == ["headroom.warning", "alpha-1", 2026, 500]
    bought = channel.send("beta-1", "alpha-1", 10_000)
    assert bought[1] == ["headroom.recovered", "alpha-1", 2026, 10_500]
