"""Wait for something to become true; fail when it does not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(
    condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 60.0, what: str = ""
) -> None:
    """Look again and again until `condition` holds. TimeoutError naming `what` when time is up."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                held = condition()
                if inspect.isawaitable(held):
                    held = await held
                if held:
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"not within {within_s} s: {what}") from None
