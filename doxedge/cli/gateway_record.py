"""`doxedge gateway record`: keep what a device answered, so that a map can be held to it for ever."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from doxedge.cli.gateway_device import Device, add_device_flags, open_device
from doxedge.cli.outcome import Exit, Failure
from doxedge.store import durable_file

DESCRIPTION: Final = """\
Asks a device who it is and polls every group of its register map once, and writes frames, values, flags and failures
into a file. The file is read back at once, and later by whoever changes the map: the same bytes must make the same
values. A recording of a real instrument lets its map say `verified = "recording"`.

Begin with `measuring`, then bring the instrument into other states (zero gas, span gas, a fault) and add each with
--append. What the instrument shows on its display meanwhile belongs into --note: a later reader has nothing else.
"""

EPILOG: Final = """\
examples
  doxedge gateway record --profile thermo_42i --host 192.0.2.7 --set first_register=on_wire_0 \\
      --file thermo_42i.json --situation measuring --note "42i no. 0814, display NO 94.3 ppb; firmware 01.09"
  doxedge gateway record ... --file thermo_42i.json --append --situation zero --note "zero air since five minutes"

To have it checked with every change of the map, send the file with the map: it belongs to tests/vectors/exchanges,
named <map>.<a word of yours>.json.

Exit codes: 0 written and read back, 2 flags, map or file, 3 cannot connect, 6 another instrument than the map's, or the
file does not agree with the map, 7 the line brought nothing or the file cannot be written.
"""


def add_record(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    verb = verbs.add_parser(
        "record",
        help="keep what one device answers, to hold its map to it",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_device_flags(verb)
    verb.add_argument("--file", type=Path, required=True, metavar="FILE", help="where to write")
    verb.add_argument("--append", action="store_true", help="add a situation to a file that is there")
    verb.add_argument(
        "--situation",
        default="measuring",
        metavar="WORD",
        help="measuring, zero, span, fault ...; default measuring",
    )
    verb.add_argument(
        "--note", required=True, metavar="TEXT", help="which instrument, and what its display shows"
    )
    verb.set_defaults(func=_record)


def _record(options: argparse.Namespace) -> int:
    from doxedge.fieldbus.recording import contradictions

    if not options.note.strip():
        raise Failure(Exit.USAGE, "--note: say which instrument this is and what its display shows")
    device = open_device(options, with_trials=False)
    before = _before(options.file, append=options.append)
    document = asyncio.run(_ask(device, options))
    if before is not None:
        document = _joined(before, document, options.file)
    wrong = contradictions(document, device.profile)
    if wrong:
        raise Failure(
            Exit.UNVERIFIED, f"the recording does not agree with the map: {wrong[0]}; nothing written"
        )
    _write(options.file, document)
    polls: list[dict[str, Any]] = document["polls"]
    if options.output == "json":
        summary = {"file": str(options.file), "polls": len(polls), "profile_hash": document["profile_hash"]}
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        sys.stdout.write("\n".join(_table(options.file, options.situation, polls)) + "\n")
    return Exit.OK


async def _ask(device: Device, options: argparse.Namespace) -> dict[str, Any]:
    """The recording of now. Raises Failure."""
    from doxedge.cli.gateway_device import line_failure
    from doxedge.fieldbus.errors import LineError
    from doxedge.fieldbus.recording import INSTRUMENT, NotRecorded, Recorder

    recorder = Recorder(device.driver, device.endpoint)
    try:
        await recorder.identify()
        polls = await recorder.polls(options.situation, at_ms=time.time_ns() // 1_000_000)
    except NotRecorded as error:
        if isinstance(error.__cause__, LineError):
            raise line_failure(device, error.__cause__) from error
        raise Failure(Exit.UNVERIFIED, f"this is not the instrument of the map: {error}") from error
    finally:
        await device.endpoint.close()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return recorder.document(
        profile=options.profile,
        framing=device.framing,
        origin=INSTRUMENT,
        note=f"{now} {options.situation}: {options.note.strip()}",
        settings={name: str(value) for name, value in device.settings.items()},
        polls=polls,
    )


def _before(path: Path, *, append: bool) -> dict[str, Any] | None:
    """What the file holds already. Raises Failure."""
    if not path.exists():
        return None
    if not append:
        raise Failure(Exit.USAGE, f"{path} is there already; add to it with --append, or name another file")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(Exit.USAGE, f"{path} is no recording: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("polls"), list):
        raise Failure(Exit.USAGE, f"{path} is no recording: it has no polls")
    return document


def _joined(before: dict[str, Any], now: dict[str, Any], path: Path) -> dict[str, Any]:
    """One recording of one instrument by one map. Raises Failure when the two are of different things."""
    for key in ("profile", "origin", "framing", "settings", "profile_hash"):
        if before.get(key) != now[key]:
            raise Failure(
                Exit.USAGE,
                f"{path} has {key} = {before.get(key)}, this is {now[key]}: write a file of its own",
            )
    return {**before, "note": f"{before['note']}\n{now['note']}", "polls": [*before["polls"], *now["polls"]]}


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        durable_file.replace_text(path, json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be written: {error.strerror or error}") from error


def _table(path: Path, situation: str, polls: list[dict[str, Any]]) -> list[str]:
    lines = [f"{path}: {len(polls)} polls, read back and in agreement with the map"]
    for poll in polls:
        if poll["situation"] != situation:
            continue
        failures: dict[str, str] = poll["failures"]
        said = [f"{name} {value or failures[name]}" for name, value in poll["values"].items()]
        lines.append(f"  {poll['group']}: {', '.join([*said, *poll['flags']])}")
    return lines
