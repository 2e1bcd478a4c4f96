"""`doxedge gateway qa`: hand in tests of quality assurance, say what was done to a monitor, see what is on record."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from doxedge.cli.command_line import spoken, whole_number
from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    ask,
    folder_of,
    print_json,
    print_section,
    printable,
    unreadable,
    utc,
)
from doxedge.cli.gateway_qa_due import add_due
from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.readings import time_argument

LIST_SCHEMA: Final = "doxedge.gateway.qa/1"
NEWEST: Final = 200
_INSTANT_MS_MIN: Final = 10**11
"""Smaller ones are lengths of time."""
NEWEST_MAX: Final = 10_000
_CODES: Final = {
    "bad_file": Exit.UNVERIFIED,
    "no_qal2": Exit.REFUSED,
    "no_chart": Exit.REFUSED,
    "disk": Exit.LOCAL_IO,
}
_EXITS: Final = (
    "Exit codes: 0 passed, 1 judged and not passed, 2 usage, 3 no gateway runs here, 4 not in the service's group, "
    "5 no answer: look with `doxedge gateway qa list` before you repeat, 6 the file is not in its layout, 7 it cannot "
    "be read."
)


def add_qa(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway qa enter`, `event`, `list`, `show` and `due`."""
    parser = verbs.add_parser(
        "qa",
        help="linearity, RATA, QAL2, AST, QAL3: hand in a test; what is on record",
        description="Quality assurance of the quantities that have a [[unit.calibration]] table.",
    )
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    enter = kinds.add_parser(
        "enter",
        help="hand in the file of a test: it is judged, kept and signed as an event",
        description="The running gateway judges the raw values of FILE by the rules, keeps the file with its hash, and "
        "signs the verdict. A linearity check or a RATA that failed, or is no longer good, puts the monitor out of "
        "control until one passes (`doxedge gateway qa due`). "
        "linearity and rata: the layouts of `doxedge audit`, one test (--test-num cuts it out of many). qal2 and ast: "
        "date, x (analyser), y (reference). qal3: date, time (UTC), gas (zero, upscale), reading, reference.",
        epilog=_EXITS,
        examples=(
            (
                "doxedge gateway qa enter linearity gases.csv --unit alpha-1 --quantity nox_ppb --date 2026-03-14 \\\n"
                "      --name 'A. Person' --reason 'of the first quarter'"
            ),
        ),
    )
    enter.add_argument("kind", choices=("linearity", "rata", "qal2", "ast", "qal3"))
    enter.add_argument("file", type=Path, metavar="FILE", help="comma-separated values, at most 40,000 signs")
    _add_subject(enter)
    enter.add_argument("--date", required=True, metavar="DAY", help="when the test was made: 2026-02-28")
    enter.add_argument(
        "--good-until", metavar="DAY", help="its last day, where the authority granted another than the rules"
    )
    enter.add_argument(
        "--ended",
        dest="ended_ms",
        type=time_argument,
        metavar="TIME",
        help="when the last run of a RATA ended, UTC: 2026-02-28T16:40; default: with its day",
    )
    enter.add_argument("--test-num", metavar="N", help="which test of the file")
    enter.add_argument(
        "--parameter", metavar="P", help="of a RATA: NOXC, NOXR, O2C, FLOW ...; default: the quantity's own"
    )
    enter.add_argument(
        "--limit", metavar="VALUE", help="of QAL2 and AST: the emission limit value, in the unit of y"
    )
    enter.add_argument(
        "--zero", metavar="VALUE", help="of QAL2: what the analyser reads at zero gas; default: 0"
    )
    enter.add_argument(
        "--measured-in",
        choices=("ppb", "ppm", "mg/m3"),
        help="of a QAL2 of NOx: the unit of x and y, both as the analyser measures (dry or wet, not at a reference "
        "oxygen), mg/m3 at 0 degC and 101.325 kPa as NO2; default: the quantity's own",
    )
    enter.set_defaults(func=_enter)
    event = kinds.add_parser(
        "event",
        help="a monitor was repaired, adjusted or exchanged: a check must pass first",
        description="Puts the monitor out of control until a calibration check passes, and begins its charts anew.",
        epilog=_EXITS,
        examples=(
            (
                "doxedge gateway qa event --unit alpha-1 --quantity nox_ppb --name 'A. Person' --reason 'new converter'"
            ),
        ),
    )
    _add_subject(event)
    event.set_defaults(func=_event)
    listing = kinds.add_parser(
        "list",
        help="checks, tests, standings and readings on charts, from the gateway's own file",
        description="Reads qa.db, in which nothing is ever changed or deleted. The gateway need not run.",
        examples=("doxedge gateway qa list --unit alpha-1 --kind test --last 20",),
    )
    listing.add_argument("--unit", metavar="U", help="default: all")
    listing.add_argument(
        "--kind", choices=("begun", "check", "hour", "standing", "test", "chart"), help="only such lines"
    )
    listing.add_argument(
        "--last",
        type=whole_number(what="number of lines"),
        default=NEWEST,
        metavar="N",
        help=f"so many lines; default: {NEWEST}",
    )
    add_place(listing)
    listing.set_defaults(func=_list)
    show = kinds.add_parser(
        "show",
        help="one line of the record with every figure, and the file of a test as it was handed in",
        description="Prints one line of qa.db whole: what was read and judged, who said so, and the file of a test. "
        "The gateway need not run.",
        examples=("doxedge gateway qa show 12",),
    )
    show.add_argument(
        "entry",
        type=whole_number(least=1, what="number of an entry"),
        metavar="ENTRY",
        help="its number, as `qa list` shows",
    )
    add_place(show)
    show.set_defaults(func=_show)
    add_due(kinds)


