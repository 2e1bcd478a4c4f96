"""`doxedge evidence samples`: hold raw samples against the roots of signed hours; needs no node and no network."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.evidence.samples import ProvedSamples

_EPILOG: Final = """\
FILE is what `doxedge gateway samples export` gives. It holds an evidence file for each hour; more can be handed in and
must agree: those of the request and of the answer show that this very file is the answer on the ledger.
Exit codes: 0 every hour is proved; 6 something does not hold, or an hour is not proved because its samples are lost or
nothing was stated of it; 7 a file cannot be read; 2 usage. Give --channel or --genesis from a source you trust.
"""


def add_samples(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], *, hex32: Callable[[str], bytes]
) -> None:
    """Add `evidence samples`; `hex32` reads an id of the command line."""
    samples = verbs.add_parser(
        "samples",
        help="judge a file of raw samples against the roots of signed hours",
        description="Computes the root of every hour's samples anew, and holds it against the signed hour's.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(
            (
                "doxedge evidence samples january.samples \\\n"
                "      --channel 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            ),
        ),
    )
    samples.add_argument("file", type=Path, metavar="FILE")
    samples.add_argument(
        "--evidence", type=Path, nargs="+", default=[], metavar="FILE", help="evidence files that must agree"
    )
    samples.add_argument(
        "--channel", type=hex32, default=None, metavar="HEX", help="the channel it must be of, 64 digits"
    )
    samples.add_argument(
        "--genesis", type=Path, default=None, metavar="FILE", help="the genesis it must begin with"
    )
    samples.add_argument("--output", choices=("table", "json"), default="table")
    samples.set_defaults(func=_samples)


def _samples(options: argparse.Namespace) -> int:
    from doxedge.evidence.check import NotProved
    from doxedge.evidence.format import EVIDENCE_BYTES_MAX
    from doxedge.evidence.samples import check_samples

    try:
        data = _mapped(options.file)
        genesis = None if options.genesis is None else _read(options.genesis, EVIDENCE_BYTES_MAX)
        evidence = [_read(path, EVIDENCE_BYTES_MAX) for path in options.evidence]
    except OSError as error:
        name = error.filename or options.file
        raise Failure(Exit.LOCAL_IO, f"{name} cannot be read: {error.strerror or error}") from error
    try:
        shown = check_samples(data, channel=options.channel, genesis=genesis, evidence=evidence)
    except NotProved as refusal:
        if options.output == "json":
            print(
                json.dumps({"verdict": "refused", "step": refusal.step, "reason": refusal.reason}, indent=1)
            )
        print(f"doxedge: REFUSED at {refusal}. The file proves nothing.", file=sys.stderr)
        return Exit.UNVERIFIED
    if options.output == "json":
        print(json.dumps(as_json(shown), indent=1))
    else:
        print("\n".join(text_lines(shown)))
    return Exit.OK if shown.is_complete else Exit.UNVERIFIED


def as_json(shown: ProvedSamples) -> dict[str, Any]:
    """What the file shows, for programs (wire.md 8)."""
    return {
        "verdict": "proved" if shown.is_complete else "incomplete",
        "channel": shown.head.channel.hex(),
        "channel_pinned": shown.pinned,
        "request": shown.head.request.hex(),
        "unit": shown.head.unit,
        "from_ms": shown.head.from_ms,
        "to_ms": shown.head.to_ms,
        "content_hash": shown.content_hash.hex(),
        "samples": shown.samples,
        "samples_lost": shown.samples_lost,
        "hours": [
            {
                "start_ms": hour.start_ms,
                "state": hour.state,
                "proved": hour.is_proved,
                "record_id": None if hour.record_id is None else hour.record_id.hex(),
                "samples": hour.samples,
                "samples_stated": hour.stated_samples,
                "samples_root": None if hour.root is None else hour.root.hex(),
                "devices": list(hour.devices),
            }
            for hour in shown.hours
        ],
        "request_proved": shown.request is not None,
        "answer_proved": None if shown.answer is None else shown.answer.record_id.hex(),
        "not_proved": shown.not_proved,
    }


def text_lines(shown: ProvedSamples) -> list[str]:
    """The same for a reader."""
    from doxedge.evidence.content import shown as safe
    from doxedge.evidence.content import time_text

    found = ["PROVED" if shown.is_complete else "NOT ALL OF IT IS PROVED", ""]
    found += [
        f"unit          {safe(shown.head.unit)}",
        f"period        {time_text(shown.head.from_ms)} to {time_text(shown.head.to_ms)}",
        f"channel       {shown.head.channel.hex()}",
        f"request       {shown.head.request.hex()}",
        f"content hash  {shown.content_hash.hex()}",
        f"samples       {shown.samples}" + (f", {shown.samples_lost} lost" if shown.samples_lost else ""),
    ]
    if shown.answer is not None:
        found.append(f"answer        {shown.answer.record_id.hex()}, final on the ledger with this hash")
    found += ["", "HOURS"]
    for hour in shown.hours:
        what = {
            "produced": f"{hour.samples} samples of {', '.join(map(safe, hour.devices)) or 'no instrument'} "
            "give the root that the hour states",
            "lost": f"LOST: {hour.stated_samples} samples were stated and are not here",
            "gap": "stated as a gap: no mass, no root",
            "silent": "SILENT: the file says that nothing was stated",
        }[hour.state]
        found.append(f"  {time_text(hour.start_ms)}  {what}")
    found += ["", "WHAT IS NOT PROVED", *(f"  {said}" for said in shown.not_proved)]
    return [
        *found,
        "  that the instruments told the truth: only that nothing was changed since the hour was signed",
    ]


def _mapped(path: Path) -> memoryview:
    """The file without reading it into memory: a day of samples may be large. Raises OSError."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _read(path: Path, bytes_max: int) -> bytes:
    with path.open("rb") as file:
        return file.read(bytes_max + 1)
