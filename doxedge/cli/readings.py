"""`doxedge readings`: the regulator's reception desk. What arrived, what is missing, what looks wrong."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from doxedge.cli.ask_node import EPOCH, Asked, add_node_options, utc_text
from doxedge.cli.outcome import Exit
from doxedge.cli.readings_requests import add_requests

_COLUMNS: Final = (
    ("DEVICE", "<"),
    ("UNIT", "<"),
    ("STANDING", "<"),
    ("LAST HOUR UTC", "<"),
    ("COMPLETE %", ">"),
    ("DUE", ">"),
    ("ACCEPTED", ">"),
    ("SUBST", ">"),
    ("GAP", ">"),
    ("SILENT", ">"),
    ("REVISED", ">"),
    ("FORKS", ">"),
    ("ASKED", ">"),
    ("CLOCK", "<"),
    ("REMARKS", "<"),
)


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `readings status`, `readings requests` and `readings request`."""
    parser = nouns.add_parser(
        "readings",
        help="the regulator's reception desk: what arrived, what is missing",
        description="Looks at the hours that the devices of a channel have stated, on any node of the channel.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    status = verbs.add_parser(
        "status",
        help="per device: last hour, completeness, gaps, revisions, forks, clock, register map and firmware",
        description="An hour is due a quarter of an hour after its end. It is accepted, declared as a gap by its "
        "device, or silent: nothing has come. SUBST counts the accepted hours that were not measured, but computed by "
        "rules for missing data. Without --from the period begins with the device's commissioning. "
        "STANDING: trial before the commissioning, commissioned, reopened since its register map is another one, "
        "replaced by another device. Below the table stand the alarms that a device has signed of itself (a value "
        "stuck or out of range, records altered on its disk, a bad clock ...) and its other events, counted by "
        "their code.",
        examples=("doxedge readings status --from 2026-01-01 --to 2026-02-01",),
    )
    status.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="name or id (default: every channel)"
    )
    status.add_argument(
        "--from",
        dest="from_ms",
        type=time_argument,
        default=None,
        metavar="TIME",
        help="2026-01-31 or 2026-01-31T13:00, UTC",
    )
    status.add_argument(
        "--to", dest="to_ms", type=time_argument, default=None, metavar="TIME", help="end of the period, UTC"
    )
    status.add_argument("--output", choices=("table", "json"), default="table")
    add_node_options(status)
    status.set_defaults(func=_status)
    add_requests(verbs, moment=time_argument)


def _status(options: argparse.Namespace) -> int:
    period = {"from_ms": options.from_ms, "to_ms": options.to_ms}
    query = "&".join(f"{name}={value}" for name, value in period.items() if value is not None)
    asked = Asked(options)
    try:
        channels = [
            {
                "channel": channel["channel"],
                "name": channel["name"],
                "height": channel["height"],
                "clock_ms": channel["clock_ms"],
                "catching_up": channel["catching_up"],
                "devices": asked.get_json(f"/v1/channels/{channel['channel']}/readings?{query}"),
            }
            for channel in asked.channels(options.channel)
        ]
    finally:
        asked.close()
    if options.output == "json":
        print(json.dumps({"channels": channels}, indent=1))
        return Exit.OK
    for channel in channels:
        if channel["catching_up"]:
            print(f"doxedge: this node is still catching up with {channel['name']}", file=sys.stderr)
        _print_channel(channel)
    return Exit.OK


def _print_channel(channel: Mapping[str, Any]) -> None:
    from doxedge.evidence.content import shown

    title = f"{channel['name']}, height {channel['height']}"
    rows = [_row(device) for device in channel["devices"]]
    if sys.stdout.isatty():
        _print_rich(title, rows)
    else:
        print(title)
        print("\n".join(_plain(rows) if rows else ["no device is registered"]))
    for device in channel["devices"]:
        for alarm in device["alarms"]:
            print(f"  {device['device']}: {shown(alarm['name'])} stands since {utc_text(alarm['since_ms'])}")
        for event in device["events"]:
            times = "once" if event["count"] == 1 else f"{event['count']} times, last"
            print(f"  {device['device']}: event {shown(event['code'])} {times} {utc_text(event['last_ms'])}")
        for stretch in device["missing"][-10:]:
            what = "declared gap" if stretch["stated"] else "silent"
            print(
                f"  {device['device']}: {what} from {utc_text(stretch['from_ms'])} to {utc_text(stretch['to_ms'])}"
            )
    print()


def _row(device: Mapping[str, Any]) -> list[str]:
    from doxedge.evidence.content import shown

    complete = device["completeness_percent"]
    return [
        str(device["device"]),
        str(device["unit"]),
        str(device["commissioning"]),
        utc_text(device["last_hour_ms"]),
        "–" if complete is None else str(complete),
        str(device["hours_due"]),
        str(device["hours_accepted"]),
        str(device["hours_substituted"]),
        str(device["hours_gap"]),
        str(device["hours_silent"]),
        str(device["revisions"]),
        str(len(device["conflicts"])),
        _asked(device),
        shown(str(device["clock_state"] or "–")),
        "; ".join(shown(str(remark)) for remark in device["remarks"]) or "none",
    ]


def _asked(device: Mapping[str, Any]) -> str:
    """Requests for raw samples that wait for the device."""
    overdue = device["requests_overdue"]
    return f"{device['requests_open']}" + (f", {overdue} late" if overdue else "")


def _plain(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns, two spaces apart, for a pipe or a printer."""
    table = [[name for name, _ in _COLUMNS], *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(_COLUMNS))]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, (_, side), width in zip(row, _COLUMNS, widths, strict=True)
        ).rstrip()
        for row in table
    ]


def _print_rich(title: str, rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for name, side in _COLUMNS:
        table.add_column(name.capitalize(), justify="right" if side == ">" else "left")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def time_argument(text: str) -> int:
    """A date or a time in UTC, as an argument, in milliseconds."""
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"`{text}` is no time; write 2026-01-31 or 2026-01-31T13:00"
        ) from error
    moment = given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given
    milliseconds = (moment - EPOCH) // dt.timedelta(milliseconds=1)
    if milliseconds < 0:
        raise argparse.ArgumentTypeError(f"`{text}` is before 1970")
    return milliseconds
