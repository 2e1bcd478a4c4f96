"""What a test that was handed in puts in force, and from which hour on: computed from the file that is on record.

A RATA holds from the first hour after it ended: hours that were signed until it was handed in are revised
(`restatement`), for what its factor multiplies stands in them. The function of a QAL2 holds from the next border of an
hour after it was handed in, since signed hours do not say what was read; the border is written with the test, and so is
the same after a restart.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from doxedge.measurement.calibrated import DIGITS
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.emission import PPB_PER_PPM
from doxedge.measurement.qa_entry import TestKind, judge_qal2, rata_factors
from doxedge.measurement.tests_in_force import QalFunction, RataFactor
from doxedge.quantity import DAY_MS, HOUR_MS, SECOND_MS
from doxedge.store.qa_rows import QaEntry

_EPOCH: Final = dt.date(1970, 1, 1)


def times_of(kind: str, day: str, ended_ms: int | None, *, now_ms: int) -> dict[str, int]:
    """When a test ended that is handed in now, and from when on it holds; without a time it ended with its day."""
    ended_ms = end_of_day_ms(day) if ended_ms is None else ended_ms
    begins_ms = ended_ms if kind == TestKind.RATA else max(ended_ms, now_ms + 1)
    return {"ended_ms": ended_ms, "in_force_ms": _border(begins_ms)}


def end_of_day_ms(text: str) -> int:
    """The first instant after a day, UTC."""
    return ((dt.date.fromisoformat(text) - _EPOCH).days + 1) * DAY_MS


def rata_factor(entry: QaEntry) -> RataFactor | None:
    """The factor of a RATA that passed; None for every other entry.

    Raises ValueError for a file that gives none, or is not the one that was handed in.
    """
    body = entry.body
    if body["kind"] != TestKind.RATA or not body["passed"]:
        return None
    _require_same_file(entry)
    ended_ms, in_force_ms = _times(entry)
    factor, capped = factors_of(body)
    return RataFactor(
        monitor=entry.quantity,
        factor=factor,
        capped=capped,
        ended_ms=ended_ms,
        since_ms=in_force_ms,
        test=body["sha256"],
    )


def qal_function(entry: QaEntry) -> QalFunction | None:
    """The calibration function of a QAL2 that passed, in the unit of its quantity; None for every other entry.

    Raises ValueError for a file that gives none, or is not the one that was handed in, and for an entry of before that
    does not say in which unit its samples are.
    """
    body = entry.body
    if body["kind"] != TestKind.QAL2 or not body["passed"]:
        return None
    _require_same_file(entry)
    told, (ended_ms, in_force_ms) = body["figures"][0], _times(entry)
    if "measured_in" not in told:
        raise ValueError("it does not say in which unit its samples are; hand its file in again")
    judged = judge_qal2(
        body["text"].splitlines(),
        limit=Decimal(told["limit"]),
        zero=Decimal(told["zero"]),
        day=dt.date.fromisoformat(body["day"]),
    )
    function, scale = judged.figures[0], _in_quantity(told)
    a, b, highest = (Decimal(str(function[name])) for name in ("a", "b", "highest"))
    return QalFunction(
        monitor=entry.quantity,
        a=DIGITS.multiply(a, scale),
        b=DIGITS.plus(b),
        highest=DIGITS.multiply(highest, scale),
        ended_ms=ended_ms,
        since_ms=in_force_ms,
        test=body["sha256"],
    )


def _in_quantity(told: Mapping[str, Any]) -> Decimal:
    """How many of the quantity's units one of the samples' is."""
    match told["measured_in"]:
        case "ppm":
            return PPB_PER_PPM
        case "mg/m3":
            return PRECISE.divide(PPB_PER_PPM, Decimal(told["mg_per_m3_per_ppm"]))
    return Decimal(1)


def factors_of(body: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """(factor, the same with the cap of a low emitter) of a stored RATA, from the runs of its file."""
    told = body["figures"][0]
    return rata_factors(
        body["text"].splitlines(), parameter=str(told["parameter"]), test_num=str(told["test_num"])
    )


def in_force_words(body: Mapping[str, Any]) -> str:
    """From when on a test holds, for the event; empty where the site does not let tests decide."""
    if not body.get("applied"):
        return ""
    return f", in force from {_utc(body['in_force_ms'])} on"


def _require_same_file(entry: QaEntry) -> None:
    if hashlib.sha256(entry.body["text"].encode()).hexdigest() != entry.body["sha256"]:
        raise ValueError(f"the file of entry {entry.number} is not the one that was handed in")


def _times(entry: QaEntry) -> tuple[int, int]:
    body = entry.body
    if "in_force_ms" in body:
        return body["ended_ms"], body["in_force_ms"]
    found = times_of(body["kind"], body["day"], None, now_ms=entry.at_ms)
    return found["ended_ms"], found["in_force_ms"]


def _border(at_ms: int) -> int:
    """The first beginning of an hour that is not before an instant."""
    return -(-at_ms // HOUR_MS) * HOUR_MS


def _utc(at_ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(at_ms // SECOND_MS, tz=dt.UTC):%Y-%m-%dT%H:%MZ}"
