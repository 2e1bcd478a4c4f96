"""How good the machine's clock is, as the kernel tells it: part of every signed hour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doxedge.fieldbus.kernel_clock import kernel_clock
from doxedge.measurement.quality import ClockState, clock_state

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What an hour says of the clock that stamped it."""

    state: str
    """`synchronised`, `unsynchronised`, `unknown` or, with compressed plant time, `simulated`."""
    offset_ms: int
    """The offset that the kernel is still correcting, rounded towards zero; 0 when unknown."""


def read_clock() -> ClockReading:
    """The kernel's present opinion of its clock. Never raises: what cannot be told is `unknown`."""
    return ClockReading(*kernel_clock())


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
