"""`doxedge gateway exchange-meter`: a person says that the energy meter of a unit was exchanged."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Final

from doxedge.cli.command_line import spoken
from doxedge.cli.gateway_folder import add_place, ask, folder_of, print_json, printable, utc
from doxedge.cli.outcome import Exit, Failure

SCHEMA: Final = "doxedge.gateway.exchange/1"
DOCUMENT_BYTES_MAX: Final = 256 * 1024 * 1024
_CODES: Final = {"does_not_fit": Exit.REFUSED, "disk": Exit.LOCAL_IO, "busy": Exit.TIMEOUT}


def add_exchange(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway exchange-meter`."""
    parser = verbs.add_parser(
        "exchange-meter",
        help="the energy meter of a unit was exchanged: what both counters showed",
        description="Tells the running gateway where the old counter ended and where the new one began, so that no "
        "energy is lost or invented. Before the new meter counts or after, but before the hour of the exchange is "
        "closed. It is kept among the raw samples, and signed with name, account, reason and the document's hash.",
        epilog="Keep the document: the regulator may ask for what has this hash. Exit codes: 0 on record, 1 it does "
        "not fit what was read, 2 no such unit or no name, 3 no gateway runs here, 4 not in the service's group, 5 no "
        "answer: look with `doxedge gateway events` before you repeat, 7 the document or the disk.",
        examples=(
            (
                "doxedge gateway exchange-meter --unit alpha-1 --at 2026-01-31T13:20 --old-wh 984123500 --new-wh 0 \\\n"
                "      --name 'A. Person' --reason 'verification period over' --document protocol.pdf"
            ),
        ),
    )
    parser.add_argument("--unit", required=True, metavar="U", help="the unit, as in gateway.toml")
    parser.add_argument(
        "--at", type=moment, required=True, metavar="TIME",
        help="when the new meter began to count: 2026-01-31T13:05:20, UTC",
    )  # fmt: skip
    parser.add_argument("--old-wh", required=True, metavar="WH", help="what the old meter showed last")
    parser.add_argument("--new-wh", required=True, metavar="WH", help="what the new meter showed first")
    add_saying(parser)
    add_place(parser)
    parser.set_defaults(func=_exchange)


def add_saying(parser: argparse.ArgumentParser) -> None:
    """Who says it, why, and what proves it."""
    parser.add_argument("--name", type=spoken, required=True, metavar="WHO", help="who says so")
    parser.add_argument("--reason", type=spoken, required=True, metavar="TEXT", help="stands on the ledger")
    parser.add_argument(
        "--document", type=Path, required=True, metavar="FILE",
        help="protocol or photograph; only its SHA-256 leaves the machine",
    )  # fmt: skip


def _exchange(options: argparse.Namespace) -> int:
    question = {
        "ask": "exchange-meter",
        "unit": options.unit,
        "at_ms": options.at,
        "old_wh": options.old_wh,
        "new_wh": options.new_wh,
        "name": options.name,
        "reason": options.reason,
        "document": document_hash(options.document),
    }
    answer = ask(folder_of(options), question, changes=True)
    if not answer.get("ok"):
        code = _CODES.get(str(answer.get("code")), Exit.USAGE)
        raise Failure(code, printable(str(answer.get("reason"))))
    exchange = answer["exchange"]
    if options.output == "json":
        print_json({"schema": SCHEMA, "exchange": exchange})
    else:
        counters = f"{exchange['old_wh']} Wh, then {exchange['new_wh']} Wh"
        print(printable(f"{exchange['unit']}: meter exchanged at {utc(exchange['at_ms'])}, {counters}"))
    return Exit.OK


def document_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal. Raises Failure (7) for one that cannot be read or is no document."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            size = 0
            while chunk := file.read(1 << 20):
                size += len(chunk)
                if size > DOCUMENT_BYTES_MAX:
                    raise Failure(
                        Exit.USAGE, f"{path} is longer than {DOCUMENT_BYTES_MAX} bytes: no document"
                    )
                digest.update(chunk)
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
    if not size:
        raise Failure(Exit.USAGE, f"{path} is empty: no document")
    return digest.hexdigest()


def moment(text: str) -> int:
    """A time in UTC, as an argument, in milliseconds."""
    import datetime as dt

    from doxedge.cli.ask_node import EPOCH

    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}` is no time; write 2026-01-31T13:05:20, UTC") from error
    at = given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given
    at_ms = (at - EPOCH) // dt.timedelta(milliseconds=1)
    if at_ms < 0:
        raise argparse.ArgumentTypeError(f"`{text}` is before 1970")
    return at_ms
