"""Hours of several stacks: each is judged by itself, and then they are added."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.bias_factor import BiasFactor
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.hour_settings import HourSettings, Stack, backup_name
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import FLOW_M3_PER_H, G_PER_H, HOUR, reading, settings

POLL_MS = 30_000
WHOLE = frozenset(range(60))
NAMES = ("east", "west")


def two_stacks(*bias: BiasFactor) -> HourSettings:
    plain = settings()
    stacks = tuple(Stack(name, {q: f"{name}.{q}" for q in plain.emission.measured}) for name in NAMES)
    return replace(
        plain,
        stacks=stacks,
        emission=replace(plain.emission, bias=bias),
        backups=frozenset({"west.nox_ppb"}),
        default_poll_period_ms=POLL_MS,
        coverage_percent=100,
    )


def measured(
    made: HourSettings,
    east: frozenset[int] = WHOLE,
    west: frozenset[int] = WHOLE,
    *,
    ppm: tuple[int, int] = (100, 100),
    failed: str = "",
    spare: bool = False,
) -> HourRecord | HourGap:
    """An hour in which each stack has its minutes; `failed` fails a check at its middle."""
    assembler = HourAssembler(made, start_ms=HOUR)
    for at_ms in range(HOUR, HOUR + HOUR_MS, POLL_MS):
        for name, minutes, of_stack in zip(NAMES, (east, west), ppm, strict=True):
            value = of_stack * 1_000 if (at_ms - HOUR) // MINUTE_MS in minutes else None
            assembler.add([reading(f"{name}.flow_m3_per_h", FLOW_M3_PER_H, at_ms, device=f"flow {name}")])
            assembler.add([reading(f"{name}.nox_ppb", value, at_ms, device=f"gas {name}")])
        if spare:
            assembler.add([reading(backup_name("west.nox_ppb"), 50_000, at_ms, device="spare")])
    if failed:
        assembler.calibration(HOUR + 30 * MINUTE_MS, passed=False, quantity=failed)
    (result,) = assembler.close(HOUR + HOUR_MS + 90_000)
    return result


def hour(result: HourRecord | HourGap) -> HourRecord:
    assert isinstance(result, HourRecord), result
    return result


@given(st.frozensets(st.integers(0, 59)), st.frozensets(st.integers(0, 59)))
def test_an_hour_is_valid_when_each_stack_has_a_point_in_each_quadrant(
    east: frozenset[int], west: frozenset[int]
) -> None:
    result = measured(two_stacks(), east, west, ppm=(100, 50))
    each_is_valid = all({minute // 15 for minute in minutes} == {0, 1, 2, 3} for minutes in (east, west))
    if not each_is_valid:
        assert isinstance(result, HourGap)
        assert result.clause == "60.13(h)(2)(i)"
        return
    record = hour(result)
    assert abs(record.nox_g - Decimal("1.5") * G_PER_H) <= 1
    assert record.minutes_valid == min(len(east), len(west))
    assert (record.quality == "valid") == (east == west == WHOLE)


def test_a_negative_stack_takes_nothing_from_the_other() -> None:
    record = hour(measured(two_stacks(), ppm=(100, -1)))
    assert (record.nox_g, record.method_code) == (G_PER_H, "21")


def test_each_stack_has_the_factor_of_its_own_test() -> None:
    factor = BiasFactor(factor=Decimal("1.100"), since_ms=HOUR, stack="west")
    later = BiasFactor(factor=Decimal("1.200"), since_ms=HOUR + HOUR_MS, stack="east")
    record = hour(measured(two_stacks(factor, later)))
    west_g = (G_PER_H * 11 + 5) // 10
    assert record.nox_g == G_PER_H + west_g
    assert record.remarks == (
        f"east.nox_g:{G_PER_H}", "west.baf:1.100", f"west.nox_g:{west_g}", f"west.unadjusted_g:{G_PER_H}",
    )  # fmt: skip
    assert (record.bias_factor, record.unadjusted_g) == (None, None)


@pytest.mark.parametrize("stack", ["", "north"])
def test_a_factor_of_no_stack_is_refused(stack: str) -> None:
    with pytest.raises(ValueError, match="say `stack` of east, west"):
        two_stacks(BiasFactor(factor=Decimal("1.100"), since_ms=HOUR, stack=stack))
    with pytest.raises(ValueError, match="no stack: the unit has one"):
        replace(
            settings(),
            emission=replace(
                settings().emission, bias=(BiasFactor(factor=Decimal(1), since_ms=HOUR, stack="east"),)
            ),
        )


def test_a_failed_check_of_one_stack_says_nothing_of_the_other() -> None:
    made = two_stacks()
    gap = measured(made, failed="east.nox_ppb")
    assert isinstance(gap, HourGap)
    assert (gap.cause, gap.clause) == ("calibration_failed", "60.13(h)(2)(iv)")
    record = hour(measured(made, failed="west.nox_ppb", spare=True))
    assert record.nox_g == G_PER_H + (G_PER_H + 1) // 2
    assert (record.method_code, record.clause) == ("02", "60.13(h)(2)(iii)(A)")
    assert "east:60.13(h)(2)(i)" in record.remarks
    assert "west:60.13(h)(2)(iii)(A)" in record.remarks
    assert "west.nox_ppb:calibration_failed" in record.remarks
