"""From `[[unit.calibration]]` to what is checked, checked itself: whatever cannot work is refused before the start."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.qa_settings import CalibrationTable, GasTable
from doxedge.measurement.calibration import Limits
from doxedge.measurement.calibration_check import Checks, Cylinder, rule_of
from doxedge.measurement.calibration_run import Gas, Timing
from doxedge.quantity import DAY_MS, MINUTE_MS, SECOND_MS

READINGS_MIN: Final = 3
"""Fewer readings of a gas are no mean."""
FLAGS: Final = frozenset({"zero", "span"})
_EPOCH: Final = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class MonitorPlan:
    """One quantity of one instrument, and how it is checked."""

    unit: str
    device: str
    checks: Checks
    reads: str
    timing: Timing
    driven: bool
    """The gateway switches the gas."""
    back_to_last_pass: bool
    """A failed check puts the hours since the last pass in doubt (Part 60)."""
    daily_at_ms: int | None
    """Of the day, UTC."""
    tests_expire: bool = True
    """A linearity check or a RATA that is no longer good puts it out of control; not where EN 14181 rules."""
    s_ams: Decimal | None = None
    """Standard deviation of the analyser, for its QAL3 charts; None: none are kept."""

    @property
    def quantity(self) -> str:
        """What is checked."""
        return self.checks.quantity


def plan_monitors(
    unit: str,
    tables: Sequence[CalibrationTable],
    *,
    owner: Mapping[str, str],
    periods: Mapping[str, int],
    flags: Mapping[str, frozenset[str]],
    commanded: frozenset[str],
    charts: bool,
    source: str,
    place: str,
) -> tuple[MonitorPlan, ...]:
    """The monitors of a unit. Raises ConfigError naming table and key.

    owner    quantity to the device that delivers it
    periods  quantity to its poll period
    flags    device to what it can say of itself
    commanded  devices whose register map has commands
    charts     whether the unit's rules want QAL3 charts (EN 14181), and not the tests of Part 75
    """
    monitors: dict[str, MonitorPlan] = {}
    for index, table in enumerate(tables):
        where = f"{place}.calibration[{index}]"

        def refuse(key: str, reason: str, where: str = where) -> ConfigError:
            return ConfigError(source=source, path=f"{where}.{key}", reason=reason)

        reads = table.reads or table.quantity
        if table.quantity in monitors:
            raise refuse("quantity", f"{table.quantity} has a table already")
        for key, quantity in (("quantity", table.quantity), ("reads", reads)):
            if quantity not in owner:
                raise refuse(key, f"nothing delivers {quantity}; is its group left out in poll_ms?")
        device = owner[table.quantity]
        if owner[reads] != device:
            raise refuse("reads", f"{reads} comes from {owner[reads]}, {table.quantity} from {device}")
        if not flags[device] >= FLAGS:
            raise refuse(
                "quantity", f"the register map of {device} has no flags zero and span, so no gas is ever seen"
            )
        if charts and table.s_ams is None:
            raise refuse(
                "s_ams", "EN 14181 wants a QAL3 chart: the analyser's deviation, as its approval states it"
            )
        if table.control == "commands" and device not in commanded:
            raise refuse("control", f"the register map of {device} has no [[commands]]; leave it by_hand")
        if table.read_s * SECOND_MS < READINGS_MIN * periods[reads]:
            raise refuse(
                "read_s",
                f"{reads} is read every {periods[reads]} ms, and a mean wants {READINGS_MIN} readings: "
                f"at least {-(-READINGS_MIN * periods[reads] // SECOND_MS)}",
            )
        try:
            checks = _checks(table, reads)
        except ValueError as error:
            raise refuse("quantity", str(error)) from None
        monitors[table.quantity] = MonitorPlan(
            unit,
            device,
            checks,
            reads,
            Timing(table.settle_s * SECOND_MS, table.read_s * SECOND_MS, READINGS_MIN),
            table.control == "commands",
            table.failed_check == "part60",
            None if table.daily_at is None else _of_day_ms(table.daily_at),
            not charts,
            table.s_ams,
        )
    _require_one_control(tuple(monitors.values()), source=source, place=place)
    return tuple(monitors.values())


def describe_monitors(monitors: Sequence[MonitorPlan]) -> list[str]:
    """How each is checked, in plain words."""
    lines = []
    for monitor in monitors:
        gases = ", ".join(
            f"{gas} {cylinder.reference:f} (bottle {cylinder.bottle})"
            for gas, cylinder in monitor.checks.cylinders.items()
        )
        minutes = None if monitor.daily_at_ms is None else monitor.daily_at_ms // MINUTE_MS
        when = "at no fixed time" if minutes is None else f"daily at {minutes // 60:02}:{minutes % 60:02} UTC"
        switched = "the gateway" if monitor.driven else "hand or by the instrument"
        lines.append(
            f"{monitor.quantity} does not count without a check that passed: span {monitor.checks.span:f}, {gases}, "
            f"{when}, switched by {switched}"
        )
    return lines


def _checks(table: CalibrationTable, reads: str) -> Checks:
    if rule_of(reads) != rule_of(table.quantity):
        raise ValueError(f"{reads} and {table.quantity} are not in the same unit")
    return Checks(
        quantity=table.quantity,
        span=table.span,
        limits=Limits(table.limits),
        cylinders={Gas.ZERO: _cylinder(table.zero), Gas.UPSCALE: _cylinder(table.upscale)},
    )


def _cylinder(table: GasTable) -> Cylinder:
    expires_ms = None
    if table.expires is not None:
        expires_ms = ((table.expires - _EPOCH).days + 1) * DAY_MS
    return Cylinder(table.reference, table.bottle, table.vendor, expires_ms)


def _of_day_ms(time: dt.time) -> int:
    return ((time.hour * 60 + time.minute) * 60 + time.second) * SECOND_MS


def _require_one_control(monitors: Sequence[MonitorPlan], *, source: str, place: str) -> None:
    """One instrument has one gas line: the gateway switches it, or it does not."""
    driven: dict[str, bool] = {}
    for monitor in monitors:
        if driven.setdefault(monitor.device, monitor.driven) is not monitor.driven:
            raise ConfigError(
                source=source,
                path=f"{place}.calibration",
                reason=f"{monitor.device} has one gas line: give all its quantities the same control",
            )
