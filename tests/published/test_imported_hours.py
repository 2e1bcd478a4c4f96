"""A plant changes its system in the middle of a real year: what follows is what the whole year would have given."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement import hourly_file
from doxedge.measurement.hour_series import hour_text
from doxedge.measurement.hourly_file import HourlyRow
from doxedge.measurement.imported_hours import known_hour
from doxedge.quantity import HOUR_MS, whole
from tests.cli.test_gateway_hours import configured
from tests.gateway.missing_hours import statements
from tests.gateway.unit_bench import Bench, bench, plan

OFFSET = -5
MAXIMUM_G_PER_H = 9_000_000
Row = tuple[Any, ...]


def read(path: Path) -> tuple[HourlyRow, ...]:
    with path.open(encoding="utf-8") as lines:
        return hourly_file.parse(lines)


def rules(rows: tuple[HourlyRow, ...]) -> tuple[str, int]:
    """The configuration's lines, and the greatest load in W."""
    greatest_w = whole(max(row.gross_mw for row in rows if row.gross_mw is not None) * 1_000_000)
    lines = ["[unit.missing_data]", 'rules = "part75"', f"maximum_g_per_h = {MAXIMUM_G_PER_H}"]
    return "\n".join([*lines, f"max_load_w = {greatest_w}", ""]), greatest_w


async def told(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    """What a command prints as JSON."""
    capsys.readouterr()
    assert await asyncio.to_thread(main, [*argv, "--output", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def audited(hour: dict[str, Any]) -> Row:
    recipe = hour["recipe"]
    available, gap, look_back = recipe["availability"], recipe["gap"], recipe["look_back"]
    return (
        int(hour["substitute"]),
        hour["modc"],
        recipe["rule"],
        [available["qa_hours"], available["operating_hours"], whole(Decimal(available["percent"]) * 10)],
        [gap["first"], gap["last"], gap["operating_hours"], gap["ended"]],
        None
        if look_back is None
        else (look_back["hours"], look_back["first"], look_back["last"], look_back.get("rank")),
    )


def local(start_ms: int) -> str:
    return hour_text(start_ms + OFFSET * HOUR_MS)


async def signed(unit: Bench) -> dict[str, Row]:
    """The last statement of every substituted hour, by the hour as the plant writes it."""
    found: dict[str, Row] = {}
    for kind, body in await statements(unit):
        if kind == "gap" or body["quality"] != "substituted":
            continue
        recipe = body["recipe"]
        first_ms, last_ms, *gap = recipe[5]
        back = recipe[7]
        found[local(body["start_ms"])] = (
            recipe[3],
            body["method_code"],
            recipe[1],
            recipe[4],
            [local(first_ms), local(last_ms), *gap],
            None if back is None else (back[3], local(back[4]), local(back[5]), back[8]),
        )
    return found


def seam_in_a_gap(wanted: dict[str, Row]) -> str:
    """An hour in the middle of the longest gap of the second half of the file."""
    hours = [*wanted]
    longest = max((wanted[hour] for hour in hours[len(hours) // 2 :]), key=lambda row: int(row[4][2]))
    of_gap = [hour for hour in hours if wanted[hour][4] == longest[4]]
    return of_gap[len(of_gap) // 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seam"),
    [
        ("epa_cem_2007_703-2BLR.csv", "2007-07-01 00"),
        ("epa_cem_2007_703-2BLR.csv", ""),
        ("epa_cem_2007_3396-1_H1.csv", "2007-03-01 00"),
        ("epa_cem_2007_55063-1_H1.csv", "2007-05-01 00"),
    ],
)
async def test_after_the_seam_the_gateway_signs_what_the_audit_of_the_whole_file_says(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, seam: str
) -> None:
    """`seam` is the gateway's first hour, the plant's time; empty: in the middle of a gap."""
    file = published / "data" / name
    rows = read(file)
    lines, greatest_w = rules(rows)
    limits = ("--maximum", str(MAXIMUM_G_PER_H), "--max-load", str(greatest_w))
    audit = await told(capsys, "audit", "substitute", str(file), "--mass", *limits)
    wanted = {f"{hour['date']} {hour['hour']:02d}": audited(hour) for hour in audit["hours"]}
    seam = seam or seam_in_a_gap(wanted)

    before = tmp_path / "before.csv"
    later = [row for row in rows if hour_text(row.local_start_ms) >= seam]
    with file.open(encoding="utf-8") as whole_file:
        before.write_text("".join(whole_file.readlines()[: later[0].line - 1]), encoding="utf-8")
    planned: PlannedUnit = plan(lines=lines)
    async with bench(tmp_path / "gateway", planned=planned):
        pass
    words = ["--unit", "alpha-1", "--called", f"{rows[0].plant}/{rows[0].unit}", "--utc-offset", str(OFFSET)]
    words += ["--name", "Ada", "--reason", "another system", "--config", configured(tmp_path, lines)]
    taken = await told(capsys, "gateway", "hours", "import", str(before), *words)
    assert (taken["outcome"], taken["hours"]) == ("taken", len(rows) - len(later))

    own = [replace(known_hour(row, OFFSET, source=""), method_code="01") for row in later]
    async with bench(tmp_path / "gateway", planned=planned) as unit:
        await unit.history.begin("alpha-1", began_ms=own[0].start_ms)
        await unit.history.put("alpha-1", own, owed=True)
        await unit.measure(1)
        assert await signed(unit) == {hour: row for hour, row in wanted.items() if hour >= seam}
        assert await unit.outbox.verify_chain() == []
    hours = await told(
        capsys,
        "gateway",
        "hours",
        "--config",
        str(tmp_path / "gateway.toml"),
        "--verify",
        "--from",
        "2007-01-01",
    )
    verdicts = [hour["verdict"] for hour in hours["hours"] if hour["what"] == "substituted"]
    assert set(verdicts) <= {"proved"}
    assert len(verdicts) == sum(hour >= seam for hour in wanted) > 0


async def test_where_every_flag_says_the_same_masses_and_rates_are_judged_alike(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A peaking turbine: availability, gap, method and look-back are those of the NOx rate."""
    file = str(published / "data" / "epa_cem_2007_55304-CT4.csv")
    (by_rate,) = (await told(capsys, "audit", "substitute", file))["hours"]
    (by_mass,) = (await told(capsys, "audit", "substitute", file, "--mass", "--maximum", "99999"))["hours"]
    assert audited({**by_rate, "substitute": "0"})[1:] == audited({**by_mass, "substitute": "0"})[1:]
    assert (by_mass["line"], by_mass["modc"]) == (by_rate["line"], by_rate["modc"])