def _add_subject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unit", required=True, metavar="U", help="the unit, as in gateway.toml")
    parser.add_argument("--quantity", required=True, metavar="Q", help="such as nox_ppb")
    parser.add_argument("--name", type=spoken, required=True, metavar="WHO", help="who answers for it")
    parser.add_argument("--reason", type=spoken, required=True, metavar="TEXT", help="why, or what was done")
    add_place(parser)


def _enter(options: argparse.Namespace) -> int:
    question = {
        "ask": "enter",
        "unit": options.unit,
        "quantity": options.quantity,
        "kind": options.kind,
        "file": options.file.name,
        "text": _text_of(options.file),
        "day": options.date,
        "good_until": options.good_until,
        "ended_ms": options.ended_ms,
        "name": options.name,
        "reason": options.reason,
        "test_num": options.test_num,
        "parameter": options.parameter,
        "limit": options.limit,
        "zero": options.zero,
        "measured_in": options.measured_in,
    }
    answer = _answer(options, question)
    entry = answer["entry"]
    if options.output == "json":
        print_json(answer)
    else:
        from doxedge.gateway.qa_in_force import in_force_words
        from doxedge.gateway.qa_tests import good_words

        good = f"{good_words(entry)}{in_force_words(entry)}"
        print(printable(f"{entry['kind']} {entry['verdict']}{good}: {entry['told']}"))
        print(printable(f"on record as {entry['entry']}, SHA-256 {entry['sha256']}; {answer['standing']}"))
    return Exit.OK if entry["passed"] else Exit.REFUSED


def _event(options: argparse.Namespace) -> int:
    question = {
        "ask": "monitor_event",
        "unit": options.unit,
        "quantity": options.quantity,
        "name": options.name,
        "reason": options.reason,
    }
    answer = _answer(options, question)
    if options.output == "json":
        print_json(answer)
    else:
        print(printable(f"on record as {answer['entry']['entry']}; {answer['standing']}"))
    return Exit.OK


def _list(options: argparse.Namespace) -> int:
    if not 1 <= options.last <= NEWEST_MAX:
        raise Failure(Exit.USAGE, f"--last is 1 to {NEWEST_MAX}")
    entries = [
        entry
        for entry in _entries(options, kind=options.kind, unit=options.unit, last=options.last)
        if options.kind or entry["kind"] not in ("begun", "hour")
    ]
    if options.output == "json":
        print_json({"schema": LIST_SCHEMA, "entries": entries})
        return Exit.OK
    rows = [
        [
            str(one["entry"]),
            utc(one["at_ms"]),
            one["unit"],
            one["quantity"],
            one["kind"],
            _words(one["kind"], one["body"]),
        ]
        for one in entries
    ]
    columns = ("entry", "at (UTC)", "unit", "quantity", "kind", "what")
    print_section(Section("Quality assurance", columns, rows, "nothing is on record"))
    return Exit.OK


