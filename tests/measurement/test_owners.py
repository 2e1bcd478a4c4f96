"""A judged sample gives an hour the same as all of its readings would, and is counted in the same way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.hour import HourAssembler, HourSettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.quality import AssessmentSettings, Assessor, ClockState
from doxedge.measurement.sample import Sample
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import HOUR, settings

NAMES = ("so2_ppb", "nox_ppb", "power_w", "flow_m3_per_h", "energy_wh", "o2_percent")
SIGNAL = OperatingSettings(on_above=Decimal(50), off_below=Decimal(20))


def unit() -> HourSettings:
    plain = settings(operating=SIGNAL)
    return replace(plain, energy=EnergySettings(), devices={"so2_ppb": "other"})


samples = st.lists(
    st.tuples(
        st.sampled_from(["analyser", "analyser", "other"]),
        st.integers(0, HOUR_MS // 5_000 - 1),
        st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
        st.integers(0, 100),
    ),
    max_size=60,
)


@given(samples)
def test_a_judged_sample_counts_as_all_of_its_readings(
    taken: list[tuple[str, int, list[str], int]],
) -> None:
    whole, wanted = (HourAssembler(unit(), start_ms=HOUR) for _ in range(2))
    assessor = Assessor(AssessmentSettings())
    for device, slot, names, number in taken:
        at_ms = HOUR + 5_000 * slot
        sample = Sample(device, at_ms, 0, {name: Decimal(number) for name in names})
        judged = assessor.judge(sample, clock=ClockState.SYNCHRONISED, running=True)
        assert whole.add(tuple(judged)) is wanted.add(judged)
    assert whole.counters == wanted.counters
    closed_ms = HOUR + HOUR_MS + 10 * MINUTE_MS
    assert whole.close(closed_ms) == wanted.close(closed_ms)
    assert whole.carry == wanted.carry
