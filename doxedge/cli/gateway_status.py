"""`doxedge gateway status`: how a running gateway is, live on a terminal, as plain lines in a pipe, or as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    ask,
    folder_of,
    length,
    print_json,
    printable,
    rich_section,
    utc,
)
from doxedge.cli.outcome import Exit, Failure
from doxedge.quantity import kilograms_text

REFRESH_S: Final = 2.0


def add_status(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway status`."""
    status = verbs.add_parser(
        "status",
        help="how the running gateway is: hour, values, instruments, backlog, alarms",
        description="Asks the running gateway, without disturbing it, and shows for every unit the running hour "
        "(minutes that are valid, and how many quarters still need one), the last values with their quality, which "
        "instruments answer and why others do not, what waits for the ledger, how available the monitor is and what "
        "the next hour without a measurement would be stated as, and the alarms. On a terminal the "
        "table is renewed every two seconds until Ctrl-C; in a pipe it is printed once.",
        epilog="Exit codes: 0 told, 2 wrong configuration, 3 no gateway runs here, 4 not in the service's group.",
        examples=(
            "doxedge gateway status",
            "doxedge gateway status --once --state /var/lib/doxedge",
        ),
    )
    add_place(status)
    status.add_argument(
        "--once", action="store_true", help="print all of it once; a low terminal shows the beginning"
    )
    status.set_defaults(func=_status)


def _status(options: argparse.Namespace) -> int:
    folder = folder_of(options)
    told = _ask(folder)
    if options.output == "json":
        print_json(told)
        return Exit.OK
    if sys.stdout.isatty() and not options.once:
        return _watch(folder, told)
    print("\n".join(_lines(told)))
    return Exit.OK


def _ask(folder: Path) -> dict[str, Any]:
    answer = ask(folder, {"ask": "status"})
    if not answer.get("ok"):
        raise Failure(Exit.LOCAL_IO, str(answer.get("reason")))
    told = answer["status"]
    assert isinstance(told, dict)  # noqa: S101 - our own gateway said it
    return told


def _watch(folder: Path, told: Mapping[str, Any]) -> int:
    """Renew the table until Ctrl-C, which is how one leaves; a gateway that stops ends it with its own words."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console()

    def screen(told: Mapping[str, Any]) -> Group:
        sections = [
            rich_section(section, width=console.width) if section.rows else section.nothing
            for section in _sections(told)
        ]
        return Group(_headline(told), *sections)

    try:
        with Live(screen(told), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH_S)
                live.update(screen(_ask(folder)), refresh=True)
    except KeyboardInterrupt:
        return Exit.OK


def _lines(told: Mapping[str, Any]) -> list[str]:
    lines = [_headline(told)]
    for section in _sections(told):
        lines += ["", *([section.title] if section.rows else []), *section.lines()]
    return lines


def _headline(told: Mapping[str, Any]) -> str:
    clock, free = told["clock"], told["disk_free_bytes"]
    room = "room on the disk unknown" if free is None else f"{free // 1024**2} MiB free"
    change_ms = told.get("change_ms")
    change = "" if change_ms is None else f", another configuration from {utc(change_ms)} UTC on"
    return printable(
        f"{utc(told['at_ms'])} UTC, {told['firmware']}, up {length(told['at_ms'] - told['started_ms'])}, "
        f"clock {clock['state']} ({clock['offset_ms']} ms), {room}, key {told['key_id']}{change}"
    )


def _sections(told: Mapping[str, Any]) -> list[Section]:
    """What matters most comes first: a small terminal shows only the beginning."""
    now_ms, units = told["at_ms"], told["units"]
    values = [
        [
            unit["unit"],
            value["quantity"],
            _value(value),
            value["quality"],
            "" if value["reason"] == "none" else value["reason"],
            f"{length(max(0, now_ms - value['at_ms']))} ago",
        ]
        for unit in units
        for value in unit["values"]
    ]
    devices = [
        [device["device"], *_device(device), utc(device["since_ms"]), device["line"] or "–"]
        for unit in units
        for device in unit["devices"]
    ]
    return [
        Section(
            "Units",
            ("unit", "runs", "hour", "valid", "needed", "NOx so far", "backlog", "last final", "signature"),
            [_unit(unit, now_ms) for unit in units],
            "no unit is measured",
        ),
        alarm_section(told["alarms"]),
        *_limits(units),
        *_monitors(units, now_ms),
        *_availability(units),
        Section("Instruments", ("instrument", "state", "why", "since", "line"), devices, "no instrument"),
        Section("Values", ("unit", "quantity", "value", "quality", "why", "read"), values, "no value yet"),
    ]


def _limits(units: Sequence[Mapping[str, Any]]) -> list[Section]:
    """What the running averages may be, and what they are going to be; no table where nothing is limited."""
    rows = [
        [
            ".".join(part for part in (unit["unit"], limit["stack"]) if part),
            limit["limit"],
            f"{limit['value']} {limit['unit_of_measure']}",
            f"{limit['average'] or '–'} ({limit['minutes_valid']} min)",
            f"{limit['projected'] or '–'} at {utc(limit['end_ms'])[11:16]}",
            limit["most_from_now"] or "–",
            f"{limit['last'] or '–'} from {utc(limit['last_start_ms'])[11:16]} on",
        ]
        for unit in units
        for limit in unit.get("limits", ())  # a gateway of an earlier version has none
    ]
    columns = ("stack", "limit", "value", "average", "expected", "at most from now", "last interval")
    return [Section("Emission limits", columns, rows, "")] if rows else []


def _monitors(units: Sequence[Mapping[str, Any]], now_ms: int) -> list[Section]:
    """What is checked with gas; no table where nothing is."""
    rows = []
    for unit in units:
        for monitor in unit["monitors"]:
            until_ms, check = monitor["valid_until_ms"], monitor["check"]
            left = "–" if until_ms is None else length(max(0, until_ms - now_ms))
            rows.append(
                [
                    unit["unit"],
                    monitor["quantity"],
                    monitor["standing"],
                    utc(monitor["since_ms"] or None),
                    left,
                    "–" if check is None else _under_way(check),
                    _next_test(monitor["tests"]),
                    monitor["why"] or "–",
                ]
            )
    columns = ("unit", "quantity", "standing", "since", "good for", "check", "next test", "why")
    return [Section("Calibration", columns, rows, "")] if rows else []


def _next_test(terms: Sequence[Mapping[str, Any]]) -> str:
    """The test whose term ends first; `doxedge gateway qa due` tells of all."""
    if not terms:
        return "–"
    first = min(terms, key=lambda term: term["until_ms"])
    left = first["grace_left_h"]
    return f"{first['kind']} by {utc(first['until_ms'] - 1)[:10]}" + (
        "" if left is None else f", grace {left} h"
    )


def _availability(units: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Of the hours, and what the next missing one would be stated as; no table before the first hour."""
    rows = []
    for unit in units:
        available = unit["availability"]
        if available is None:
            continue
        price_g, method = available["next_gap_hour_g"], available["next_gap_hour_method"]
        rows.append(
            [
                unit["unit"],
                f"{available['percent']} %" + (" (young)" if available["initial"] else ""),
                f"{available['qa_hours']} of {available['operating_hours']}",
                "a gap" if price_g is None else f"{kilograms_text(price_g)} kg by method {method}",
            ]
        )
    columns = ("unit", "availability", "quality-assured hours", "the next missing hour is")
    return [Section("Availability", columns, rows, "")] if rows else []


