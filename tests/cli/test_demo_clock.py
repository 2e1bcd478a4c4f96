"""The demo's plant time: behind the real clock, and within one year of credits."""

from __future__ import annotations

import datetime as dt

import pytest

from doxedge.cli.demo_site import PLANT_HOURS_BACK, plant_origin_ms
from doxedge.quantity import HOUR_MS


def ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("now", "origin"),
    [
        ("2026-11-25 22:48:21", "2026-11-23 22:00"),
        ("2026-12-31 23:59:59", "2026-12-29 23:00"),
        ("2027-01-01 00:00:00", "2026-12-28 00:00"),
        ("2027-01-02 23:59:59", "2026-12-29 23:00"),
        ("2027-01-03 00:00:00", "2027-01-01 00:00"),
        ("2028-03-01 00:30:00", "2028-02-28 00:00"),
    ],
)
def test_plant_time_starts_at_a_full_hour_and_has_two_days_in_its_year(now: str, origin: str) -> None:
    origin_ms = plant_origin_ms(ms(now))
    assert origin_ms == ms(origin)
    end = dt.datetime.fromtimestamp((origin_ms + PLANT_HOURS_BACK * HOUR_MS - 1) / 1_000, dt.UTC)
    assert end.year == dt.datetime.fromtimestamp(origin_ms / 1_000, dt.UTC).year
    assert end.timestamp() * 1_000 < ms(now)
