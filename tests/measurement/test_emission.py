"""Minutes to mass."""

from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.averaging import MinuteMean
from doxedge.measurement.conversion import Basis, FlowBasis
from doxedge.measurement.emission import EmissionSettings, HourRecord, hour_mass, method_code, minute_rate
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.measurement.readings import FLOW_M3_PER_H, G_PER_H, HOUR, PPB

FULL = [MINUTE_MS] * 60
SIMPLE = EmissionSettings(concentration_basis=Basis.DRY, flow_basis=FlowBasis.NORMAL_DRY)


def mean(value: Decimal | int | None, quality: Quality = Quality.GOOD, *reasons: Reason) -> MinuteMean:
    decimal = None if value is None else Decimal(value)
    return MinuteMean(HOUR, decimal, decimal, decimal, 12, 12, quality, dict.fromkeys(reasons, 1))


def test_the_hour_record_begins_as_the_body_on_the_wire() -> None:
    names = [field.name for field in fields(HourRecord)]
    assert names[:11] == [
        "unit", "start_ms", "rule_set", "operating_percent", "nox_g", "energy_wh", "quality", "clause",
        "method_code", "minutes_valid", "samples",
    ]  # fmt: skip


def test_a_minute_has_the_rate_of_its_concentration_and_flow() -> None:
    rate = minute_rate({"nox_ppb": mean(PPB), "flow_m3_per_h": mean(FLOW_M3_PER_H)}, SIMPLE)
    assert rate is not None
    assert (rate.g_per_h, rate.remarks) == (Decimal(G_PER_H), frozenset())


@pytest.mark.parametrize("lost", ["nox_ppb", "flow_m3_per_h"])
def test_a_minute_without_one_of_its_quantities_has_no_rate(lost: str) -> None:
    means = {"nox_ppb": mean(PPB), "flow_m3_per_h": mean(FLOW_M3_PER_H)}
    assert minute_rate(means | {lost: mean(None, Quality.BAD)}, SIMPLE) is None
    del means[lost]
    assert minute_rate(means, SIMPLE) is None


def actual(constants: dict[str, Decimal]) -> EmissionSettings:
    return EmissionSettings(
        concentration_basis=Basis.DRY, flow_basis=FlowBasis.ACTUAL_WET, constants=constants
    )


STACK = {
    "nox_ppb": mean(PPB),
    "flow_m3_per_h": mean(FLOW_M3_PER_H),
    "stack_temperature_c": mean(120),
    "stack_pressure_kpa": mean(99),
    "moisture_percent": mean(12, Quality.UNCERTAIN, Reason.DEFAULT),
}


def test_a_configured_moisture_counts_and_leaves_a_remark_however_it_is_configured() -> None:
    by_device = minute_rate(STACK, actual({}))
    by_setting = minute_rate(STACK, actual({"moisture_percent": Decimal(12)}))
    assert by_device is not None
    assert by_device == by_setting
    assert by_device.remarks == {("moisture_percent", Reason.DEFAULT)}


def test_a_constant_for_what_is_measured_wins_and_says_so() -> None:
    rate = minute_rate(STACK, actual({"moisture_percent": Decimal(20)}))
    usual = minute_rate(STACK, actual({}))
    assert rate is not None
    assert usual is not None
    assert rate.g_per_h * 88 == pytest.approx(usual.g_per_h * 80)


