"""Milligrams per normal cubic metre of dry gas at a reference oxygen."""

from decimal import Decimal

import pytest

from doxedge.measurement.conversion import Basis, reported
from doxedge.measurement.standardisation import (
    NoStandardValue,
    Standard,
    at_reference_oxygen,
    dry_mg_per_m3,
    kg_per_h,
    kg_per_mwh,
    normal_dry_m3_per_h,
)

USUAL = Standard()


@pytest.mark.parametrize(
    ("standard", "expected"),
    [
        (Standard(), "384.375"),
        (Standard(o2_air=Decimal("20.9")), "384.214"),
        (Standard(mg_per_ppm=Decimal("2.0525")), "384.844"),
    ],
    ids=["2.05 and 21", "20.9", "2.0525"],
)
def test_the_worked_example_depends_on_the_constants_of_its_rule_set(
    standard: Standard, expected: str
) -> None:
    mg = dry_mg_per_m3(Decimal(200), Basis.DRY, Decimal(0), standard)
    at_six = at_reference_oxygen(mg, o2_dry=Decimal(5), o2_reference=Decimal(6), standard=standard)
    assert str(reported(at_six, places=3)) == expected


def test_the_worked_example_of_mass_is_met() -> None:
    flow = normal_dry_m3_per_h(
        Decimal(100_000),
        temperature_c=Decimal(120),
        pressure_kpa=Decimal("99.0"),
        moisture_percent=Decimal(12),
        standard=USUAL,
    )
    mass = kg_per_h(Decimal(410), flow)
    assert str(reported(flow, places=1)) == "59737.1"
    assert str(reported(mass, places=4)) == "24.4922"
    assert str(reported(kg_per_mwh(mass, Decimal(150)), places=5)) == "0.16328"


def test_wet_gas_is_dried_and_dry_gas_stays() -> None:
    assert dry_mg_per_m3(Decimal(100), Basis.WET, Decimal(18), USUAL) == Decimal(250)
    assert dry_mg_per_m3(Decimal(100), Basis.DRY, Decimal(18), USUAL) == Decimal(205)


def test_at_its_own_oxygen_a_value_stays() -> None:
    same = at_reference_oxygen(Decimal(123), o2_dry=Decimal(3), o2_reference=Decimal(3), standard=USUAL)
    assert same == Decimal(123)


def test_near_air_the_correction_is_refused() -> None:
    for oxygen in ("19.9", "21", "22"):
        with pytest.raises(NoStandardValue):
            at_reference_oxygen(Decimal(1), o2_dry=Decimal(oxygen), o2_reference=Decimal(3), standard=USUAL)


def test_what_physics_forbids_is_refused() -> None:
    with pytest.raises(NoStandardValue, match="dry share"):
        dry_mg_per_m3(Decimal(1), Basis.WET, Decimal(100), USUAL)
    with pytest.raises(NoStandardValue, match="temperature"):
        normal_dry_m3_per_h(
            Decimal(1),
            temperature_c=Decimal("-273.15"),
            pressure_kpa=Decimal(100),
            moisture_percent=Decimal(0),
            standard=USUAL,
        )
    with pytest.raises(NoStandardValue, match="power"):
        kg_per_mwh(Decimal(1), Decimal(0))
