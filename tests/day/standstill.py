"""Whether the machine itself stood still for the day: then nothing that depends on time was tried fairly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

LOOK_S: Final = 1.0
STOOD_S: Final = 1.0
"""So late is a process with nothing to do only when the whole machine pauses. A question of the day waits as long."""
WAITED: Final = 0.5
"""Of the time between two looks: a process that waits for a processor so long cannot keep a plant's minutes."""


async def watch_machine(
    stood_s: list[float],
    *,
    now_s: Callable[[], float],
    waited_s: Callable[[], Mapping[int, float]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Note in `stood_s` each pause of the machine, and for how long a process of the day got no processor.

    Until cancelled. `now_s` is a clock that is never set; `waited_s` says of each process how long it has waited for a
    processor, ever.
    """
    before_s, waited_before_s = now_s(), waited_s()
    while True:
        await sleep(LOOK_S)
        looked_s, waited_by_now_s = now_s(), waited_s()
        passed_s = looked_s - before_s
        waits_s = [waited_by_now_s[pid] - waited_before_s.get(pid, 0.0) for pid in waited_by_now_s]
        if (late_s := passed_s - LOOK_S) >= STOOD_S:
            stood_s.append(round(late_s, 1))
        elif waits_s and max(waits_s) >= WAITED * passed_s:
            stood_s.append(round(max(waits_s), 1))
        before_s, waited_before_s = looked_s, waited_by_now_s


def processor_waits_s(pids: Iterable[int]) -> dict[int, float]:
    """How long the first thread of each living process has waited for a processor, as the scheduler counts."""
    waits_s = {}
    for pid in pids:
        try:
            waits_s[pid] = int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
        except OSError:  # it has ended
            continue
    return waits_s
