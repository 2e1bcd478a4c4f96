"""How the gateway's benchmark reads what others say, and what it makes of memory over time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.benchmarks import gateway_others, gateway_sketch
from tests.benchmarks.gateway_load import Rate, pace_of, quantile
from tests.benchmarks.gateway_soak import trend

SKETCH_LINE = (
    "own      devices  10 period   10 ms: asked   125000 pts/s got   122500 missed 300  "
    "interval p50 10.0 p95 10.9 p99 12.3 ms  records 14700 publishes 1900 left in db 0  "
    "CPU 24 %  1.93 ms CPU/1000 pts  240 us/record  RSS 36 MiB"
)
THINGSBOARD_LINE = (
    "memory  devices   2 tags   10 period   100 ms: asked      200 pts/s got      197 ( 98.7 %)  "
    "interval p50 101 p95 101 ms  lag p50 30 p95 56 ms  "
    "CPU 6 %  291.1 ms CPU/1000 pts  RSS 64 MiB threads 17"
)
NODE_RED_LINE = (
    "node-red devices 2 period 100 ms: asked 2500 pts/s got 2500 (100 %)  "
    "CPU 2 %  7.0 ms CPU/1000 pts  RSS 127 MiB"
)


def hours_of_looks(mb_per_h: float, *, noise_mb: float = 0.05, hours: float = 4) -> list[tuple[float, float]]:
    dice = random.Random(7)
    every_s = hours * 15.0
    start = [(every_s * n, 30.0 + 0.1 * n) for n in range(60)]  # caches fill: the first half does not count
    return start + [
        (every_s * (60 + n), 36 + mb_per_h * every_s * n / 3_600 + dice.gauss(0, noise_mb))
        for n in range(180)
    ]


@pytest.mark.parametrize(
    ("mb_per_h", "verdict"), [(0.0, "flat"), (-3.0, "flat"), (0.5, "flat"), (4.0, "growing")]
)
def test_a_line_through_the_second_half_tells_a_leak_from_a_start(mb_per_h: float, verdict: str) -> None:
    found = trend(hours_of_looks(mb_per_h))

    assert found.mb_per_h == pytest.approx(mb_per_h, abs=0.2)
    assert found.verdict == verdict


def test_noise_or_a_short_soak_leaves_the_verdict_open() -> None:
    assert trend(hours_of_looks(1.0)).verdict == "unsure"
    assert trend(hours_of_looks(0.0, noise_mb=20.0)).verdict == "unsure"
    assert trend(hours_of_looks(4.0, hours=1)).verdict == "unsure"
    assert trend([(0.0, 30.0), (15.0, 30.0)]).verdict == "unsure"


def test_what_the_sketch_prints_is_read() -> None:
    found = gateway_sketch.read(SKETCH_LINE, due=15_000, seconds=15.0)

    assert found is not None
    assert (found.ms_per_1000_points, found.pace.p50_ms, found.pace.p99_ms) == (1.93, 10.0, 12.3)
    assert (found.pace.polls, found.pace.kept_percent) == (14_700, 98.0)
    assert gateway_sketch.read("Traceback (most recent call last)", due=1, seconds=1.0) is None


def test_what_the_others_print_is_read() -> None:
    thingsboard = gateway_others.read(THINGSBOARD_LINE)
    node_red = gateway_others.read(NODE_RED_LINE)

    assert thingsboard == {
        "points_per_s": 197.0,
        "kept_percent": 98.7,
        "cpu_ms_per_1000_points": 291.1,
        "interval_p50_ms": 101,
        "interval_p95_ms": 101,
    }
    assert node_red is not None
    assert (node_red["kept_percent"], node_red["interval_p50_ms"]) == (100.0, None)
    assert gateway_others.read("KeyError: 'x'") is None


def test_the_others_are_skipped_with_the_words_that_install_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv(gateway_others.THINGSBOARD, raising=False)
    monkeypatch.setenv(gateway_others.NODE_RED, str(tmp_path / "nowhere"))

    assert gateway_others.Others(tmp_path, 1, tmp_path).measure(Rate(1, 100), seconds=1.0) == {}

    said = capsys.readouterr().err
    assert "pip install thingsboard-gateway==3.8.5" in said
    assert "npm install node-red" in said


def test_a_rate_is_what_is_asked_for() -> None:
    assert [Rate(10, ms).points_per_s for ms in (1_000, 100, 10)] == [1_250, 12_500, 125_000]
    assert Rate(10, 100).due(15.04) == 1_500
    assert [Rate(10, 10, is_restless=one).name for one in (False, True)] == [
        "125000_points_per_s",
        "125000_points_per_s_all_changing",
    ]
    assert quantile([], 99) == 0.0
    assert quantile([float(n) for n in range(200)], 99) == 198.0


def test_without_a_file_there_was_no_poll(tmp_path: Path) -> None:
    pace = pace_of(tmp_path / "samples.db", 0, 1, due=100)

    assert (pace.polls, pace.kept_percent) == (0, 0.0)
