"""What waits in the outbox and why, and whether its room suffices for the 35 days that a proved record is to stay.

Records can wait for ever: the ledger refused the registration of a device, and a new one makes another source. What was
signed before has a numbering that will never be; it is kept, and told apart from what is on its way.

A record that is dropped earlier is not there when late samples change its hour: the revision cannot name it, and the
hour is stated a second time and refused (clause 8.7). So the operator hears of it before it happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from doxedge.cli.doctor_report import Finding, Site, error, ok, skipped, warning
from doxedge.cli.init_channel import registration_source
from doxedge.cli.outcome import Exit, Failure
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.errors import StoreError
from doxedge.store.examine import Extent, Refusals, Waiting, extent, refusals, waiting
from doxedge.store.outbox import OutboxSettings

MEBIBYTE: Final = 1024 * 1024
SPAN_MS_MIN: Final = 7 * DAY_MS
"""Shorter, and a backlog that was signed at once would pass for what comes every day."""
UNIT_DAY_BYTES: Final = 24 * 900
"""An hour with its proof takes some 900 bytes (store.outbox): the measure where too little was written yet."""
WAITING_MS_WARN: Final = 2 * HOUR_MS
WAITING_MS_MAX: Final = 24 * HOUR_MS
"""An hour is due a quarter of an hour after its end; a day without any that became final is no hiccup."""
REFUSED_FILES: Final = "*.registration.refused*"
"""What `doxedge init` calls registrations that the ledger refused, when it signs others."""
REGISTRATION_BYTES_MAX: Final = 64 * 1024
_NO_NUMBERING: Final = "records without a numbering"


def check_backlog(site: Site) -> Iterator[Finding]:
    """Of a configured gateway."""
    check, path = "outbox backlog", site.outbox_file
    if site.gateway is None or path is None:
        return
    if not path.exists():
        yield skipped(check, "nothing was measured here yet")
        return
    try:
        refused, sources = refusals(path), waiting(path)
    except StoreError as cause:
        yield skipped(check, f"cannot be counted: {cause}")
        return
    ours = {unit.source for unit in site.gateway.unit}
    others = [one for one in sources if one.source.hex() not in ours]
    never = judge_others(others, refused=_refused_sources(site), devices=site.devices)
    yield from never.values()
    yield judge_backlog(refused, [one for one in sources if one not in never], now_ms=site.now_ms)


def judge_others(
    others: list[Waiting],
    *,
    refused: frozenset[bytes],
    devices: Mapping[str, Sequence[Mapping[str, object]]],
) -> dict[Waiting, Finding]:
    """Of sources that no unit has, those that no ledger will take; the others are being posted.

    refused  sources that registrations would have made which the ledger refused
    devices  of the channels whose node could be asked
    """
    found = {}
    for one in others:
        text = f"{one.records} records wait under the source {one.source.hex()}"
        known = devices.get(one.channel.hex())
        if known is not None and any(device.get("source") == one.source.hex() for device in known):
            continue
        if one.source in refused:
            text = (
                f"{text}, whose registration the ledger refused: it can never take them. They are kept as a proof of "
                "what was measured; what is signed since has another source"
            )
            found[one] = ok(_NO_NUMBERING, text)
        elif known is not None:
            text = f"{text}: no unit here has it, and no device of the channel"
            advice = (
                "if its registration was refused and another took its place, nothing: they can never be taken and stay "
                "as a proof; if not, have that device registered, or put back the gateway.toml that names the source"
            )
            found[one] = warning(_NO_NUMBERING, text, advice)
    return found


def judge_backlog(refused: Refusals, sources: Sequence[Waiting], *, now_ms: int) -> Finding:
    """What the age of that which is on its way means. `sources`: without those that are never taken."""
    check = "outbox backlog"
    if refused.records:
        text = f"{refused.records} records were not taken; the last one: {refused.newest}"
        return error(check, text, "ask the regulator; nothing of it is deleted here", code=Exit.REFUSED)
    pending = sum(one.records for one in sources)
    age_ms = now_ms - min((one.oldest_ms for one in sources), default=now_ms)
    text = f"{pending} records wait, the oldest for {age_ms // 60_000} minutes"
    advice = "look at the node and the device's registration above; nothing is lost meanwhile"
    if age_ms > WAITING_MS_MAX:
        return error(check, text, advice, code=Exit.UNREACHABLE)
    if age_ms > WAITING_MS_WARN:
        return warning(check, text, advice)
    return ok(check, text if pending else "nothing waits")


def _refused_sources(site: Site) -> frozenset[bytes]:
    """By the files that `doxedge init` left beside the configuration; one that cannot be read says nothing."""
    if site.gateway is None or site.gateway_file is None:
        return frozenset()
    channels = {bytes.fromhex(unit.channel) for unit in site.gateway.unit}
    found: set[bytes] = set()
    for path in sorted(site.gateway_file.parent.glob(REFUSED_FILES)):
        raw = _read(path)
        for channel in channels:
            try:
                found.add(registration_source(raw, channel=channel))
            except Failure:
                continue
    return frozenset(found)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(REGISTRATION_BYTES_MAX)
    except OSError:
        return b""


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
        source = f"estimated for {units} unit{'s' * (units > 1)}"
    needed_mb, budget_mb = -(-needed // MEBIBYTE), budget_bytes // MEBIBYTE
    days = keep_ms // DAY_MS
    text = f"{days} days of records take {needed_mb} MiB ({source}), {budget_mb} MiB are allowed"
    if needed_mb > budget_mb:
        why = f"{text}: proved records go early, and a late revision of theirs is refused"
        return warning(
            "outbox room", why, f"set outbox.budget_mb to {2 * needed_mb}, and restart the gateway"
        )
    return ok("outbox room", text)
