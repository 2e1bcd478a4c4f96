"""Whoever imports hours does not change what he has said: what was signed before the import stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_gateway_hours import configured
from tests.cli.test_gateway_import import GOOD, run, verified, write
from tests.gateway.missing_hours import MAXIMUM, RATE, planned, statements
from tests.gateway.unit_bench import bench


async def test_what_was_signed_before_stays_and_is_still_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await unit.measure(60, nox_ppm=None)
        await unit.measure(62)
        clock = unit.clock
    assert (await run(capsys, config, write(tmp_path, [GOOD] * 3_000)))[0] == 0
    async with bench(tmp_path / "gateway", planned=planned(), clock=clock) as unit:
        await unit.measure(60, nox_ppm=None)
        await unit.measure(62)
        last = [
            body
            for kind, body in await statements(unit)
            if kind != "gap" and body["quality"] == "substituted"
        ]
    assert (last[0]["nox_g"], last[0]["method_code"]) == (MAXIMUM, "07")
    # The hour that the gateway measured in between is in the mean.
    assert (abs(last[-1]["nox_g"] - RATE) < 10, last[-1]["method_code"]) == (True, "11")
    code, hours = await verified(capsys, config)
    assert code == 0
    assert [hour["verdict"] for hour in hours if hour["what"] == "substituted"] == ["proved"] * 2


async def test_what_was_signed_before_stays_also_when_its_gap_lasts_over_the_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise whoever imports a history would lower what he has said already."""
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await unit.measure(62, nox_ppm=None)
        clock = unit.clock
    assert (await run(capsys, config, write(tmp_path, [GOOD] * 3_000)))[0] == 0
    async with bench(tmp_path / "gateway", planned=planned(), clock=clock) as unit:
        await unit.measure(58, nox_ppm=None)
        await unit.measure(62)
        said = [body for kind, body in await statements(unit) if kind != "gap"]
    told = [(body["quality"], body["nox_g"], body["method_code"]) for body in said]
    assert told[0] == ("substituted", MAXIMUM, "07")
    assert told[1][0] == "substituted"
    assert abs(told[1][1] - RATE) < 10
    assert told[2][0] == "valid"
    assert len(told) == 3, "the first is not revised"
    code, hours = await verified(capsys, config)
    assert code == 0
    stood = [(hour["nox_g"], hour["verdict"]) for hour in hours if hour["what"] == "substituted"]
    assert stood == [(MAXIMUM, "proved"), (told[1][1], "proved")]
