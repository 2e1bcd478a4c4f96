"""`doxedge audit substitute`: what stands for the missing hours of a file, and how anybody can compute it again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from doxedge.cli.audit_input import add_verb, print_json, print_rows, printable, read_table
from doxedge.cli.outcome import Exit, Failure
from doxedge.measurement import hourly_file
from doxedge.measurement.hour_series import Series, hour_text, parse
from doxedge.measurement.imported_hours import mass_series
from doxedge.measurement.missing_data_rules import MASS_RATE, Reading, Rules, Statistic, rules_for
from doxedge.measurement.parameters import fixed
from doxedge.measurement.recipe import recipe
from doxedge.measurement.substitution import Substitute, max_load_of, substitutes

EPILOG: Final = """\
The file is in the EPA CEM layout (ORISID, BLRID, YYMMDD, HOUR, OPTIME, NOXMASS, NOXRATE, HTINPUT; GLOAD, SLOAD and
NOXRMEASURE where there are any) or in the ECMPS layout (oris, location, date, hour, parameter, unadjusted, adjusted;
modc where there is one). An hour is missing when the unit ran and its NOx rate (its value) is absent, or is reported as
a substitute: NOXRMEASURE other than 1 and 2, modc other than 01 to 04, 14, 16, 17, 19 to 22, 47, 53, 54. In the ECMPS
layout every row is an operating hour, and adjusted values count before unadjusted ones.

The table of 40 CFR 75.31 and 75.33: availability over the last 8,760 operating hours, the hour itself included, one
decimal; a gap counts operating hours; the look-back has 2,160 quality-assured hours of the load range (720 without
ranges for SO2, CO2, O2 and H2O), none older than 26,280 clock hours before the gap. Percentiles are nearest ranks.
While fewer than 2,160 (720) hours were quality-assured the initial procedure holds (code 07); the file is taken to
begin with the certification unless --prior-qa-hours and --prior-operating-hours say otherwise. The substitutes of a gap
that has not ended are provisional.

--look-back in-range (default): 2,160 hours that lie in the range; among-last: those of the last 2,160 that do.
--max-load: what the ten load ranges are shares of (default: the greatest load in the file).
--maximum: the maximum potential value. Default: NOXC 1600.0 ppm, the rule's highest for coal-fired boilers; NOXR 5.659
lb/mmBtu, equation 19-1 with that, Fd 9,780 and 14.0 % O2. The unit's own should be given; other parameters have none,
and an hour that needs it then has no substitute (null). Nor has an hour of O2 or H2O beyond the mean of its neighbours
(codes 06 and 07): whether a low or a high value is the safe one depends on the unit's equation.

--mass: the mass rate in whole g/h, as a running gateway substitutes it (DECISIONS 40) and takes it from such a file
(`doxedge gateway hours import --help` says which hours are quality-assured then; EPA CEM layout only). --maximum is in
g/h and has no default, --max-load is in W.

