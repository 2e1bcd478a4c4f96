"""The bias factor of an hour by the RATAs in force: which test, which monitor, and what the record says."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.bias_factor import BiasFactor
from doxedge.measurement.bias_in_force import (
    BY_SITE,
    NO_RATA,
    InForce,
    bias_in_force,
    combined,
    monitors_used,
    stated_ratas,
)
from doxedge.measurement.emission import EmissionSettings, HourRecord, MinuteRate
from doxedge.measurement.hour import HourAssembler
from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.stated_tests import StatedTests
from doxedge.measurement.tests_in_force import KeptTests, RataFactor
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import FLOW_M3_PER_H, HOUR, reading, settings

NOX, FLOW = "nox_ppb", "flow_m3_per_h"
STATED = BiasFactor(factor=Decimal("1.020"), since_ms=HOUR)


def rata(
    factor: str, *, monitor: str = NOX, hours: int = 0, ended: int | None = None, capped: str | None = None
) -> RataFactor:
    """In force `hours` after the hour; `ended` is in hours as well."""
    return RataFactor(
        monitor=monitor,
        factor=Decimal(factor),
        capped=Decimal(capped or factor),
        ended_ms=HOUR + (hours if ended is None else ended) * HOUR_MS,
        since_ms=HOUR + hours * HOUR_MS,
        test=f"{abs(hours):02}{factor.replace('.', '')}".ljust(64, "a"),
    )


def rules(*stated: BiasFactor, by_rata: bool = True, cap: bool = False) -> EmissionSettings:
    return replace(settings().emission, bias=stated, bias_by_rata=by_rata, low_emitter_cap=cap)


def at(
    tests: KeptTests, emission: EmissionSettings, *, hours: int = 0, used: tuple[str, ...] = (NOX, FLOW)
) -> InForce | None:
    return bias_in_force(emission, tests, HOUR + hours * HOUR_MS, "", used)


def factors(tests: KeptTests, hours: range) -> list[str]:
    return [str(one.factor) for n in hours if (one := at(tests, rules(), hours=n)) is not None]


def test_the_last_test_that_holds_gives_the_factor_from_its_hour_on() -> None:
    tests = KeptTests([rata("1.092"), rata("1.000", hours=2), rata("1.050", hours=5)])
    assert factors(tests, range(-1, 7)) == [
        "1.000", "1.092", "1.092", "1.000", "1.000", "1.000", "1.050", "1.050",
    ]  # fmt: skip


def test_an_older_test_that_is_handed_in_later_takes_no_place() -> None:
    tests = KeptTests([rata("1.092", hours=1, ended=0), rata("1.050", hours=3, ended=-50)])
    assert factors(tests, range(5)) == ["1.000", "1.092", "1.092", "1.092", "1.092"]
    tests.put(rata("1.092", hours=1, ended=0))
    # Of two that ended together the one that was handed in last: a mistake was put right.
    tests.put(rata("1.060", hours=1, ended=0))
    assert factors(tests, range(5)) == ["1.000", "1.060", "1.060", "1.060", "1.060"]


def test_before_a_test_the_site_states_the_factor_or_nothing_is_adjusted_and_the_rule_is_named() -> None:
    none = KeptTests()
    assert at(none, rules()) == InForce(Decimal("1.000"), (NO_RATA,))
    assert at(none, rules(STATED)) == InForce(Decimal("1.020"), (BY_SITE,))
    assert at(none, rules(STATED), hours=-1) == InForce(Decimal("1.000"), (NO_RATA,))


def test_a_site_that_states_its_factors_does_not_look_at_tests() -> None:
    tests = KeptTests([rata("1.092")])
    assert at(tests, rules(STATED, by_rata=False)) == InForce(Decimal("1.020"))
    assert at(tests, rules(by_rata=False)) is None


def test_concentration_and_flow_are_tested_apart_and_multiply() -> None:
    tests = KeptTests([rata("1.092"), rata("1.010", monitor=FLOW)])
    found = at(tests, rules())
    assert found is not None
    assert (found.factor, len(found.by)) == (Decimal("1.103"), 2)  # 1.10292
    assert found.by[1].startswith("baf_by:rata:nox_ppb:1.092:")


def test_only_a_site_that_chose_it_takes_the_cap_of_a_low_emitter() -> None:
    tests = KeptTests([rata("1.125", capped="1.111")])
    assert [str(one.factor) for cap in (False, True) if (one := at(tests, rules(cap=cap)))] == [
        "1.125",
        "1.111",
    ]


@pytest.mark.parametrize(
    ("used", "factor"),
    [
        ((NOX,), "1.092"),
        ((f"backup.{NOX}",), "1.030"),
        ((NOX, f"backup.{NOX}"), "1.092"),
        ((FLOW, f"backup.{FLOW}"), "1.010"),  # the backup has no test of its own
        ((f"backup.{FLOW}",), "1.010"),
    ],
)
def test_a_backup_has_its_own_factor_or_that_of_the_first(used: tuple[str, ...], factor: str) -> None:
    tests = KeptTests([rata("1.092"), rata("1.030", monitor=f"backup.{NOX}"), rata("1.010", monitor=FLOW)])
    found = at(tests, rules(), used=used)
    assert found is not None
    assert found.factor == Decimal(factor)


def test_which_monitors_made_an_hour() -> None:
    plain, spare = (
        MinuteRate(Decimal(1), frozenset()),
        MinuteRate(Decimal(1), frozenset(), backups=frozenset({NOX})),
    )
    assert monitors_used([NOX, FLOW], [plain]) == {NOX, FLOW}
    assert monitors_used([NOX, FLOW], [plain, spare]) == {NOX, FLOW, f"backup.{NOX}"}
    assert monitors_used([NOX, FLOW], [spare, spare]) == {FLOW, f"backup.{NOX}"}
    assert monitors_used([NOX, FLOW], []) == {NOX, FLOW}


def measured(made: HourSettings, tests: KeptTests | StatedTests) -> HourRecord:
    assembler = HourAssembler(made, start_ms=HOUR, tests=tests)
    for at_ms in range(HOUR, HOUR + HOUR_MS, MINUTE_MS // 2):
        assembler.add([reading(FLOW, FLOW_M3_PER_H, at_ms, device="flow")])
        assembler.add([reading(NOX, 100_000, at_ms, device="gas")])
    (result,) = assembler.close(HOUR + HOUR_MS + 90_000)
    assert isinstance(result, HourRecord)
    return result


def test_what_an_hour_says_of_its_tests_makes_it_again_without_them() -> None:
    made = replace(settings(), emission=rules(), default_poll_period_ms=MINUTE_MS // 2)
    hour = measured(made, KeptTests([rata("1.092"), rata("1.010", monitor=FLOW)]))
    assert hour.unadjusted_g is not None
    assert (hour.bias_factor, hour.nox_g) == (Decimal("1.103"), round(hour.unadjusted_g * Decimal("1.103")))
    again = measured(made, StatedTests([(HOUR, hour.bias_by)]))
    assert again == hour
    assert measured(made, StatedTests([(HOUR - HOUR_MS, hour.bias_by)])).bias_by == (NO_RATA,)


@pytest.mark.parametrize(
    "wrong",
    [
        "baf_by:rata:nox_ppb:1.092",
        "baf_by:rata:nox_ppb:1.09:" + "a" * 64,
        "baf_by:rata:nox_ppb:1.092:" + "A" * 64,
        "baf_by:rata::1.092:" + "a" * 64,
        "baf_by:rata:nox_ppb:1.092:" + "a" * 65,
        NO_RATA,
        7,
        None,
    ],
)
def test_what_is_no_such_remark_names_no_test(wrong: object) -> None:
    assert stated_ratas([wrong], HOUR) == []


def test_a_factor_holds_from_the_beginning_of_an_hour() -> None:
    with pytest.raises(ValueError, match="beginning of an hour"):
        replace(rata("1.092"), since_ms=HOUR + 1)


THOUSANDTHS = st.integers(1_000, 2_000).map(lambda n: Decimal(n).scaleb(-3))


@given(st.dictionaries(st.sampled_from([NOX, FLOW, f"backup.{NOX}", f"backup.{FLOW}"]), THOUSANDTHS))
def test_no_combination_lowers_an_emission(applied: dict[str, Decimal]) -> None:
    assert combined(applied) >= max([Decimal(1), *applied.values()])


def test_a_test_that_is_told_twice_is_no_news() -> None:
    tests = KeptTests([rata("1.092")])
    versions = [tests.version]
    for again in (rata("1.092"), rata("1.050"), rata("1.092")):
        tests.put(again)
        versions.append(tests.version)
    assert versions == [1, 1, 2, 2]
