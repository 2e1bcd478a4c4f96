"""`doxedge gateway gaps` and `doxedge gateway events`: what the gateway signed about itself, from its own outbox."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    folder_of,
    length,
    print_json,
    print_section,
    printable,
    unreadable,
    utc,
)
from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.streams import shows_all_signs
from doxedge.measurement.emission import BY_HAND, SUBSTITUTED
from doxedge.quantity import HOUR_MS

GAPS_SCHEMA: Final = "doxedge.gateway.gaps/1"
EVENTS_SCHEMA: Final = "doxedge.gateway.events/1"
FOLLOW_S: Final = 1.0
_KEPT: Final = (
    "The outbox keeps proved records for 35 days; older ones are on the ledger. The gateway need not run."
)


def add_records(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway gaps` and `gateway events`."""
    gaps = verbs.add_parser(
        "gaps",
        help="hours without a mass that were stated, with cause and length",
        description="Lists the gaps that the gateway has signed: from when to when, why, whether the ledger has "
        "them, and how many of their hours were stated after all: measured when late samples came in, substituted "
        "by the rules for missing data, or entered by hand (doxedge gateway hours shows how). " + _KEPT,
        epilog="A cause such as too_few_points:nox_ppb:comms; 60.13(h)(2)(i) says what was missing most and why, and "
        "the clause that decided.",
        examples=(
            "doxedge gateway gaps",
            "doxedge gateway gaps --output json",
        ),
    )
    add_place(gaps)
    gaps.set_defaults(func=_gaps)
    events = verbs.add_parser(
        "events",
        help="signed events: starts, clock steps, changes, alarms",
        description="Prints the events that the gateway has signed, oldest first. " + _KEPT,
        epilog="With --follow it goes on until Ctrl-C. For programs --output json prints one document, and jsonl one "
        "JSON object a line, also while it follows.",
        examples=(
            "doxedge gateway events",
            "doxedge gateway events --follow --output jsonl",
        ),
    )
    add_place(events, outputs=("table", "json", "jsonl"))
    events.add_argument("--follow", action="store_true", help="go on, and print each event when it is signed")
    events.set_defaults(func=_events)


def _gaps(options: argparse.Namespace) -> int:
    gaps: list[dict[str, Any]] = []
    qualities: dict[tuple[str, int], str] = {}
    for kept, body in _bodies(folder_of(options) / "outbox.db", ("gap", "hour", "hour.revise")):
        if kept["kind"] != "gap":
            hour = body if kept["kind"] == "hour" else body[2]
            qualities[str(hour[0]), int(hour[1])] = str(hour[6])
            continue
        unit, from_ms, to_ms, cause = body
        gaps.append({"unit": unit, "from_ms": from_ms, "to_ms": to_ms, "cause": cause, **kept})
    for gap in gaps:
        starts = range(gap["from_ms"], gap["to_ms"], HOUR_MS)
        gap["hours"] = len(starts)
        stated = [qualities[key] for start_ms in starts if (key := (gap["unit"], start_ms)) in qualities]
        gap["hours_substituted"] = stated.count(SUBSTITUTED)
        gap["hours_by_hand"] = stated.count(BY_HAND)
        gap["hours_stated_after_all"] = len(stated) - gap["hours_substituted"] - gap["hours_by_hand"]
    if options.output == "json":
        print_json({"schema": GAPS_SCHEMA, "gaps": gaps})
        return Exit.OK
    rows = [
        [
            gap["unit"],
            utc(gap["from_ms"]),
            utc(gap["to_ms"]),
            length(gap["to_ms"] - gap["from_ms"]),
            gap["cause"],
            str(gap["hours_stated_after_all"]),
            str(gap["hours_substituted"]),
            str(gap["hours_by_hand"]),
            str(gap["seq"]),
            gap["state"],
        ]
        for gap in gaps
    ]
    columns = (
        "unit",
        "from",
        "to",
        "length",
        "cause",
        "measured after all",
        "substituted",
        "by hand",
        "seq",
        "state",
    )
    print_section(Section("Gaps", columns, rows, "no gap is stated"))
    return Exit.OK


def _events(options: argparse.Namespace) -> int:
    path, after = folder_of(options) / "outbox.db", 0
    if options.output == "json":
        if options.follow:
            raise Failure(Exit.USAGE, "--follow has no end, and a JSON document has one: say --output jsonl")
        told = [_event(kept, body) for kept, body in _bodies(path, ("event",))]
        print_json({"schema": EVENTS_SCHEMA, "events": told})
        return Exit.OK
    try:
        while True:
            for kept, body in _bodies(path, ("event",), after=after):
                after = kept["row_id"]
                _print_event(_event(kept, body), options.output)
            if not options.follow:
                return Exit.OK
            time.sleep(FOLLOW_S)
    except KeyboardInterrupt:
        return Exit.OK


def _event(kept: dict[str, Any], body: list[Any]) -> dict[str, Any]:
    unit, code, at_ms, text = body
    return {"unit": unit, "code": code, "at_ms": at_ms, "text": text, **kept}


def _print_event(event: dict[str, Any], output: str) -> None:
    if output == "jsonl":
        print(json.dumps(event, ensure_ascii=not shows_all_signs()), flush=True)
        return
    line = f"{utc(event['at_ms'])}  {event['unit'] or '–':12}  {event['code']:16}  {event['text']}"
    print(printable(line), flush=True)


def _bodies(
    path: Path, kinds: tuple[str, ...], *, after: int = 0
) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """(what is known of the record, its body), oldest first. Raises Failure (7) when the file cannot be read."""
    from doxedge.signing import envelope
    from doxedge.signing.record import decode_payload
    from doxedge.store import look
    from doxedge.store.errors import StoreError

    while True:
        try:
            found = look.records(path, kinds, after=after)
        except StoreError as error:
            raise unreadable(error) from error
        if not found:
            return
        for kept in found:
            after = kept.row_id
            known = {
                "row_id": kept.row_id,
                "source": kept.source.hex(),
                "seq": kept.seq,
                "kind": kept.kind,
                "state": kept.state,
                "clause": kept.clause,
            }
            yield known, list(decode_payload(envelope.decode(kept.envelope).payload).body)
