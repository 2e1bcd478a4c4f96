"""Is the event loop ever held up? What blocks it delays every channel, the watchdog and the gateway's answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

log = logging.getLogger(__name__)

EVERY_S: Final = 0.05
LOUD_S: Final = 0.5


class LoopWatch:
    """Sleeps a little, again and again, and measures by how much it oversleeps."""

    def __init__(self) -> None:
        """Nothing was measured yet."""
        self.worst_s = 0.0
        """The longest hold-up since start."""
        self.last_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(EVERY_S)
            self.last_s = max(0.0, loop.time() - before_s - EVERY_S)
            self.worst_s = max(self.worst_s, self.last_s)
            if self.last_s > LOUD_S:
                log.warning("the event loop was held up for %.2f s", self.last_s)
