"""§ 1 Figures of a channel."""

from __future__ import annotations

import pytest

from doxedge.contracts import figures
from doxedge.contracts.figures import FIGURES, Config
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
from tests.contracts.small_channel import SmallChannel


def _config() -> Attempt:
    channel = SmallChannel.begin()
    return Attempt(channel, "config", channel.regulator, Config("warning_percent", 30, "after the hearing"))


CASES = (
    RuleCases(
        "config",
        _config,
        {
            "1.1": {
                "a company": lambda a: a.by(party="alpha", role="company"),
                "a verifier": lambda a: a.by(party="verifier", role="verifier"),
                "the regulator's node": lambda a: a.by(purpose="node"),
                "a device of the regulator": lambda a: a.by(purpose="device"),
            },
            "1.2": {
                "an unknown name": lambda a: a.saying(name="tax_percent"),
                "no name": lambda a: a.saying(name=""),
            },
            "1.3": {
                "a figure that only the genesis gives": lambda a: a.saying(name="utc_offset_min", value=0)
            },
            "1.4": {
                "too much": lambda a: a.saying(value=101),
                "too little": lambda a: a.saying(value=-1),
                "far too much": lambda a: a.saying(value=2**63),
            },
            "1.5": {"no reason": lambda a: a.saying(reason="")},
        },
        apart=frozenset({("1.2", "1.3")}),
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


def test_a_figure_is_its_default_until_the_regulator_changes_it() -> None:
    attempt = _config()
    assert figures.figure(attempt.channel.book, "warning_percent") == 20
    assert attempt.judge() == [["figure.changed", "warning_percent", 30, "after the hearing"]]
    assert figures.figure(attempt.channel.book, "warning_percent") == 30


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_accepts_its_bounds_and_nothing_beyond(name: str) -> None:
    bounds = FIGURES[name]
    assert bounds.low <= bounds.default <= bounds.high
    assert bounds.about
    assert bounds.source
    clauses = []
    for value in (bounds.low - 1, bounds.low, bounds.high, bounds.high + 1):
        attempt = _config()
        attempt.saying(name=name, value=value)
        clauses.append(attempt.cited())
    assert clauses == (["1.3"] * 4 if bounds.is_fixed else ["1.4", None, None, "1.4"])


def test_an_unknown_figure_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        figures.figure(SmallChannel.begin().book, "tax_percent")
