"""What a day showed: pure functions over the ledger's records, the outbox's records and the gateway's log."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doxedge.quantity import HOUR_MS
from simulators.faults import FaultKind
from simulators.plant import MINUTE_MS
from simulators.scenario import Expectation, Scenario

CALM_MS = 15 * MINUTE_MS
"""So long after a fault a value may still be missing: pauses of a device that was away (five minutes at
most), a time-out of a second at a high speed, three minutes of settling."""
MINUTES_MIN = 45
"""An hour with fewer measured minutes met a machine that was too busy to poll; it is counted, and not compared."""

_STATE = re.compile(r"device (\S+) on line .*? (answers|is away: .*)$")
MEASURES = re.compile(r"measuring \d+ units over")
"""What a gateway says when it has begun."""


@dataclass(frozen=True, slots=True)
class FinalRecord:
    """One record on the ledger, in the ledger's order."""

    seq: int
    record_id: str
    kind: str
    outcome: int
    """0: accepted."""
    body: Sequence[Any]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the gateway, stamped by whoever read it."""

    at_ms: int
    """Plant time."""
    run: int
    """Which process of the day wrote it, from 1."""
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of plant time."""

    from_ms: int
    to_ms: int

    def meets(self, other: Span) -> bool:
        """Whether they have an instant in common."""
        return self.from_ms < other.to_ms and other.from_ms < self.to_ms


# Records


@dataclass(frozen=True, slots=True)
class Numbers:
    """Outbox against ledger. All but the first two must be zero."""

    acknowledged: int
    final: int
    lost: int
    doubled: int
    out_of_order: int
    unknown: int
    """On the ledger, and never seen in the outbox."""
    refused: int

    @property
    def is_clean(self) -> bool:
        """Nothing is wrong, and there was something to lose."""
        wrong = (self.lost, self.doubled, self.out_of_order, self.unknown, self.refused)
        return self.acknowledged > 0 and not any(wrong)


def count_records(acknowledged: Mapping[int, str], finals: Sequence[FinalRecord]) -> Numbers:
    """`acknowledged`: what the outbox ever held under each number."""
    accepted = [record for record in finals if record.outcome == 0]
    times = Counter(record.record_id for record in accepted)
    seqs = Counter(record.seq for record in accepted)
    known = set(acknowledged.values())
    first_of_each = list(dict.fromkeys(record.seq for record in accepted))
    return Numbers(
        acknowledged=len(acknowledged),
        final=len(accepted),
        lost=sum(record_id not in times for record_id in known),
        doubled=sum(times.values()) - len(times) + sum(seqs.values()) - len(seqs),
        out_of_order=sum(seq != place for place, seq in enumerate(first_of_each, 1)),
        unknown=sum(record_id not in known for record_id in times),
        refused=len(finals) - len(accepted),
    )


# Hours


@dataclass(slots=True)
class FoundHour:
    """What the ledger says of one hour of the plant's day."""

    hour: int
    stated: list[str] = field(default_factory=list)
    """`hour` or `gap`, each time it was stated."""
    cause: str = ""
    quality: str = ""
    minutes_valid: int = 0
    posted_g: int | None = None
    truth_g: int = 0
    posted_wh: int = 0
    truth_wh: int = 0
    disturbed_by: list[str] = field(default_factory=list)

    @property
    def is_stated_well(self) -> bool:
        """Once; or as a gap that late samples filled, which an hour may do (clause 8.7)."""
        return self.stated in (["hour"], ["gap"], ["gap", "hour"])

    @property
    def is_comparable(self) -> bool:
        """Valid and undisturbed."""
        return self.posted_g is not None and not self.disturbed_by and self.minutes_valid >= MINUTES_MIN


