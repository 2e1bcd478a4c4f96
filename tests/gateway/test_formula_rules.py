"""The formula of a unit, from its table to the signed hour."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.commission_words import chain_text
from doxedge.gateway.plant import describe, plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.conversion import K_NOX_LB_PER_SCF_PPM
from doxedge.signing.canonical import Value
from tests.gateway.plant_settings import settings_text
from tests.gateway.unit_bench import bench, plan

RATE = """
[unit.formula]
mass = "F-24A"
rate = "19-1"
heat_input = "F-18"
fuel = "bituminous"
diluent_basis = "dry"
"""
BOILER = RATE + 'diluent_cap = "boiler"'
FLOW_SCFH = 100_000 * (293.15 / 393.15) / 0.028316846592
F26B_G_PER_HOUR = float(K_NOX_LB_PER_SCF_PPM) * 100 * FLOW_SCFH * 0.88 * 453.59237
"""What the bench's samples amount to by EPA's constant: it differs from the metric 2.0525 by less than 0.1 %."""


async def hour_of(folder: Path, lines: str, *, o2_percent: tuple[str, ...] = ("6",)) -> list[Value]:
    """The body of an hour in which each oxygen stood for an equal share of the time."""
    async with bench(folder, planned=plan(lines=lines, oxygen=True)) as unit:
        for index, o2 in enumerate(o2_percent):
            last = index == len(o2_percent) - 1
            await unit.measure(60 // len(o2_percent) + 2 * last, o2_percent=Decimal(o2))
        (body,) = await unit.hours()
    return body


@pytest.mark.parametrize("lines", ['[unit.formula]\nmass = "F-26B"', BOILER])
async def test_an_hour_by_epas_equations_has_their_mass(tmp_path: Path, lines: str) -> None:
    """With one diluent F-24A is F-26B."""
    body = await hour_of(tmp_path, lines)
    assert (body[6], body[8], body[18]) == ("valid", "01", ["moisture_percent:default"])
    assert abs(int(str(body[4])) - F26B_G_PER_HOUR) < 2


async def test_minutes_at_the_diluent_cap_are_counted_and_make_method_code_14(tmp_path: Path) -> None:
    body = await hour_of(tmp_path, BOILER, o2_percent=("20.9", "6", "6"))
    assert (body[8], body[18]) == ("14", ["diluent_cap_minutes:20", "moisture_percent:default"])
    assert abs(int(str(body[4])) - F26B_G_PER_HOUR) < 2, "the cap cancels, and no mass is lost"


async def test_in_europe_minutes_close_to_air_are_bad_and_there_is_no_cap(tmp_path: Path) -> None:
    body = await hour_of(tmp_path, 'rule_set = "eu"\n' + RATE, o2_percent=("20.9", "6", "6"))
    assert (body[6], body[8], body[9]) == ("extrapolated", "01", 40)


def refused(lines: str, *, oxygen: bool = True) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(lines=lines, oxygen=oxygen)
    return str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (RATE, "diluent_cap: us60 wants `boiler` or `turbine` with F-24A = 19-1 x F-18"),
        ('rule_set = "eu"\n' + BOILER, "diluent_cap: eu knows none"),
        ('concentration_basis = "wet"\n' + BOILER, "takes a dry concentration, and concentration_basis is wet"),
        ('flow_basis = "normal_dry"\n' + BOILER, "takes wet stack flow, and flow_basis is normal_dry"),
        (BOILER.replace("19-1", "19-5"), "on two bases"),
        (BOILER.replace('"dry"', '"wet"'), "takes a dry diluent, and diluent_basis is stated as wet"),
        (BOILER.replace("bituminous", "peat"), "peat is not a fuel of the table"),
        (BOILER.replace("F-18", "F-19"), "unit[0].formula.heat_input"),
        (BOILER.replace('fuel = "bituminous"', "fuels = { oil = 0.5, bark = 0.4 }"), "sum to 1"),
        (BOILER.replace('fuel = "bituminous"', "fd = 1800"), "fd is 1800, and no fuel has that"),
        (BOILER.replace('fuel = "bituminous"', ""), "these are none"),
        (BOILER + "\nfuels = { oil = 1 }", "either `fuel` or `fuels`"),
        ('[unit.formula]\nmass = "F-26B"\nfuel = "oil"', "makes nothing of the F factors of a fuel"),
        ('[unit.formula]\nfuel = "oil"', "takes no fuel"),
        ("concentration_o2_corrected = true", "corrected to a reference oxygen and the flow is not"),
        ("concentration_o2_corrected = true\n" + BOILER, "corrected to a reference oxygen"),
    ],
)  # fmt: skip
def test_bases_that_no_formula_takes_are_refused_at_load(lines: str, message: str) -> None:
    assert message in refused(lines)


def test_a_diluent_that_nothing_delivers_is_refused() -> None:
    assert "nothing delivers o2_percent" in refused(BOILER, oxygen=False)


def test_a_register_map_that_says_corrected_makes_no_mass(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "firmware_configs" / "analysers"
    text = (folder / "teledyne_t200.toml").read_text(encoding="utf-8")
    marked = text.replace('quantity = "nox_ppb"\n', 'quantity = "nox_ppb"\no2_corrected = true\n', 1)
    assert marked != text
    (tmp_path / "teledyne_t200.toml").write_text(marked, encoding="utf-8")
    settings = parse_settings(settings_text(top=f'profiles = "{tmp_path}"'), source="g.toml")
    with pytest.raises(ConfigError, match="corrected to a reference oxygen"):
        plan_units(settings, source="g.toml", clock=RealClock())


def test_the_plan_says_which_formula_is_used_and_the_rules_hash_covers_it() -> None:
    plain, rate = plan(oxygen=True), plan(lines=BOILER, oxygen=True)
    mixed = plan(
        lines=BOILER.replace('fuel = "bituminous"', "fuels = { oil = 0.5, natural_gas = 0.5 }"), oxygen=True
    )
    assert (
        "  mass by concentration x flow (nox_ppb dry, flow_m3_per_h actual_wet), 2.0525 mg/m3 per ppm"
        in describe((plain,))
    )
    told = (
        "  mass by F-24A = 19-1 x F-18 (nox_ppb dry, flow_m3_per_h actual_wet), Fd {}, o2_percent dry,"
        " diluent cap of a boiler"
    )
    assert told.format(9780) in describe((rate,))
    assert told.format(8950) in describe((mixed,))
    assert len({plain.rules_hash, rate.rules_hash, mixed.rules_hash}) == 3


async def test_flow_in_standard_cubic_metres_counts_as_measured_at_20_degc(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=plan(lines='flow_basis = "standard_wet"')) as unit:
        await unit.measure(62)
        (body,) = await unit.hours()
    assert abs(int(str(body[4])) - 100 * 2.0525 * 100_000 * (273.15 / 293.15) * 0.88 / 1_000) < 2


def test_a_verifier_is_told_how_to_follow_the_equations_by_hand() -> None:
    told = "\n".join(chain_text(plan(lines=BOILER, oxygen=True).hour.emission))
    assert "Q = Q * 293.15 / 273.15 / 0.028316846592   scfh, wet" in told
    assert "19-1, F-5: E = K Cd Fd 20.9 / (20.9 - O2d); both dry." in told
    assert "F-18: HI = Q (100 - H) (20.9 - O2d) / (2090 Fd)." in told
    assert "Fd = 9780" in told
    assert "o2_percent above 14.0 % of dry gas: taken as that (diluent cap)" in told
    assert "2.0525" not in told
    direct = "\n".join(chain_text(plan(lines='[unit.formula]\nmass = "F-26B"').hour.emission))
    assert "F-26B: M = 0.0000001194 * C * Q * (100 - moisture_percent) / 100   lb/h" in direct
