"""`doxedge audit bias`: find the bias factor that turns unadjusted hourly values into adjusted ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from doxedge.cli.audit_input import add_verb, print_json, printable, read_table
from doxedge.cli.outcome import Exit, Failure
from doxedge.measurement.bias import Fit, Pair, adjusted, fit
from doxedge.measurement.hourly_values import HourlyValue, parse
from doxedge.measurement.parameters import PLACES, fixed

EPILOG: Final = """\
The file has the columns oris, location, date, hour, parameter, unadjusted, adjusted. For each series in it (plant,
location, parameter) the one factor is looked for, with three decimals and at least 1.000, that turns every unadjusted
value into the adjusted one by the rounding of the parameter: NOXR 3 decimals; NOXC, SO2C, CO2C, O2, H2O 1; FLOW whole
thousands; half away from zero. Rows without one of the two values are passed over. Where several factors do, the
smallest is told and `unique` is false. Where none does, the factor is null, and the rows are listed (the first 20) that
the best one does not explain.

Exit codes: 0 a factor explains every row of every series; 2 usage; 6 none does, or the file is not in the layout; 7 the
file cannot be read.
"""

SHOWN: Final = 20


def add_bias(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    add_verb(
        verbs,
        "bias",
        audit_bias,
        summary="find the bias factor of a file of hourly values",
        example="doxedge audit bias hours.csv",
        description="Find the one bias factor that turns every unadjusted hourly value into its adjusted one.",
        epilog=EPILOG,
    )


def audit_bias(options: argparse.Namespace) -> int:
    """Print the factor of every series."""
    values = read_table(options.file, parse)
    series: dict[tuple[str, str, str], list[HourlyValue]] = {}
    for value in values:
        series.setdefault(value.series, []).append(value)
    told = [_series(hours) for hours in series.values()]
    if all(one["rows"] == 0 for one in told):
        raise Failure(Exit.UNVERIFIED, f"{options.file}: no row has both an unadjusted and an adjusted value")
    if options.output == "json":
        factors = {one["factor"] for one in told if one["rows"]}
        print_json({"factor": factors.pop() if len(factors) == 1 else None, "series": told})
    else:
        for one in told:
            _print(one)
    return Exit.OK if all(one["factor"] is not None for one in told if one["rows"]) else Exit.UNVERIFIED


def _series(hours: Sequence[HourlyValue]) -> dict[str, Any]:
    oris, location, parameter = hours[0].series
    places = PLACES[hours[0].kind]
    pairs = [
        Pair(hour.line, hour.unadjusted, hour.adjusted)
        for hour in hours
        if hour.unadjusted is not None and hour.adjusted is not None
    ]
    told: dict[str, Any] = {
        "oris": oris,
        "location": location,
        "parameter": parameter,
        "decimals": places,
        "rows": len(pairs),
        "passed_over": len(hours) - len(pairs),
    }
    return told | (_fitted(fit(pairs, places=places), places) if pairs else {"factor": None, "unique": False})


def _fitted(found: Fit, places: int) -> dict[str, Any]:
    return {
        "factor": _text(found.lowest),
        "highest": _text(found.highest),
        "unique": found.unique,
        "best": _text(found.best),
        "explained": found.rows - len(found.unexplained),
        "unexplained": [
            {
                "line": pair.line,
                "unadjusted": f"{pair.unadjusted:f}",
                "adjusted": f"{pair.adjusted:f}",
                "expected": fixed(adjusted(pair.unadjusted, found.best, places=places), places),
            }
            for pair in found.unexplained[:SHOWN]
        ],
    }


def _text(factor: Decimal | None) -> str | None:
    return None if factor is None else f"{factor:.3f}"


def _print(one: dict[str, Any]) -> None:
    name = printable(f"{one['oris']} {one['location']} {one['parameter']}")
    if not one["rows"]:
        print(f"{name}: no row has both values")
    elif one["factor"] is None:
        print(f"{name}: no factor explains all {one['rows']} rows; {one['best']} explains {one['explained']}")
        for row in one["unexplained"]:
            print(
                f"  line {row['line']}: {row['unadjusted']} x {one['best']} is {row['expected']}, "
                f"but adjusted says {row['adjusted']}"
            )
    elif one["unique"]:
        print(f"{name}: {one['factor']} explains all {one['rows']} rows")
    else:
        upwards = f"up to {one['highest']}" if one["highest"] else "and every greater factor"
        print(f"{name}: {one['factor']} {upwards} explain all {one['rows']} rows")
