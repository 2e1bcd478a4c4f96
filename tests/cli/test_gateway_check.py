"""`doxedge gateway check` on files as an operator writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.cli.outcome import Exit
from tests.gateway.plant_settings import settings_text


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A main file and a drop-in."""
    path = tmp_path / "gateway.toml"
    path.write_text(settings_text(top="group_commit_ms = 100"))
    (tmp_path / "gateway.d").mkdir()
    (tmp_path / "gateway.d" / "10-site.toml").write_text(
        'group_commit_ms = 300\n[[unit]]\nname = "north-1"\n[[unit.instrument]]\nname = "flow"\n'
        'host = "192.0.2.9"\nsettings = { temperature_high = 300 }\n'
    )
    return path


def test_the_plan_is_that_of_all_files(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "check", "--config", str(config)]) == Exit.OK
    said = capsys.readouterr().out
    assert "unit north-1: channel abababababababab" in said
    assert "flow (generic_analogue_input, 192.0.2.9:5021): channels every" in said


def test_every_value_is_shown_with_its_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["gateway", "check", "--config", str(config), "--show", "--output", "json"]
    assert main(arguments) == Exit.OK
    shown = json.loads(capsys.readouterr().out)
    drop_in = str(config.parent / "gateway.d" / "10-site.toml")
    assert shown["files"] == [str(config), drop_in]
    values = {row["key"]: (row["value"], row["file"]) for row in shown["values"]}
    assert values["group_commit_ms"] == (300, drop_in)
    assert values["unit[north-1].instrument[flow].host"] == ("192.0.2.9", drop_in)
    assert values["unit[north-1].instrument[flow].port"] == (5021, str(config))
    assert values["unit[north-1].instrument[flow].settings.temperature_high"] == ("300", drop_in)
    assert values["unit[north-1].instrument[flow].settings.flow_high"] == ("576300", str(config))
    assert values["unit[north-1].grace_ms"] == (90_000, "default")
    assert values["unit[north-1].operating.on_above"] == ("1000000", str(config))
    (unit,) = shown["units"]
    assert unit["polls"][-1]["line"] == "configured"


def test_the_table_says_the_same(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "check", "--config", str(config), "--show"]) == Exit.OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["samples.retention_days", "400", "default"] in lines
    assert ["group_commit_ms", "300", str(config.parent / "gateway.d" / "10-site.toml")] in lines


def test_a_mistake_of_the_plan_is_named_by_the_drop_in_that_made_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drop_in = config.parent / "gateway.d" / "20-wrong.toml"
    drop_in.write_text(
        '[[unit]]\nname = "north-1"\n[[unit.instrument]]\nname = "meter"\npoll_ms = { no_such = 1 }'
    )
    assert main(["gateway", "check", "--config", str(config)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert f"{drop_in}: unit[0].instrument[0].poll_ms.no_such: the groups are" in said
