"""Make a commissioning file beside the gateway: trial hours that are final on the ledger, with all they were made from.

Only an hour that its own samples give again is witnessed, so a verifier is never handed one that his machine refuses.
The stores are read while the gateway runs; nothing here writes to them or waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from doxedge.contracts import statements
from doxedge.evidence.commission_file import HOURS_MAX, Head, Hour, Writer
from doxedge.evidence.content import time_text
from doxedge.gateway.commission_hours import MadeHour, RawHour, make_again
from doxedge.gateway.commission_plan import map_texts, settings_bytes
from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.settings import GatewaySettings
from doxedge.ledger import bodies
from doxedge.signing import envelope
from doxedge.signing.canonical import Value
from doxedge.signing.record import decode_payload
from doxedge.store import look

LOOKED_AT_MAX: Final = 64
"""Newest hours that are tried; more would keep a small gateway busy for minutes."""


class NotPrepared(Exception):
    """There is no file to be made now; the text says what to do."""


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """The device as the ledger has it."""

    name: str
    profile_hash: bytes
    counts_from_ms: int | None
    reopened_hash: bytes | None
    """The register map that has reopened its commissioning."""
    reopened_from_ms: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An hour as the gateway has signed it last."""

    record_id: bytes
    state: str
    """`pending`, `final` or `refused`."""
    stated: statements.Hour


@dataclass(slots=True)
class Choice:
    """The hours of the file, in the order of time, and why others are not in it."""

    hours: list[tuple[Candidate, RawHour, MadeHour]] = field(default_factory=list)
    witnessed: set[int] = field(default_factory=set)
    passed_over: dict[int, str] = field(default_factory=dict)


def first_hour_ms(device: RegisteredDevice, planned: PlannedUnit) -> int:
    """From when on trial hours can be witnessed. Raises NotPrepared where the device cannot be commissioned."""
    measured = planned.profile_hash
    if device.counts_from_ms is None:
        if measured != device.profile_hash:
            raise NotPrepared(
                f"the gateway measures with register map {measured.hex()}, device {device.name} is registered with "
                f"{device.profile_hash.hex()}: register a device with the map that is in use"
            )
        return 0
    if measured == device.profile_hash:
        raise NotPrepared(f"device {device.name} is commissioned already with this register map")
    if measured != device.reopened_hash:
        raise NotPrepared(
            f"no hour is on the ledger yet that device {device.name} read with its new register map; come back after "
            "the first hours"
        )
    return device.reopened_from_ms


def candidates(outbox: Path, planned: PlannedUnit) -> list[Candidate]:
    """The hours in the outbox, each as signed last, in the order of time. Raises StoreError."""
    source, channel = bytes.fromhex(planned.table.source), bytes.fromhex(planned.table.channel)
    found: dict[int, Candidate] = {}
    after = 0
    while records := look.records(outbox, ("hour", "hour.revise"), after=after):
        after = records[-1].row_id
        for kept in records:
            if kept.source != source:
                continue
            record = decode_payload(envelope.decode(kept.envelope).payload)
            body: Value = record.body if record.kind == "hour" else record.body[2]
            if isinstance(body, list):
                stated = bodies.hour_facts(body)
                found[stated.start_ms] = Candidate(record.record_id(channel), kept.state, stated)
    return [found[start_ms] for start_ms in sorted(found)]


def choose(
    found: Sequence[Candidate],
    planned: PlannedUnit,
    *,
    from_ms: int,
    count: int,
    wanted: Iterable[int] | None,
    leaves_of: Callable[[statements.Hour], list[bytes] | None],
) -> Choice:
    """`count` hours that their samples give again, newest first, or exactly those that are `wanted`.

    Raises NotPrepared when there are not so many, with the reasons.
    """
    choice = Choice()
    asked = None if wanted is None else sorted(set(wanted))
    usable = _usable(found, planned, choice, from_ms=from_ms, asked=asked, leaves_of=leaves_of)
    need = count if asked is None else len(asked)
    size = min(need, len(usable))
    while True:
        taken = sorted(usable[:size], key=lambda one: one[1].start_ms)
        made = make_again(planned, [raw for _, raw in taken])
        choice.hours = [(one, raw, again) for (one, raw), again in zip(taken, made, strict=True)]
        good = [one.stated.start_ms for one, _, again in choice.hours if _is_right(one, again)]
        if len(good) >= need or size == len(usable):
            break
        size = min(len(usable), size + need - len(good))
    for one, _, again in choice.hours:
        if not _is_right(one, again):
            given = "no mass" if again.hour is None else f"{again.hour.nox_g} g"
            choice.passed_over[one.stated.start_ms] = (
                f"its samples alone give {given}, and {one.stated.nox_g} g are stated"
            )
    choice.witnessed = set(good[-need:])
    missing = [start_ms for start_ms in asked or () if start_ms not in choice.witnessed]
    if len(good) < need or missing:
        raise NotPrepared(_too_few(choice, need, len(good), missing))
    return choice


