"""`doxedge gateway minutes`: minute means out of the raw samples, with their spread and what was wrong in them."""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    folder_of,
    print_json,
    print_section,
    unreadable,
    utc,
)
from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.readings import time_argument
from doxedge.quantity import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from doxedge.gateway.plant import PlannedUnit
    from doxedge.measurement.minute_rows import MinuteRow

SCHEMA: Final = "doxedge.gateway.minutes/1"
HOURS_MAX: Final = 48
"""At once: two days of a usual unit are a second's work, and more than anybody reads."""
DIGITS: Final = Decimal("0.0001")

EPILOG: Final = """\
A minute is valid when its usable readings are coverage_percent (75) of those that are due; its mean is over these.
`n` are usable readings of `total`; `why` says which share had which reason, in percent. A reading that is uncertain
is usable, and told. The sheet of an hour's mass is made by `doxedge gateway commission`.

Raw samples are kept by samples.retention_days. They are judged here by the configuration of now, with the standing that
the monitors had; a clock that was bad then stands on the hour. The gateway need not run, and is not disturbed.

Exit codes: 0 shown; 2 usage, or a wrong configuration; 4 not the service's user; 7 the samples cannot be read.
"""


def add_minutes(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway minutes`."""
    minutes = verbs.add_parser(
        "minutes",
        help="minute means out of the raw samples: mean, smallest, greatest, spread, how many readings, what was wrong",
        description="Shows each quantity of a unit minute by minute, as it enters the hours.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=("doxedge gateway minutes --unit alpha-1 --quantity nox_ppb --from 2026-01-31T13:00",),
    )
    add_place(minutes)
    minutes.add_argument("--unit", metavar="UNIT", help="default: the only one")
    minutes.add_argument("--quantity", metavar="Q", help="as in `doxedge gateway status`; default: all")
    minutes.add_argument(
        "--from",
        dest="from_ms",
        type=time_argument,
        required=True,
        metavar="TIME",
        help="2026-01-31T13:00, UTC",
    )
    minutes.add_argument(
        "--to", dest="to_ms", type=time_argument, metavar="TIME", help="end, UTC; default: an hour later"
    )
    minutes.set_defaults(func=_minutes)


def _minutes(options: argparse.Namespace) -> int:
    from doxedge.gateway.minute_table import minute_table
    from doxedge.store.errors import StoreError

    from_ms = options.from_ms - options.from_ms % MINUTE_MS
    to_ms = from_ms + HOUR_MS if options.to_ms is None else options.to_ms
    if not from_ms < to_ms <= from_ms + HOURS_MAX * HOUR_MS:
        raise Failure(Exit.USAGE, f"--to lies after --from, and at most {HOURS_MAX} hours")
    planned = _planned(options)
    try:
        rows = minute_table(
            folder_of(options), planned, from_ms=from_ms, to_ms=to_ms, quantity=options.quantity
        )
    except StoreError as error:
        raise unreadable(error) from error
    unit = planned.table.name
    if options.output == "json":
        print_json({"schema": SCHEMA, "unit": unit, "minutes": [_as_dict(row) for row in rows]})
    else:
        columns = (
            "minute UTC",
            "quantity",
            "mean",
            "smallest",
            "greatest",
            "spread",
            "n of",
            "quality",
            "why",
        )
        shown = [_line(row) for row in rows]
        print_section(Section(f"Minutes of {unit}", columns, shown, "no sample is kept for this time"))
    return Exit.OK


def _planned(options: argparse.Namespace) -> PlannedUnit:
    from doxedge.analysers.configuration import ConfigError
    from doxedge.fieldbus.clock import RealClock
    from doxedge.gateway.plant import plan_units
    from doxedge.gateway.settings import load_settings

    try:
        units = plan_units(load_settings(options.config), source=str(options.config), clock=RealClock())
    except (ConfigError, OSError) as error:
        raise Failure(Exit.USAGE, f"samples are judged by the rules of the configuration: {error}") from error
    named = [unit for unit in units if options.unit in (None, unit.table.name)]
    if len(named) != 1:
        there = ", ".join(unit.table.name for unit in units)
        raise Failure(Exit.USAGE, f"--unit: name one of {there}")
    return named[0]


def _as_dict(row: MinuteRow) -> dict[str, Any]:
    minute = row.minute
    return {
        "start_ms": minute.start_ms,
        "quantity": row.quantity,
        "device": row.device,
        "mean": _text(minute.mean),
        "minimum": _text(minute.minimum),
        "maximum": _text(minute.maximum),
        "sd": _text(row.sd),
        "n": minute.n,
        "total": minute.total,
        "quality": minute.quality.value,
        "reasons_percent": {reason.value: minute.percent_of(reason) for reason in sorted(minute.reasons)},
    }


def _line(row: MinuteRow) -> list[str]:
    minute = row.minute
    why = ", ".join(f"{reason} {minute.percent_of(reason)} %" for reason in sorted(minute.reasons))
    numbers = [_text(value) or "–" for value in (minute.mean, minute.minimum, minute.maximum, row.sd)]
    return [
        utc(minute.start_ms), row.quantity, *numbers, f"{minute.n} of {minute.total}", minute.quality.value, why,
    ]  # fmt: skip


def _text(value: Decimal | None) -> str | None:
    """With four decimals; nothing here is calculated with any more."""
    if value is None:
        return None
    return f"{value.quantize(DIGITS):f}" if value.adjusted() < 20 else f"{value:E}"
