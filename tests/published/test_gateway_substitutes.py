"""A real year in a gateway's history: what it signs for missing hours is what `audit substitute` says of the file."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.hour_series import Series, hour_text, parse
from doxedge.measurement.missing_data_rules import DEFAULT_MER
from doxedge.quantity import HOUR_MS, Grams, WattHours, whole
from tests.gateway.missing_hours import statements
from tests.gateway.unit_bench import Bench, bench, plan

MILLI = 1_000
"""The file's rates in lb/mmBtu with three decimals stand for as many grams an hour: the table knows no unit."""
STREAMED_HOURS = 200


def known_hours(series: Series) -> list[KnownHour]:
    """Every hour of operation as a whole one, so that rates are kept to the last digit."""
    return [
        KnownHour(
            hour.start_ms,
            100,
            whole(hour.value * MILLI) if hour.quality_assured and hour.value is not None else None,
            0 if hour.load is None else whole(hour.load),
            hour.load is not None,
            "01" if hour.quality_assured else "",
            hour.quality_assured,
        )
        for hour in series.hours
    ]


def planned(series: Series) -> PlannedUnit:
    greatest = max(hour.load for hour in series.hours if hour.load is not None)
    lines = ["[unit.missing_data]", 'rules = "part75"', f"maximum_g_per_h = {whole(DEFAULT_MER * MILLI)}"]
    return plan(lines="\n".join([*lines, f"max_load_w = {greatest}"]))


async def audited(file: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["audit", "substitute", str(file), "--output", "json"]) == 0
    hours: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["hours"]
    return hours


async def signed(unit: Bench) -> dict[str, tuple[Any, ...]]:
    """The last statement of every substituted hour, by the hour as people write it."""
    return {
        hour_text(body["start_ms"]): as_row(body["nox_g"], body["method_code"], body["recipe"])
        for kind, body in await statements(unit)
        if kind != "gap" and body["quality"] == "substituted"
    }


def as_row(nox_g: int, code: str, recipe: list[Any]) -> tuple[Any, ...]:
    look_back = recipe[7]
    return (
        nox_g,
        code,
        recipe[1],
        recipe[4],
        recipe[5][2:],
        None if look_back is None else (look_back[0], look_back[3], look_back[8]),
    )


def told(hour: dict[str, Any]) -> tuple[Any, ...]:
    recipe = hour["recipe"]
    available, gap, look_back = recipe["availability"], recipe["gap"], recipe["look_back"]
    return (
        whole(Decimal(hour["substitute"]) * MILLI),
        hour["modc"],
        recipe["rule"],
        [available["qa_hours"], available["operating_hours"], whole(Decimal(available["percent"]) * 10)],
        [gap["operating_hours"], gap["ended"]],
        None if look_back is None else (look_back["load_range"], look_back["hours"], look_back.get("rank")),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["epa_cem_2007_703-2BLR.csv", "epa_cem_2007_3396-1_H1.csv"])
async def test_every_missing_hour_of_a_real_year_is_signed_as_the_audit_has_it(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file = published / "data" / name
    with file.open(encoding="utf-8") as lines:
        (series,) = parse(lines)
    wanted = {f"{hour['date']} {hour['hour']:02d}": told(hour) for hour in await audited(file, capsys)}
    async with bench(tmp_path, planned=planned(series)) as unit:
        await unit.history.begin("alpha-1", began_ms=series.hours[0].start_ms)
        await unit.history.put("alpha-1", known_hours(series), owed=True)
        await unit.measure(1)
        assert await signed(unit) == wanted
        assert await unit.outbox.verify_chain() == []


@pytest.mark.slow
async def test_hours_that_close_one_after_the_other_end_with_what_the_audit_has(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway sees a gap grow and end; its provisional statements are revised where they must be."""
    file = published / "data" / "epa_cem_2007_703-2BLR.csv"
    with file.open(encoding="utf-8") as lines:
        (series,) = parse(lines)
    wanted = {f"{hour['date']} {hour['hour']:02d}": told(hour) for hour in await audited(file, capsys)}
    known = known_hours(series)
    longest = max(wanted.values(), key=lambda row: row[4][0])
    begins = next(
        place for place, hour in enumerate(known) if wanted.get(hour_text(hour.start_ms)) == longest
    )
    first = begins - 20
    streamed = known[first : first + STREAMED_HOURS]
    async with bench(tmp_path, planned=planned(series)) as unit:
        await unit.history.begin("alpha-1", began_ms=known[0].start_ms)
        await unit.history.put("alpha-1", known[:first], owed=False)
        for hour in streamed:
            unit.pipeline.missing_data.note([closed(hour)])
            await unit.pipeline.close_hours()
        found = await signed(unit)
    ended = {key: (row[0], row[1]) for key, row in wanted.items() if key in found and row[4][1]}
    assert len(ended) > 1
    assert {key: (row[0], row[1]) for key, row in found.items() if key in ended} == ended


def closed(hour: KnownHour) -> HourRecord | HourGap:
    """As the pipeline hands it over."""
    if hour.nox_g is None:
        return HourGap(
            "alpha-1", hour.start_ms, hour.start_ms + HOUR_MS, "too_few_points", "", 100, 0, 0,
            WattHours(hour.energy_wh), "metered",
        )  # fmt: skip
    return HourRecord(
        "alpha-1", hour.start_ms, "us60/1", 100, Grams(hour.nox_g), WattHours(hour.energy_wh), "valid", "", "01", 60, 0,
        energy_quality="metered" if hour.is_load_known else "unmetered",
    )  # fmt: skip
