"""How good the machine's clock is, as the kernel tells it: part of every signed hour.

The kernel's own record of the discipline that chrony, ntpd or systemd-timesyncd applies is read with adjtimex(2) in
its read-only mode, so any of them will do and none is needed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from doxedge.measurement.quality import ClockState, clock_state

_TIME_ERROR: Final = 5
"""Return value of adjtimex: the clock is not synchronised (adjtimex(2))."""
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What an hour says of the clock that stamped it."""

    state: str
    """`synchronised`, `unsynchronised`, `unknown` or, with compressed plant time, `simulated`."""
    offset_ms: int
    """The offset that the kernel is still correcting, rounded towards zero; 0 when unknown."""


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


def read_clock() -> ClockReading:
    """The kernel's present opinion of its clock. Never raises: what cannot be told is `unknown`."""
    try:
        timex = _Timex()
        result = _adjtimex()(ctypes.byref(timex))
    except (OSError, AttributeError):
        return ClockReading("unknown", 0)
    if result < 0:
        return ClockReading("unknown", 0)
    unit_per_ms = 1_000_000 if timex.status & _STA_NANO else 1_000
    offset_ms = abs(timex.offset) // unit_per_ms * (1 if timex.offset >= 0 else -1)
    if result == _TIME_ERROR or timex.status & _STA_UNSYNC:
        return ClockReading("unsynchronised", offset_ms)
    return ClockReading("synchronised", offset_ms)


def is_sure(reading: ClockReading) -> bool:
    """Whether this clock may decide that something is old: a time server disciplines it, or it is a compressed one."""
    return reading.state in ("synchronised", "simulated")


def state_of(reading: ClockReading) -> ClockState:
    """By which samples are judged."""
    return ClockState.UNKNOWN if reading.state == "unknown" else clock_state(reading.offset_ms)


def boot_id() -> bytes:
    """16 bytes that name this boot of the machine; zeros where the kernel does not tell."""
    try:
        return bytes.fromhex(_BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)
