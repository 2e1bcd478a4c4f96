"""Whether the machine itself stood still: then nothing that depends on time was tried fairly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

LOOK_S: Final = 0.1
STOOD_S: Final = 1.0
"""So late is a process with nothing to do only when the whole machine pauses. A question of the day waits as long."""


async def watch_machine(
    stood_s: list[float],
    *,
    now_s: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Note in `stood_s` each pause of a second or more, until cancelled. `now_s`: a clock that is never set."""
    before_s = now_s()
    while True:
        await sleep(LOOK_S)
        looked_s = now_s()
        if (late_s := looked_s - before_s - LOOK_S) >= STOOD_S:
            stood_s.append(round(late_s, 1))
        before_s = looked_s