def _show(options: argparse.Namespace) -> int:
    found = [
        one for one in _entries(options, number=options.entry, texts=True) if one["entry"] == options.entry
    ]
    if not found:
        raise Failure(Exit.USAGE, f"there is no entry {options.entry}")
    (entry,) = found
    if options.output == "json":
        print_json({"schema": LIST_SCHEMA, "entries": found})
        return Exit.OK
    text = entry["body"].pop("text", None)
    print(
        printable(
            f"{entry['entry']} {entry['kind']} {entry['unit']}.{entry['quantity']} {utc(entry['at_ms'])} UTC"
        )
    )
    print("\n".join(printable(line) for line in told_lines(entry["body"])))
    if text is not None:
        print("\n".join(printable(line) for line in text.splitlines()))
    return Exit.OK


def told_lines(body: Mapping[str, Any], *, indent: str = "  ") -> Iterator[str]:
    """What an entry holds, for a reader."""
    for key, value in body.items():
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            for part in [value] if isinstance(value, dict) else value:
                yield f"{indent}{key}:"
                yield from told_lines(part, indent=indent + "  ")
        else:
            yield f"{indent}{key.removesuffix('_ms') if _is_instant(key, value) else key}: {_plain(key, value)}"


def _plain(key: str, value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(key, one) for one in value) or "–"
    if isinstance(value, int) and _is_instant(key, value):
        return f"{utc(value)} UTC"
    return str(value)


def _is_instant(key: str, value: object) -> bool:
    return key.endswith("_ms") and isinstance(value, int) and value >= _INSTANT_MS_MIN


def _entries(
    options: argparse.Namespace,
    *,
    kind: str | None = None,
    unit: str | None = None,
    last: int = 1,
    number: int | None = None,
    texts: bool = False,
) -> list[dict[str, Any]]:
    from doxedge.store import look
    from doxedge.store.errors import StoreError

    try:
        found = look.quality(folder_of(options) / "qa.db", kind=kind, unit=unit, newest=last, number=number)
    except StoreError as error:
        raise unreadable(error) from error
    return [
        {
            "entry": entry.number,
            "at_ms": entry.at_ms,
            "unit": entry.unit,
            "quantity": entry.quantity,
            "kind": entry.kind.value,
            "begun": entry.begun,
            "body": {key: value for key, value in entry.body.items() if texts or key != "text"},
        }
        for entry in found
    ]


def _words(kind: str, body: Mapping[str, Any]) -> str:
    """One line of the record for a person."""
    match kind:
        case "check":
            gases = [f"{gas['gas']} {gas['error']} ({gas['verdict']})" for gas in body["gases"]]
            return ", ".join([body["end"], *gases, *([body["why"]] if body["why"] else [])])
        case "standing" | "hour":
            return ": ".join(filter(None, (str(body["standing"]), body.get("why"))))
        case "test" if "verdict" in body:
            return f"{body['kind']} {body['verdict']} on {body['day']}, by {body['name']}: {body['told']}"
        case "test":
            return f"{body['kind']}, by {body['name']}: {body['reason']}"
        case "chart":
            found = ", ".join(body["findings"]) or "quiet"
            return f"{body['gas']} {body['reading'][:12]} for {body['reference']}: {found}"
        case _:
            return f"{', '.join(body['gases'])}, by the {body['origin']}"


def _text_of(path: Path) -> str:
    from doxedge.gateway.qa_tests import FILE_CHARACTERS_MAX

    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            text = file.read(FILE_CHARACTERS_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(Exit.LOCAL_IO, f"{path}: cannot be read: {error}") from error
    if len(text) > FILE_CHARACTERS_MAX:
        raise Failure(
            Exit.USAGE,
            f"{path}: more than {FILE_CHARACTERS_MAX} signs; keep the rows of the one test that is meant",
        )
    return text


def _answer(options: argparse.Namespace, question: Mapping[str, object]) -> dict[str, Any]:
    answer = ask(folder_of(options), question, changes=True)
    if not answer.get("ok"):
        code = _CODES.get(str(answer.get("code")), Exit.USAGE)
        raise Failure(code, printable(str(answer.get("reason"))))
    return answer
