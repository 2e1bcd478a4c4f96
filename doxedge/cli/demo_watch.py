"""The live table of the demo: asks the running nodes again and again how far they are, while the story goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from doxedge.backends.port import LedgerError
from doxedge.cli.demo_cast import Cast
from doxedge.cli.demo_view import DemoView
from doxedge.quantity import kilograms_text

PAUSE_S: Final = 0.5


@asynccontextmanager
async def watched(view: DemoView, cast: Cast) -> AsyncIterator[None]:
    """Keep the table fresh while the block runs; nothing is asked where nobody sees it."""
    if not view.is_live:
        yield
        return
    watching = asyncio.create_task(_watch(view, cast), name="the demo's live table")
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(view: DemoView, cast: Cast) -> None:
    while True:
        rows: dict[str, str] = {}
        for channel in list(cast.channels):
            rows[channel] = await _heights(cast, channel)
            rows.update(await _units(cast, channel))
        view.table(rows)
        await asyncio.sleep(PAUSE_S)


async def _heights(cast: Cast, channel: str) -> str:
    """Height of every node of the channel; a dash for one that does not answer, which may be meant."""
    told = []
    for party in cast.members(channel):
        node, height = cast.nodes.get(party), "–"
        if node is not None:
            with contextlib.suppress(LedgerError):
                height = str((await node.get(cast.path(channel, "head")))["height"])
        told.append(f"{party} {height}")
    return "height: " + ", ".join(told)


async def _units(cast: Cast, channel: str) -> dict[str, str]:
    """What each unit has stated, and what is left of its credits, as the regulator's node has it."""
    regulator = cast.nodes.get("regulator")
    if regulator is None:
        return {}
    try:
        units = await regulator.get(cast.path(channel, f"units?year={cast.year}"))
        accounts = await regulator.get(cast.path(channel, f"accounts?year={cast.year}"))
    except LedgerError:
        return {}
    headroom = {row["unit"]: row["headroom_g"] for row in accounts}
    return {row["unit"]: unit_text(row, headroom.get(row["unit"])) for row in units}


def unit_text(row: Mapping[str, Any], headroom_g: int | None) -> str:
    """One unit of the table."""
    text = f"{row['trial_hours']} trial hours, {row['counted_hours']} counted"
    if headroom_g is not None:
        text += f", {kilograms_text(row['emitted_g'])} kg emitted, headroom {kilograms_text(headroom_g)} kg"
    return text
