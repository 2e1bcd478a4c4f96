"""`doxedge audit`: recompute what others reported, from their own files."""

from __future__ import annotations

import argparse
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from doxedge.cli.outcome import Exit, Failure
from doxedge.measurement.hourly_file import MAX_LINE_CHARACTERS, HourlyFileError, HoursSummary, parse, summary
from doxedge.quantity import kilograms_text

HOURS_EPILOG = """\
The file has one row for each hour of a unit and the columns ORISID, BLRID, YYMMDD, HOUR, OPTIME, NOXMASS, NOXRATE and
HTINPUT (GLOAD and the flag columns where there are any); -9 means missing. It is the layout in which the hourly data of
the US EPA are passed on. nox_g is the sum of the hours' grams, each rounded half away from zero. mismatch_hours counts
operating hours whose mass differs from rate times heat input by more than their rounding explains.

Exit codes: 0 summed up, 2 usage, 6 the file is not in the layout, 7 the file cannot be read.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The noun and its one verb so far."""
    noun = subparsers.add_parser("audit", help="recompute what others reported, from their own files")
    verbs = noun.add_subparsers(title="verbs", metavar="VERB", required=True)
    hours = verbs.add_parser(
        "hours",
        help="sum up a file of hourly emissions",
        description="Sum up a file of hourly emissions: hours, mass, energy, and what does not fit.",
        epilog=HOURS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hours.add_argument("file", metavar="FILE.csv", type=Path)
    hours.add_argument("--output", choices=("table", "json"), default="table")
    hours.set_defaults(func=audit_hours)


def audit_hours(options: argparse.Namespace) -> int:
    """Print the summary of one file. Raises Failure when it cannot be read or is not in the layout."""
    path: Path = options.file
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            # Bounded reads: a file that is one endless line must not fill the memory before it is refused.
            result = summary(parse(iter(lambda: file.readline(MAX_LINE_CHARACTERS + 1), "")))
    except HourlyFileError as error:
        raise Failure(Exit.UNVERIFIED, f"{path}: {_printable(str(error))}") from error
    except UnicodeDecodeError as error:
        raise Failure(Exit.UNVERIFIED, f"{path}: not a text file in UTF-8 ({error.reason})") from error
    except OSError as error:
        raise Failure(
            Exit.LOCAL_IO, f"{path}: {error.strerror or error}; check the path and its rights"
        ) from error
    if options.output == "json":
        print(json.dumps(result, indent=2))
    else:
        print("\n".join(_table(path, result)))
    return Exit.OK


def _table(path: Path, result: HoursSummary) -> Iterator[str]:
    """The same figures for people: kilograms beside grams, and a word where there is nothing."""
    gross_mwh = result["gross_mwh"]
    lines = [
        ("hours in the file", f"{result['rows']}"),
        ("operating hours", f"{result['operating_hours']}"),
        ("  of these partial", f"{result['partial_hours']}"),
        ("  of these without NOx", f"{result['missing_nox_hours']}"),
        ("NOx as reported", f"{result['nox_lb']} lb"),
        ("NOx, hours rounded", f"{kilograms_text(result['nox_g'])} kg"),
        ("gross energy", "no load in the file" if gross_mwh is None else f"{gross_mwh} MWh"),
        ("mass is not rate x heat", f"{result['mismatch_hours']} hours"),
        *(
            (f"flags {column}", ", ".join(f"{flag}: {count}" for flag, count in counts.items()))
            for column, counts in result["flags"].items()
        ),
    ]
    width = max(len(label) for label, _ in lines)
    yield _printable(path.name)
    yield from (f"{label:<{width}}  {value}" for label, value in lines)


def _printable(text: str) -> str:
    """What a file says must not steer the terminal."""
    return "".join("?" if unicodedata.category(sign).startswith("C") else sign for sign in text)
