"""Every benchmark still runs: what it measures is not judged here, for a test machine says nothing about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.benchmarks import backlog, ledger, replay
from tests.benchmarks.plant import REPOSITORY


def quick(name: str) -> Any:
    """What the benchmark prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", "--quick", "--output", "json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_ledger_benchmark_commits_transfers_and_readings() -> None:
    found = quick("ledger")

    for kind in ("transfer", "reading"):
        assert set(found[kind]["stages_us"]) == set(ledger.STAGES)
        assert found[kind]["whole_us"] > found[kind]["bare_signature_us"] > 0
    assert found["reading"]["readings_per_cpu_s"] > 0


@pytest.mark.slow
def test_the_gateway_benchmark_stores_points_of_real_instruments() -> None:
    found = quick("gateway")

    load = found["2500_points_per_s"]
    assert load["points_per_s"] > 0
    assert load["cpu_ms_per_1000_points"] > 0
    assert 0 < load["intervals_kept_percent"] <= 100
    assert load["interval_p99_ms"] >= load["interval_p50_ms"] > 0
    assert found["small_gateway"]["memory"] == "unsure"
    assert found["idle"]["pss_mb"] > 0
    assert found["idle"]["together_mb"] > 0


@pytest.mark.slow
def test_a_soak_of_the_usual_plant_says_that_it_was_too_short() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gateway", "--soak", "0.0005", "--output", "json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert found["memory"] == "unsure"
    assert found["pss_mb"] > found["own_mb_most"] > 0


@pytest.mark.slow
def test_the_replay_benchmark_brings_every_hour_into_a_block_also_on_a_small_machine() -> None:
    (found,) = quick("replay").values()

    for machine in ("plain", "small_gateway"):
        assert found[machine]["hours"] == replay.QUICK_HOURS
        assert found[machine]["written_bytes_per_plant_day"]["node"] > 0
    if found["small_gateway"]["flush_ms"]:
        assert found["small_gateway"]["flushes_added_to"] > 0


@pytest.mark.slow
def test_the_backlog_benchmark_brings_everything_into_blocks_while_it_measures() -> None:
    found = quick("backlog")

    assert (found["records"], found["lost"], found["refused"], found["out_of_order"]) == (
        backlog.QUICK.records, 0, 0, 0,
    )  # fmt: skip
    assert found["records_per_s"] > 0
    assert found["gateway_pss_mb_most"] > 0


def test_a_rate_counts_from_the_first_proof() -> None:
    looks = [(0.0, 0), (30.0, 10), (31.0, 110), (32.0, 210)]

    assert backlog.rates(looks, 210) == (100.0, 100.0)
