"""`doxedge gateway check` on files as an operator writes them."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.cli.outcome import Exit
from tests.gateway.key_files import write_key
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


def test_how_busy_each_line_is_at_worst_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "check", "--config", str(config)]) == Exit.OK
    said = capsys.readouterr().out
    assert "line 192.0.2.9:5021: busy 50 % of its time at worst, 1000 ms a question" in said
    assert main(["gateway", "check", "--config", str(config), "--output", "json"]) == Exit.OK
    lines = {line["line"]: line for line in json.loads(capsys.readouterr().out)["lines"]}
    assert lines["192.0.2.9:5021"]["visit_ms"] == 1_000
    assert "configured" not in lines
    assert all(0 < line["busy_percent"] <= 100 for line in lines.values())


@pytest.mark.parametrize(("unit_id", "is_remarked"), [(1, True), (2, False)])
def test_two_instruments_that_ask_one_device_are_remarked(
    unit_id: int, is_remarked: bool, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both instruments came as unit 1, and somebody forgot to say which is which."""
    (config.parent / "gateway.d" / "20-bus.toml").write_text(
        '[[unit]]\nname = "north-1"\n[[unit.instrument]]\nname = "flow"\nhost = "192.0.2.8"\nport = 4001\n'
        'framing = "rtu"\npoll_ms = { channels = 10000 }\n[[unit.instrument]]\nname = "meter"\nhost = "192.0.2.8"\n'
        f'port = 4001\nframing = "rtu"\nunit_id = {unit_id}\npoll_ms = {{ energy = 10000 }}\n'
    )
    assert main(["gateway", "check", "--config", str(config)]) == Exit.OK
    remark = "line 192.0.2.8:4001 (rtu): north-1.flow and north-1.meter ask unit 1: right only where that is one device"
    assert (remark in capsys.readouterr().out) is is_remarked
    assert main(["gateway", "check", "--config", str(config), "--output", "json"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)["remarks"]) == int(is_remarked)


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


def test_the_machine_is_looked_at_as_the_doctor_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.toml"
    key = write_key(tmp_path / "device.pem", "alpha device")
    config.write_text(settings_text(key=key, state_dir=str(tmp_path)))
    code = main(["gateway", "check", "--config", str(config), "--machine", "--output", "json"])
    found = {row["check"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert {"config gateway", "clock"} <= set(found)
    assert not any(check.startswith("analyser") for check in found)
    assert code == next((row["code"] for row in found.values() if row["verdict"] == "error"), 0)
    config.write_text(settings_text(key=f"file://{tmp_path}/none.pem", state_dir=str(tmp_path)))
    assert main(["gateway", "check", "--config", str(config), "--machine"]) == Exit.USAGE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("unit north-1")
    assert any(line.startswith("error") and "key" in line for line in lines)


def test_a_probe_says_which_instrument_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.toml"
    key = write_key(tmp_path / "device.pem", "alpha device")
    text = settings_text(key=key, state_dir=str(tmp_path))
    with contextlib.ExitStack() as stack:
        ports = {}
        for shipped, instrument in (("5020", "analyser"), ("5021", "flow"), ("5022", "meter")):
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
            ports[instrument] = taken.getsockname()[1]
            text = text.replace(f"port = {shipped}", f"port = {ports[instrument]}")
        config.write_text(text)
        assert main(["gateway", "check", "--config", str(config), "--probe"]) == Exit.LOCAL_IO
    said = capsys.readouterr().out
    for instrument, port in ports.items():
        assert f"analyser north-1.{instrument} 127.0.0.1:{port}" in said