def hours_of(
    finals: Iterable[FinalRecord],
    *,
    unit: str,
    scenario: Scenario,
    hours: int,
    truth: Sequence[tuple[int, int]],
    downs: Sequence[Span],
) -> list[FoundHour]:
    """The hours of a unit in their order; one that nobody stated has nothing in `stated`.

    `truth`: what left the stack and the generator in each hour, in grams and watt hours.
    """
    found = [FoundHour(hour) for hour in range(hours)]
    for record in finals:
        if record.outcome != 0 or record.kind not in ("hour", "gap", "hour.revise"):
            continue
        body = record.body[2] if record.kind == "hour.revise" else record.body
        if body[0] != unit:
            continue
        first = (int(body[1]) - scenario.start_ms) // HOUR_MS
        after = (int(body[2]) - scenario.start_ms) // HOUR_MS if record.kind == "gap" else first + 1
        for hour in range(max(first, 0), min(after, hours)):
            _note(found[hour], record.kind, body)
    for one in found:
        one.truth_g, one.truth_wh = truth[one.hour]
        one.disturbed_by = disturbances(scenario, unit=unit, hour=one.hour, downs=downs)
    return found


def _note(hour: FoundHour, kind: str, body: Sequence[Any]) -> None:
    if kind != "hour.revise":
        hour.stated.append(kind)
    if kind == "gap":
        hour.cause = str(body[3])
    else:
        hour.posted_g, hour.posted_wh = int(body[4]), int(body[5])
        hour.quality, hour.minutes_valid = str(body[6]), int(body[9])


def disturbances(scenario: Scenario, *, unit: str, hour: int, downs: Sequence[Span]) -> list[str]:
    """What made it hard to measure this hour. The plant's own doings do not: the truth knows of them."""
    start_ms = scenario.start_ms + hour * HOUR_MS
    span = Span(start_ms, start_ms + HOUR_MS)
    found = []
    for step in scenario.steps:
        # A counter that begins anew is no disturbance of the mass.
        if step.unit != unit or step.fault in (None, FaultKind.COUNTER_RESET):
            continue
        from_ms = scenario.start_ms + round(step.at_s * 1_000)
        to_ms = scenario.end_ms if step.to_s is None else scenario.start_ms + round(step.to_s * 1_000)
        if span.meets(Span(from_ms, to_ms + CALM_MS)):
            found.append(step.what)
    if any(span.meets(Span(down.from_ms, down.to_ms + MINUTE_MS)) for down in downs):
        found.append("gateway down")
    return found


def error_ppm(posted: int, truth: int) -> int:
    """How far what was posted is from the truth, in millionths of the truth; 0 of 0 is no error."""
    return abs(posted - truth) * 1_000_000 // truth if truth else 1_000_000 * min(abs(posted), 1)


# Devices that were away


@dataclass(frozen=True, slots=True)
class Outages:
    """Outages of devices as the gateway told of them."""

    planned: int
    told: int
    """Planned ones with exactly one away and one back."""
    away: Mapping[str, int]
    """Away lines of each device."""
    wrong: tuple[str, ...]
    """In words."""


def outages_of(
    lines: Sequence[LogLine], *, scenario: Scenario, unit: str, until_ms: int, downs: Sequence[Span]
) -> Outages:
    """Whether each outage has one pair of lines, and nothing else has any.

    What a device says lies between the begin of one outage and the begin of the next, so nothing depends on how busy
    the machine is. Outages in which the gateway itself was down are judged by the rest of the rule only: lines of a
    device alternate.
    """
    wrong: list[str] = []
    away: dict[str, int] = {}
    planned = told = 0
    for instrument in ("analyser", "flow", "meter"):
        device = f"{unit}.{instrument}"
        said = _said(lines, device)
        wrong += _not_alternating(device, said)
        aways = [line.at_ms for line, up in said if not up]
        backs = [line.at_ms for line, up in said if up]
        away[instrument] = len(aways)
        spans = cut_off_spans(scenario, unit=unit, instrument=instrument, until_ms=until_ms)
        begins = [span.from_ms for span in spans]
        in_span = Counter(bisect_right(begins, at_ms) - 1 for at_ms in aways)
        if in_span[-1]:
            wrong.append(f"{device}: {in_span[-1]} times away before its first outage")
        for index, span in enumerate(spans):
            if any(span.meets(down) for down in downs):
                continue
            planned += 1
            end_ms = begins[index + 1] if index + 1 < len(begins) else until_ms + HOUR_MS
            back = [at_ms for at_ms in backs if span.to_ms <= at_ms < end_ms]
            if in_span[index] == 1 and back:
                told += 1
            else:
                hour = (span.from_ms - scenario.start_ms) / HOUR_MS
                wrong.append(
                    f"{device}: outage at hour {hour:.2f}: {in_span[index]} times away, {len(back)} times back"
                )
    return Outages(planned, told, away, tuple(wrong))


