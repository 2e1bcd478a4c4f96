"""Everything that cannot work is refused before the first poll."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import CompressedClock, RealClock
from doxedge.gateway.line_plan import make_lines
from doxedge.gateway.plant import PlannedUnit, describe, longest_period_ms, plan_units, unit_of_device
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.energy import EnergySettings
from tests.gateway.plant_settings import settings_text, unit_text


def planned(text: str) -> tuple[PlannedUnit, ...]:
    return plan_units(parse_settings(text, source="g.toml"), source="g.toml", clock=RealClock())


def lines_of(units: tuple[PlannedUnit, ...], *, compressed: bool = False) -> list[str]:
    clock = CompressedClock(real_origin_ms=2**41, plant_origin_ms=0, speed=720) if compressed else RealClock()
    lines = make_lines(
        units, clock=clock, chance=lambda: 0.5, on_sample=lambda _: None, on_state=lambda _: None
    )
    return [line.name for line in lines]


def test_a_unit_is_planned_from_its_profiles() -> None:
    (unit,) = planned(settings_text())
    assert unit.devices == ("north-1.analyser", "north-1.flow", "north-1.meter", "north-1.moisture")
    assert unit.hour.poll_period_ms["nox_ppb"] == 2_000
    assert unit.hour.poll_period_ms["moisture_percent"] == 60_000
    assert unit.hour.devices["flow_m3_per_h"] == "north-1.flow"
    assert unit.hour.energy is not None
    assert unit.assessment.limits["nox_ppb"].stuck_tolerance > 0
    assert longest_period_ms((unit,)) == 60_000
    assert unit_of_device("north-1.analyser") == "north-1"


def test_what_the_site_knows_of_its_energy_counter_is_used() -> None:
    (plain,) = planned(settings_text())
    assert plain.hour.energy == EnergySettings()
    known = "energy = { rollover_wh = 1_000_000, max_power_w = 5e6 }"
    (unit,) = planned(settings_text(unit=known))
    assert unit.hour.energy == EnergySettings(rollover_wh=Decimal(1_000_000), max_power_w=Decimal(5_000_000))
    assert unit.rules_hash != plain.rules_hash


STACK = """
[[unit.instrument]]
name = "gas"
profile = "sick_marsic300"
host = "127.0.0.1"
settings = { word_order = "CDAB", gas_unit = "mg" }

[[unit.instrument]]
name = "flow"
profile = "suto_s430"
serial = { port = "/dev/serial/by-id/usb-1" }
settings = { pressure_unit = "bar" }

[[unit.instrument]]
name = "meter"
profile = "sunspec_meter_203"
host = "127.0.0.2"
settings = { production = "export" }
"""


def test_words_that_only_the_site_knows_are_part_of_the_plan() -> None:
    text = settings_text(units={}) + unit_text("b", 'concentration_basis = "wet"', instruments=STACK)
    (unit,) = planned(text)
    assert unit.hour.devices["moisture_percent"] == "b.gas"
    assert unit.hour.devices["energy_wh"] == "b.meter"
    assert sorted(lines_of((unit,))) == [
        "/dev/serial/by-id/usb-1 (9600 8N1)",
        "127.0.0.1:502",
        "127.0.0.2:502",
    ]
    (other,) = planned(text.replace("CDAB", "ABCD"))
    assert other.profile_hash != unit.profile_hash, "a regulator sees which order was read"
    with pytest.raises(ConfigError, match=r"settings.gas_unit: the site must say one of ppm, mg"):
        planned(text.replace(', gas_unit = "mg"', ""))
    with pytest.raises(ConfigError, match=r"settings.word_order: 0.5 is not one of ABCD"):
        planned(text.replace('"CDAB"', "0.5"))


def test_devices_of_one_address_share_a_line_whatever_their_unit() -> None:
    text = settings_text(units={"a": ""}) + unit_text("b", analyser=5020, flow=5031, meter=5032)
    assert sorted(lines_of(planned(text))) == [
        "127.0.0.1:5020",
        "127.0.0.1:5021",
        "127.0.0.1:5022",
        "127.0.0.1:5031",
        "127.0.0.1:5032",
        "constants",
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (settings_text().replace("teledyne_t200", "teledyne_t9000"), "teledyne_t9000"),
        (settings_text().replace('host = "127.0.0.1"\nport = 5020', ""), "unit[0].instrument[0].host"),
        (settings_text().replace("oxygen = 0", "ozone = 0"), "unit[0].instrument[0].poll_ms.ozone"),
        (settings_text().replace("flow_high = 576300", ""), "flow_high"),
        (
            settings_text().replace("oxygen = 0", "gas = 0, oxygen = 0"),
            "nothing delivers nox_ppb",
        ),
        (settings_text(unit="flow = 'exhaust_m3_per_h'"), "nothing delivers exhaust_m3_per_h"),
        (settings_text().replace("off_below", "hold_ms = 1000\noff_below"), "unit[0].operating.hold_ms"),
        (settings_text().replace("janitza_umg", "teledyne_t200"), "nox_ppb comes from"),
    ],
)
def test_a_plant_that_cannot_work_is_refused_with_the_place_to_mend(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(text)
    assert named in str(caught.value)


def test_a_line_that_cannot_be_polled_in_time_is_refused_with_the_arithmetic() -> None:
    units = planned(settings_text().replace("oxygen = 0", "gas = 400, oxygen = 0"))
    with pytest.raises(ConfigError, match="at worst this line is busy"):
        lines_of(units)
    assert lines_of(units, compressed=True)


def test_what_makes_the_hours_shows_in_the_hashes() -> None:
    (plain,) = planned(settings_text())
    (again,) = planned(settings_text() + "\n# a comment\n")
    (slower,) = planned(settings_text().replace("oxygen = 0", "gas = 4000, oxygen = 0"))
    (scaled,) = planned(settings_text().replace("576300", "576301"))
    (stricter,) = planned(settings_text(unit="coverage_percent = 80"))
    (moved,) = planned(settings_text().replace("port = 5020", "port = 5040"))
    assert (plain.profile_hash, plain.rules_hash) == (again.profile_hash, again.rules_hash)
    assert len({plain.profile_hash, slower.profile_hash, scaled.profile_hash}) == 3
    assert stricter.profile_hash == plain.profile_hash
    assert stricter.rules_hash != plain.rules_hash
    assert (moved.profile_hash, moved.rules_hash) == (plain.profile_hash, plain.rules_hash)


def test_the_plan_reads_aloud() -> None:
    text = describe(planned(settings_text()))
    assert text[0].startswith("unit north-1: channel abababababababab, profile hash ")
    assert any("analyser (teledyne_t200, 127.0.0.1:5020): gas every 2000 ms in " in line for line in text)
    assert any("moisture (configured_moisture, configured)" in line for line in text)
