"""A unit that emits through two stacks: its mass is their sum, and an hour needs both."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.commission_words import chain_text
from doxedge.gateway.plant import PlannedUnit, describe, plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.sample import Reason
from doxedge.quantity import HOUR_MS, MINUTE_MS, round_half_away
from doxedge.signing.canonical import Value
from tests.gateway.plant_settings import settings_text, unit_text
from tests.gateway.unit_bench import GRAMS_PER_HOUR, PERIOD_MS, Bench, SetClock, bench
from tests.ledger.channels import START_MS


def stack_text(stack: str, port: int, *, more: str = "") -> str:
    return f"""
[[unit.instrument]]
name = "gas-{stack}"
profile = "teledyne_t200"
host = "127.0.0.1"
port = {port}
stack = "{stack}"
poll_ms = {{ gas = {PERIOD_MS}, oxygen = 0, calibration = 0, diagnostics = 0 }}
{more}

[[unit.instrument]]
name = "flow-{stack}"
profile = "generic_analogue_input"
host = "127.0.0.1"
port = {port + 1}
stack = "{stack}"
poll_ms = {{ channels = {PERIOD_MS} }}
settings = {{ flow_high = 576300 }}
"""


SHARED = f"""
[[unit.instrument]]
name = "meter"
profile = "janitza_umg"
host = "127.0.0.1"
port = 5050
poll_ms = {{ energy = {PERIOD_MS} }}