def _under_way(check: Mapping[str, Any]) -> str:
    wanted = check["wanted"]
    return f"{check['check']}, by the {check['origin']}" + ("" if wanted is None else f": {wanted} gas")


def _unit(unit: Mapping[str, Any], now_ms: int) -> list[str]:
    hour, backlog = unit["hour"], unit["backlog"]
    shown = ["–"] * 4
    if hour is not None:
        needed = f"{hour['minutes_needed']} more"
        if hour["quarters_lost"]:
            needed += f", lost quarter {', '.join(map(str, hour['quarters_lost']))}"
        shown = [
            utc(hour["start_ms"])[11:16],
            f"{hour['minutes_valid']} of {hour['minutes_operating']} min",
            needed,
            f"{hour['nox_g']} g",
        ]
    waits = "none"
    if backlog["pending"]:
        waits = f"{backlog['pending']}, oldest {length(max(0, now_ms - backlog['oldest_ms']))}"
    return [
        unit["unit"],
        "yes" if unit["running"] else "no",
        *shown,
        waits + (f" ({backlog['last_error']})" if backlog["last_error"] else ""),
        str(unit["last_final_seq"]),
        _signature(unit["signature"]),
    ]


def _signature(signature: Mapping[str, Any]) -> str:
    """Whether what is measured is being signed."""
    if not signature["numbered"]:
        return "waits for the node to say the next number"
    words = []
    if signature["conflicts"]:
        words.append(f"{signature['conflicts']} conflicts")
    if signature["proofs_refused"]:
        words.append(f"{signature['proofs_refused']} proofs refused")
    if signature["unsigned"]:
        words.append(f"{signature['unsigned']} not signed yet")
    return ", ".join(words) or "signs"


def _value(value: Mapping[str, Any]) -> str:
    """A bad value is shown in brackets, as what the instrument said and not as a measurement."""
    if value["value"] is not None:
        return str(value["value"])
    return "–" if value["decoded"] is None else f"({value['decoded']})"


def _device(device: Mapping[str, Any]) -> tuple[str, str]:
    if device["up"] is None:
        return "not asked yet", ""
    return ("up", "") if device["up"] else ("AWAY", f"{device['reason']}: {device['detail']}")


def alarm_section(alarms: list[dict[str, Any]]) -> Section:
    """The list of alarms, as `status` and `alarms` show it."""
    rows = []
    for alarm in alarms:
        said = alarm["acknowledged"]
        over = alarm["cleared_ms"]
        rows.append(
            [
                str(alarm["alarm"]),
                alarm["priority"],
                alarm["code"],
                alarm["subject"] or "–",
                utc(alarm["raised_ms"]),
                "stands" if over is None else f"over {utc(over)}",
                "nobody" if said is None else f"{said['name']} ({said['user']}): {said['reason']}",
                alarm["text"],
            ]
        )
    columns = ("alarm", "priority", "what", "where", "raised", "state", "acknowledged by", "seen")
    return Section("Alarms", columns, rows, "no alarm")
