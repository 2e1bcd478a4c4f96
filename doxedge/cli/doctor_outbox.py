"""Whether the room of the outbox suffices for the 35 days that a proved record is to stay.

A record that is dropped earlier is not there when late samples change its hour: the revision cannot name it, and the
hour is stated a second time and refused (clause 8.7). So the operator hears of it before it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from doxedge.cli.doctor_report import Finding, Site, ok, skipped, warning
from doxedge.quantity import DAY_MS
from doxedge.store.errors import StoreError
from doxedge.store.examine import Extent, extent
from doxedge.store.outbox import OutboxSettings

MEBIBYTE: Final = 1024 * 1024
SPAN_MS_MIN: Final = 7 * DAY_MS
"""Shorter, and a backlog that was signed at once would pass for what comes every day."""
UNIT_DAY_BYTES: Final = 24 * 900
"""An hour with its proof takes some 900 bytes (store.outbox): the measure where too little was written yet."""


def check_outbox_room(site: Site) -> Iterator[Finding]:
    """Of a configured gateway."""
    if site.gateway is None or site.outbox_file is None:
        return
    found = Extent(0, 0)
    if site.outbox_file.exists():
        try:
            found = extent(site.outbox_file)
        except StoreError as cause:
            yield skipped("outbox room", f"cannot be measured: {cause}")
            return
    yield judge_room(found, units=len(site.units), budget_bytes=site.gateway.outbox.budget_mb * MEBIBYTE)


def judge_room(found: Extent, *, units: int, budget_bytes: int) -> Finding:
    """What 35 days take, by what was written where that says enough, otherwise by the number of units."""
    keep_ms = OutboxSettings().closed_keep_ms
    measured = found.span_ms >= SPAN_MS_MIN
    if measured:
        needed = found.used_bytes * keep_ms // found.span_ms
        source = f"by what was written in {found.span_ms // DAY_MS} days"
    else:
        needed = units * UNIT_DAY_BYTES * keep_ms // DAY_MS
        source = f"estimated for {units} units"
    needed_mb, budget_mb = -(-needed // MEBIBYTE), budget_bytes // MEBIBYTE
    days = keep_ms // DAY_MS
    text = f"{days} days of records take {needed_mb} MiB ({source}), {budget_mb} MiB are allowed"
    if needed_mb > budget_mb:
        why = f"{text}: proved records go early, and a late revision of theirs is refused"
        return warning(
            "outbox room", why, f"set outbox.budget_mb to {2 * needed_mb}, and restart the gateway"
        )
    return ok("outbox room", text)
