"""A unit with a gap, the office at which two persons enter its hour, and what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from doxedge.gateway.manual_entries import FILE, ManualEntries
from doxedge.gateway.manual_office import AskConfirm, AskPropose, ManualOffice
from doxedge.gateway.operator_door import Caller
from doxedge.quantity import HOUR_MS
from tests.gateway.unit_bench import Bench, SetClock, bench
from tests.ledger.channels import START_MS

GAP_MS = START_MS + HOUR_MS
FIRST, SECOND = Caller("alice", START_MS + 9 * HOUR_MS), Caller("bob", START_MS + 10 * HOUR_MS)


@asynccontextmanager
async def office(
    folder: Path, *, clock: SetClock | None = None, begun: bool = True
) -> AsyncIterator[tuple[Bench, ManualOffice]]:
    """Beside a unit on the bench."""
    async with bench(folder, clock=clock) as unit:
        made = ManualOffice(
            await ManualEntries.open(folder / FILE),
            pipelines=lambda: {"alpha-1": unit.pipeline},
            hours=unit.history,
            outbox=folder / "outbox.db",
        )
        await made.hand_in_again()
        yield unit, made


async def with_a_gap(unit: Bench) -> None:
    """The second of three hours has no analyser."""
    await unit.measure(60)
    await unit.measure(60, nox_ppm=None)
    await unit.measure(62)


def proposal(**changes: Any) -> AskPropose:
    fields: dict[str, Any] = {
        "ask": "propose-hour", "unit": "alpha-1", "start_ms": GAP_MS, "nox_g": 12_000, "energy_wh": 50_000_000,
        "operating_percent": 100, "name": "A. Person", "reason": "portable analyser", "document": "cd" * 32,
    }  # fmt: skip
    return AskPropose(**{**fields, **changes})


def confirmation(entry: int = 1, **changes: Any) -> AskConfirm:
    return AskConfirm(**{"ask": "confirm-hour", "entry": entry, "name": "B. Person", **changes})


async def entered(unit: Bench) -> list[Any]:
    """(kind, body) of the hours that were entered by hand."""
    found = []
    for kind, body in await unit.said():
        hour: Any = body[2] if kind == "hour.revise" else body
        if kind in ("hour", "hour.revise") and hour[6] == "manual":
            found.append((kind, hour))
    return found
