"""`python -m simulators scenario` as a tester starts it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doxedge.fieldbus.clock import VARIABLE, real_ms
from simulators.__main__ import main
from simulators.faults import FaultKind
from simulators.plant import HOUR_MS, MINUTE_MS, SimulatedPlant
from simulators.plant_file import Table, UnitTable
from simulators.scenario import (
    FINDINGS,
    OUTAGES,
    PLANT_EVENTS,
    _ExpectTable,
    _PlantTable,
    _StepTable,
    read_scenario,
)
from simulators.scenario_keys import KEYS
from simulators.scenario_run import Moment, Player, clock_text, moments
from tests.gateway.waiting import until
from tests.ports import HOST, server_port
from tests.simulators.plant_bench import SetClock

ROOT = Path(__file__).parents[2]
EVERY_FAULT = ROOT / "simulators" / "scenarios" / "every_fault.toml"
START_MS = 1_767_225_600_000

SHORT = """
[plant]
hours = 1
speed = 3600
broker_port = 0
[[unit]]
name = "alpha-1"
two_shift = false
[[step]]
at = "00:10"
for_s = 600
instrument = "analyser"
fault = "nan"
[[step]]
at = "00:20"
for_s = 600
outage = "broker"
[[step]]
at = "00:30"
plant = "stop"
"""


def written(tmp_path: Path, text: str = SHORT) -> Path:
    file = tmp_path / "scenario.toml"
    file.write_text(text.replace("broker_port = 0", f"broker_port = {server_port()}"), encoding="utf-8")
    return file


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulators", "scenario", *words],
        cwd=ROOT, env={**os.environ, VARIABLE: ""}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_scenario_runs_to_its_end_and_says_what_happens_when(tmp_path: Path) -> None:
    done = ran(str(written(tmp_path)), "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    ready, *told = [json.loads(line) for line in done.stdout.splitlines()]
    assert ready["units"][0]["analyser"]["port"] > 0
    assert ready["broker"]["port"] > 0
    assert ready["clock"].endswith(f",{START_MS},3600")
    assert [(line["at"], line["what"], line["begins"]) for line in told] == [
        ("00:10:00", "analyser nan", True),
        ("00:20:00", "analyser nan", False),
        ("00:20:00", "broker outage", True),
        ("00:30:00", "broker outage", False),
        ("00:30:00", "stop", True),
    ]


def test_a_scenario_is_told_to_people_too(tmp_path: Path) -> None:
    done = ran(str(written(tmp_path)))
    assert "00:10:00  alpha-1 analyser nan for 600 s: has NaN in every float\n" in done.stdout
    assert "00:30:00  alpha-1 stop to the end: the unit stands still" in done.stdout


async def test_the_faults_of_a_scenario_are_in_the_instruments_at_their_time(tmp_path: Path) -> None:
    """The broker is there, away, and there again at its port. The test moves the clock: no moment can be missed."""
    scenario = read_scenario(written(tmp_path))
    clock = SetClock(START_MS, speed=3_600)
    player = Player(scenario, clock, "shared")
    stop = asyncio.Event()
    running = asyncio.create_task(player.run(stop=stop, until_stopped=True), name="player")
    try:
        await until(lambda: player.broker is not None, what="the broker")
        assert player.broker is not None
        first, port = player.broker, player.broker.port
        analyser = player.site.units[0].analyser
        clock.at_ms = START_MS + HOUR_MS // 4
        assert analyser.active(FaultKind.NAN) is not None
        clock.at_ms = START_MS + 25 * MINUTE_MS
        assert analyser.active(FaultKind.NAN) is None
        await until(lambda: not is_open(port), what="the outage")
        clock.at_ms = START_MS + HOUR_MS // 2
        await until(lambda: is_open(port), what="a broker without memory")
        assert player.broker is not first
        assert player.broker.port == port
        assert not player.site.units[0].plant.state(START_MS + HOUR_MS).operating
    finally:
        stop.set()
        await running


def test_what_ends_at_an_instant_is_told_before_what_begins(tmp_path: Path) -> None:
    found = moments(read_scenario(written(tmp_path)))
    at_twenty = [moment for moment in found if moment.at_ms == START_MS + HOUR_MS // 3]
    assert [moment.begins for moment in at_twenty] == [False, True]
    assert all(isinstance(moment, Moment) for moment in found)


@pytest.mark.parametrize(("after_ms", "text"), [(0, "00:00:00"), (90_061_000, "25:01:01")])
def test_plant_time_is_told_in_hours(after_ms: int, text: str) -> None:
    assert clock_text(after_ms) == text


def test_check_only_reads_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", str(EVERY_FAULT), "--check", "--output", "json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["hours"], told["units"]) == (24, ["alpha-1"])
    assert len(told["moments"]) > 60
    assert main(["scenario", str(EVERY_FAULT), "--check"]) == 0
    assert "expected: hour 0 of alpha-1 is a gap with cause" in capsys.readouterr().out


def test_list_explains_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "--list"]) == 0
    text = capsys.readouterr().out
    assert [
        word for word in (*FaultKind, *PLANT_EVENTS, *OUTAGES, *FINDINGS) if f"  {word} " not in text
    ] == []
    assert main(["scenario", "--list", "--output", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["fault"]) == set(FaultKind)


@pytest.mark.parametrize("table", KEYS)
def test_every_key_of_a_scenario_is_explained_and_no_other(table: str) -> None:
    forms: dict[str, type[Table]] = {
        "[plant]": _PlantTable,
        "[[unit]]": UnitTable,
        "[[step]]": _StepTable,
        "[[expect]]": _ExpectTable,
    }
    assert list(KEYS[table]) == list(forms[table].model_fields)
    assert set(forms) == set(KEYS)


def test_the_examples_of_the_help_are_scenarios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["scenario", "--help"])
    text = capsys.readouterr().out.split("\n\n")
    shown = ["\n".join(block.splitlines()[1:]) for block in text if "[plant]" in block]
    assert len(shown) == 3
    for example in shown:
        assert read_scenario(written(tmp_path, example)).expectations


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["scenario"], "wants a file, or --list"),
        (["scenario", "none.toml"], "none.toml: cannot be read"),
        (["scenario", str(EVERY_FAULT), "--speed", "0"], "speed of 0"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(words) == 2
    assert complaint in capsys.readouterr().err


def test_two_clocks_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(VARIABLE, f"{real_ms()},{START_MS},60")
    assert main(["scenario", str(EVERY_FAULT), "--speed", "60"]) == 2
    assert "both given" in capsys.readouterr().err


def test_the_truth_knows_what_was_done_to_the_plant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path)
    words = ["truth", "--scenario", str(file), "--from", str(START_MS), "--to", str(START_MS + HOUR_MS)]
    assert main(words) == 0
    (unit,) = read_scenario(file).units
    stopped, free = SimulatedPlant(unit.plant), SimulatedPlant(unit.plant.__class__(two_shift=False))
    truth_g = json.loads(capsys.readouterr().out)["alpha-1"]["truth_g"]
    assert truth_g == stopped.truth_g(START_MS, START_MS + HOUR_MS)
    assert truth_g < 0.6 * free.truth_g(START_MS, START_MS + HOUR_MS)
