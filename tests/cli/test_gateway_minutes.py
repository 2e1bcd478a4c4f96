"""Minutes out of the raw samples, beside the gateway."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.gateway.calibrations import calibration_text
from tests.gateway.plant_settings import settings_text
from tests.gateway.test_qa_desk import TIMES, own_sequence
from tests.gateway.unit_bench import bench, plan, plan_text
from tests.ledger.channels import START_MS


def configured(folder: Path, calibrations: str = "") -> str:
    path = folder / "gateway.toml"
    text = settings_text(state_dir=str(folder), units={}) + plan_text(calibrations=calibrations)
    path.write_text(text, encoding="utf-8")
    return str(path)


def when(minute: int) -> str:
    return f"{dt.datetime.fromtimestamp(START_MS / 1_000 + 60 * minute, dt.UTC):%Y-%m-%dT%H:%M}"


async def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["gateway", "minutes", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


async def test_minutes_are_those_that_enter_the_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=plan()) as unit:
        await unit.measure(3)
        await unit.measure(1, nox_ppm=None)
        await unit.measure(2, flags=frozenset({"zero"}))
        await unit.measure(5)
        of = ("--config", config, "--from", when(0), "--quantity", "nox_ppb")
        code, out, _ = await run(capsys, *of, "--output", "json")
        told = json.loads(out)
        assert (code, told["schema"], told["unit"]) == (0, "doxedge.gateway.minutes/1", "alpha-1")
        rows = told["minutes"]
        assert [row["start_ms"] for row in rows] == [START_MS + n * MINUTE_MS for n in range(11)]
        assert [row["quality"] for row in rows] == ["good"] * 3 + ["bad"] * 6 + ["good"] * 2
        assert rows[3]["reasons_percent"] == {"comms": 100}
        assert rows[4]["reasons_percent"] == {"zero": 100}
        assert (rows[6]["reasons_percent"], rows[7]["reasons_percent"]) == ({"settling": 100},) * 2
        first = rows[0]
        assert (first["n"], first["total"], first["device"]) == (6, 6, "alpha-1.analyser")
        assert Decimal(first["minimum"]) <= Decimal(first["mean"]) <= Decimal(first["maximum"])
        assert Decimal(first["sd"]) == Decimal("0.1871")  # six of the steps of the bench's wobble
        code, out, _ = await run(capsys, *of)
        assert code == 0
        assert "zero 100 %" in out
        # What comes before the first minute that is asked for settles it all the same.
        code, out, _ = await run(capsys, *of[:3], when(6), *of[4:], "--output", "json")
        assert [row["quality"] for row in json.loads(out)["minutes"]] == ["bad"] * 3 + ["good"] * 2


async def test_a_monitor_that_was_out_of_control_has_no_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = calibration_text(lines=TIMES)
    config = configured(tmp_path, text)
    async with bench(tmp_path / "gateway", planned=plan(calibrations=text)) as unit:
        await unit.measure(2)
        await own_sequence(unit)
        await unit.measure(6)
        of = ("--config", config, "--from", when(0), "--quantity", "nox_ppb", "--output", "json")
        _, out, _ = await run(capsys, *of)
        found = [next(iter(row["reasons_percent"]), "") for row in json.loads(out)["minutes"]]
        assert found == ["out_of_control"] * 2 + ["zero"] * 4 + ["span"] * 4 + ["settling"] * 3 + [""] * 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--unit", "beta"), 2, "name one of alpha-1"),
        (("--to", when(0)), 2, "--to lies after --from"),
        (("--to", when(49 * 60)), 2, "at most 48 hours"),
        ((), 7, "no gateway has run here yet"),
    ],
)
async def test_what_cannot_be_shown_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    config = configured(tmp_path)
    found, _, err = await run(capsys, "--config", config, "--from", when(0), *arguments)
    assert (found, words in err) == (code, True), err


async def test_a_time_without_samples_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=plan()) as unit:
        await unit.measure(1)
    code, out, _ = await run(capsys, "--config", config, "--from", when(HOUR_MS // MINUTE_MS * 5))
    assert (code, out) == (0, "no sample is kept for this time\n")
