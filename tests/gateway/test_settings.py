"""Every mistake in the configuration is named by file, table and key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.settings import find_state_dir, load_settings, parse_settings
from doxedge.quantity import MINUTE_MS
from tests.gateway.plant_settings import settings_text, unit_text


def test_a_whole_file_is_read() -> None:
    settings = parse_settings(settings_text(), source="gateway.toml")
    unit = settings.unit[0]
    assert [instrument.name for instrument in unit.instrument] == ["analyser", "flow", "meter", "moisture"]
    assert unit.instrument[1].settings == {"flow_high": Decimal(576300)}
    assert unit.operating is not None
    assert unit.operating.on_above == 1_000_000
    assert settings.group_commit_ms == 15_000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("key = ", "not TOML"),
        ("key = " + "[" * 20_000, "not TOML: nested far too deeply"),
        ("", "key"),
        (settings_text(top="retries = 3"), "retries: no such key"),
        (settings_text(unit="colour = 'red'"), "unit[0].colour: no such key"),
        (settings_text(unit="coverage_percent = 0"), "unit[0].coverage_percent"),
        (settings_text(unit="grace_ms = -1"), "unit[0].grace_ms"),
        (settings_text(unit="energy = { max_power_w = 0 }"), "unit[0].energy.max_power_w"),
        (settings_text(unit="energy = { max_power_w = '1e999999' }"), "unit[0].energy.max_power_w"),
        (settings_text(unit="energy = { rollover_wh = '1e999999' }"), "unit[0].energy.rollover_wh"),
        (settings_text(unit="mg_per_m3_per_ppm = 0"), "unit[0].mg_per_m3_per_ppm"),
        (settings_text(unit="mg_per_m3_per_ppm = -2.05"), "unit[0].mg_per_m3_per_ppm"),
        (settings_text(unit="mg_per_m3_per_ppm = 2052.5"), "unit[0].mg_per_m3_per_ppm"),
        (settings_text().replace("1_000_000", "'1e999999'"), "unit[0].operating.on_above"),
        (settings_text(unit="energy = { rollover_wh = nan }"), "unit[0].energy.rollover_wh"),
        (settings_text(unit="energy = { rollover = 1 }"), "unit[0].energy.rollover: no such key"),
        (settings_text(unit="rule_set = 'eu60'"), "unit[0].rule_set"),
        (settings_text(node="http://10.0.0.1:80"), "node.url"),
        (settings_text(node="mqtt:somewhere"), "node.url"),
        (settings_text().replace("north-1", "North 1"), "unit[0].name"),
        (settings_text().replace("ab" * 32, "ab"), "unit[0].channel"),
        (settings_text().replace("port = 5021", "port = 0"), "unit[0].instrument[1].port"),
        (settings_text() + unit_text("north-1"), "two units have the same name"),
        (settings_text().replace('"flow"', '"meter"'), "two instruments of unit north-1"),
    ],
)
def test_a_mistake_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, source="gateway.toml")
    assert str(caught.value).startswith("gateway.toml")
    assert named in str(caught.value)


def test_several_mistakes_are_counted() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(settings_text(unit="grace_ms = -1\ncoverage_percent = 0"), source="gateway.toml")
    assert caught.value.more == 1


def test_a_minute_that_a_power_cut_robs_of_what_waits_is_valid_still() -> None:
    settings = parse_settings(settings_text(), source="gateway.toml")
    (unit,) = settings.unit

    left_ms = MINUTE_MS - settings.group_commit_ms
    assert left_ms * 100 >= MINUTE_MS * unit.coverage_percent


def test_a_file_that_is_not_there_is_an_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "gateway.toml")
    (tmp_path / "latin.toml").write_bytes(b"key = '\xe9'")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "latin.toml")


def test_the_state_folder_is_found_also_where_something_else_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(settings_text(state_dir="/somewhere", unit="coverage_percent = 0"))
    assert find_state_dir(path) == Path("/somewhere")
    path.write_text(settings_text(state_dir="/somewhere"))
    assert find_state_dir(path) == Path("/somewhere")


@pytest.mark.parametrize("text", ["no_such_key = 1", "state_dir = 7", 'state_dir = ""', "state_dir = "])
def test_a_state_folder_that_is_not_said_is_not_guessed(tmp_path: Path, text: str) -> None:
    """Who looks into the default folder might see another gateway's alarms."""
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        find_state_dir(path)
