"""The program `doxedge`: finds the noun, hands over to its file, turns errors into exit codes.

Exit codes: 0 done, 1 refused by a rule, 2 usage or configuration, 3 cannot connect, 4 not authorised, 5 time-out with
unknown outcome, 6 verification failed, 7 local disk or line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from doxedge.cli import streams
from doxedge.cli.command_line import Parser
from doxedge.cli.outcome import Exit, Failure

NOUNS: Final = {
    "init": "a new plant or a new channel: a few questions, then keys and configuration",
    "doctor": "what is wrong on this machine, and what to do about it",
    "run": "gateway and node in one process, for small boxes",
    "gateway": "the acquisition daemon: analysers in, signed hours out",
    "node": "the ledger daemon: order, execute, gossip, serve",
    "transaction": "hand in signed records, and follow them",
    "readings": "the regulator's reception desk: what arrived, what is missing",
    "evidence": "prove one record to somebody who has no node",
    "rules": "the rules in force, as numbered text",
    "audit": "recompute what others reported, from their own files",
    "demo": "a regulator, two companies, two channels and simulated stacks on this machine",
}
"""Every noun has a file of its name in this folder; only the one that is asked for is imported."""

NO_PLACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Why a write fails: disk, quota or limit are full, or the device is broken."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    streams.prepare()
    try:
        return _done(list(sys.argv[1:] if argv is None else argv))
    except Failure as failure:
        print(f"doxedge: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("doxedge: interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        streams.let_go_of_stdout()  # the reader (head, less) has seen enough
        return Exit.OK
    except PermissionError as error:
        if error.filename is None:
            raise
        print(f"doxedge: {error.filename}: {error.strerror}; this account may not", file=sys.stderr)
        return Exit.UNAUTHORISED
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        text = f"{_what_has_no_place(error)}: {error.strerror}; make room, or write elsewhere"
        print(f"doxedge: cannot write {text}", file=sys.stderr)
        streams.let_go_of_stdout()
        return Exit.LOCAL_IO


def _done(arguments: list[str]) -> int:
    wanted = arguments[0] if arguments and arguments[0] in NOUNS else None
    parser = build_parser(only=wanted)
    try:
        options = parser.parse_args(arguments)
    except SystemExit:
        sys.stdout.flush()  # what --help said
        raise
    if not hasattr(options, "func"):
        parser.print_help(sys.stderr)
        return Exit.USAGE
    code = int(options.func(options))
    sys.stdout.flush()  # here, where what goes wrong has an exit code
    return code


def _what_has_no_place(error: OSError) -> str:
    """A name where the error has one. Standard output has none, but what it holds cannot be written now either."""
    if error.filename is not None:
        return str(error.filename)
    if streams.is_full():
        return "the output"
    return "a file" if streams.is_buffered() else "the output, or a file"


def build_parser(*, only: str | None = None) -> argparse.ArgumentParser:
    """The parser with every noun, or with the details of just one (start-up of the others is saved)."""
    parser = Parser(
        prog="doxedge",
        description="Emission metering and settlement: reads NOx analysers, signs hours of emission mass, and keeps "
        "them on a ledger that a regulator can check.",
        epilog="Begin with `doxedge demo` for a look and with `doxedge init` for a plant; `doxedge doctor` finds "
        "what is wrong. Each noun explains itself: doxedge NOUN --help.",
    )
    parser.add_argument("--version", action="version", version=f"doxedge {_version()}")
    nouns = parser.add_subparsers(title="nouns", metavar="NOUN")
    for noun, summary in NOUNS.items():
        if only is None or noun == only:
            importlib.import_module(f"doxedge.cli.{noun}").add_parser(nouns)
        else:
            nouns.add_parser(noun, help=summary)
    return parser


def _version() -> str:
    try:
        return version("doxedge")
    except PackageNotFoundError:
        return "(not installed)"
