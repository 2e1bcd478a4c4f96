"""Per minute the first instrument where it is valid, else its backup."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.emission import HourRecord
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.hour_settings import backup_name
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import FLOW_M3_PER_H, HOUR, reading, settings

POLL_MS = 20_000


@given(st.sets(st.integers(0, 59)), st.sets(st.integers(0, 59)))
def test_the_mass_of_an_hour_is_that_of_whichever_counts_in_each_minute(
    first: set[int], spare: set[int]
) -> None:
    made = replace(
        settings(), backups=frozenset({"nox_ppb"}), default_poll_period_ms=POLL_MS, coverage_percent=100
    )
    assembler = HourAssembler(made, start_ms=HOUR)
    for minute in range(60):
        for at_ms in range(HOUR + minute * MINUTE_MS, HOUR + (minute + 1) * MINUTE_MS, POLL_MS):
            assembler.add([reading("flow_m3_per_h", FLOW_M3_PER_H, at_ms, device="flow")])
            assembler.add([reading("nox_ppb", 1_000 if minute in first else None, at_ms, device="one")])
            other = 2_000 if minute in spare else None
            assembler.add([reading(backup_name("nox_ppb"), other, at_ms, device="two")])
    (result,) = assembler.close(HOUR + HOUR_MS + 90_000)
    covered = first | spare
    backed = len(spare - first)
    if not isinstance(result, HourRecord):
        assert len({minute // 15 for minute in covered}) < 4
        return
    assert result.minutes_valid == len(covered)
    assert result.method_code == ("02" if backed else "01")
    assert result.remarks == ((f"backup_minutes:{backed}",) if backed else ())
    per_minute = Decimal("2.0525") * FLOW_M3_PER_H / 1_000
    mean = per_minute * (len(first) + 2 * backed) / len(covered)
    assert abs(result.nox_g - mean) <= Decimal("0.5")
