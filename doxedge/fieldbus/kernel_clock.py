"""What the kernel thinks of its clock: whether a time server disciplines it, and what it still corrects.

The kernel's own record of the discipline that chrony, ntpd or systemd-timesyncd applies is read with adjtimex(2) in
its read-only mode, so any of them will do and none is needed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from functools import cache
from typing import Any, Final

SYNCHRONISED: Final = "synchronised"
UNSYNCHRONISED: Final = "unsynchronised"
UNKNOWN: Final = "unknown"
_TIME_ERROR: Final = 5
"""Return value of adjtimex: the clock is not synchronised (adjtimex(2))."""
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; the tail is padding that the kernel may write to."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("tail", ctypes.c_byte * 256),
    )


@cache
def _adjtimex() -> Callable[[Any], int]:
    """The function of the C library, looked up once: finding a library starts a program (ldconfig) each time.

    Raises OSError or AttributeError where there is none.
    """
    libc = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)
    function: Callable[[Any], int] = libc.adjtimex
    return function


def kernel_clock() -> tuple[str, int]:
    """(state, offset_ms): the offset that it is still correcting, rounded towards zero. Never raises."""
    try:
        timex = _Timex()
        result = _adjtimex()(ctypes.byref(timex))
    except (OSError, AttributeError):
        return UNKNOWN, 0
    if result < 0:
        return UNKNOWN, 0
    unit_per_ms = 1_000_000 if timex.status & _STA_NANO else 1_000
    offset_ms = abs(timex.offset) // unit_per_ms * (1 if timex.offset >= 0 else -1)
    if result == _TIME_ERROR or timex.status & _STA_UNSYNC:
        return UNSYNCHRONISED, offset_ms
    return SYNCHRONISED, offset_ms


def is_disciplined() -> bool:
    """Whether a time server disciplines the clock."""
    return kernel_clock()[0] == SYNCHRONISED