def test_a_stack_value_that_no_stack_has_gives_no_rate() -> None:
    assert minute_rate(STACK | {"moisture_percent": mean(61)}, actual({})) is None


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"nox_ppb": Decimal(5)}, "nox_ppb is not a stack value"),
        ({"moisture_percent": Decimal(100)}, "moisture_percent is 100; it must be 0 to 60"),
    ],
)
def test_constants_that_make_no_sense_are_refused_by_name(
    constants: dict[str, Decimal], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        actual(constants)


def test_a_steady_hour_has_the_mass_of_its_rate() -> None:
    mass = hour_mass(dict.fromkeys(range(60), Decimal(G_PER_H)), FULL)
    assert (mass.nox_g, mass.extrapolated, method_code(mass, ())) == (G_PER_H, False, "01")


def test_missing_minutes_are_filled_in_proportion_and_said() -> None:
    mass = hour_mass(dict.fromkeys(range(45), Decimal(G_PER_H)), FULL)
    assert (mass.nox_g, mass.extrapolated) == (G_PER_H, True)


def test_mass_is_the_sum_of_products_and_not_the_product_of_means() -> None:
    """Half an hour of much gas and half an hour of little: 2 x 2 and 1 x 1 are 2.5 in the mean, not 2.25."""
    rates = {m: Decimal(4 if m < 30 else 1) for m in range(60)}
    assert hour_mass(rates, FULL).exact_g == Decimal("2.5")


def test_a_minute_counts_for_as_long_as_the_unit_ran_in_it() -> None:
    forty_seconds = [40_000] + [0] * 59
    assert hour_mass({0: Decimal(3600)}, forty_seconds).exact_g == 40
    assert not hour_mass({0: Decimal(3600)}, forty_seconds).extrapolated


def test_minutes_of_standstill_have_no_mass() -> None:
    half = [MINUTE_MS] * 30 + [0] * 30
    assert hour_mass(dict.fromkeys(range(60), Decimal(100)), half).exact_g == 50


def test_a_unit_that_did_not_run_has_a_mass_of_zero() -> None:
    mass = hour_mass({}, [0] * 60)
    assert (mass.nox_g, mass.extrapolated, method_code(mass, ())) == (0, False, "01")


def test_without_a_minute_in_operation_there_is_no_mass_to_scale() -> None:
    for rates in ({}, {59: Decimal(1)}):
        with pytest.raises(ValueError, match="no minute of the unit's operation"):
            hour_mass(rates, [*[MINUTE_MS] * 59, 0])


def test_a_negative_sum_is_replaced_by_zero_and_said_but_single_minutes_are_not_clipped() -> None:
    drift = hour_mass({m: Decimal(-6 if m % 2 else 4) for m in range(60)}, FULL)
    assert (drift.exact_g, drift.nox_g, method_code(drift, ())) == (Decimal(-1), 0, "21")
    above = hour_mass({m: Decimal(-4 if m % 2 else 6) for m in range(60)}, FULL)
    assert (above.exact_g, above.nox_g, method_code(above, ())) == (Decimal(1), 1, "01")


@pytest.mark.parametrize(("rate", "grams"), [("0.5", 1), ("0.4999", 0), ("2.5", 3), ("-0.5", 0)])
def test_grams_round_ties_away_from_zero(rate: str, grams: int) -> None:
    assert hour_mass(dict.fromkeys(range(60), Decimal(rate)), FULL).nox_g == grams


RATES = st.dictionaries(st.integers(0, 59), st.decimals(0, 10**8, places=3), max_size=60)
OPERATING = st.lists(st.integers(0, MINUTE_MS), min_size=60, max_size=60)


@given(RATES, OPERATING, st.sets(st.integers(0, 59)))
def test_mass_is_additive_over_minutes(
    rates: dict[int, Decimal], operating_ms: list[int], first: set[int]
) -> None:
    """Split an hour that is wholly covered into two sets of minutes: their masses sum up to the whole."""
    every = {m: rates.get(m, Decimal(0)) for m in range(60)}
    here = [ms if m in first else 0 for m, ms in enumerate(operating_ms)]
    there = [0 if m in first else ms for m, ms in enumerate(operating_ms)]
    whole = hour_mass(every, operating_ms).exact_g
    parts = hour_mass(every, here).exact_g + hour_mass(every, there).exact_g
    assert abs(whole - parts) <= Decimal("1e-15")


@given(RATES, OPERATING, st.integers(0, 59), st.decimals(0, 10**6, places=3))
def test_mass_is_never_negative_and_grows_with_every_minute(
    rates: dict[int, Decimal], operating_ms: list[int], minute: int, more: Decimal
) -> None:
    if not any(operating_ms[m] for m in rates):
        return
    mass = hour_mass(rates, operating_ms)
    assert mass.nox_g >= 0
    if minute in rates:
        assert hour_mass(rates | {minute: rates[minute] + more}, operating_ms).nox_g >= mass.nox_g


@given(RATES, OPERATING)
def test_scaling_stays_between_the_smallest_and_the_largest_rate(
    rates: dict[int, Decimal], operating_ms: list[int]
) -> None:
    used = [rates[m] for m in rates if operating_ms[m]]
    if not used:
        return
    hours = Decimal(sum(operating_ms)) / HOUR_MS
    exact_g = hour_mass(rates, operating_ms).exact_g
    slack = Decimal("1e-12")
    assert min(used) * hours - slack <= exact_g <= max(used) * hours + slack
