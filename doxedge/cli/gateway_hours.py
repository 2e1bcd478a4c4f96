"""`doxedge gateway hours`: what stands for every hour, with the recipes of substitutes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    folder_of,
    print_json,
    print_section,
    printable,
    unreadable,
    utc,
)
from doxedge.cli.gateway_hours_verify import Check, Histories, checks_of, verdict_on
from doxedge.cli.gateway_import import add_import
from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.readings import time_argument
from doxedge.quantity import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from doxedge.measurement.apportioning import UnitShare
    from doxedge.measurement.hour_history import KnownHour
    from doxedge.store.hour_rows import HourStatement, StoredHour

SCHEMA: Final = "doxedge.gateway.hours/1"
BY_HAND: Final = "by hand"
SHOWN_MS: Final = 7 * DAY_MS

EPILOG: Final = """\
measured     mass by instruments; extrapolated hours are measured too
imported     mass as another system measured it (`doxedge gateway hours import --help`); `from_file` names the file
substituted  computed by the rules of [unit.missing_data]; `provisional` while the gap lasts
by hand      two persons entered it (`doxedge gateway enter`); the rules still see an hour that nobody measured
missing      the unit ran, and no mass is stated
off          the unit did not run

The totals are those of the shown hours: kg/MWh is the sum of the mass over the sum of the energy, of all hours that
have a mass, also of those without energy; with --without-start-stop those of start-up and shut-down (rule set eu) are
left out of both.

Where several units share the stack, mass and recipe of a substitute are the stack's, and `stack` says how the mass was
divided: its grams, and the load of each unit. The parts add up to it, to the gram.

--verify holds the shown hours against the signed records that the outbox still has (35 days), and computes every
substitute again: from the history up to the gap that its recipe names, by the rules of the configuration.
`proved`: mass, method and all numbers of the recipe agree. `holds`: mass and method do, and the recipe names hours
that were revised since. `differs`: neither, or another mass was signed; rules that were changed since are one cause
(the signed hour has the hash of the rules that it was made by). What rests on an imported file is computed with the
hours of the files that its recipe names, and no others. A
measured hour with a bias factor is multiplied again, and the factor computed again from the file of the RATA that the
hour names, which is in qa.db. The calibration functions that it names are held against the QAL2 there; the mass follows
from them and the raw samples.

The history keeps three years. The gateway need not run, and is not disturbed when it does.

Exit codes: 0 shown, and nothing differs; 2 usage, or a wrong configuration; 4 not the service's user; 6 a substitute
differs; 7 the history cannot be read.
"""


def add_hours(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway hours`."""
    hours = verbs.add_parser(
        "hours",
        help="what stands for every hour: mass, method code, and the recipe of a substitute",
        description="Lists the hours of the gateway's units with their mass and method code, and from what substituted "
        "ones were computed. Without --from it shows the last seven days that are known.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(
            "doxedge gateway hours --unit alpha-1 --from 2026-01-31 --substituted",
            "doxedge gateway hours --verify --output json",
        ),
    )
    add_place(hours)
    hours.add_argument("--unit", metavar="UNIT", help="default: all")
    hours.add_argument(
        "--from", dest="from_ms", type=time_argument, metavar="TIME", help="2026-01-31T13:00, UTC"
    )
    hours.add_argument("--to", dest="to_ms", type=time_argument, metavar="TIME", help="end, UTC")
    hours.add_argument("--substituted", action="store_true", help="only hours that were not measured")
    hours.add_argument(
        "--without-start-stop", action="store_true", help="leave start-up and shut-down out of the totals"
    )
    hours.add_argument("--verify", action="store_true", help="compute substitutes and bias factors again")
    hours.set_defaults(func=_hours)
    add_import(hours.add_subparsers(title="verbs", metavar="[VERB]"))


