"""`doxedge gateway hours import`: a plant brings the hours that another system measured."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.gateway_folder import (
    add_place,
    print_json,
    printable,
    unreadable,
    utc,
)
from doxedge.cli.outcome import Exit, Failure
from doxedge.gateway.accounts import account_name, run_as

if TYPE_CHECKING:
    from doxedge.gateway.history_import import Wish
    from doxedge.gateway.record_desk import UnitIdentity
    from doxedge.gateway.settings import UnitTable
    from doxedge.measurement.hourly_file import HourlyRow
    from doxedge.measurement.imported_hours import TakenHours
    from doxedge.store.import_rows import ImportedFile

SCHEMA: Final = "doxedge.gateway.hours.import/1"
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Six years have some 5 MB."""
WORDS_MAX: Final = 500
PROGRESS_STEP_LINES: Final = 500

EPILOG: Final = """\
The file is in the EPA CEM layout that `doxedge audit hours` reads: ORISID, BLRID, YYMMDD, HOUR, OPTIME, NOXMASS,
NOXRATE, HTINPUT, NOXMMEASURE; GLOAD, NOXRMEASURE and HTINPUTMEASURE where there are any. One unit, every hour one after
the other, also those in which the unit did not run. Hours are local standard time: --utc-offset says which. The ECMPS
layout has neither mass nor load nor operating time and cannot be taken.

Of a row is taken: the operating share (OPTIME, to the hundredth), the load (GLOAD; steam is no power, and without a
load no look-back by load ranges finds the hour), and the mass (NOXMASS, in whole grams) of a quality-assured hour.
Quality-assured: NOXMMEASURE says measured (1) or calculated (2), and neither NOXRMEASURE nor HTINPUTMEASURE says
anything else. Any other hour that operated is missing. The substitutes of the other system are not taken.

Refused with line and column, and nothing is taken: another unit than --called, hours left out, twice or out of order,
an hour that is not over or that the gateway recorded itself (or any after it), a mass above maximum_g_per_h of
[unit.missing_data], a load above twice the greatest, more than six years. A unit that shares its stack takes no file.

The gateway must not run: stop it, import, start it again (an hour stays valid while each of its quarters has a point).
Run it as the service's user, as below. When it starts it signs the event `history.imported` for the regulator: file,
hours, who and why. Only then does anything rest on the hours, and every recipe that does names the file. Substitutes
that were signed before stay, also when their gap still lasts.

    systemctl stop doxedge
    sudo -u doxedge doxedge gateway hours import FILE.csv --unit U --called 703/2BLR --utc-offset -5 \\
        --name WHO --reason WHY
    systemctl start doxedge

The same file again changes nothing, and is held against what the history has of it. A file that has hours of one that
was imported before is refused without --replace. Files that follow each other (one a year) stand beside each other.
`doxedge audit substitute --mass` shows beforehand what the rules make of such a file, `doxedge gateway hours --verify`
computes what was made of it.

Exit codes: 0 taken, or there already, or --check found nothing wrong; 1 it contradicts what is there, or the gateway
runs; 2 usage, or a wrong configuration; 4 not the service's user; 6 the file is refused, or its hours were
altered in the history; 7 the file or the disk.
"""


