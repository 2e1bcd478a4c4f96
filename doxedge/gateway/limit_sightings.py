"""How the stacks of a unit stand to their emission limits: told in the status, watched by two alarms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from doxedge.measurement.alarms import Band, Sighting
from doxedge.measurement.conversion import reported
from doxedge.measurement.emission_limit import EmissionLimit, LimitCourse
from doxedge.measurement.hour_settings import Stack

PREDICTED_BACK_PERCENT: Final = 95
"""Of the limit: an interval that is going to keep it, and not by a hair."""
SHOWN_PLACES: Final = 1


def limit_subject(unit: str, limit: EmissionLimit, stack: str) -> str:
    """What the alarms of a limit are about: `alpha-1.permit`, of several stacks `alpha-1.east.permit`."""
    return ".".join(part for part in (unit, stack, limit.name) if part)


def limited_subjects(unit: str, limits: Iterable[EmissionLimit], stacks: Sequence[Stack]) -> set[str]:
    """What alarms about limits may be about."""
    return {limit_subject(unit, limit, stack.name) for limit in limits for stack in stacks}


def limit_sightings(unit: str, courses: Iterable[LimitCourse]) -> Iterator[Sighting]:
    """An average that is beyond its limit at the end of its interval, and one that is going to be."""
    for course in courses:
        limit, subject = course.limit, limit_subject(unit, course.limit, course.stack)
        of = f"of {shown(limit.value)} {limit.unit}"
        band = Band(limit.value, limit.value * PREDICTED_BACK_PERCENT / 100)
        text = f"{shown(course.projected)} {of} are to be expected at {_time(course.end_ms)}"
        if course.most_from_now is not None:
            text += (
                f"; the rest of the interval may be {shown(max(Decimal(0), course.most_from_now))} at most"
            )
        yield Sighting("limit.predicted", subject, band.holds(course.projected), text)
        exceeded = None if course.last is None else course.last > limit.value
        text = f"the average from {_time(course.last_start_ms)} on is {shown(course.last)} {of}"
        yield Sighting("limit.exceeded", subject, exceeded, text)


def limits_as_dicts(courses: Sequence[LimitCourse]) -> list[dict[str, object]]:
    """For JSON."""
    return [
        {
            "limit": course.limit.name,
            "stack": course.stack,
            "unit_of_measure": course.limit.unit,
            "value": f"{course.limit.value:f}",
            "start_ms": course.start_ms,
            "end_ms": course.end_ms,
            "minutes_valid": course.minutes_valid,
            "average": _text(course.average),
            "projected": _text(course.projected),
            "most_from_now": _text(course.most_from_now),
            "last_start_ms": course.last_start_ms,
            "last": _text(course.last),
        }
        for course in courses
    ]


def shown(value: Decimal | None) -> str:
    """With one decimal; the comparison was exact."""
    return "–" if value is None else f"{reported(value, places=SHOWN_PLACES):f}"


def _text(value: Decimal | None) -> str | None:
    return None if value is None else shown(value)


def _time(at_ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(at_ms / 1_000, dt.UTC):%H:%M} UTC"
