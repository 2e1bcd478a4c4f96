"""When is an hour valid: 40 CFR 60.13(h)(2), and the clause that decided.

    (i)    full operating hour: a valid point in each of the four 15-minute quadrants
    (ii)   partial operating hour: a valid point in each quadrant in which the unit runs
    (iii)  hour with required maintenance or quality assurance:
           (A) the unit runs in two or more quadrants: two valid points at least 15 minutes apart
           (B) it runs in one quadrant only: one valid point
    (iv)   a calibration failed within the hour: invalid, unless a later one passes in the same hour and (iii) is
           met by what was recorded after the pass alone

Precedence: not operating, (iv), (iii), (i) or (ii). Quadrants are half-open: a point at :15 belongs to the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doxedge.quantity import HOUR_MS, MINUTE_MS

QUADRANT_MS: Final = 15 * MINUTE_MS

NOT_OPERATING: Final = "not operating"
FULL_HOUR: Final = "60.13(h)(2)(i)"
PARTIAL_HOUR: Final = "60.13(h)(2)(ii)"
QA_HOUR_TWO_POINTS: Final = "60.13(h)(2)(iii)(A)"
QA_HOUR_ONE_POINT: Final = "60.13(h)(2)(iii)(B)"
FAILED_CALIBRATION: Final = "60.13(h)(2)(iv)"

Span = tuple[int, int]
"""Half-open stretch of time, in ms."""


@dataclass(frozen=True, slots=True, order=True)
class CalibrationCheck:
    """A daily zero and span check that was judged at this instant."""

    at_ms: int
    passed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an hour is valid (None: the unit did not run), which clause said so, and from when its data count."""

    valid: bool | None
    clause: str
    usable_from_ms: int
    start_stop: bool = False
    """Too little operation for a validated average; the mass counts all the same (rule set `eu`)."""


def usable_from_ms(start_ms: int, checks: Sequence[CalibrationCheck]) -> int:
    """From when what a monitor measured in an hour counts: its beginning, the first pass after the last failure, or
    never (the end of the hour)."""
    end_ms = start_ms + HOUR_MS
    within = sorted(check for check in checks if start_ms <= check.at_ms < end_ms)
    failures = [check.at_ms for check in within if not check.passed]
    if not failures:
        return start_ms
    return min(
        (check.at_ms for check in within if check.passed and check.at_ms > failures[-1]), default=end_ms
    )


def judge_hour(
    start_ms: int,
    *,
    operating: Sequence[Span],
    points_ms: Sequence[int],
    qa: bool,
    checks: Sequence[CalibrationCheck] = (),
) -> Verdict:
    """Judge the hour that begins at `start_ms`.

    operating  when the unit ran; what lies outside the hour is ignored
    points_ms  when valid points were recorded; one in a quadrant in which the unit did not run counts for nothing
    qa         maintenance or quality assurance fell into the hour
    checks     calibrations judged within the hour

    More points never make a valid hour invalid.
    """
    end_ms = start_ms + HOUR_MS
    within = [(max(a, start_ms), min(b, end_ms)) for a, b in operating if max(a, start_ms) < min(b, end_ms)]
    running = {quadrant for span in within for quadrant in _quadrants(start_ms, span)}
    if not running:
        return Verdict(None, NOT_OPERATING, start_ms)
    points = sorted(
        at for at in points_ms if start_ms <= at < end_ms and (at - start_ms) // QUADRANT_MS in running
    )

    usable_ms = usable_from_ms(start_ms, checks)
    if usable_ms >= end_ms:
        return Verdict(False, FAILED_CALIBRATION, end_ms)
    if usable_ms > start_ms:
        clean = [at for at in points if at >= usable_ms]
        return Verdict(_meets_qa_rule(clean, running), FAILED_CALIBRATION, usable_ms)
    if qa:
        clause = QA_HOUR_ONE_POINT if len(running) == 1 else QA_HOUR_TWO_POINTS
        return Verdict(_meets_qa_rule(points, running), clause, start_ms)
    clause = FULL_HOUR if _length(within) == HOUR_MS else PARTIAL_HOUR
    return Verdict(running <= {(at - start_ms) // QUADRANT_MS for at in points}, clause, start_ms)


def _meets_qa_rule(points: Sequence[int], running: set[int]) -> bool:
    """(iii): a separation in time, not two quadrants: 14:30 and 15:00 do not do."""
    if len(running) == 1:
        return bool(points)
    return len(points) > 1 and points[-1] - points[0] >= QUADRANT_MS


def _quadrants(start_ms: int, span: Span) -> range:
    first = (span[0] - start_ms) // QUADRANT_MS
    last = (span[1] - 1 - start_ms) // QUADRANT_MS
    return range(first, last + 1)


def _length(spans: Sequence[Span]) -> int:
    """Time covered by spans that may touch or overlap."""
    covered, reached = 0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        covered += max(0, end - begin)
        reached = end if reached is None else max(end, reached)
    return covered
