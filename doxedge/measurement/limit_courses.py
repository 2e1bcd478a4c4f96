"""From the minutes of a unit's hours to how each of its stacks stands to each of its emission limits."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from doxedge.measurement.collected_hour import MinuteStep
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.emission_limit import EmissionLimit, LimitCourse, LimitMinute, course_of, interval_of
from doxedge.measurement.hour_settings import HourSettings, Stack
from doxedge.quantity import HOUR_MS, MINUTE_MS

Steps: TypeAlias = Callable[[int, int], Sequence[MinuteStep]]
"""(beginning of an hour, until when) to its minutes; none where it is not known."""


def limited(
    limits: Sequence[EmissionLimit], emission: EmissionSettings, stacks: Sequence[Stack]
) -> frozenset[str]:
    """What a minute must have measured to be held against the limits, by the names in the unit."""
    wanted = {quantity for limit in limits for quantity in limit.quantities(emission)}
    return frozenset(stack.name_of(quantity) for stack in stacks for quantity in wanted)


def limit_courses(
    limits: Sequence[EmissionLimit], settings: HourSettings, steps: Steps, now_ms: int
) -> list[LimitCourse]:
    """At this instant, over the averaging period of the unit's rules.

    An interval is over for a limit when its grace time is: what comes late is in its average then.
    """
    if not limits:
        return []
    minutes = settings.averaging_minutes
    start_ms = interval_of(now_ms, minutes)
    last_ms = interval_of(now_ms - settings.grace_ms, minutes) - minutes * MINUTE_MS
    so_far = _minutes(steps, start_ms, (now_ms - start_ms) // MINUTE_MS, now_ms)
    last = _minutes(steps, last_ms, minutes, now_ms)
    return [
        course_of(
            limit,
            stack.name,
            start_ms=start_ms,
            minutes=minutes,
            so_far=[_held(step, limit, stack, settings) for step in so_far],
            last_start_ms=last_ms,
            last=[_held(step, limit, stack, settings) for step in last],
        )
        for limit in limits
        for stack in settings.stacks
    ]


def _minutes(steps: Steps, start_ms: int, count: int, now_ms: int) -> Sequence[MinuteStep]:
    """So many minutes from an instant on, which lie within one hour."""
    hour_ms = start_ms - start_ms % HOUR_MS
    first = (start_ms - hour_ms) // MINUTE_MS
    return steps(hour_ms, now_ms)[first : first + count]


def _held(step: MinuteStep, limit: EmissionLimit, stack: Stack, settings: HourSettings) -> LimitMinute:
    emission = settings.emission
    means = {name: step.means.get(stack.name_of(name)) for name in limit.quantities(emission)}
    return LimitMinute(step.operating_ms, limit.minute(means, step.g_per_h[stack.name], emission))
