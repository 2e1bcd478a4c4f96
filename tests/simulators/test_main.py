"""`python -m simulators` as a tester and as the demonstration start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from doxedge.fieldbus.clock import VARIABLE
from simulators.__main__ import main
from simulators.faults import FaultKind
from simulators.plant import HOUR_MS, PlantSettings, SimulatedPlant

START_MS = 1_767_268_800_000
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def started(*words: str, clock: str = "") -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The program, with its ready line read."""
    environment = {**os.environ, VARIABLE: clock}
    with subprocess.Popen(
        [sys.executable, "-m", "simulators", *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.kill()


def test_a_site_says_where_it_listens_and_stops_cleanly_when_told_to() -> None:
    clock = f"{time.time_ns() // 1_000_000},{START_MS},720"
    with started("plant", "--names", "north,south", "--seed", "7", clock=clock) as (process, ready):
        assert ready["ready"] is True
        assert START_MS <= ready["plant_ms"] < START_MS + 24 * HOUR_MS
        assert [unit["name"] for unit in ready["units"]] == ["north", "south"]
        for unit in ready["units"]:
            for instrument in ("analyser", "flow", "meter"):
                place = unit[instrument]
                with socket.create_connection((place["host"], place["port"]), timeout=60) as link:
                    link.sendall(bytes.fromhex("000100000006010400000001"))
                    assert link.recv(100)[:2] == b"\x00\x01"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_site_ends_with_the_process_that_started_it() -> None:
    with started("plant", "--until-stdin-closes") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_real_file_is_played_from_today(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text(
        "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,OPTIME,GLOAD,HTINPUT\n"
        + "".join(f"1,A,070101,{hour},100,1,374,3699.9\n" for hour in range(24)),
        encoding="utf-8",
    )
    with started("replay", str(file), "--from-now", "--name", "old") as (process, ready):
        (unit,) = ready["units"]
        assert unit["name"] == "old"
        assert int(unit["flow"]["settings"]["flow_high"]) > 1_000_000
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_truth_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["truth", "--units", "2", "--seed", "7", "--from", str(START_MS), "--to", str(START_MS + HOUR_MS)]
    )
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    for name, seed in (("unit-1", 7), ("unit-2", 8)):
        plant = SimulatedPlant(PlantSettings(seed=seed))
        assert found[name]["truth_g"] == plant.truth_g(START_MS, START_MS + HOUR_MS)
        assert found[name]["energy_wh"] > 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["plant", "--fault", "silence"], "is not [UNIT:]INSTRUMENT:FAULT"),
        (["plant", "--fault", "oven:silence"], "instruments are analyser, flow, meter"),
        (["plant", "--fault", "meter:fire"], "faults are silence"),
        (["plant", "--fault", "south:meter:silence"], "there is no unit 'south'"),
        (["plant", "--names", "a,a"], "different names"),
        (["plant", "--units", "0"], "1 or more"),
        (["plant", "--units", "2", "--names", "a"], "does not fit"),
        (["plant", "--capacity-mw", "0"], "a unit has"),
        (["plant", "--config", "not-there.toml"], "not-there.toml: cannot be read"),
        (["truth", "--from", "1", "--to", "0"], "--to lies"),
        (["instrument", "--profile", "oven"], "nothing plays 'oven'; there are teledyne_t200, "),
        (["instrument", "--profile", "thermo_42i", "--fault", "fire"], "faults are silence"),
        (["instrument", "--profile", "thermo_42i", "--fault", "drift=x"], "is not KIND[=ARGUMENT]"),
    ],
)
def test_wrong_flags_are_refused_in_words(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert complaint in capsys.readouterr().err


def test_a_clock_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "fast")
    assert main(["plant"]) == 2
    assert VARIABLE in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "site.toml"
        file.write_text(f'[[unit]]\nname = "a"\nanalyser_port = {taken.getsockname()[1]}\n', encoding="utf-8")
        assert main(["plant", "--config", str(file)]) == 7
    assert "listen" in capsys.readouterr().err


def test_a_file_that_is_no_hourly_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    assert main(["replay", str(file)]) == 2
    assert "header lacks" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "none.csv")]) == 7


def test_the_help_teaches_every_fault_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert all(f"  {kind.value} " in text for kind in FaultKind)
    assert "python -m simulators plant" in text
