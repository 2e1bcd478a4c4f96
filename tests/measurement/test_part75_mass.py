"""The mass rate by equations of Part 75: chosen by code, bases held, air guarded."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from doxedge.measurement.conversion import Basis, BasisError, reported
from doxedge.measurement.part75 import DiluentCapNeeded, rate_19_3d
from doxedge.measurement.part75_mass import (
    GRAMS_PER_POUND,
    HEAT_INPUTS,
    M3_PER_CUBIC_FOOT,
    RATES,
    Part75Formula,
    factors_wanted,
)

FACTORS = {"fd": Decimal(9_780), "fc": Decimal(1_800), "fw": Decimal(10_640)}
WET = {"19-2", "19-3", "19-5", "19-7", "F-6", "19-9", "F-15", "F-17"}
"""What takes the diluent of wet gas."""
NORMAL_M3_PER_SCF = M3_PER_CUBIC_FOOT * Decimal("273.15") / Decimal("293.15")


def formula(mass: str = "F-24A", rate: str = "", heat_input: str = "", **more: Any) -> Part75Formula:
    """The formula with the F factors that it takes, on the basis that it takes."""
    codes = [code for code in (rate, heat_input) if code]
    wet = WET & set(codes)
    given: dict[str, Any] = {
        "factors": {name: FACTORS[name] for name in factors_wanted(*codes)},
        "diluent_basis": (Basis.WET if wet else Basis.DRY) if codes else None,
    }
    return Part75Formula(mass=mass, rate=rate, heat_input=heat_input, **(given | more))


def pounds(
    made: Part75Formula, *, ppm: str | int = 100, scfh: str | int = 45_000_000, **values: str | int
) -> tuple[Decimal, bool]:
    """The mass rate in lb/h, and whether the cap was used."""
    g_per_h, capped = made.g_per_h(
        ppm=Decimal(ppm),
        normal_wet_m3_per_h=Decimal(scfh) * NORMAL_M3_PER_SCF,
        values={name: Decimal(value) for name, value in values.items()},
    )
    return g_per_h / GRAMS_PER_POUND, capped


def test_concentration_times_flow_meets_the_worked_examples() -> None:
    assert reported(pounds(formula("F-26A"), ppm=150)[0], places=2) == Decimal("805.95")
    dry, _ = pounds(formula("F-26B"), ppm=150, moisture_percent="8.5")
    assert reported(dry, places=1) == Decimal("737.4")


def test_rate_times_heat_input_meets_the_worked_examples() -> None:
    """0.163796 lb/mmBtu (example 1) times 3017.9 mmBtu/h (example 7)."""
    made = formula(rate="19-1", heat_input="F-18")
    mass, capped = pounds(made, ppm=100, o2_percent="6.0", moisture_percent=8)
    assert not capped
    assert reported(mass, places=1) == reported(Decimal("0.1637957") * Decimal("3017.861"), places=1)


def test_pounds_become_grams_exactly() -> None:
    made = formula("F-26A")
    g_per_h, _ = made.g_per_h(ppm=Decimal(150), normal_wet_m3_per_h=NORMAL_M3_PER_SCF * 45_000_000, values={})
    assert reported(g_per_h, places=6) == reported(Decimal("805.95") * Decimal("453.59237"), places=6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("heat_input", HEAT_INPUTS)
def test_every_pair_is_computed_or_refused_for_its_bases(rate: str, heat_input: str) -> None:
    if (rate in WET) != (heat_input in WET):
        with pytest.raises(BasisError, match="on two bases"):
            formula(rate=rate, heat_input=heat_input)
        return
    made = formula(rate=rate, heat_input=heat_input)
    values = {"moisture_percent": 8} if made.needs_moisture else {}
    mass, capped = pounds(made, **values, **dict.fromkeys(made.diluents, 9))
    assert 200 < mass < 1_000
    assert not capped


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mass": "F-25"}, "mass: 'F-25' is not one of"),
        ({"rate": "19-3D", "heat_input": "F-18"}, "rate: F-24A takes one of"),
        ({"rate": "19-1"}, "heat_input: F-24A takes one of"),
        ({"mass": "F-26A", "rate": "19-1"}, "F-26A is concentration times flow and takes no rate"),
        ({"rate": "19-1", "heat_input": "F-18", "factors": {}}, "takes fd, and was given none"),
        (
            {"rate": "19-1", "heat_input": "F-18", "factors": {"fd": Decimal(9_780), "fc": Decimal(1_800)}},
            "takes fd, and was given fc, fd",
        ),
        ({"rate": "19-1", "heat_input": "F-18", "factors": {"fd": Decimal(1_800)}}, "fd is 1800, and no fuel"),
        ({"rate": "19-1", "heat_input": "F-17"}, "take the diluent on two bases"),
        ({"rate": "19-1", "heat_input": "F-18", "diluent_basis": Basis.WET}, "takes a dry diluent"),
        ({"rate": "19-1", "heat_input": "F-18", "diluent_basis": None}, "diluent_basis is not stated"),
        ({"mass": "F-26A", "diluent_basis": Basis.WET}, "takes no diluent"),
        ({"mass": "F-26A", "diluent_cap": "boiler"}, "takes no diluent"),
        ({"rate": "19-1", "heat_input": "F-18", "diluent_cap": "kiln"}, "'kiln' is not boiler or turbine"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        formula(**wrong)


@pytest.mark.parametrize(
    ("rate", "heat_input", "values", "left"),
    [
        ("19-1", "F-18", {"o2_percent": "20.401", "moisture_percent": 8}, "0.499"),
        ("19-1", "F-18", {"o2_percent": "21.5", "moisture_percent": 8}, "-0.6"),
        ("19-2", "F-17", {"o2_percent": "19.9", "moisture_percent": 3}, "0.4357"),
        ("19-3", "F-17", {"o2_percent": "18.4", "moisture_percent": 10}, "0.41 "),
        ("19-5", "F-17", {"o2_percent": "18.4", "moisture_percent": 10}, "0.4555"),
        ("19-4", "F-18", {"o2_percent": "20.5", "moisture_percent": 8}, "0.4"),
        ("19-6", "F-16", {"co2_percent": "0.49", "moisture_percent": 8}, "0.49"),
        ("19-7", "F-15", {"co2_percent": "-0.1"}, "-0.1"),
    ],
)
def test_without_a_cap_gas_that_is_nearly_air_makes_no_mass(
    rate: str, heat_input: str, values: dict[str, str | int], left: str
) -> None:
    with pytest.raises(DiluentCapNeeded, match=f"{rate}: {left}"):
        pounds(formula(rate=rate, heat_input=heat_input), **values)


@pytest.mark.parametrize(
    ("cap", "beyond", "at"),
    [
        ("boiler", "14.1", "14"),
        ("boiler", "20.9", "14"),
        ("turbine", "19.5", "19"),
        ("turbine", "21.2", "19"),
    ],
)
def test_the_cap_stands_for_oxygen_beyond_it(cap: str, beyond: str, at: str) -> None:
    made = formula(rate="19-1", heat_input="F-18", diluent_cap=cap)
    capped = pounds(made, o2_percent=beyond, moisture_percent=8)
    assert capped == (pounds(made, o2_percent=at, moisture_percent=8)[0], True)
    assert pounds(made, o2_percent=at, moisture_percent=8)[1] is False


def test_the_cap_stands_for_carbon_dioxide_below_it() -> None:
    made = formula(rate="19-7", heat_input="F-15", diluent_cap="boiler")
    assert pounds(made, co2_percent="0.2") == (pounds(made, co2_percent=5)[0], True)


def test_for_a_wet_reading_the_cap_is_that_of_its_dry_gas() -> None:
    """19-3D: f (20.9 - O2cap). The rate alone shows it, since the heat input has the same cap."""
    made = formula(rate="19-3", heat_input="F-15", diluent_cap="boiler", co2="co2_percent")
    mass, capped = pounds(made, o2_percent=13, co2_percent=12, moisture_percent=10)
    rate = rate_19_3d(ppm_wet=Decimal(100), fd=FACTORS["fd"], o2_cap=Decimal(14), moisture=Decimal(10))
    assert capped
    assert reported(mass, places=6) == reported(rate * 45_000_000 * 12 / (100 * FACTORS["fc"]), places=6)


PPM = st.decimals(0, 2_000, places=1)
FLOW = st.integers(0, 10**9)
MOISTURE = st.decimals(0, 60, places=1)
DILUENT = st.decimals("0.5", 25, places=2)


@given(PPM, FLOW, MOISTURE, DILUENT, st.sampled_from(["", "boiler", "turbine"]))
def test_one_diluent_cancels_between_rate_and_heat_input(
    ppm: Decimal, scfh: int, moisture: Decimal, o2: Decimal, cap: str
) -> None:
    """19-1 times F-18 is F-26B, and 19-3 times F-17 is F-26A, whatever the oxygen and whether or not it is capped."""
    pairs = [("19-1", "F-18", "F-26B"), ("19-3", "F-17", "F-26A")]
    for rate, heat_input, direct in pairs:
        made = formula(rate=rate, heat_input=heat_input, diluent_cap=cap)
        try:
            mass, _ = pounds(
                made, ppm=str(ppm), scfh=scfh, o2_percent=str(o2), moisture_percent=str(moisture)
            )
        except DiluentCapNeeded:
            assert not cap
            continue
        plain, _ = pounds(formula(direct), ppm=str(ppm), scfh=scfh, moisture_percent=str(moisture))
        assert abs(mass - plain) <= plain * Decimal("1e-25")


@given(PPM, FLOW, MOISTURE, DILUENT, st.sampled_from(RATES), st.sampled_from(HEAT_INPUTS))
def test_a_mass_is_never_negative_and_grows_with_the_concentration(
    ppm: Decimal, scfh: int, moisture: Decimal, diluent: Decimal, rate: str, heat_input: str
) -> None:
    try:
        made = formula(rate=rate, heat_input=heat_input, diluent_cap="boiler")
    except BasisError:
        assume(False)
    values = {"moisture_percent": str(moisture), **dict.fromkeys(made.diluents, str(diluent))}
    mass, _ = pounds(made, ppm=str(ppm), scfh=scfh, **values)
    more, _ = pounds(made, ppm=str(ppm + 1), scfh=scfh, **values)
    assert 0 <= mass <= more
