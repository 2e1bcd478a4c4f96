"""Units and bases."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.conversion import (
    Basis,
    BasisError,
    Concentration,
    Flow,
    FlowBasis,
    StackGas,
    dry,
    f24a_lb_per_h,
    f26a_lb_per_h,
    f26b_lb_per_h,
    is_plausible,
    mass_rate_g_per_h,
    mg_per_m3,
    normal,
    normal_dry,
    reported,
    stack_values_needed,
)

GAS = StackGas(
    stack_temperature_c=Decimal(120), stack_pressure_kpa=Decimal("99.0"), moisture_percent=Decimal(12)
)
FLOW = Flow(Decimal(100_000), FlowBasis.ACTUAL_WET)
CONCENTRATION = Concentration(Decimal(200_000), Basis.DRY)
CONVENTION = Decimal("2.05")


def test_the_worked_example_of_flow_is_met() -> None:
    assert reported(normal(FLOW, GAS).m3_per_h, places=1) == Decimal("67883.1")
    assert reported(normal_dry(FLOW, GAS).m3_per_h, places=1) == Decimal("59737.1")


def test_the_worked_example_of_mass_is_met() -> None:
    assert mg_per_m3(Decimal(200_000), mg_per_m3_per_ppm=CONVENTION) == 410
    g_per_h = mass_rate_g_per_h(CONCENTRATION, FLOW, GAS, mg_per_m3_per_ppm=CONVENTION)
    assert reported(g_per_h / 1000, places=4) == Decimal("24.4922")


def test_the_worked_examples_of_epas_equations_are_met() -> None:
    wet = f26a_lb_per_h(ppm_wet=Decimal(150), flow_scfh_wet=Decimal(45_000_000))
    dry_gas = f26b_lb_per_h(
        ppm_dry=Decimal(150), flow_scfh_wet=Decimal(45_000_000), moisture_percent=Decimal("8.5")
    )
    rate = f24a_lb_per_h(rate_lb_per_mmbtu=Decimal("0.134"), heat_input_mmbtu_per_h=Decimal("5240.7"))
    assert (wet, reported(dry_gas, places=1), rate) == (
        Decimal("805.95"),
        Decimal("737.4"),
        Decimal("702.2538"),
    )
    assert reported(wet, places=1) == Decimal("806.0")


def test_the_metric_and_the_american_way_agree_on_one_stack() -> None:
    """150 ppm in 45 million scfh: K is for 68 degF, 29.92 inHg; the metric constant for 0 degC, 101.325 kPa."""
    scf_in_normal_m3 = Decimal("0.028316846592") * Decimal("273.15") / Decimal("293.15")
    flow = Flow(Decimal(45_000_000) * scf_in_normal_m3, FlowBasis.NORMAL_WET)
    metric = mass_rate_g_per_h(Concentration(Decimal(150_000), Basis.WET), flow, StackGas())
    american = f26a_lb_per_h(ppm_wet=Decimal(150), flow_scfh_wet=Decimal(45_000_000)) * Decimal("453.59237")
    assert abs(metric / american - 1) < Decimal("0.001")


@pytest.mark.parametrize(
    ("concentration", "flow", "needed"),
    [
        (Basis.WET, FlowBasis.NORMAL_WET, set()),
        (Basis.DRY, FlowBasis.NORMAL_DRY, set()),
        (Basis.WET, FlowBasis.ACTUAL_WET, {"stack_temperature_c", "stack_pressure_kpa"}),
        (Basis.WET, FlowBasis.NORMAL_DRY, {"moisture_percent"}),
        (Basis.DRY, FlowBasis.NORMAL_WET, {"moisture_percent"}),
        (
            Basis.DRY,
            FlowBasis.ACTUAL_WET,
            {"stack_temperature_c", "stack_pressure_kpa", "moisture_percent"},
        ),
    ],
)
def test_a_mass_needs_exactly_the_stack_values_that_its_bases_name(
    concentration: Basis, flow: FlowBasis, needed: set[str]
) -> None:
    assert stack_values_needed(concentration, flow) == needed
    nox, through = Concentration(Decimal(1), concentration), Flow(Decimal(1), flow)
    known = {name: getattr(GAS, name) for name in needed}
    assert mass_rate_g_per_h(nox, through, StackGas(**known)) > 0
    for left_out in needed:
        fewer = StackGas(**{name: value for name, value in known.items() if name != left_out})
        with pytest.raises(BasisError, match=left_out):
            mass_rate_g_per_h(nox, through, fewer)


def test_a_value_without_a_basis_is_not_converted() -> None:
    with pytest.raises(BasisError, match="state wet or dry"):
        dry(Concentration(Decimal(1), None), GAS)
    with pytest.raises(BasisError, match="flow without a basis"):
        normal(Flow(Decimal(1), None), GAS)
    with pytest.raises(BasisError):
        mass_rate_g_per_h(Concentration(Decimal(1), None), FLOW, GAS)
    with pytest.raises(BasisError):
        mass_rate_g_per_h(Concentration(Decimal(1), Basis.WET), Flow(Decimal(1), None), GAS)


@pytest.mark.parametrize(
    ("quantity", "value", "plausible"),
    [
        ("moisture_percent", "0", True),
        ("moisture_percent", "60", True),
        ("moisture_percent", "60.1", False),
        ("moisture_percent", "-0.1", False),
        ("stack_temperature_c", "-50", True),
        ("stack_temperature_c", "1501", False),
        ("stack_pressure_kpa", "49.9", False),
        ("stack_pressure_kpa", "150", True),
        ("nox_ppb", "-5", True),
    ],
)
def test_a_stack_value_has_bounds_of_physics(quantity: str, value: str, plausible: bool) -> None:
    assert is_plausible(quantity, Decimal(value)) is plausible


def test_an_impossible_stack_value_is_not_converted_with() -> None:
    with pytest.raises(BasisError, match="moisture_percent is 100"):
        dry(Concentration(Decimal(1), Basis.WET), StackGas(moisture_percent=Decimal(100)))


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        ("0.1655", 3, "0.166"),
        ("-0.1655", 3, "-0.166"),
        ("2.5", 0, "3"),
        ("0.16549999", 3, "0.165"),
        ("7", 1, "7.0"),
    ],
)
def test_reported_values_round_ties_away_from_zero(value: str, places: int, expected: str) -> None:
    assert str(reported(Decimal(value), places=places)) == expected


def test_a_callers_decimal_context_changes_nothing() -> None:
    usual = mass_rate_g_per_h(CONCENTRATION, FLOW, GAS)
    with localcontext(prec=3):
        assert mass_rate_g_per_h(CONCENTRATION, FLOW, GAS) == usual


PERCENT = st.decimals(0, 60, places=2)


@given(st.decimals(0, 10**7, places=1), st.decimals(1, 10**7, places=1), PERCENT)
def test_wet_times_wet_is_dry_times_dry(ppb: Decimal, m3_per_h: Decimal, moisture: Decimal) -> None:
    gas = StackGas(moisture_percent=moisture)
    wet, flow = Concentration(ppb, Basis.WET), Flow(m3_per_h, FlowBasis.NORMAL_WET)
    as_wet = mass_rate_g_per_h(wet, flow, gas)
    as_dry = mass_rate_g_per_h(dry(wet, gas), normal_dry(flow, gas), gas)
    assert abs(as_wet - as_dry) <= Decimal("1e-20") * max(Decimal(1), as_wet)


@given(st.decimals(0, 10**6, places=1), st.decimals(0, 10**6, places=1), PERCENT)
def test_more_gas_or_more_nox_is_never_less_mass(ppb: Decimal, more: Decimal, moisture: Decimal) -> None:
    gas = StackGas(
        stack_temperature_c=Decimal(80), stack_pressure_kpa=Decimal(100), moisture_percent=moisture
    )
    less = mass_rate_g_per_h(Concentration(ppb, Basis.DRY), FLOW, gas)
    assert less >= 0
    assert mass_rate_g_per_h(Concentration(ppb + more, Basis.DRY), FLOW, gas) >= less
    bigger = Flow(FLOW.m3_per_h + more, FlowBasis.ACTUAL_WET)
    assert mass_rate_g_per_h(Concentration(ppb, Basis.DRY), bigger, gas) >= less
