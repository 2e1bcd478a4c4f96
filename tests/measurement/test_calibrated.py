"""Values through a calibration function: in the hour, in its remarks, and held against the test on record."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.calibrated import (
    calibrated_words,
    range_words,
    stated,
    stated_functions,
)
from doxedge.measurement.calibrated_check import check_functions
from doxedge.measurement.emission import HourRecord
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.hour_settings import backup_name
from doxedge.measurement.recipe_check import Recomputed
from doxedge.measurement.stated_tests import StatedTests
from doxedge.measurement.tests_in_force import KeptTests, KnownTests, QalFunction
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import FLOW_M3_PER_H, G_PER_H, HOUR, reading, settings

NOX, FLOW = "nox_ppb", "flow_m3_per_h"
POLL_MS = MINUTE_MS // 2


def qal2(
    a: str = "2000", b: str = "1.05", *, monitor: str = NOX, highest: str = "150000", hours: int = 0
) -> QalFunction:
    return QalFunction(
        monitor=monitor,
        a=Decimal(a),
        b=Decimal(b),
        highest=Decimal(highest),
        ended_ms=HOUR + hours * HOUR_MS,
        since_ms=HOUR + hours * HOUR_MS,
        test=f"{hours:02}".ljust(64, "c"),
    )


def measured(
    tests: KnownTests, *, ppb: int | None = 100_000, spare_ppb: int | None = None, calibrated: bool = True
) -> HourRecord:
    """One hour; the gas analyser and its backup deliver these, or nothing."""
    plain = settings()
    made = replace(
        plain,
        emission=replace(plain.emission, calibrated=calibrated),
        default_poll_period_ms=POLL_MS,
        backups=frozenset({NOX}),
    )
    assembler = HourAssembler(made, start_ms=HOUR, tests=tests)
    for at_ms in range(HOUR, HOUR + HOUR_MS, POLL_MS):
        assembler.add([reading(FLOW, FLOW_M3_PER_H, at_ms, device="flow")])
        assembler.add([reading(NOX, ppb, at_ms, device="gas")])
        assembler.add([reading(backup_name(NOX), spare_ppb, at_ms, device="spare")])
    (result,) = assembler.close(HOUR + HOUR_MS + 90_000)
    assert isinstance(result, HourRecord)
    return result


def test_the_mass_is_that_of_the_calibrated_values_and_the_hour_names_the_function() -> None:
    plain = measured(KeptTests([qal2()]), calibrated=False)
    hour = measured(KeptTests([qal2()]))
    assert (plain.remarks, hour.remarks) == ((), (stated(qal2()),))
    assert (plain.nox_g, hour.nox_g) == (round(G_PER_H), round(G_PER_H * Decimal("1.07")))
    assert hour.minutes_valid == plain.minutes_valid == 60


def test_before_a_qal2_a_value_counts_as_read_and_it_is_said_of_the_concentration() -> None:
    hour = measured(KeptTests([qal2(hours=1)]))
    assert (hour.remarks, hour.nox_g) == ((f"uncalibrated:{NOX}",), round(G_PER_H))


def test_the_function_of_a_later_test_takes_its_place_and_that_of_an_older_none() -> None:
    tests = KeptTests([qal2(hours=2), qal2("0", "1.5", hours=5)])
    tests.put(replace(qal2("0", "3", hours=6), ended_ms=HOUR))
    found = [one and one.b for n in range(8) if (one := tests.function(NOX, HOUR + n * HOUR_MS)) or n < 2]
    assert [str(b) for b in found] == ["None", "None", "1.05", "1.05", "1.05", "1.5", "1.5", "1.5"]


@pytest.mark.parametrize(
    ("highest", "a", "outside"),
    [("107000", "2000", False), ("106999", "2000", True), ("999999", "-105001", True)],
)
def test_an_hour_whose_mean_lies_outside_the_range_says_so_and_counts(
    highest: str, a: str, outside: bool
) -> None:
    hour = measured(KeptTests([qal2(a, highest=highest)]))
    assert range_words(hour.remarks) == ((f"out_of_range:{NOX}",) if outside else ())
    assert hour.quality == "valid"


@pytest.mark.parametrize(("minutes", "outside"), [((149_000, 152_000), True), ((152_000, 147_000), False)])
def test_it_is_the_mean_of_the_minutes_that_leaves_the_range(
    minutes: tuple[int, ...], *, outside: bool
) -> None:
    values = {NOX: [Decimal(value) for value in minutes]}
    told = [*calibrated_words(values, [NOX], KeptTests([qal2()]), HOUR)]
    assert told == [stated(qal2()), *([f"out_of_range:{NOX}"] if outside else [])]


def test_a_backup_has_a_function_of_its_own() -> None:
    spare = qal2("0", "1.5", monitor=backup_name(NOX))
    tests = KeptTests([qal2(), spare])
    stood_in = measured(tests, ppb=None, spare_ppb=100_000)
    assert stood_in.nox_g == round(G_PER_H * Decimal("1.5"))
    assert stood_in.remarks == ("backup_minutes:60", stated(spare))
    without = measured(KeptTests([qal2()]), ppb=None, spare_ppb=100_000)
    assert (without.nox_g, without.remarks[1]) == (round(G_PER_H), f"uncalibrated:backup.{NOX}")


def test_an_hour_is_made_again_by_the_functions_that_it_names() -> None:
    tests = KeptTests([qal2(), qal2("0", "1.1", monitor=FLOW, highest="1e6")])
    hour = measured(tests)
    assert len(hour.remarks) == 2
    assert measured(StatedTests([(HOUR, hour.remarks)])) == hour
    assert measured(StatedTests([(HOUR, ())])).nox_g < hour.nox_g


@pytest.mark.parametrize(
    "wrong",
    [
        "calibrated:nox_ppb:1:1:1",
        "calibrated:nox_ppb:1:0:1:" + "c" * 64,
        "calibrated:nox_ppb:1:-1:1:" + "c" * 64,
        "calibrated:nox_ppb:1e3:1:1:" + "c" * 64,
        "calibrated:nox_ppb:NaN:1:1:" + "c" * 64,
        "calibrated::1:1:1:" + "c" * 64,
        "calibrated:nox_ppb:" + "1" * 31 + ":1:1:" + "c" * 64,
        b"calibrated",
        None,
    ],
)
def test_what_is_no_such_remark_names_no_function(wrong: object) -> None:
    assert stated_functions([wrong], HOUR) == []


def test_a_function_has_a_rising_slope_and_holds_from_the_beginning_of_an_hour() -> None:
    with pytest.raises(ValueError, match="slope"):
        qal2(b="0")
    with pytest.raises(ValueError, match="beginning of an hour"):
        replace(qal2(), since_ms=HOUR + 1)


def test_only_the_remarks_about_the_range_are_kept_by_the_history() -> None:
    assert range_words(["out_of_range:b", 7, "out_of_range:a", "calibrated:x"]) == (
        "out_of_range:a",
        "out_of_range:b",
    )
    assert list(calibrated_words({NOX: []}, [NOX], KeptTests([qal2(highest="0")]), HOUR)) == [
        stated(qal2(highest="0"))
    ]


RECORDED = KeptTests([qal2()])
OTHER = stated(replace(qal2(), test="d" * 64))


@pytest.mark.parametrize(
    ("remarks", "verdict", "words"),
    [
        ([stated(qal2())], Recomputed.PROVED, "calibrated by the QAL2 of nox_ppb"),
        (["uncalibrated:backup.nox_ppb", 7], Recomputed.PROVED, "as read, before the first QAL2"),
        ([OTHER], Recomputed.DIFFERS, "was not in force"),
        ([stated(qal2("2001"))], Recomputed.DIFFERS, "gives another function"),
        (["calibrated:nox_ppb:oh"], Recomputed.DIFFERS, "cannot be read"),
        (["uncalibrated:nox_ppb"], Recomputed.DIFFERS, "counts as read, and the QAL2 00ccc"),
    ],
)
def test_what_an_hour_names_is_held_against_the_record(
    remarks: list[object], verdict: Recomputed, words: str
) -> None:
    found = check_functions(remarks, start_ms=HOUR, tests=RECORDED)
    assert found is not None
    assert (found[0], words in found[1]) == (verdict, True)


def test_an_hour_that_says_nothing_of_functions_has_no_verdict() -> None:
    assert check_functions(["moisture_percent:default", None], start_ms=HOUR, tests=RECORDED) is None
    early = check_functions([stated(qal2())], start_ms=HOUR - HOUR_MS, tests=RECORDED)
    assert early is not None
    assert early[0] is Recomputed.DIFFERS


@given(
    st.lists(st.decimals(-1_000, 100_000, places=3), min_size=1, max_size=12),
    st.decimals(-100, 100, places=6),
    st.decimals(Decimal("0.001"), 10, places=6),
)
def test_the_mean_of_calibrated_readings_is_the_calibrated_mean(
    xs: list[Decimal], a: Decimal, b: Decimal
) -> None:
    function = qal2(str(a), str(b))
    n = len(xs)
    one_by_one = sum((function.apply(x) for x in xs), Decimal(0)) / n
    assert abs(one_by_one - function.apply(sum(xs, Decimal(0)) / n)) < Decimal("1e-15")
