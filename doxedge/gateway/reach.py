"""The node is back: who finds that out first tells all others who wait for it.

Each source has a poster of its own, and each waits longer after each try. After days without a node the last of them
would notice half a minute after the first.
"""

from __future__ import annotations

import asyncio


class Reach:
    """Shared by all who need one node."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._back = asyncio.Event()

    def found(self) -> None:
        """The node has answered: whoever waits now tries at once."""
        back, self._back = self._back, asyncio.Event()
        back.set()

    async def wait(self, pause_s: float) -> None:
        """Return after so many real seconds, or when the node was found, whichever is first."""
        try:
            async with asyncio.timeout(pause_s):
                await self._back.wait()
        except TimeoutError:
            pass