[[unit.instrument]]
name = "moisture"
profile = "configured_moisture"
settings = {{ moisture_percent = 12 }}
"""
TWO = stack_text("east", 5020) + stack_text("west", 5030) + SHARED
BIAS = "bias = [{ factor = 1.052, since = 2026-01-01T00:00:00Z }]"
STACKS = 'stacks = ["east", "west"]'


def planned(lines: str = STACKS, instruments: str = TWO) -> PlannedUnit:
    text = unit_text("alpha-1", lines, instruments=instruments, channel="63" * 32, source="73" * 16)
    settings = parse_settings(settings_text(units={}) + text, source="bench")
    (unit,) = plan_units(settings, source="bench", clock=SetClock())
    return unit


async def measure(unit: Bench, minutes: int, *, east_ppm: Decimal | None, west_ppm: Decimal | None) -> None:
    """Both stacks with the bench's flow for so long; None does not answer."""
    for _ in range(minutes):
        for at_ms in range(unit.clock.at_ms, unit.clock.at_ms + MINUTE_MS, PERIOD_MS):
            wobble = Decimal(at_ms // PERIOD_MS % 7 - 3) / 10
            for stack, ppm in (("east", east_ppm), ("west", west_ppm)):
                gas: dict[str, Decimal | None] = {"nox_ppb": None if ppm is None else ppm * 1_000 + wobble}
                unit._take(f"gas-{stack}", at_ms, gas, {"nox_ppb": Reason.COMMS} if ppm is None else {})
                flow: dict[str, Decimal | None] = {
                    "flow_m3_per_h": 100_000 + wobble,
                    "stack_temperature_c": 120 + wobble / 1_000,
                    "stack_pressure_kpa": Decimal("101.325") + wobble / 10_000,
                }
                unit._take(f"flow-{stack}", at_ms, flow, {})
            energy = Decimal((at_ms - START_MS) * 50_000_000 // HOUR_MS)
            unit._take("meter", at_ms, {"power_w": 50_000_000 + wobble, "energy_wh": energy}, {})
            if at_ms % MINUTE_MS == 0:
                unit._take(
                    "moisture", at_ms, {"moisture_percent": Decimal(12)}, {"moisture_percent": Reason.DEFAULT}
                )
            unit.clock.run_to(at_ms + PERIOD_MS)
        await unit.pipeline.flush()
        await unit.pipeline.close_hours()


async def test_the_mass_is_the_sum_over_the_stacks(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await measure(unit, 62, east_ppm=Decimal(100), west_ppm=Decimal(50))
        (body,) = await unit.hours()
    assert abs(int(str(body[4])) - 1.5 * GRAMS_PER_HOUR) < 3
    assert (body[6], body[8], body[9]) == ("valid", "01", 60)
    east, moisture, west = recipe(body)
    assert moisture == "moisture_percent:default", "one configured moisture serves both"
    masses = [int(east.removeprefix("east.nox_g:")), int(west.removeprefix("west.nox_g:"))]
    assert sum(masses) == body[4]
    assert abs(masses[0] - 2 * masses[1]) < 4
    assert body[5] == 50_000_000


def recipe(body: list[Value]) -> list[str]:
    assert isinstance(body[18], list)
    return [str(line) for line in body[18]]


async def test_stacks_that_are_valid_in_different_minutes_of_a_quarter_hour_are_no_gap(
    tmp_path: Path,
) -> None:
    east, west = Decimal(100), Decimal(50)
    async with bench(tmp_path, planned=planned()) as unit:
        for _ in range(4):
            await measure(unit, 7, east_ppm=east, west_ppm=None)
            await measure(unit, 8, east_ppm=None, west_ppm=west)
        await measure(unit, 2, east_ppm=east, west_ppm=west)
        (body,) = await unit.hours()
    assert abs(int(str(body[4])) - 1.5 * GRAMS_PER_HOUR) < 6
    assert body[6:10] == ["extrapolated", "60.13(h)(2)(i)", "01", 28]


async def test_a_bias_factor_is_of_one_stack(tmp_path: Path) -> None:
    since = "2026-01-01T00:00:00Z"
    bias = f'bias = [{{ factor = 1.052, since = {since}, stack = "west" }}]'
    async with bench(tmp_path, planned=planned(f"{STACKS}\n{bias}")) as unit:
        await measure(unit, 62, east_ppm=Decimal(100), west_ppm=Decimal(50))
        (body,) = await unit.hours()
    east, _, baf, west, unadjusted = recipe(body)
    assert baf == "west.baf:1.052"
    unadjusted_g = int(unadjusted.removeprefix("west.unadjusted_g:"))
    west_g = int(west.removeprefix("west.nox_g:"))
    assert west_g == round_half_away(unadjusted_g * 1_052, 1_000)
    assert body[4] == int(east.removeprefix("east.nox_g:")) + west_g


async def test_a_minute_in_which_one_stack_is_unknown_is_filled_for_it(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await measure(unit, 50, east_ppm=Decimal(100), west_ppm=Decimal(50))
        await measure(unit, 12, east_ppm=Decimal(100), west_ppm=None)
        (body,) = await unit.hours()
    assert abs(int(str(body[4])) - 1.5 * GRAMS_PER_HOUR) < 3
    assert (body[6], body[9]) == ("extrapolated", 50)


async def test_an_hour_of_which_one_stack_is_not_valid_is_a_gap_that_names_it(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await measure(unit, 62, east_ppm=Decimal(100), west_ppm=None)
        said = [body for kind, body in await unit.said() if kind == "gap"]
    assert [body[3] for body in said] == ["too_few_points:west.nox_ppb:comms; 60.13(h)(2)(i)"]


def test_the_backup_of_one_stack_stands_in_for_its_own() -> None:
    spare = stack_text("west", 5040, more='backup_of = "gas-west"').partition(
        '[[unit.instrument]]\nname = "flow'
    )[0]
    unit_plan = planned(instruments=TWO + spare.replace('"gas-west"', '"spare"', 1))
    assert unit_plan.hour.backups == {"west.nox_ppb"}
    assert unit_plan.hour.devices["backup.west.nox_ppb"] == "alpha-1.spare"


@pytest.mark.parametrize(
    ("lines", "instruments", "message"),
    [
        (f"{STACKS}\n{BIAS}", TWO, "bias: a test is of the monitors of one stack; say `stack` of east, west"),
        ("", TWO, "there is no stack east; the unit has no `stacks`"),
        ('stacks = ["east", "north"]', TWO, "there is no stack west; they are east, north"),
        (STACKS, TWO.replace('stack = "west"\n', ""), "nothing delivers west.flow_m3_per_h, west.nox_ppb"),
        ('stacks = ["east"]', stack_text("east", 5020) + SHARED, "two or more names that differ"),
        ('stacks = ["east", "east"]', stack_text("east", 5020) + SHARED, "two or more names that differ"),
        ('stacks = ["east", "backup"]', stack_text("east", 5020) + SHARED, "none is backup"),
        (
            STACKS,
            TWO.replace('name = "gas-west"', 'name = "gas-west"\nbackup_of = "gas-east"'),
            "gas-east is of another stack",
        ),
    ],
)
def test_stacks_that_do_not_fit_are_refused(lines: str, instruments: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(lines, instruments)
    assert message in str(caught.value)


def test_the_plan_names_the_stacks_and_the_rules_hash_covers_them() -> None:
    two = planned()
    assert "  mass is the sum over the stacks east, west" in describe((two,))
    told = "\n".join(chain_text(two.hour.emission, ["east", "west"]))
    assert "For the hour, for each stack; the hour is the sum of nox_g:" in told
    assert "for each stack, east, west" in "\n".join(chain_text(two.hour.emission, ["east", "west"]))
    swapped = TWO.replace('stack = "east"', 'stack = "x"').replace('stack = "west"', 'stack = "east"')
    assert planned(instruments=swapped.replace('stack = "x"', 'stack = "west"')).rules_hash != two.rules_hash
