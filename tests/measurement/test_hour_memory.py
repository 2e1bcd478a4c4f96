"""What an hour holds in memory goes with it: a gateway runs for years."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour_sequence import HourSequence
from doxedge.measurement.movement import ValueLimits
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.quality import AssessmentSettings, Assessor
from doxedge.quantity import HOUR_MS, SECOND_MS
from tests.measurement.readings import HOUR, sample, settings

POLL_MS = 10 * SECOND_MS
WARM_HOURS = 4
HOURS = 10


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_after_some_hours_memory_is_what_it_was() -> None:
    operating = OperatingSettings(on_above=Decimal(100), off_below=Decimal(50))
    unit = replace(settings(operating=operating), energy=EnergySettings())
    limits = ValueLimits(max_rate_per_s=Decimal(1_000_000), stuck_ms=HOUR_MS)
    assessor = Assessor(
        AssessmentSettings(limits=dict.fromkeys(("nox_ppb", "flow_m3_per_h", "power_w"), limits))
    )
    hours, records = HourSequence(unit, start_ms=HOUR), 0
    at_border: list[int] = []
    with traced():
        before_bytes = held_bytes()
        for poll in range(HOURS * HOUR_MS // POLL_MS):
            at_ms = HOUR + poll * POLL_MS
            hours.add(
                assessor.assess(
                    sample(
                        at_ms,
                        nox_ppb=100_000 + poll % 97,
                        flow_m3_per_h=90_000 + poll % 89,
                        power_w=400 + poll % 83,
                        energy_wh=poll * 3,
                    )
                )
            )
            records += len(hours.close(at_ms))
            if (at_ms + POLL_MS) % HOUR_MS == 0:
                at_border.append(held_bytes())

    assert records == HOURS - 1
    of_one_hour = at_border[0] - before_bytes
    assert of_one_hour > 10_000
    assert at_border[-1] - at_border[WARM_HOURS - 1] < of_one_hour / 10
