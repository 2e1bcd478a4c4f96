"""A signed hour with the bias factor of a RATA that ended before the hour, and was handed in after it.

Everything that the factor multiplies stands in the hour (`bias_check`), so nothing is measured again. An hour that was
made by rules without tests says so by saying nothing of them, and stays as it is. So does one that names a test whose
file is not on record any more: nobody could say that another one takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.measurement.apportioning import STACK_G, stack_hour_in
from doxedge.measurement.bias_check import Rules, check_bias, grams_in
from doxedge.measurement.bias_factor import adjusted_g, factor_text
from doxedge.measurement.bias_in_force import BY, bias_in_force, stated_ratas
from doxedge.measurement.hour_settings import HourSettings, Stack, backup_name
from doxedge.measurement.recipe_check import Recomputed
from doxedge.measurement.tests_in_force import KeptTests, KnownTests
from doxedge.quantity import Grams

_BACKUP_MINUTES: Final = "backup_minutes"


@dataclass(frozen=True, slots=True)
class SignedHour:
    """What an hour says that its factor concerns."""

    unit: str
    start_ms: int
    nox_g: int
    minutes_valid: int
    remarks: Sequence[str]


def rules_of(settings: HourSettings) -> Rules:
    """What `check_bias` is told of a unit."""
    emission = settings.emission
    return Rules(low_emitter_cap=emission.low_emitter_cap, tested=(emission.concentration, emission.flow))


def restated(hour: SignedHour, settings: HourSettings, tests: KeptTests) -> tuple[int, list[str]] | None:
    """(grams, remarks) as they would be signed now; None where they are those that are signed."""
    if not settings.emission.bias_by_rata or not any(f"{BY}:" in remark for remark in hour.remarks):
        return None
    if not all(tests.knows(one.test) for one in stated_ratas(hour.remarks, hour.start_ms)):
        return None
    found = check_bias(
        hour.unit, hour.nox_g, hour.remarks, start_ms=hour.start_ms, tests=tests, rules=rules_of(settings)
    )
    if found is None or found[0] is not Recomputed.DIFFERS:
        return None
    remarks, total_g = {*hour.remarks}, 0
    for stack in settings.stacks:
        after_g = _restate(stack, hour, settings, tests, remarks)
        if after_g is None:
            return None
        total_g += after_g
    return _own_g(hour, total_g, remarks), sorted(remarks)


def _restate(
    stack: Stack, hour: SignedHour, settings: HourSettings, tests: KnownTests, remarks: set[str]
) -> int | None:
    """The grams of one stack; its words among the remarks are those of now. None where it does not say enough."""
    prefix = f"{stack.name}." if stack.name else ""
    shared = None if prefix else stack_hour_in(hour.remarks)
    before_g = grams_in(f"{prefix}unadjusted_g", hour.remarks) if shared is None else shared.unadjusted_g
    if before_g is None:
        return None
    bias = bias_in_force(settings.emission, tests, hour.start_ms, stack.name, _used(stack, hour, settings))
    if bias is None:
        return None
    after_g = adjusted_g(Grams(before_g), bias.factor)
    gone = tuple(f"{prefix}{word}:" for word in (BY, "baf", *(["nox_g"] if prefix else [])))
    remarks -= {remark for remark in remarks if remark.startswith(gone)}
    remarks |= {f"{prefix}baf:{factor_text(bias.factor)}", *(f"{prefix}{by}" for by in bias.by)}
    if prefix:
        remarks.add(f"{prefix}nox_g:{after_g}")
    return after_g


def _used(stack: Stack, hour: SignedHour, settings: HourSettings) -> set[str]:
    """The monitors of concentration and flow that made the hour; both where a backup stood in for some minutes."""
    emission, backed = settings.emission, settings.backups
    names = {stack.name_of(emission.concentration), stack.name_of(emission.flow)}
    minutes = grams_in(_BACKUP_MINUTES, hour.remarks) or 0
    spares = {name for name in names if name in backed} if minutes else set[str]()
    if len(spares) == 1 == len(backed) and minutes >= hour.minutes_valid:
        names -= spares
    return names | {backup_name(name) for name in spares}


def _own_g(hour: SignedHour, total_g: int, remarks: set[str]) -> int:
    """The unit's part, where it shares its stack: the mass of the stack stands among the remarks."""
    shared = stack_hour_in(hour.remarks)
    if shared is None:
        return total_g
    remarks -= {remark for remark in remarks if remark.startswith(f"{STACK_G}:")}
    remarks.add(f"{STACK_G}:{total_g}")
    return shared.apportioning.divide(total_g)[hour.unit]
