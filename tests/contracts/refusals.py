"""One act that a rule accepts, and for each clause the ways to spoil it so that this clause refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from doxedge.contracts.rule import Act, Refused, Value
from tests.contracts.small_channel import SmallChannel


@dataclass
class Attempt:
    """What is about to be judged; a fault changes any of it."""

    channel: SmallChannel
    kind: str
    act: Act
    facts: Any

    def __post_init__(self) -> None:
        """Remember the act as it was before any fault."""
        self._pristine = self.act, self.facts

    def by(self, **changes: Any) -> Attempt:
        """Somebody else acts, or under another numbering."""
        self.act = replace(self.act, **changes)
        return self

    def saying(self, **changes: Any) -> Attempt:
        """Other facts."""
        self.facts = replace(self.facts, **changes)
        return self

    def first(self) -> Attempt:
        """The same act without a fault comes first."""
        self.channel.do(self.kind, *self._pristine)
        return self

    def judge(self) -> list[list[Value]]:
        """The events. Raises Refused."""
        return self.channel.do(self.kind, self.act, self.facts)

    def cited(self) -> str | None:
        """The clause that refuses, or None."""
        try:
            self.judge()
        except Refused as refusal:
            return refusal.clause
        return None


Fault = Callable[[Attempt], object]


@dataclass(frozen=True)
class RuleCases:
    """A rule, an act that it accepts, and per clause the named faults."""

    kind: str
    begin: Callable[[], Attempt]
    faults: Mapping[str, Mapping[str, Fault]]
    apart: frozenset[tuple[str, str]] = frozenset()
    """Pairs of clauses whose faults cannot be had together: the later one would undo the ledger of the earlier."""

    @property
    def clauses(self) -> list[str]:
        """Clauses in ascending order."""
        return sorted(self.faults, key=number)

    def single(self) -> Iterator[Any]:
        """Every fault alone."""
        for clause in self.clauses:
            for what, fault in self.faults[clause].items():
                yield pytest.param(self, clause, fault, id=f"{self.kind} {clause} {what}")

    def pairs(self) -> Iterator[Any]:
        """Every two clauses by their first faults: the higher fault is made first, so that the lower surely stands."""
        for low, high in itertools.combinations(self.clauses, 2):
            if (low, high) not in self.apart:
                two = [next(iter(self.faults[clause].values())) for clause in (high, low)]
                yield pytest.param(self, low, two, id=f"{self.kind} {low} before {high}")


def number(clause: str) -> tuple[int, int]:
    """`7.10` after `7.9`."""
    section, place = clause.split(".")
    return int(section), int(place)


def singles(*cases: RuleCases) -> pytest.MarkDecorator:
    """Parametrise over every fault of these rules."""
    return pytest.mark.parametrize(("cases", "clause", "fault"), [p for c in cases for p in c.single()])


def pairs(*cases: RuleCases) -> pytest.MarkDecorator:
    """Parametrise over every pair of clauses of these rules."""
    return pytest.mark.parametrize(("cases", "lower", "two"), [p for c in cases for p in c.pairs()])


def accepted(*cases: RuleCases) -> pytest.MarkDecorator:
    """Parametrise over the acts that must be accepted: only then do the faults show anything."""
    return pytest.mark.parametrize("cases", [pytest.param(c, id=c.kind) for c in cases])


def check_accepted(cases: RuleCases) -> None:
    """The act without a fault is accepted."""
    assert cases.begin().cited() is None


def check_refused(cases: RuleCases, clause: str, fault: Fault) -> None:
    """The spoiled act is refused with exactly this clause."""
    attempt = cases.begin()
    fault(attempt)
    assert attempt.cited() == clause


def check_lower(cases: RuleCases, lower: str, two: list[Fault]) -> None:
    """Of two reasons the one with the lower number is cited."""
    attempt = cases.begin()
    for fault in two:
        fault(attempt)
    assert attempt.cited() == lower
