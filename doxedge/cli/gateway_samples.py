"""`doxedge gateway samples`: the files with which this gateway has answered requests for raw samples."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.gateway_folder import add_place, folder_of
from doxedge.cli.new_file import put_new
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.evidence.samples import ProvedSamples

PREFIX_DIGITS_MIN: Final = 8


def add_samples(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway samples list` and `gateway samples export`."""
    parser = verbs.add_parser(
        "samples",
        help="files that answer the regulator's requests for raw samples",
        description="The gateway writes an answer file by itself when the regulator asks, and states its hash on the "
        "ledger. The file goes to the regulator by whatever way is agreed.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = actions.add_parser(
        "list",
        help="every answer file, and whether it holds",
        description="Checks every answer file in the state folder against the evidence in it, and shows the request "
        "that it answers. The gateway need not run.",
        examples=("doxedge gateway samples list",),
    )
    listed.set_defaults(func=_list)
    export = actions.add_parser(
        "export",
        help="check an answer file and copy it to a medium",
        description="Checks the file that answers a request, and copies it whole under a new name. The regulator "
        "judges it with `doxedge evidence samples`.",
        examples=("doxedge gateway samples export 9f86d081 --out /media/usb/january.samples",),
    )
    export.add_argument(
        "request", metavar="REQUEST", help=f"the request's record id, or its first {PREFIX_DIGITS_MIN} digits"
    )
    export.add_argument(
        "--out", type=Path, default=None, metavar="FILE", help="must be new (default: REQUEST.samples)"
    )
    export.set_defaults(func=_export)
    for action in (listed, export):
        add_place(action)


def _list(options: argparse.Namespace) -> int:
    rows = [_row(path) for path in _files(options)]
    if options.output == "json":
        print(json.dumps(rows, indent=1))
        return Exit.OK
    if not rows:
        print("no request has been answered here")
    for row in rows:
        print(f"{row['file']}  {row['bytes']} bytes")
        if row["verdict"] == "refused":
            print(f"  DOES NOT HOLD: {row['reason']}")
        else:
            lost = f", {row['samples_lost']} lost" if row["samples_lost"] else ""
            print(
                f"  {row['unit']}, {counted(row['hours'])} from {row['from']}: {row['samples']} samples{lost}"
            )
            print(f"  content hash {row['content_hash']}")
    return Exit.OK


def _export(options: argparse.Namespace) -> int:
    wanted = options.request.lower()
    if len(wanted) < PREFIX_DIGITS_MIN:
        raise Failure(Exit.USAGE, f"give at least {PREFIX_DIGITS_MIN} digits of the request's record id")
    found = [path for path in _files(options) if path.stem.startswith(wanted)]
    if len(found) != 1:
        what = "no answer file is" if not found else f"{len(found)} answer files are"
        raise Failure(Exit.USAGE, f"{what} of request {wanted}; `doxedge gateway samples list` shows them")
    row = _row(found[0])
    if row["verdict"] == "refused":
        raise Failure(Exit.UNVERIFIED, f"{found[0]} does not hold and is not handed out: {row['reason']}")
    out = options.out or Path(found[0].name)
    try:
        data = found[0].read_bytes()
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{found[0]} cannot be read: {error.strerror or error}") from error
    put_new(out, data)
    if options.output == "json":
        print(json.dumps({**row, "file": str(out)}, indent=1))
        return Exit.OK
    print(out)
    print(
        f"doxedge: {row['samples']} samples of {counted(row['hours'])}; whoever gets it checks it with: "
        f"doxedge evidence samples {out} --channel {row['channel']}",
        file=sys.stderr,
    )
    return Exit.OK


def _files(options: argparse.Namespace) -> list[Path]:
    from doxedge.gateway.sample_clerk import FOLDER, SUFFIX

    folder = folder_of(options)
    try:
        there = [*folder.iterdir()]
        answers = [*(folder / FOLDER).iterdir()] if folder / FOLDER in there else []
    except FileNotFoundError as error:
        text = f"{error.filename}: no gateway has run here yet, or name its place with --config or --state"
        raise Failure(Exit.LOCAL_IO, text) from error
    return sorted(path for path in answers if path.suffix == SUFFIX)


def _row(path: Path) -> dict[str, Any]:
    from doxedge.evidence.check import NotProved
    from doxedge.gateway.sample_clerk import judge

    size = 0
    try:
        size = path.stat().st_size
        shown = judge(path)
    except NotProved as refusal:
        return {"file": str(path), "bytes": size, "verdict": "refused", "reason": str(refusal)}
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
    return {"file": str(path), "bytes": size, **_facts(shown)}


def _facts(shown: ProvedSamples) -> dict[str, Any]:
    from doxedge.evidence.content import time_text

    return {
        "verdict": "proved" if shown.is_complete else "incomplete",
        "channel": shown.head.channel.hex(),
        "request": shown.head.request.hex(),
        "unit": shown.head.unit,
        "from": time_text(shown.head.from_ms),
        "from_ms": shown.head.from_ms,
        "to_ms": shown.head.to_ms,
        "hours": len(shown.hours),
        "hours_lost": sum(hour.state == "lost" for hour in shown.hours),
        "samples": shown.samples,
        "samples_lost": shown.samples_lost,
        "content_hash": shown.content_hash.hex(),
    }


def counted(hours: int) -> str:
    """`1 hour`, `2 hours`."""
    return f"{hours} hour{'s' * (hours != 1)}"
