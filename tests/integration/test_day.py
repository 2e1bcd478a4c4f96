"""A day of everything that can go wrong: nothing is lost, and what is posted is true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.day.run import ERROR_PPM_MAX
from tests.integration.simulated_site import REPOSITORY


def lived(*words: str, within_s: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.day", "--output", "json", *words],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=within_s, check=False,
    )  # fmt: skip


def clean(*words: str, within_s: int) -> dict[str, Any]:
    """What `python -m tests.day` printed."""
    ran = lived(*words, within_s=within_s)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_hours_with_a_silent_analyser_and_two_kills_are_told_truly() -> None:
    result = clean("--hours", "3", "--speed", "240", within_s=380)
    assert (result["gateway_kills"], result["node_kills"]) == (1, 1)
    assert (result["hours_posted"] + result["gaps"], result["hours_missing"]) == (3, 0)
    assert result["outages_planned"] == result["outages_told"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_hours_over_serial_lines_lose_nothing_and_state_no_wrong_mass() -> None:
    """What a busy machine can cost (an hour, a meter that is read late) is not asked for."""
    scenario = str(REPOSITORY / "simulators" / "scenarios" / "serial_lines.toml")
    ran = lived("--scenario", scenario, "--hours", "2", within_s=380)
    result = json.loads(ran.stdout)
    assert (result["gateway_kills"], result["faults_injected"], result["outages_planned"]) == (1, 2, 2), ran
    assert result["acknowledged"] == result["final"] > 0
    wrong = ("lost", "doubled", "out_of_order", "unknown", "refused", "chain_breaks", "scrub_findings")
    assert {name: result[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert result["gaps"] >= 1
    assert result["error_ppm"] < ERROR_PPM_MAX
    assert result["failures"] == []


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_a_whole_day_with_every_fault_is_told_truly() -> None:
    result = clean("--hours", "24", within_s=1_100)
    assert (result["gateway_kills"], result["node_kills"], result["broker_outages"]) == (3, 3, 1)
    assert result["faults_injected"] > 30
    assert result["compared_hours"] >= 4


def test_a_day_of_a_scenario_that_cannot_be_read_ends_with_2() -> None:
    ran = lived("--scenario", "none.toml", within_s=60)
    assert ran.returncode == 2
    assert "none.toml: cannot be read" in ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(330)
def test_a_day_that_breaks_off_has_failed(tmp_path: Path) -> None:
    """The state folder's place is taken by a file."""
    (tmp_path / "gateway").write_text("", encoding="ascii")
    ran = lived("--hours", "1", "--speed", "2000", "--folder", str(tmp_path), within_s=300)
    assert ran.returncode == 6, ran.stdout + ran.stderr
    told = json.loads(ran.stdout)
    assert told["clean"] is False
    assert "the gateway ended by itself" in told["failures"][0]
