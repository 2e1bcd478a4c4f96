"""`doxedge evidence`: prove one record to somebody who has no node, and check such a proof."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doxedge.cli.ask_node import Asked, add_node_options
from doxedge.cli.evidence_samples import add_samples
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.evidence.check import Proved

_EPILOG = """\
Exit codes of check: 0 proved, 6 refused, 7 the file cannot be read, 2 usage. Checking needs no node, no network and no
configuration. Give --channel or --genesis from a source you trust: without, the file shows only that it agrees with
itself.
"""


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evidence build`, `evidence check` and `evidence samples`."""
    parser = nouns.add_parser(
        "evidence",
        help="prove one record to somebody who has no node",
        description="An evidence file holds one signed transaction with everything that proves it: its block, the "
        "validators' certificate, the cosignatures of the members, and the way from the key to the unit.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_build(verbs)
    _add_check(verbs)
    add_samples(verbs, hex32=_hex32)


def _add_build(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = verbs.add_parser(
        "build",
        help="make the file of one record, from a node or from its state folder",
        description="Gathers what proves one final record, checks it, and writes one file that anybody can check "
        "without a node.",
        examples=(
            (
                "doxedge evidence build --out hour.evidence \\\n"
                "      9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            ),
        ),
    )
    build.add_argument("record", type=_hex32, metavar="RECORD", help="record id, 64 hexadecimal digits")
    build.add_argument("--out", type=Path, default=None, metavar="FILE", help="default: RECORD.evidence")
    build.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="its name or id, when the node keeps several"
    )
    build.add_argument(
        "--state", type=Path, default=None, metavar="DIR", help="read a node's state folder instead"
    )
    build.add_argument("--output", choices=("table", "json"), default="table")
    add_node_options(build)
    build.set_defaults(func=_build)


def _add_check(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = verbs.add_parser(
        "check",
        help="judge a file; needs no node and no network",
        description="Checks every step from the key to the record, and says what the file proves, in words.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(
            (
                "doxedge evidence check hour.evidence \\\n"
                "      --channel 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            ),
        ),
    )
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--channel", type=_hex32, default=None, metavar="HEX", help="the channel it must be of, 64 digits"
    )
    check.add_argument(
        "--genesis", type=Path, default=None, metavar="FILE", help="the genesis it must begin with"
    )
    check.add_argument("--output", choices=("table", "json"), default="table")
    check.set_defaults(func=_check)


def _check(options: argparse.Namespace) -> int:
    """Print what was proved, or why nothing was. The pure rooms only are imported."""
    from doxedge.evidence import document
    from doxedge.evidence.format import EVIDENCE_BYTES_MAX

    data = _read(options.file, EVIDENCE_BYTES_MAX)
    genesis = None if options.genesis is None else _read(options.genesis, EVIDENCE_BYTES_MAX)
    proved = _proved(data, options, channel=options.channel, genesis=genesis)
    if proved is None:
        return Exit.UNVERIFIED
    if options.output == "json":
        print(json.dumps(document.as_json(proved), indent=1))
    else:
        print(document.text(proved), end="")
    return Exit.OK


def _proved(
    data: bytes, options: argparse.Namespace, *, channel: bytes | None, genesis: bytes | None
) -> Proved | None:
    """What the file proves; None after a refusal was said."""
    from doxedge.evidence.check import NotProved, check
    from doxedge.evidence.content import shown

    try:
        return check(data, channel=channel, genesis=genesis)
    except NotProved as refusal:
        if options.output == "json":
            print(
                json.dumps({"verdict": "refused", "step": refusal.step, "reason": refusal.reason}, indent=1)
            )
        # A refusal may quote the file, and a hostile file would write `PROVED` over the refusal on the terminal.
        print(f"doxedge: REFUSED at {shown(str(refusal))}. The file proves nothing.", file=sys.stderr)
        return None


def _build(options: argparse.Namespace) -> int:
    """Fetch or make the file, check it, and only then write it."""
    from doxedge.evidence.check import NotProved, check

    record_id: bytes = options.record
    out = options.out or Path(f"{record_id.hex()[:16]}.evidence")
    data = _from_node(options) if options.state is None else _from_folder(options)
    try:
        proved = check(data)
    except NotProved as refusal:
        text = f"the proof that came does not hold ({refusal}); `doxedge doctor` looks at the node"
        raise Failure(Exit.UNVERIFIED, text) from refusal
    if record_id not in {record.record_id for record in proved.records}:
        raise Failure(Exit.UNVERIFIED, "the proof that came is of another record")
    _write(out, data)
    summary = {
        "file": str(out),
        "size_bytes": len(data),
        "channel": proved.channel.hex(),
        "height": proved.header.height,
        "records": [record.record_id.hex() for record in proved.records],
        "cosigned_by": proved.cosigned_by,
    }
    if options.output == "json":
        print(json.dumps(summary, indent=1))
    else:
        print(out)
        cosigners = ", ".join(proved.cosigned_by) or "nobody yet"
        print(
            f"doxedge: {len(data)} bytes, block {proved.header.height}, cosigned by {cosigners}",
            file=sys.stderr,
        )
        print(
            f"doxedge: check it anywhere: doxedge evidence check {out} --channel {proved.channel.hex()}",
            file=sys.stderr,
        )
    return Exit.OK


def _from_node(options: argparse.Namespace) -> bytes:
    asked = Asked(options)
    try:
        for channel in asked.channels(options.channel):
            path = f"/v1/channels/{channel['channel']}/evidence/{options.record.hex()}"
            data = asked.get(path, missing="unknown_record")
            if data is not None:
                return data
    finally:
        asked.close()
    raise Failure(
        Exit.USAGE,
        f"record {options.record.hex()} is not final on this node; `doxedge node status` shows whether it is in step",
    )


def _from_folder(options: argparse.Namespace) -> bytes:
    import asyncio

    from doxedge.cli.evidence_folder import build_from_folder

    return asyncio.run(build_from_folder(options.state, options.record, wanted=options.channel))


def _hex32(text: str) -> bytes:
    """An id of 32 bytes, as an argument."""
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}` is not hexadecimal") from error
    if len(data) != 32:
        raise argparse.ArgumentTypeError(f"{len(text)} digits; an id has 64 hexadecimal digits")
    return data


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(bytes_max + 1)
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; a file that is no evidence file is never overwritten."""
    from doxedge.evidence.format import MAGIC

    part = path.with_name(path.name + ".part")
    try:
        if path.exists():
            with path.open("rb") as file:
                if MAGIC.encode() not in file.read(len(MAGIC) + 8):
                    raise Failure(
                        Exit.USAGE, f"{path} is there and is no evidence file; choose another --out"
                    )
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be written: {error.strerror or error}") from error