def _hours(options: argparse.Namespace) -> int:
    from doxedge.store.errors import StoreError

    path = folder_of(options) / "hours.db"
    checks = checks_of(options, path.with_name("outbox.db")) if options.verify else {}
    try:
        told = list(_told(options, path, checks))
    except StoreError as error:
        raise unreadable(error) from error
    if options.output == "json":
        print_json({"schema": SCHEMA, "hours": told, "totals": _totals(told, options.without_start_stop)})
    else:
        _print(told)
        _print_totals(_totals(told, options.without_start_stop))
    return Exit.UNVERIFIED if any(hour["verdict"] == "differs" for hour in told) else Exit.OK


def _told(options: argparse.Namespace, path: Path, checks: dict[str, Check]) -> Iterator[dict[str, Any]]:
    from doxedge.store import look

    units, entered = look.units(path), _entered(path.parent)
    known_units = sorted({*units, *look.imported_units(path)})
    if options.unit is not None and options.unit not in known_units:
        there = ", ".join(known_units) or "none"
        raise Failure(Exit.USAGE, f"no hour of unit {options.unit} is known here; there are: {there}")
    for unit in known_units:
        if options.unit not in (None, unit):
            continue
        stored = [_as_stored(hour) for hour in look.imported_hours(path, unit)] + look.hours(path, unit)
        newest_ms = stored[-1].known.start_ms + HOUR_MS if stored else 0
        from_ms = newest_ms - SHOWN_MS if options.from_ms is None else options.from_ms
        to_ms = newest_ms if options.to_ms is None else options.to_ms
        histories = Histories(path, unit, units.get(unit, 0))
        for hour in stored:
            start_ms = hour.known.start_ms
            told = _hour(unit, hour)
            if (unit, start_ms) in entered and told["what"] in ("missing", "substituted"):
                told |= entered[unit, start_ms]
            if not from_ms <= start_ms < to_ms or (
                options.substituted and told["what"] in ("measured", "imported", "off")
            ):
                continue
            if unit in checks and not hour.known.source and told["what"] != BY_HAND:
                told["verdict"], told["recomputed"] = verdict_on(histories, hour, checks[unit])
            yield told


