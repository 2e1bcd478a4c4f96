"""An hour says the same whether the gateway was started anew in it or not: what it rests on is older than the hour."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.signing.canonical import Value
from tests.gateway.unit_bench import PERIOD_MS, Bench, SetClock, bench, plan
from tests.ledger.channels import START_MS

Poll = Callable[[Bench, int, int], None]
"""(unit, instant, minute since the beginning): all samples of an instant."""
SPAN = frozenset({"span"})
LIMITS = "\n[unit.limits.nox_ppb]\nstuck_minutes = 30\n"


def gas_at_the_border(unit: Bench, at_ms: int, minute: int) -> None:
    """Span gas until a minute before the hour, and what of it is left in the line for two minutes after."""
    flags = SPAN if 50 <= minute < 59 else frozenset[str]()
    unit.poll(at_ms, nox_ppm=Decimal(400 if 50 <= minute < 62 else 100), flags=flags)


def meter_away_at_the_border(unit: Bench, at_ms: int, minute: int) -> None:
    """A unit that stands still, whose meter is not heard for eight minutes: for three of them nobody knows."""
    if 58 <= minute < 66:
        take = unit._take
        unit._take = lambda instrument, *rest: None if instrument == "meter" else take(instrument, *rest)  # type: ignore[method-assign]
        try:
            unit.poll(at_ms, power_w=0)
        finally:
            unit._take = take  # type: ignore[method-assign]
    else:
        unit.poll(at_ms, power_w=0)


def stands_still_over_the_border(unit: Bench, at_ms: int, minute: int) -> None:
    """NOx that has not moved since the 40th minute is stuck in the tenth of the next hour, for fifteen minutes."""
    if not 40 <= minute < 85:
        unit.poll(at_ms)
        return
    unit.poll(at_ms, nox_ppm=None)
    values: dict[str, Decimal | None] = {
        "nox_ppb": Decimal(77_000),
        "no_ppb": Decimal(77_000),
        "no2_ppb": Decimal(0),
    }
    unit._take("analyser", at_ms + 1, values, {})


async def live(folder: Path, poll: Poll, *, lines: str, restart: int | None) -> list[list[Value]]:
    """Two hours, and what was signed of them; started anew after so many minutes."""
    clock, planned = SetClock(), plan(lines=lines)
    said: list[tuple[str, list[Value]]] = []
    for first, last in ((0, restart or 122), (restart or 122, 122)):
        async with bench(folder, clock=clock, planned=planned) as unit:
            for minute in range(first, last):
                for _ in range(MINUTE_MS // PERIOD_MS):
                    poll(unit, clock.at_ms, minute)
                    clock.run_to(clock.at_ms + PERIOD_MS)
                await unit.pipeline.flush()
                await unit.pipeline.close_hours()
            said = await unit.said()
    return [body for kind, body in said if kind in ("hour", "gap")]


@pytest.mark.parametrize("restart", [62, 64, 75])
@pytest.mark.parametrize(
    ("poll", "lines"),
    [(gas_at_the_border, ""), (meter_away_at_the_border, ""), (stands_still_over_the_border, LIMITS)],
)
async def test_a_start_shortly_after_the_full_hour_changes_no_hour(
    tmp_path: Path, poll: Poll, lines: str, restart: int
) -> None:
    for run in ("whole", "parted"):
        tmp_path.joinpath(run).mkdir()
    whole = await live(tmp_path / "whole", poll, lines=lines, restart=None)
    parted = await live(tmp_path / "parted", poll, lines=lines, restart=restart)
    assert parted == whole
    assert len(whole) == 2
    assert {START_MS, START_MS + HOUR_MS} == {body[1] for body in whole}
