"""Minutes with their spread."""

from __future__ import annotations

import statistics
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.minute_rows import minute_rows, spread
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import MINUTE_MS, SECOND_MS
from tests.measurement.readings import HOUR, POLL_MS, reading, settings


def test_a_minute_is_told_with_its_spread_and_its_reasons() -> None:
    said = [reading("nox_ppb", 100 + n % 3, HOUR + n * POLL_MS) for n in range(10)]
    said += [reading("nox_ppb", None, HOUR + n * POLL_MS) for n in (10, 11)]
    said.append(reading("nox_ppb", 999, HOUR))  # the same instant once more
    (row,) = minute_rows(said, settings())
    minute = row.minute
    assert (minute.n, minute.total, minute.quality, minute.percent_of(Reason.COMMS)) == (
        10,
        12,
        Quality.GOOD,
        16,
    )
    assert [minute.minimum, minute.maximum] == [Decimal(100), Decimal(102)]
    assert row.sd is not None
    assert float(row.sd) == statistics.stdev([100 + n % 3 for n in range(10)])


def test_rows_come_by_time_then_by_quantity_and_a_short_minute_has_no_mean() -> None:
    said = [
        reading(name, 5, HOUR + minute * MINUTE_MS + second * SECOND_MS)
        for minute in (1, 0)
        for name in ("o2_percent", "nox_ppb")
        for second in range(0, 40 if minute else 60, 5)
    ]
    rows = minute_rows(said, settings())
    assert [((row.minute.start_ms - HOUR) // MINUTE_MS, row.quantity) for row in rows] == [
        (0, "nox_ppb"), (0, "o2_percent"), (1, "nox_ppb"), (1, "o2_percent"),
    ]  # fmt: skip
    assert [row.minute.mean for row in rows] == [5, 5, None, None]


@given(st.lists(st.integers(-(10**6), 10**9), max_size=30))
def test_a_stranger_finds_the_same_spread(values: list[int]) -> None:
    found = spread([Decimal(value) for value in values])
    if len(values) < 2:
        assert found is None
    else:
        assert found is not None
        assert abs(float(found) - statistics.stdev(values)) <= 1e-9 * max(1, statistics.stdev(values))
