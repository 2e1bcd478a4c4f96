"""The minutes of an instrument's quantities as a person wants to see them: with their spread, and what was wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext

from doxedge.measurement.averaging import MinuteBucket, MinuteMean
from doxedge.measurement.conversion import PRECISE
from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.reading import Reading
from doxedge.quantity import MINUTE_MS


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """One quantity over one minute."""

    quantity: str
    """As the unit names it."""
    device: str
    minute: MinuteMean
    sd: Decimal | None
    """Standard deviation of the usable readings, n - 1; None for fewer than two."""


def minute_rows(readings: Iterable[Reading], settings: HourSettings) -> list[MinuteRow]:
    """By time, then by quantity. The same instant of a quantity counts once: the first stands."""
    buckets: dict[tuple[int, str, str], MinuteBucket] = {}
    values: dict[tuple[int, str, str], list[Decimal]] = {}
    seen: set[tuple[str, int]] = set()
    for reading in readings:
        if (reading.quantity, reading.at_ms) in seen:
            continue
        seen.add((reading.quantity, reading.at_ms))
        start_ms = reading.at_ms - reading.at_ms % MINUTE_MS
        key = (start_ms, reading.quantity, reading.device)
        bucket = buckets.setdefault(key, MinuteBucket(start_ms))
        bucket.add(reading)
        if reading.value is not None:
            values.setdefault(key, []).append(reading.value)
    return [
        MinuteRow(
            key[1],
            key[2],
            buckets[key].mean(
                poll_period_ms=settings.period_ms(key[1]), coverage_percent=settings.coverage_percent
            ),
            spread(values.get(key, [])),
        )
        for key in sorted(buckets)
    ]


def spread(values: list[Decimal]) -> Decimal | None:
    """Standard deviation with n - 1; None for fewer than two values."""
    if len(values) < 2:
        return None
    with localcontext(PRECISE):
        mean = sum(values, Decimal(0)) / len(values)
        return (sum(((v - mean) ** 2 for v in values), Decimal(0)) / (len(values) - 1)).sqrt()