Exit codes: 0 computed, and on stderr for how many hours there is no substitute; 2 usage; 6 the file is in neither
layout; 7 the file cannot be read.
"""

COLUMNS: Final = (
    "series",
    "hour",
    "modc",
    "substitute",
    "reported",
    "reported_modc",
    "available",
    "gap",
    "statistic",
)


def add_substitute(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    verb = add_verb(
        verbs,
        "substitute",
        audit_substitute,
        summary="what stands for the missing hours of an hourly file",
        example="doxedge audit substitute 703_2BLR_2007.csv --mass --maximum 900000",
        description="Compute the substitute, method code and recipe of every missing or substituted hour.",
        epilog=EPILOG,
    )
    verb.add_argument("--mass", action="store_true", help="the mass rate, as a running gateway does")
    verb.add_argument("--maximum", type=_positive, default=None, metavar="VALUE", help="MPC, MER or MPF")
    verb.add_argument("--max-load", type=_positive, default=None, metavar="LOAD", help="in the file's unit")
    verb.add_argument(
        "--look-back",
        choices=[reading.value for reading in Reading],
        default=Reading.IN_RANGE.value,
        help="how far a look-back goes (default: in-range); see below",
    )
    verb.add_argument("--prior-qa-hours", type=_count, default=0, metavar="N", help="before the file begins")
    verb.add_argument(
        "--prior-operating-hours", type=_count, default=None, metavar="N", help="before the file begins"
    )


def audit_substitute(options: argparse.Namespace) -> int:
    """Print every substitute of a file."""
    found = read_table(options.file, _parse_masses if options.mass else parse)
    told = [_series(options, series) for series in found]
    if options.output == "json":
        print_json(
            {
                "series": [summary for summary, _ in told],
                "hours": [hour for _, hours in told for hour in hours],
            }
        )
        return Exit.OK
    for summary, hours in told:
        print(
            printable(
                f"{_name(summary)}: {summary['operating_hours']} operating hours, "
                f"{summary['substituted_hours']} without quality-assured data in {summary['gaps']} gaps"
            )
        )
        if hours:
            print_rows(COLUMNS, [_row(hour) for hour in hours])
    return Exit.OK


def _parse_masses(lines: Iterator[str]) -> list[Series]:
    return mass_series(hourly_file.parse(lines))


def _series(options: argparse.Namespace, series: Series) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rules = _rules(options, series)
    made = list(substitutes(series.hours, rules))
    _mention_gaps_that_stay(series, made)
    max_load = max_load_of(series.hours, rules)
    identity = {"plant": series.plant, "unit": series.unit, "parameter": series.parameter}
    summary = identity | {
        "operating_hours": len(series.hours),
        "quality_assured_hours": series.quality_assured,
        "substituted_hours": len(made),
        "gaps": len({one.gap.hours[0].start_ms for one in made}),
        "load_unit": series.load_unit,
        "max_load": None if max_load is None else f"{max_load:f}",
        "maximum_potential": None if rules.maximum is None else f"{rules.maximum:f}",
        "look_back": rules.reading.value,
        "prior_operating_hours": rules.prior_operating_hours,
        "prior_qa_hours": rules.prior_qa_hours,
    }
    return summary, [identity | _hour(series, one, rules, max_load) for one in made]


def _mention_gaps_that_stay(series: Series, made: Sequence[Substitute]) -> None:
    """On stderr: for how many hours the file alone does not say enough, and what would."""
    name = printable(f"{series.plant} {series.unit} {series.parameter}")
    lacking = [one.chosen for one in made if one.value is None]
    if potential := lacking.count(Statistic.POTENTIAL):
        print(
            f"doxedge: {potential} hours of {name} have no substitute without the unit's maximum potential value; "
            "give it with --maximum",
            file=sys.stderr,
        )
    if either := lacking.count(Statistic.EITHER_SIDE):
        print(
            f"doxedge: {either} hours of {name} have no substitute: whether a low or a high value is the safe one "
            "depends on the unit's equation",
            file=sys.stderr,
        )


def _rules(options: argparse.Namespace, series: Series) -> Rules:
    usual = MASS_RATE if options.mass else rules_for(series.parameter, series.kind)
    prior_qa: int = options.prior_qa_hours
    prior = prior_qa if options.prior_operating_hours is None else options.prior_operating_hours
    if prior_qa > prior:
        raise Failure(
            Exit.USAGE, f"--prior-qa-hours {prior_qa} cannot be more than --prior-operating-hours {prior}"
        )
    return replace(
        usual,
        maximum=usual.maximum if options.maximum is None else options.maximum,
        max_load=options.max_load,
        reading=Reading(options.look_back),
        prior_operating_hours=prior,
        prior_qa_hours=prior_qa,
    )


def _hour(series: Series, one: Substitute, rules: Rules, max_load: Decimal | None) -> dict[str, Any]:
    reported = series.reported[one.hour.start_ms]
    heat = reported.heat_input_mmbtu
    date, hour = hour_text(one.hour.start_ms).split(" ")
    return {
        "line": one.hour.line,
        "date": date,
        "hour": int(hour),
        "modc": one.method.code,
        "substitute": None if one.value is None else fixed(one.value, rules.places),
        "provisional": one.provisional,
        "nox_lb": None if heat is None or one.value is None else f"{one.value * heat:f}",
        "reported": None if one.hour.value is None else f"{one.hour.value:f}",
        "reported_modc": reported.method,
        "recipe": recipe(one, rules, max_load),
    }


def _row(hour: Mapping[str, Any]) -> dict[str, object]:
    told = hour["recipe"]
    return {
        "series": _name(hour),
        "hour": f"{hour['date']} {hour['hour']:02d}",
        "modc": hour["modc"],
        "substitute": (hour["substitute"] or "-") + (" provisional" if hour["provisional"] else ""),
        "reported": hour["reported"],
        "reported_modc": hour["reported_modc"],
        "available": told["availability"]["percent"],
        "gap": told["gap"]["operating_hours"],
        "statistic": told["statistic"],
    }


def _name(told: Mapping[str, Any]) -> str:
    return f"{told['plant']} {told['unit']} {told['parameter']}"


def _positive(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 0 < value < 10**12:
        raise argparse.ArgumentTypeError(f"`{text}` is no number above zero")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise argparse.ArgumentTypeError(f"`{text}` is no number of hours")
    return int(text)
