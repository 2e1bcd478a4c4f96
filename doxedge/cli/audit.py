"""`doxedge audit`: recompute what others reported, from their own files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from doxedge.cli.audit_bias import add_bias
from doxedge.cli.audit_input import add_verb, print_json, printable, read_table
from doxedge.cli.audit_substitute import add_substitute
from doxedge.cli.audit_tests import add_tests
from doxedge.cli.audit_vectors import add_vectors
from doxedge.cli.outcome import Exit
from doxedge.measurement.hourly_file import HoursSummary, read_hours, summary
from doxedge.quantity import kilograms_text

HOURS_EPILOG = """\
The file has one row for each hour of a unit and the columns ORISID, BLRID, YYMMDD, HOUR, OPTIME, NOXMASS, NOXRATE and
HTINPUT (GLOAD and the flag columns where there are any); -9 means missing. It is the layout in which the hourly data of
the US EPA are passed on. nox_g is the sum of the hours' grams, each rounded half away from zero. mismatch_hours counts
operating hours whose mass differs from rate times heat input by more than their rounding explains.

Exit codes: 0 summed up, 2 usage, 6 the file is not in the layout, 7 the file cannot be read.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The noun and its verbs."""
    noun = subparsers.add_parser(
        "audit",
        help="recompute what others reported, from their own files",
        description="Computes anew what a file states, by the rules that it names, and says where it differs. Needs no "
        "gateway and no node. A file may be packed by gzip, and - is standard input. With --output json a refusal is "
        "JSON too: verdict, exit code, reason.",
    )
    verbs = noun.add_subparsers(title="verbs", metavar="VERB", required=True)
    add_verb(
        verbs,
        "hours",
        audit_hours,
        summary="sum up a file of hourly emissions",
        example="doxedge audit hours 703_2BLR_2007.csv --output json",
        description="Sum up a file of hourly emissions: hours, mass, energy, and what does not fit.",
        epilog=HOURS_EPILOG,
    )
    add_vectors(verbs)
    add_tests(verbs)
    add_bias(verbs)
    add_substitute(verbs)


def audit_hours(options: argparse.Namespace) -> int:
    """Print the summary of one file. Raises Failure when it cannot be read or is not in the layout."""
    path: Path = options.file
    result = read_table(path, lambda lines: summary(read_hours(lines)))
    if options.output == "json":
        print_json(result)
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
    yield printable(path.name)
    yield from (f"{label:<{width}}  {value}" for label, value in lines)