def add_import(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway hours import`."""
    parser = verbs.add_parser(
        "import",
        help="take the hours of another system, so that substitutes look back on them",
        description="Takes the hourly file of the system that measured the plant before, so that availability and "
        "look-backs of missing-data substitution do not begin with nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.csv")
    parser.add_argument("--unit", required=True, metavar="U", help="the unit, as in gateway.toml")
    parser.add_argument(
        "--called", required=True, metavar="ORISID/BLRID", help="what the file calls it: 703/2BLR"
    )
    parser.add_argument(
        "--utc-offset", required=True, type=_offset, metavar="HOURS", help="of its standard time: New York -5"
    )
    parser.add_argument("--name", metavar="WHO", help="who imports; stands on the ledger")
    parser.add_argument("--reason", metavar="TEXT", help="why; stands on the ledger")
    parser.add_argument("--check", action="store_true", help="only show what would be taken")
    parser.add_argument("--replace", action="store_true", help="files with hours of this one count no longer")
    parser.add_argument(
        "--prior-is-before",
        action="store_true",
        help="the hours that prior_operating_hours counts lie before the file, and count beside it",
    )
    add_place(parser)
    parser.set_defaults(func=_import)


def _import(options: argparse.Namespace) -> int:
    from doxedge.gateway.history_import import NotImported
    from doxedge.measurement.hourly_file import HourlyFileError
    from doxedge.store.errors import Kind, StoreError

    wish = _wish(options)
    place = _place(options)
    try:
        told = _check(options, wish, place) if options.check else asyncio.run(_taken(options, wish, place))
    except HourlyFileError as error:
        raise Failure(
            Exit.UNVERIFIED, f"{options.file}: {printable(str(error))}; nothing is taken"
        ) from error
    except NotImported as error:
        raise Failure(Exit.REFUSED, f"{printable(str(error))}; nothing is taken") from error
    except StoreError as error:
        if error.kind is Kind.LOCKED:
            text = "the gateway runs, and keeps its history to itself; stop it, import, and start it again"
            raise Failure(Exit.REFUSED, f"{text} ({error})") from error
        raise unreadable(error) from error
    if options.output == "json":
        print_json({"schema": SCHEMA, **told})
    else:
        _print(told)
    return Exit.OK


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the unit's history lies."""

    folder: Path
    unit: UnitTable
    identity: UnitIdentity
    now_ms: int

    @property
    def store(self) -> Path:
        return self.folder / "hours.db"


def _check(options: argparse.Namespace, wish: Wish, place: _Place) -> dict[str, Any]:
    """What would be taken, from beside a gateway that may run."""
    from doxedge.store import look

    began_ms, files = None, []
    if place.store.exists():
        began_ms = look.units(place.store).get(place.unit.name)
        files = look.imported_files(place.store, place.unit.name)
    told, _, _ = _judged(options, wish, place, began_ms, files)
    return told


async def _taken(options: argparse.Namespace, wish: Wish, place: _Place) -> dict[str, Any]:
    """Take it. While the store is open here no gateway can run."""
    from doxedge.store.hours import HourStore

    _require_owner(place.folder)
    async with await HourStore.open(place.store, now_ms=place.now_ms) as store:
        if store.quarantined is not None:
            print(f"hours.db was damaged and is now {store.quarantined}", file=sys.stderr)
        name = place.unit.name
        began_ms, files = await store.began_ms(name), await store.imported(name)
        told, taken, replaced = await asyncio.to_thread(_judged, options, wish, place, began_ms, files)
        if told["outcome"] == "would be taken":
            await store.import_file(
                name,
                taken,
                called=wish.called,
                imported_ms=place.now_ms,
                said=told["event"],
                replaces=[file.number for file in replaced],
            )
            told["outcome"] = "taken"
    return told


def _judged(
    options: argparse.Namespace,
    wish: Wish,
    place: _Place,
    began_ms: int | None,
    files: list[ImportedFile],
) -> tuple[dict[str, Any], TakenHours, tuple[ImportedFile, ...]]:
    """What is to be told, the hours, and the files that count no longer. Raises HourlyFileError, NotImported."""
    from doxedge.gateway import history_import
    from doxedge.measurement.imported_hours import source_name, take

    own_ms = history_import.own_from_ms(place.folder, place.identity, began_ms)
    terms = history_import.terms_for(place.unit, wish, own_ms=own_ms, now_ms=place.now_ms)
    rows, file_hash = _read(options.file, is_shown=options.output == "table")
    taken = take(rows, terms, source=source_name(file_hash, wish.utc_offset_hours))
    is_there = history_import.is_there(taken, files)
    if is_there:
        _require_same(place, taken)
    replaced = () if is_there else history_import.replaced_by(taken, files, wish)
    told = {
        "outcome": "there already" if is_there else "would be taken",
        "unit": place.unit.name,
        "called": wish.called,
        "source": taken.source,
        "from_ms": taken.first_ms,
        "to_ms": taken.end_ms,
        "hours": len(taken.hours),
        "operating_hours": taken.operating,
        "quality_assured_hours": taken.quality_assured,
        "without_load_hours": taken.without_load,
        "nox_g": taken.nox_g,
        "availability_percent": str(taken.availability.percent),
        "own_from_ms": own_ms,
        "replaces": [file.source for file in replaced],
        "event": history_import.words(taken, wish, own_ms=own_ms, replaced=replaced),
    }
    return told, taken, replaced


def _require_same(place: _Place, taken: TakenHours) -> None:
    """Who altered an hour after the import is found by the file, which the regulator knows by its hash."""
    from doxedge.store import look

    kept = look.imported_hours(place.store, place.unit.name, sources={taken.source})
    wrong = next(
        (told for told, said in zip(reversed(kept), reversed(taken.hours), strict=False) if told != said),
        None,
    )
    if wrong is not None:
        raise Failure(
            Exit.UNVERIFIED,
            f"this file was imported, and the history says otherwise of the hour {utc(wrong.start_ms)} UTC: it was "
            "altered since",
        )


def _read(path: Path, *, is_shown: bool) -> tuple[tuple[HourlyRow, ...], str]:
    """The rows of a file, and the SHA-256 of the bytes that they were read from."""
    from doxedge.measurement import hourly_file
    from doxedge.measurement.table_file import MAX_LINE_CHARACTERS

    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > FILE_BYTES_MAX:
        raise Failure(Exit.UNVERIFIED, f"{path} is longer than {FILE_BYTES_MAX} bytes: no hours of one unit")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure(Exit.UNVERIFIED, f"{path}: not a text file in UTF-8 ({error.reason})") from error
    lines = text.split("\n")
    shown = with_progress(lines) if is_shown and sys.stderr.isatty() else iter(lines)
    return hourly_file.parse(line[: MAX_LINE_CHARACTERS + 1] for line in shown), hashlib.sha256(
        data
    ).hexdigest()


def with_progress(lines: list[str]) -> Iterator[str]:
    """The lines, with a bar that says how far they are read."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("lines"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(lines))
        for number, line in enumerate(lines, 1):
            yield line
            if number % PROGRESS_STEP_LINES == 0:
                bar.update(task, completed=number)


def _place(options: argparse.Namespace) -> _Place:
    from doxedge.analysers.configuration import ConfigError
    from doxedge.fieldbus.clock import from_environment
    from doxedge.gateway.record_desk import UnitIdentity
    from doxedge.gateway.settings import load_settings
    from doxedge.gateway.shared_stacks import units_by_stack

    try:
        settings = load_settings(options.config)
        stacks = units_by_stack(settings.unit, source=str(options.config))
        now_ms = from_environment(os.environ).now_ms()
    except ConfigError as error:
        raise Failure(Exit.USAGE, f"the rules of the configuration are needed: {error}") from error
    unit = next((unit for unit in settings.unit if unit.name == options.unit), None)
    if unit is None:
        there = ", ".join(unit.name for unit in settings.unit) or "none"
        raise Failure(Exit.USAGE, f"no unit {options.unit} is configured; there are: {there}")
    if unit.name in stacks:
        raise Failure(
            Exit.REFUSED,
            f"{unit.name} shares its stack: its history is that of the whole stack, and a file has the hours of a unit",
        )
    folder = (settings.state_dir if options.state is None else Path(options.state)) / "gateway"
    if not folder.is_dir():
        raise Failure(
            Exit.LOCAL_IO, f"{folder}: no gateway has run here; start it once, stop it, then import"
        )
    identity = UnitIdentity(unit.name, bytes.fromhex(unit.channel), bytes.fromhex(unit.source))
    return _Place(folder, unit, identity, now_ms)


def _wish(options: argparse.Namespace) -> Wish:
    from doxedge.gateway.history_import import Wish

    said = {}
    for flag in ("name", "reason"):
        text = (getattr(options, flag) or "").strip()
        if not text and not options.check:
            raise Failure(Exit.USAGE, f"--{flag} is needed: the regulator is told who imports, and why")
        if len(text) > WORDS_MAX or text != printable(text):
            raise Failure(Exit.USAGE, f"--{flag} has at most {WORDS_MAX} printable signs")
        said[flag] = text
    return Wish(
        called=options.called,
        utc_offset_hours=options.utc_offset,
        name=said["name"],
        account=account_name(os.geteuid()),
        reason=said["reason"],
        replaces=options.replace,
        prior_is_before=options.prior_is_before,
    )


def _require_owner(folder: Path) -> None:
    """A file that another user makes here would lock the service out."""
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise Failure(
            Exit.UNAUTHORISED,
            f"{folder} belongs to {account_name(owner)}; run this as that user: {run_as(owner)}",
        )


def _print(told: dict[str, Any]) -> None:
    lines = {
        "file": told["source"],
        "unit": f"{told['unit']}, in the file {told['called']}",
        "hours": f"{told['hours']}, {utc(told['from_ms'])} to {utc(told['to_ms'])} UTC",
        "operated": f"{told['operating_hours']} hours",
        "quality-assured": f"{told['quality_assured_hours']} hours, {told['nox_g']} g",
        "without a load": f"{told['without_load_hours']} of these, which no look-back by load finds",
        "availability": f"{told['availability_percent']} % at the end of the file",
        "gateway's own": f"from {utc(told['own_from_ms'])} UTC" if told["own_from_ms"] else "none yet",
        "replaces": ", ".join(told["replaces"]) or "nothing",
    }
    for label, text in lines.items():
        print(printable(f"{label + ':':17}{text}"))
    print(
        {
            "taken": "taken: start the gateway, which tells the regulator and then looks back on these hours",
            "there already": "there already: nothing is changed",
            "would be taken": "nothing is wrong with it; without --check it would be taken",
        }[told["outcome"]]
    )


def _offset(text: str) -> int:
    from doxedge.measurement.imported_hours import UTC_OFFSET_MAX_H, UTC_OFFSET_MIN_H

    try:
        hours = int(text)
    except ValueError:
        hours = UTC_OFFSET_MAX_H + 1
    if not UTC_OFFSET_MIN_H <= hours <= UTC_OFFSET_MAX_H:
        raise argparse.ArgumentTypeError(
            f"`{text}` is no whole number of hours from {UTC_OFFSET_MIN_H} to {UTC_OFFSET_MAX_H}"
        )
    return hours