def cut_off_spans(scenario: Scenario, *, unit: str, instrument: str, until_ms: int) -> list[Span]:
    """When the device cannot be trusted; what overlaps is one outage."""
    spans: list[Span] = []
    for step in scenario.steps:
        if step.unit != unit or step.instrument != instrument or not step.cuts_off:
            continue
        from_ms = scenario.start_ms + round(step.at_s * 1_000)
        to_ms = scenario.end_ms if step.to_s is None else scenario.start_ms + round(step.to_s * 1_000)
        if from_ms >= until_ms:
            continue
        if spans and from_ms <= spans[-1].to_ms:
            spans[-1] = Span(spans[-1].from_ms, max(to_ms, spans[-1].to_ms))
        else:
            spans.append(Span(from_ms, to_ms))
    return spans


def _said(lines: Iterable[LogLine], device: str) -> list[tuple[LogLine, bool]]:
    found = []
    for line in lines:
        state = _STATE.search(line.text)
        if state is not None and state[1] == device:
            found.append((line, state[2] == "answers"))
    return found


def _not_alternating(device: str, said: Sequence[tuple[LogLine, bool]]) -> list[str]:
    """Within one process, the same state is never told twice in a row."""
    last: dict[int, bool] = {}
    wrong = []
    for line, up in said:
        if last.get(line.run) is up:
            wrong.append(f"{device}: told twice that it {'answers' if up else 'is away'}")
        last[line.run] = up
    return wrong


def errors_in(lines: Iterable[LogLine]) -> list[str]:
    """Lines of a log that no fault of a day excuses: errors, and stacks of errors that the program did not know."""
    return [
        line.text
        for line in lines
        if line.text.startswith(("ERROR ", "CRITICAL "))
        or line.text.lstrip(" |+").startswith("Traceback (most recent call last)")
    ]


# Expectations


def unmet(
    expectations: Iterable[Expectation],
    *,
    hours: Mapping[str, Sequence[FoundHour]],
    finals: Sequence[FinalRecord],
    away: Mapping[str, Mapping[str, int]],
    is_whole: bool,
) -> list[str]:
    """Those that did not come true, in words. Counts are judged only when the scenario ran to its end."""
    wrong = []
    for expectation in expectations:
        found = hours.get(expectation.unit, ())
        if expectation.hour is not None:
            if expectation.hour < len(found) and not _is_as(found[expectation.hour], expectation):
                hour = found[expectation.hour]
                wrong.append(f"{expectation.words}; found {hour.stated} {hour.quality} {hour.cause}".rstrip())
        elif is_whole:
            times = _times(expectation, finals, away)
            if times != expectation.times:
                wrong.append(f"{expectation.words}; found {times}")
    return wrong


def _is_as(found: FoundHour, expectation: Expectation) -> bool:
    match expectation.finds:
        case "gap":
            return found.stated == ["gap"] and found.cause.startswith(expectation.cause)
        case "hour":
            return found.posted_g is not None
        case "valid":
            return found.posted_g is not None and found.quality == "valid"
        case _:
            return bool(found.stated)


def _times(
    expectation: Expectation, finals: Sequence[FinalRecord], away: Mapping[str, Mapping[str, int]]
) -> int:
    if expectation.away:
        return away.get(expectation.unit, {}).get(expectation.away, 0)
    return sum(
        record.kind == "event"
        and record.outcome == 0
        and list(record.body[:2]) == [expectation.unit, expectation.event]
        for record in finals
    )
