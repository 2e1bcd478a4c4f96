"""Values through the calibration function of a QAL2 (EN 14181, 6), and what the hour says of them.

A minute mean x of a monitor becomes a + b x. The function is linear, so the mean of calibrated readings is the same.
The record says which function was applied, whether the hour left its range, and which monitor of the concentration has
none yet:

    calibrated:nox_ppb:0.5:1.02:180000:<SHA-256 of the test's file>    a, b, end of the range, in the quantity's unit
    out_of_range:nox_ppb        the mean of the monitor's minutes lies outside 0 to that end (6.5)
    uncalibrated:nox_ppb        no QAL2 of it has passed: the value is as read
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal
from typing import Final

from doxedge.measurement.averaging import EXACT
from doxedge.measurement.tests_in_force import KnownTests, QalFunction

CALIBRATED: Final = "calibrated"
OUT_OF_RANGE: Final = "out_of_range"
UNCALIBRATED: Final = "uncalibrated"
DIGITS: Final = Context(prec=12)
"""Of a, b and the range: the record says exactly what was applied."""
_NUMBER: Final = r"(-?\d{1,30}(?:\.\d{1,60})?)"
_STATED: Final = re.compile(
    rf"{CALIBRATED}:([^:]{{1,128}}):{_NUMBER}:{_NUMBER}:{_NUMBER}:([0-9a-f]{{64}})", re.ASCII
)


def calibrated_words(
    values: Mapping[str, Sequence[Decimal]], concentrations: Iterable[str], tests: KnownTests, start_ms: int
) -> Iterator[str]:
    """The remarks of an hour.

    values          monitor to the means of the minutes that it made, calibrated
    concentrations  the monitors among them that measure the concentration
    """
    wanted = frozenset(concentrations)
    for monitor, minutes in values.items():
        function = tests.function(monitor, start_ms)
        if function is not None:
            yield stated(function)
            if minutes and not function.in_range(_mean(minutes)):
                yield f"{OUT_OF_RANGE}:{monitor}"
        elif monitor in wanted:
            yield f"{UNCALIBRATED}:{monitor}"


def stated(function: QalFunction) -> str:
    """A function as an hour names it."""
    numbers = ":".join(f"{number:f}" for number in (function.a, function.b, function.highest))
    return f"{CALIBRATED}:{function.monitor}:{numbers}:{function.test}"


def stated_functions(remarks: Iterable[object], start_ms: int) -> list[QalFunction]:
    """The functions that the remarks of an hour name; what is none is passed over."""
    found = []
    for remark in remarks:
        said = _STATED.fullmatch(remark) if isinstance(remark, str) else None
        if said is not None and Decimal(said[3]) > 0:
            found.append(
                QalFunction(
                    monitor=said[1],
                    a=Decimal(said[2]),
                    b=Decimal(said[3]),
                    highest=Decimal(said[4]),
                    ended_ms=start_ms,
                    since_ms=start_ms,
                    test=said[5],
                )
            )
    return found


def range_words(remarks: Iterable[object]) -> tuple[str, ...]:
    """Of the remarks of a measured hour those that the history keeps: they are counted week by week."""
    words = (remark for remark in remarks if isinstance(remark, str))
    return tuple(sorted(word for word in words if word.startswith(f"{OUT_OF_RANGE}:")))


def _mean(values: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return EXACT.divide(total, Decimal(len(values)))
