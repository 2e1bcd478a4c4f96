"""What of the tests that are handed in a unit's table lets count by itself: bias factors, calibration functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.mass_settings import BiasTable
from doxedge.gateway.qa_plan import MonitorPlan
from doxedge.gateway.settings import UnitTable
from doxedge.measurement.bias_factor import BiasFactor, LowEmitter, factor_text
from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.hour_settings import HourSettings
from doxedge.quantity import SECOND_MS

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def applied_settings(unit: UnitTable) -> dict[str, Any]:
    """The fields of `EmissionSettings`. Raises ValueError for what no test gives, or no rule knows."""
    by_rata = unit.bias_source == "rata"
    if unit.bias_low_emitter_cap and not by_rata:
        raise ValueError(
            'bias_low_emitter_cap: it caps the factor of a RATA, and bias_source is "site"; a factor of `bias` has '
            "its own `low_emitter`"
        )
    calibrated = unit.calibration_function == "qal2"
    if calibrated and unit.rule_set != "eu":
        raise ValueError(
            f"calibration_function: the function of a QAL2 is of EN 14181, and rule_set is {unit.rule_set}; "
            "elsewhere a value counts as the analyser reads it"
        )
    return {
        "calibrated": calibrated,
        "bias": tuple(_bias(table) for table in unit.bias),
        "bias_by_rata": by_rata,
        "low_emitter_cap": unit.bias_low_emitter_cap,
    }


def require_testable(
    unit: UnitTable, hour: HourSettings, monitors: Sequence[MonitorPlan], *, source: str, place: str
) -> None:
    """A test can be handed in of what has a `[[unit.calibration]]` table. Raises ConfigError."""
    emission = hour.emission
    applied = {
        "bias_source": ("RATA", emission.bias_by_rata),
        "calibration_function": ("QAL2", emission.calibrated),
    }
    tested = {plan.quantity for plan in monitors}
    for stack in hour.stacks:
        name = stack.name_of(emission.concentration)
        for key, (test, is_applied) in applied.items():
            if is_applied and name not in tested:
                raise ConfigError(
                    source=source,
                    path=f"{place}.{key}",
                    reason=f"no {test} of {name} can be handed in: it has no [[unit.calibration]] in unit {unit.name}",
                )


def describe_applied(emission: EmissionSettings) -> list[str]:
    """In plain words."""
    lines = [_describe(bias) for bias in emission.bias]
    if emission.bias_by_rata:
        cap = "a low emitter takes 1.111 instead of more" if emission.low_emitter_cap else "not capped"
        before = "the factors above" if lines else "no factor"
        lines.append(
            f"mass x bias factor of the last RATA that passed, of each monitor, {cap}; {before} before the first"
        )
    if emission.calibrated:
        lines.append(
            "values x count as a + b x, the function of the last QAL2 that passed, of each monitor; as read before"
            " the first"
        )
    return lines


def _describe(bias: BiasFactor) -> str:
    since = dt.datetime.fromtimestamp(bias.since_ms // SECOND_MS, tz=dt.UTC)
    capped = f" (a low emitter: {factor_text(bias.factor)} is capped)" if bias.applied != bias.factor else ""
    of = f" of stack {bias.stack}" if bias.stack else ""
    return f"mass{of} x bias factor {factor_text(bias.applied)} from {since:%Y-%m-%dT%H:%MZ} on{capped}"


def _bias(table: BiasTable) -> BiasFactor:
    low = table.low_emitter
    return BiasFactor(
        factor=table.factor,
        since_ms=(table.since - _EPOCH) // dt.timedelta(milliseconds=1),
        stack=table.stack,
        low_emitter=None if low is None else LowEmitter(reference_mean=low.reference_mean, unit=low.unit),
    )
