"""How available the monitor of a unit is, and what the next hour without a measurement would cost: told and watched.

The thresholds are those of the unit's table for missing data, 95, 90 and 80 % where it has none of its own. Below each
a missing hour costs more, so each is an alarm of its own. While the monitor is young they do not count yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.gateway.alarm_rules import FALLING_PERCENT
from doxedge.measurement.alarms import Sighting
from doxedge.measurement.hour_history import Outlook
from doxedge.measurement.missing_data_rules import Rules
from doxedge.quantity import kilograms_text, whole

BACK_PERCENT: Final = Decimal("0.5")
"""An alarm is over so much above its threshold: 44 good hours of a year, and not the next one."""


@dataclass(frozen=True, slots=True)
class MonitorOutlook:
    """As of the last closed hour."""

    outlook: Outlook
    rules: Rules
    substitutes: bool
    """Whether the unit's rules put a mass in place of a missing hour."""

    @property
    def price_g(self) -> int | None:
        """Mass of the next missing hour, the unit running through; None where nothing is substituted."""
        hour = self.outlook.next_gap_hour
        if not self.substitutes or hour is None or hour.value is None:
            return None
        return whole(hour.value)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        available, hour = self.outlook.availability, self.outlook.next_gap_hour
        price_g = self.price_g
        return {
            "percent": str(available.percent),
            "qa_hours": available.qa_hours,
            "operating_hours": available.operating_hours,
            "initial": self.outlook.is_initial,
            "next_gap_hour_g": price_g,
            "next_gap_hour_method": None if price_g is None or hour is None else hour.method.code,
        }


def watched_subjects(unit: str, rules: Rules) -> set[str]:
    """What alarms about availability may be about."""
    return {_subject(unit, percent) for percent in _thresholds(rules)}


def availability_sightings(unit: str, seen: MonitorOutlook | None) -> Iterator[Sighting]:
    """One for each threshold; nothing is said before the first closed hour."""
    if seen is None:
        return
    percent = seen.outlook.availability.percent
    price_g = seen.price_g
    price = "no rules put a mass in its place"
    if price_g is not None:
        price = f"the next missing hour is stated as {kilograms_text(price_g)} kg"
    for threshold in _thresholds(seen.rules):
        holds: bool | None = None
        if seen.outlook.is_initial or percent >= threshold + BACK_PERCENT:
            holds = False
        elif percent < threshold:
            holds = True
        text = (
            f"{percent} % of the last operating hours were quality-assured, less than {threshold} %; {price}"
        )
        yield Sighting("availability.low", _subject(unit, threshold), holds, text)
        yield _falling(unit, threshold, percent, price, is_initial=seen.outlook.is_initial)


def _falling(unit: str, threshold: Decimal, percent: Decimal, price: str, *, is_initial: bool) -> Sighting:
    """Towards a threshold; below it the other alarm stands."""
    holds: bool | None = None
    if is_initial or percent < threshold or percent >= threshold + FALLING_PERCENT + BACK_PERCENT:
        holds = False
    elif percent < threshold + FALLING_PERCENT:
        holds = True
    text = f"{percent} % of the last operating hours were quality-assured, {threshold} % is near; {price}"
    return Sighting("availability.falling", _subject(unit, threshold), holds, text)


def _thresholds(rules: Rules) -> list[Decimal]:
    return [tier.at_least_percent for tier in rules.tiers if tier.at_least_percent]


def _subject(unit: str, threshold: Decimal) -> str:
    return f"{unit}.{threshold}%"
