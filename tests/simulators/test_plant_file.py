"""A simulated site as a tester writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from simulators.faults import FaultKind
from simulators.plant_file import midnight_before, read_site, simple_site
from simulators.site import site_of

SITE = """
[[unit]]
name = "north"
seed = 7
capacity_mw = 250
moisture_percent = 11
analyser_port = 5020
[[unit.fault]]
instrument = "analyser"
kind = "span"
after_s = 3600
for_s = 600
[[unit]]
name = "south"
"""


def site_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_says_what_each_unit_is(tmp_path: Path) -> None:
    north, south = read_site(site_file(tmp_path, SITE), meter_origin_ms=5)
    assert (north.plant.name, north.plant.seed, north.plant.capacity_mw) == ("north", 7, 250)
    assert north.plant.meter_origin_ms == 5
    assert north.ports["analyser"] == 5020
    assert south.ports["meter"] == 0
    (fault,) = north.faults
    assert fault.fault(1_000_000).kind is FaultKind.SPAN
    assert (fault.fault(1_000_000).from_ms, fault.fault(1_000_000).to_ms) == (4_600_000, 5_200_000)


@pytest.mark.parametrize(
    ("old", "new", "path", "reason"),
    [
        ("seed = 7", "sead = 7", "unit[0].sead", "unknown key"),
        ('name = "south"', 'name = "north"', "unit", "one name"),
        ('name = "south"', 'name = "a b"', "unit[1].name", "pattern"),
        ("capacity_mw = 250", "capacity_mw = 0", "unit[0].capacity_mw", "greater than 0"),
        ('kind = "span"', 'kind = "fire"', "unit[0].fault[0].kind", "silence"),
        ('instrument = "analyser"', 'instrument = "oven"', "unit[0].fault[0].instrument", "meter"),
        ("analyser_port = 5020", "analyser_port = 70000", "unit[0].analyser_port", "65535"),
        ('name = "south"', "name = ", "", "not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, path: str, reason: str
) -> None:
    assert old in SITE
    with pytest.raises(ConfigError) as refusal:
        read_site(site_file(tmp_path, SITE.replace(old, new)), meter_origin_ms=0)
    assert refusal.value.path == path
    assert reason in refusal.value.reason


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_site(tmp_path / "none.toml", meter_origin_ms=0)


def test_units_from_flags_differ_in_name_and_seed() -> None:
    plans = simple_site(
        ["a", "b"],
        seed=4,
        capacity_mw=10,
        moisture_percent=9,
        two_shift=False,
        meter_origin_ms=midnight_before(123),
    )
    assert [(p.plant.name, p.plant.seed) for p in plans] == [("a", 4), ("b", 5)]
    assert plans[0].plant.meter_origin_ms == 0


def test_a_unit_may_have_other_instruments(tmp_path: Path) -> None:
    text = SITE.replace('name = "south"', 'name = "south"\nanalyser_profile = "thermo_42i"')
    _, south = read_site(site_file(tmp_path, text), meter_origin_ms=0)
    unit = site_of([south], RealClock()).units[0]
    assert [one.profile for one in unit.instruments.values()] == [
        "thermo_42i", "generic_analogue_input", "janitza_umg",
    ]  # fmt: skip
