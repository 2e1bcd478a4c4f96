"""Memory that a daemon has freed, given back to the system.

The C library keeps free memory that lies between what is in use: after a start, and after a busy hour, some megabytes
of a machine that has few. glibc gives it back when it is asked to, `malloc_trim(3)`; other libraries are not asked.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 60.0
"""It takes less than a millisecond; what is needed again costs a page fault for each page."""


async def give_back_forever(*, every_s: float = EVERY_S) -> None:
    """Now and then, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        give_back()


def give_back() -> bool:
    """Whether any memory went back; False where the C library cannot do it."""
    trim = _trim()
    return trim is not None and bool(trim(0))


@functools.cache
def _trim() -> Callable[[int], int] | None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim  # type: ignore[no-any-return]