def _entered(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """By unit and hour, what two persons stated of it."""
    from doxedge.gateway import manual_entries

    return {
        of: {
            "what": BY_HAND,
            "nox_g": entry.nox_g,
            "operating_percent": entry.operating_percent,
            "energy_wh": entry.energy_wh,
            "method_code": manual_entries.METHOD,
            "recipe": entry.words,
        }
        for of, entry in manual_entries.confirmed_in(folder / manual_entries.FILE).items()
    }


def _as_stored(hour: KnownHour) -> StoredHour:
    """An hour of a file: nothing is signed for it."""
    from doxedge.store.hour_rows import StoredHour

    return StoredHour(hour, False, 0, None, None)


def _hour(unit: str, stored: StoredHour) -> dict[str, Any]:
    from doxedge.measurement.hour_history import STARTED_OR_STOPPED
    from doxedge.signing import canonical

    known, stated = stored.known, stored.stated
    what, nox_g, code = "missing", None, ""
    share = known.share
    own_percent = known.operating_percent if share is None else share.operating_percent
    own_g = None if known.nox_g is None else known.own_g(known.nox_g)
    if not own_percent:
        what, nox_g, code = "off", own_g if share is None else 0, known.method_code
    elif stated is not None:
        what, nox_g, code = "substituted", stated.nox_g, stated.method_code
    elif known.nox_g is not None:
        what, nox_g, code = "imported" if known.source else "measured", own_g, known.method_code
    return {
        "unit": unit,
        "start_ms": known.start_ms,
        "what": what,
        "provisional": stored.is_open and stated is not None,
        "operating_percent": own_percent,
        "nox_g": nox_g,
        "method_code": code,
        "energy_wh": known.energy_wh if share is None else share.energy_wh,
        "load_w": known.load_w,
        "minutes_valid": known.minutes_valid,
        "start_stop": STARTED_OR_STOPPED in known.remarks,
        "recipe": None if stated is None else canonical.decode(stated.recipe),
        "stack": None if share is None else _stack(known, share, stated),
        "from_file": known.source or None,
        "verdict": None,
        "recomputed": None,
    }


def _stack(known: KnownHour, share: UnitShare, stated: HourStatement | None) -> dict[str, Any]:
    """What the hour is a part of: the stack's grams, and by which weights they were divided."""
    from doxedge.measurement.apportioning import stack_hour_in
    from doxedge.signing import canonical

    nox_g = known.nox_g
    if stated is not None:
        recipe = canonical.decode(stated.recipe)
        said = (
            stack_hour_in(recipe[-1]) if isinstance(recipe, list) and isinstance(recipe[-1], list) else None
        )
        nox_g = None if said is None else said.nox_g
    how = share.apportioning
    return {
        "operating_percent": known.operating_percent,
        "nox_g": nox_g,
        "apportioned_by": how.by.value,
        how.by.word: dict(how.weights),
    }


def _totals(told: list[dict[str, Any]], without_start_stop: bool) -> list[dict[str, Any]]:
    """Of each unit over the shown hours."""
    from doxedge.measurement.specific_emission import StatedHour, specific_emission

    totals = []
    for unit in sorted({hour["unit"] for hour in told}):
        hours = [
            StatedHour(hour["nox_g"], hour["energy_wh"], hour["start_stop"])
            for hour in told
            if hour["unit"] == unit and (hour["what"] != "off" or hour["nox_g"] or hour["energy_wh"])
        ]
        found = specific_emission(hours, without_start_stop=without_start_stop)
        ratio = found.kg_per_mwh
        totals.append(
            {
                "unit": unit,
                "hours": found.hours,
                "hours_without_mass": found.without_mass,
                "hours_left_out": found.left_out,
                "nox_g": found.nox_g,
                "energy_wh": found.energy_wh,
                "kg_per_mwh": None if ratio is None else f"{ratio:f}",
            }
        )
    return totals


def _print_totals(totals: list[dict[str, Any]]) -> None:
    rows = [
        [
            one["unit"],
            str(one["hours"]),
            str(one["hours_without_mass"]),
            str(one["hours_left_out"]),
            str(one["nox_g"]),
            str(one["energy_wh"]),
            one["kg_per_mwh"] or "–",
        ]
        for one in totals
    ]
    columns = ("unit", "hours", "without a mass", "left out", "NOx g", "energy Wh", "kg/MWh")
    if rows:
        print()
        print_section(Section("Totals", columns, rows, ""))


def _print(told: list[dict[str, Any]]) -> None:
    from doxedge.measurement.recipe_text import recipe_lines

    rows = [
        [
            hour["unit"],
            utc(hour["start_ms"]),
            hour["what"] + (" (provisional)" if hour["provisional"] else ""),
            "–" if hour["nox_g"] is None else str(hour["nox_g"]),
            hour["method_code"] or "–",
            f"{hour['operating_percent']} %",
            hour["verdict"] or "",
        ]
        for hour in told
    ]
    columns = ("unit", "hour UTC", "what", "NOx g", "method", "operating", "verdict")
    print_section(Section("Hours", columns, rows, "no hour is known for this time"))
    for hour in told:
        if hour["recipe"] is None and hour["recomputed"] is None:
            continue
        print(f"\n{hour['unit']} {utc(hour['start_ms'])}, recipe {json.dumps(hour['recipe'])}")
        if hour["what"] == BY_HAND:
            print("\n".join(printable(f"  {said}") for said in hour["recipe"]))
            continue
        for label, text in recipe_lines(hour["recipe"], utc) if hour["recipe"] is not None else ():
            print(f"  {label}: {text}")
        if hour["recomputed"] is not None:
            print(f"  verified: {hour['recomputed']}")
