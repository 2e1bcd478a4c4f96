"""§ 5 Accounts and holdings."""

from __future__ import annotations

import pytest

from doxedge.contracts import accounts, numbering, units
from doxedge.contracts.accounts import Fold
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
from tests.contracts.small_channel import SmallChannel, give, open_account, register_unit, short


def _open() -> Attempt:
    channel = SmallChannel.begin()
    channel.do("unit.register", channel.regulator, register_unit("alpha-1", "alpha"))
    return Attempt(channel, "account.open", channel.regulator, open_account("alpha-1", "alpha", "alpha-1"))


def _fold() -> Attempt:
    channel = SmallChannel.begin().with_plants()
    channel.issue("alpha-1", 1_000)
    return Attempt(channel, "account.fold", channel.account("alpha-1"), Fold("alpha-1", 2026))


CASES = (
    RuleCases(
        "account.open",
        _open,
        {
            "5.1": {"its owner": lambda a: a.by(party="alpha", role="company")},
            "5.2": {
                "no name": lambda a: a.saying(account=""),
                "a NUL, which parts names from years": lambda a: a.saying(account="alpha\0"),
                "a space at the beginning": lambda a: a.saying(account=" alpha"),
            },
            "5.3": {"an unknown party": lambda a: a.saying(party="nobody")},
            "5.4": {
                "the name of somebody else's account": lambda a: a.channel.do(
                    "account.open", a.channel.regulator, open_account("alpha-1", "beta")
                ),
                "the same account again": lambda a: a.first(),
            },
            "5.5": {"an unknown unit": lambda a: a.saying(unit="nowhere")},
            "5.6": {"a unit of another party": lambda a: a.saying(party="beta")},
            "5.7": {
                "a second compliance account of one unit": lambda a: a.channel.do(
                    "account.open", a.channel.regulator, open_account("first", "alpha", "alpha-1")
                )
            },
        },
        apart=frozenset({("5.5", "5.6")}),
    ),
    RuleCases(
        "account.fold",
        _fold,
        {
            "5.8": {
                "another account": lambda a: a.by(account="beta-1"),
                "the officer's own numbering": lambda a: a.by(account=None),
                "the regulator": lambda a: a.by(party="regulator", role="regulator", account=None),
                "an account that is not there": lambda a: a.saying(account="nowhere"),
            },
            "5.9": {
                "folded already": lambda a: a.first(),
                "another year": lambda a: a.saying(vintage=2027),
                "a year that is none": lambda a: a.saying(vintage=0),
                "a number that fits no key": lambda a: a.saying(vintage=2**40),
            },
        },
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


def test_an_opened_account_is_the_units_and_numbers_for_itself() -> None:
    attempt = _open()
    book = attempt.channel.book
    assert attempt.judge() == [["account.opened", "alpha-1", "alpha", "alpha-1", short("alpha-1 account")]]
    assert accounts.find_account(book, "alpha-1") == accounts.AccountEntry(
        "alpha", "alpha-1", short("alpha-1 account")
    )
    unit = units.find_unit(book, "alpha-1")
    assert unit is not None
    assert unit.account == "alpha-1"
    source = numbering.find_source(book, short("alpha-1 account"))
    assert source is not None
    assert (source.account, source.party, source.holder_key_id) == (
        "alpha-1",
        "alpha",
        short("alpha officer"),
    )


def test_a_party_may_have_trading_accounts_without_a_unit() -> None:
    attempt = _open()
    attempt.judge()
    for name in ("one", "two"):
        attempt.saying(account=name, unit=None)
        assert attempt.cited() is None
    position = accounts.position(attempt.channel.book, "one", 2026)
    assert (position.held_g, position.emitted_g, position.headroom_g) == (0, 0, 0)


def test_folding_keeps_what_is_held_and_empties_the_list() -> None:
    attempt = _fold()
    book = attempt.channel.book
    assert accounts.position(book, "alpha-1", 2026).pending_g == 1_000
    assert attempt.judge() == [["account.folded", "alpha-1", 2026, 1_000]]
    position = accounts.position(book, "alpha-1", 2026)
    assert (position.held_g, position.pending_g) == (1_000, 0)


def test_a_full_account_in_shortfall_folds_and_takes_new_credits() -> None:
    """A stranger's many small gifts must not keep out the credits that an account needs."""
    channel = SmallChannel.begin(pending_max=3, bilateral_transfers=1).commissioned(alpha_1=100, beta_1=1_000)
    channel.state("alpha-1", 1, 5_000)
    for _ in range(2):
        channel.send("beta-1", "alpha-1", 1)
    gift = Attempt(channel, "transfer", channel.account("beta-1"), give("beta-1", "alpha-1", 500))
    assert gift.cited() == "7.7"
    way_out = Attempt(channel, "transfer", channel.account("alpha-1"), give("alpha-1", "alpha-trade", 1))
    assert way_out.cited() == "7.9"
    channel.do("account.fold", channel.account("alpha-1"), Fold("alpha-1", 2026))
    assert gift.cited() is None
    assert accounts.position(channel.book, "alpha-1", 2026).held_g == 602


@pytest.mark.parametrize("vintage", [-1, 0, 1969, 2201, 2**32, 2**63])
def test_nothing_is_held_of_a_vintage_that_is_not_a_year(vintage: int) -> None:
    channel = SmallChannel.begin().with_plants()
    holding = accounts.balance(channel.book, "alpha-1", vintage)
    assert (holding.held().grams, holding.pending) == (0, ())


def test_an_account_that_was_never_opened_has_an_empty_position() -> None:
    position = accounts.position(SmallChannel.begin().book, "nowhere", 2026)
    assert (position.held_g, position.reserved_g, position.emitted_g, position.headroom_g) == (0, 0, 0, 0)


def test_headroom_is_held_less_reserved_less_emitted() -> None:
    position = accounts.Position("any", 2026, held_g=100, pending_g=60, reserved_g=30, emitted_g=80)
    assert position.headroom_g == -10
