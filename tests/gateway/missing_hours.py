"""A unit whose missing hours are substituted, with a past, and what its gateway says of its hours."""

from __future__ import annotations

from typing import Any

from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.hour_history import KnownHour
from doxedge.quantity import HOUR_MS
from doxedge.store.hours import HourStore
from tests.gateway.test_pipeline import named
from tests.gateway.unit_bench import Bench, plan
from tests.ledger.channels import START_MS

MAXIMUM = 99_000
RATE = 20_000
PART75 = f"""
[unit.missing_data]
rules = "part75"
maximum_g_per_h = {MAXIMUM}
max_load_w = 100_000_000
"""


TWO_TIERS = """
[[unit.missing_data.tier]]
at_least_percent = 95
short_gap_hours = 1
short = { code = "11", statistic = "mean" }
long = { code = "08", statistic = "percentile", percent = 90, or_neighbours = true }
[[unit.missing_data.tier]]
at_least_percent = 0
long = { code = "12", statistic = "potential" }
"""


def planned() -> PlannedUnit:
    return plan(lines=PART75)


async def remember(store: HourStore, hours: int, *, g_per_h: int = RATE, load_w: int = 50_000_000) -> None:
    """So many good hours before the bench begins."""
    await store.begin("alpha-1", began_ms=START_MS - hours * HOUR_MS)
    rows = [
        KnownHour(START_MS - n * HOUR_MS, 100, g_per_h, load_w, True, "01", quality_assured=True)
        for n in range(hours, 0, -1)
    ]
    await store.put("alpha-1", rows, owed=False)


async def statements(unit: Bench) -> list[tuple[str, dict[str, Any]]]:
    """Kind and named body of gaps, hours and revisions, in order."""
    told: list[tuple[str, dict[str, Any]]] = []
    for kind, body in await unit.said():
        if kind == "gap":
            told.append((kind, {"start_ms": body[1], "to_ms": body[2]}))
        elif kind in ("hour", "hour.revise"):
            hour: Any = body if kind == "hour" else body[2]
            reason = None if kind == "hour" else body[1]
            told.append((kind, {**named(list(hour)), "reason": reason}))
    return told


def brief(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[Any, ...]]:
    return [
        (
            kind,
            (body["start_ms"] - START_MS) // HOUR_MS,
            body.get("quality"),
            body.get("method_code"),
            body.get("nox_g"),
        )
        for kind, body in told
    ]