def _is_right(one: Candidate, again: MadeHour) -> bool:
    return again.hour is not None and again.hour.nox_g == one.stated.nox_g


def _usable(
    found: Sequence[Candidate],
    planned: PlannedUnit,
    choice: Choice,
    *,
    from_ms: int,
    asked: Sequence[int] | None,
    leaves_of: Callable[[statements.Hour], list[bytes] | None],
) -> list[tuple[Candidate, RawHour]]:
    """What can be witnessed, newest first; why the others cannot is noted."""
    usable: list[tuple[Candidate, RawHour]] = []
    for one in reversed(found):
        stated = one.stated
        if asked is not None and stated.start_ms not in asked:
            continue
        if len(usable) == LOOKED_AT_MAX:
            break
        reason = _objection(one, planned, from_ms=from_ms)
        leaves = None if reason else leaves_of(stated)
        if not reason and leaves is None:
            reason = "its raw samples are not kept any more"
        if leaves is None:
            choice.passed_over[stated.start_ms] = reason
            continue
        raw = RawHour(
            stated.start_ms, leaves, stated.clock_state, stated.clock_offset_ms, stated.recipe or ()
        )
        usable.append((one, raw))
    return usable


def _objection(one: Candidate, planned: PlannedUnit, *, from_ms: int) -> str:
    stated = one.stated
    if one.state != "final":
        return f"its latest statement is {one.state}"
    if stated.profile_hash != planned.profile_hash:
        return "it was read with another register map than the one in use now"
    if stated.rules_hash != planned.rules_hash:
        return "it was made by other settings than those in use now"
    if stated.start_ms < from_ms:
        return "it began before the ledger is sure of the register map"
    if not stated.operating_percent:
        return "the unit did not run"
    return ""


def _too_few(choice: Choice, need: int, good: int, missing: Sequence[int]) -> str:
    said = [
        f"hour {time_text(start_ms)}: {choice.passed_over.get(start_ms, 'not signed here')}"
        for start_ms in missing
    ]
    if not said:
        said = [
            f"hour {time_text(at)}: {why}" for at, why in sorted(choice.passed_over.items())[-LOOKED_AT_MAX:]
        ]
    reasons = "".join(f"\n  {line}" for line in said) or "\n  no hour is signed yet"
    return f"{good} hours can be witnessed, and {need} are wanted; come back later, or ask for fewer{reasons}"


def file_bytes(
    choice: Choice,
    *,
    settings: GatewaySettings,
    planned: PlannedUnit,
    device: str,
    evidence_of: Callable[[bytes], bytes | None],
) -> bytes:
    """The whole file. Raises NotPrepared when the node has no proof of an hour."""
    if len(choice.hours) > HOURS_MAX:
        raise NotPrepared(f"a file holds at most {HOURS_MAX} hours")
    writer = Writer()
    head = Head(
        bytes.fromhex(planned.table.channel),
        bytes.fromhex(planned.table.source),
        device,
        planned.table.name,
        planned.profile_hash,
        planned.rules_hash,
        int(planned.assessment.clock_speed),
        settings_bytes(settings),
        map_texts(settings),
    )
    parts = [writer.head(head)]
    for one, raw, again in choice.hours:
        start_ms = one.stated.start_ms
        evidence = evidence_of(one.record_id)
        if evidence is None:
            raise NotPrepared(
                f"the node has no proof of hour {time_text(start_ms)}, record {one.record_id.hex()}"
            )
        parts.append(writer.leaves(raw.leaves))
        parts.append(
            writer.hour(
                Hour(
                    start_ms,
                    start_ms in choice.witnessed,
                    one.record_id,
                    len(raw.leaves),
                    evidence,
                    again.sheet,
                )
            )
        )
    parts.append(writer.end())
    return b"".join(parts)
