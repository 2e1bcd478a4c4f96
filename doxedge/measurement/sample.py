"""One poll of one device, decoded and not yet judged.

A `Sample` is what a driver makes from the answers of one exchange. Its values are in canonical units, which end their
names (`nox_ppb`, `flow_m3_per_h`, `stack_temperature_c`, `power_w`, `energy_wh`). A value that could not be read or
decoded is None and has its `Reason` in `failures`: bad is never zero and never the last value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Quality(StrEnum):
    """How far a value may be trusted. Uncertain values enter averages and leave a remark; bad ones never enter."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Reason(StrEnum):
    """Why a value is not simply good. The words are stored, so a word once given keeps its meaning."""

    NONE = "none"
    DEFAULT = "default"  # configured constant, not measured
    # The line and the decoder say these.
    COMMS = "comms"
    EXCEPTION = "exception"
    NAN = "nan"
    # The device says these.
    DEVICE_FAULT = "device_fault"
    WARNING = "warning"
    MAINTENANCE = "maintenance"
    ZERO = "zero"
    SPAN = "span"
    HELD = "held"
    OUT_OF_SERVICE = "out_of_service"
    BELOW_RANGE = "below_range"
    ABOVE_RANGE = "above_range"
    # The assessment says these.
    RANGE = "range"
    RATE = "rate"
    STUCK = "stuck"
    SETTLING = "settling"  # too soon after zero, span or maintenance
    PAIR = "pair"  # NOx is not NO + NO2
    CLOCK = "clock"
    OUT_OF_CONTROL = "out_of_control"  # no calibration check that passed stands behind it


@dataclass(frozen=True, slots=True)
class Sample:
    """One device, one poll, one instant."""

    device: str
    """Name of the device in the configuration of this plant."""

    at_ms: int
    """UTC milliseconds since 1970 at the end of the read (plant time where the clock is compressed)."""

    monotonic_ns: int
    """The same instant on a clock that is never set: what shows a step of `at_ms`."""

    values: Mapping[str, Decimal | None]
    """Canonical quantity to value; None when it could not be read or decoded."""

    flags: frozenset[str] = frozenset()
    """Canonical status words of the device: fault warning maintenance zero span out_of_service invalid held
    out_of_range door battery. A sample that carries no value at all states the device's status until the next such
    sample."""

    failures: Mapping[str, Reason] = field(default_factory=dict)
    """The reason of each None. The one reason that goes with a value is `Reason.DEFAULT`: a configured constant."""

    raw: bytes = b""
    """The answers as they came over the wire: what a signed record can be traced down to."""
