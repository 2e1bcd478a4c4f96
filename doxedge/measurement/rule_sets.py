"""Which rules make minutes a valid hour: chosen per unit, and named with their version on every hour.

    us60      40 CFR 60.13(h)(2), by quadrants
    alberta   the CEMS Code of 2021; it too judges by quadrants
    eu        EN 17255-1, by two thirds of the averaging period

A change of what a rule set decides is a new version: the hours of the old one keep its name.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from doxedge.measurement.validity import NOT_OPERATING, CalibrationCheck, Span, Verdict, judge_hour
from doxedge.measurement.validity_eu import judge_averages
from doxedge.quantity import MINUTE_MS

ALBERTA_CLAUSE: Final = "Alberta CEMS Code 2021, as "


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFacts:
    """What is known of an hour when it is judged."""

    start_ms: int
    operating: Sequence[Span]
    """When the unit ran."""
    operating_ms: Sequence[int]
    """The same, for each of the 60 minutes."""
    valid_minutes: Collection[int]
    """Minutes in operation that have a mass of their own."""
    qa: bool
    """Maintenance or quality assurance fell into the operation."""
    checks: Sequence[CalibrationCheck]
    """Calibrations judged within the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """One text of rules."""

    name: str
    version: int
    by_quadrants: bool
    """False: by two thirds of the averaging period."""
    has_diluent_cap: bool
    """Where the gas is nearly air: True puts the diluent cap in its place (method code 14), False has it bad."""
    clause_prefix: str
    about: str

    @property
    def stamp(self) -> str:
        """The name on the hour."""
        return f"{self.name}/{self.version}"

    def judge(self, facts: HourFacts, *, averaging_minutes: int) -> Verdict:
        """Whether an hour is valid, and which clause said so."""
        if not self.by_quadrants:
            return judge_averages(
                facts.start_ms,
                operating_ms=facts.operating_ms,
                valid_minutes=facts.valid_minutes,
                checks=facts.checks,
                averaging_minutes=averaging_minutes,
            )
        verdict = judge_hour(
            facts.start_ms,
            operating=facts.operating,
            points_ms=[facts.start_ms + minute * MINUTE_MS for minute in facts.valid_minutes],
            qa=facts.qa,
            checks=facts.checks,
        )
        if verdict.clause == NOT_OPERATING:
            return verdict
        return replace(verdict, clause=self.clause_prefix + verdict.clause)


US60: Final = RuleSet(
    name="us60",
    version=1,
    by_quadrants=True,
    has_diluent_cap=True,
    clause_prefix="",
    about="40 CFR 60.13(h)(2): a valid point in each quarter in which the unit runs",
)
ALBERTA: Final = RuleSet(
    name="alberta",
    version=1,
    by_quadrants=True,
    has_diluent_cap=True,
    clause_prefix=ALBERTA_CLAUSE,
    about="Alberta CEMS Code 2021: a valid point in each quarter in which the unit runs",
)
EU: Final = RuleSet(
    name="eu",
    version=1,
    by_quadrants=False,
    has_diluent_cap=False,
    clause_prefix="",
    about="EN 17255-1: two thirds in operation and valid, of an averaging period",
)

RULE_SETS: Final[Mapping[str, RuleSet]] = {rules.name: rules for rules in (US60, EU, ALBERTA)}
