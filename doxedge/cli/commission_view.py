"""A commissioning file as a person and a program see it, and the sheets for the work by hand."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doxedge.cli.ask_node import utc_text
from doxedge.cli.hand_figures import HAND_COLUMNS
from doxedge.cli.new_file import put_new
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.gateway.commission_check import Checked


def as_json(checked: Checked, tolerance_g: int) -> dict[str, Any]:
    """What the file shows, for programs (wire.md 8)."""
    head = checked.head
    return {
        "verdict": "proved",
        "channel": head.channel.hex(),
        "channel_pinned": checked.pinned,
        "device": head.device,
        "unit": head.unit,
        "profile_hash": head.profile_hash.hex(),
        "rules_hash": head.rules_hash.hex(),
        "clock_speed": head.clock_speed,
        "register_maps": [name for name, _ in head.maps],
        "statement_hash": checked.statement_hash.hex(),
        "tolerance_g": tolerance_g,
        "hours": [
            {
                "start_ms": hour.start_ms,
                "witnessed": hour.witnessed,
                "record_id": hour.record_id.hex(),
                "nox_g": hour.stated.nox_g,
                "hand_g": hour.hand_g,
                "samples": hour.stated.samples,
                "samples_root": hour.stated.samples_root.hex(),
                "clause": hour.stated.clause,
            }
            for hour in checked.hours
        ],
    }


def text_lines(checked: Checked, tolerance_g: int) -> list[str]:
    """The same for a reader."""
    from doxedge.evidence.content import shown

    head = checked.head
    found = [
        "PROVED",
        "",
        f"device          {shown(head.device)} of unit {shown(head.unit)}",
        f"channel         {head.channel.hex()}",
        f"profile hash    {head.profile_hash.hex()}, of {', '.join(shown(name) for name, _ in head.maps)}",
        f"rules hash      {head.rules_hash.hex()}",
        f"statement hash  {checked.statement_hash.hex()}",
        "",
        "HOURS: evidence, Merkle root and mass hold",
    ]
    for hour in checked.hours:
        by_hand = "" if hour.hand_g is None else f", {hour.hand_g} g by hand"
        what = f"{hour.stated.nox_g} g from {hour.stated.samples} samples{by_hand}"
        found.append(f"  {utc_text(hour.start_ms)}  {what if hour.witnessed else 'for the hour after it'}")
    found += ["", "WHAT IS NOT CHECKED"]
    if head.clock_speed != 1:
        found.append(
            f"  any real plant: the clock ran {head.clock_speed} times as fast, as in a demonstration"
        )
    if any(hour.hand_g is None for hour in checked.witnessed):
        found.append(
            "  the formula itself: work the hours out by hand (--sheets), and give the figures with --hand"
        )
    else:
        found.append(f"  differences by hand of up to {tolerance_g} g, which you allowed")
    if not checked.pinned:
        found.append("  which channel it is: give --channel from a source you trust")
    return [
        *found,
        "  that the instruments told the truth, and that the register maps are of these instruments",
    ]


def write_sheets(file: Path, checked: Checked) -> None:
    """Beside the file: the hours minute by minute, the formula, and the list that is filled in by hand."""
    from doxedge.gateway.commission_plan import plan_of
    from doxedge.gateway.commission_words import chain_text

    hours = checked.witnessed
    minutes = hours[0].sheet.splitlines(keepends=True)[0]
    minutes += b"".join(line for hour in hours for line in hour.sheet.splitlines(keepends=True)[1:])
    hour = plan_of(checked.head).hour
    stacks, units = [stack.name for stack in hour.stacks], [*hour.signals]
    chain = "\n".join(chain_text(hour.emission, stacks, units if hour.shared else ())) + "\n"
    hand = "".join(
        f"{line}\n" for line in [",".join(HAND_COLUMNS), *(f"{_iso(hour.start_ms)}," for hour in hours)]
    )
    for suffix, data in (
        (".minutes.csv", minutes),
        (".chain.txt", chain.encode()),
        (".hand.csv", hand.encode()),
    ):
        path = file.with_name(file.name + suffix)
        put_new(path, data)
        print(f"doxedge: {path}", file=sys.stderr)


def _iso(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms // 1_000, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")


def read_file(path: Path) -> bytes:
    """The whole file. Raises Failure."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
