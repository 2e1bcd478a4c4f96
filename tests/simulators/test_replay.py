"""A real unit's hours as a plant: the instruments see the file's mass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulators.plant import HOUR_MS
from simulators.replay import GRAMS_PER_POUND, ReplayError, ReplayPlant, read_hours

HEADER = "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,SO2MASS,NOXRATE,OPTIME,GLOAD,SLOAD,HTINPUT,HTINPUTMEASURE"
ROWS = [
    "1,A,070101,0,1631.656,0,.441,1,374,-9,3699.9,1",
    "1,A,070101,1,400,0,.441,.25,200,-9,900,1",
    "1,A,070101,2,0,0,-9,0,-9,-9,-9,98",
    "1,A,070101,3,-9,0,-9,1,300,-9,3000,1",
    "1,A,070101,5,100,0,-9,1,-9,-9,-9,1",
]
START_MS = 1_167_609_600_000
"""2007-01-01 00:00."""


def plant(shift_ms: int = 0) -> ReplayPlant:
    return ReplayPlant(read_hours([HEADER, *ROWS]), shift_ms=shift_ms)


def test_each_hour_has_the_mass_of_its_row() -> None:
    grams = [plant().truth_g(START_MS + n * HOUR_MS, START_MS + (n + 1) * HOUR_MS) for n in range(7)]
    assert grams == [740_107, 181_437, 0, 0, 0, 45_359, 0]
    assert plant().truth_g(plant().start_ms, plant().end_ms) == round(2_131.656 * GRAMS_PER_POUND)


def test_what_the_instruments_see_integrates_to_the_mass() -> None:
    p = plant()
    for hour, operating in ((0, 1.0), (1, 0.25), (5, 1.0)):
        start_ms = START_MS + hour * HOUR_MS
        seen = sum(p.state(start_ms + 1_000 * n).nox_g_per_h for n in range(3_600)) / 3_600
        assert seen == pytest.approx(p.truth_g(start_ms, start_ms + HOUR_MS), abs=0.5)
        assert sum(p.state(start_ms + 1_000 * n).operating for n in range(3_600)) == 3_600 * operating


def test_an_hour_without_a_value_has_an_analyser_without_a_value() -> None:
    state = plant().state(START_MS + 3 * HOUR_MS + 1)
    assert state.operating
    assert not state.measured


@pytest.mark.parametrize("at_ms", [START_MS - 1, START_MS + 4 * HOUR_MS, START_MS + 6 * HOUR_MS])
def test_outside_the_file_the_unit_stands_and_nothing_is_measured(at_ms: int) -> None:
    state = plant().state(at_ms)
    assert not state.operating
    assert not state.measured


def test_energy_grows_by_load_times_operating_time() -> None:
    p = plant()
    assert p.energy_wh(START_MS - 1) == 0
    assert p.energy_wh(START_MS + HOUR_MS // 2) == 187_000_000
    assert p.energy_wh(START_MS + 2 * HOUR_MS) == 374_000_000 + 50_000_000
    assert p.energy_wh(START_MS + 50 * HOUR_MS) == 724_000_000


def test_an_old_year_can_be_brought_to_the_plant_clock() -> None:
    p = plant(shift_ms=10 * HOUR_MS)
    assert p.start_ms == START_MS + 10 * HOUR_MS
    assert p.truth_g(START_MS + 10 * HOUR_MS, START_MS + 11 * HOUR_MS) == 740_107
    assert p.energy_wh(START_MS + 11 * HOUR_MS) == 374_000_000


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "header lacks"),
        (["a,b,c"], "header lacks the columns YYMMDD"),
        ([HEADER], "no rows"),
        ([HEADER, ROWS[0].replace("1631.656", "much")], "line 2, column NOXMASS: 'much'"),
        ([HEADER, ROWS[0], ROWS[1].replace("070101", "071301")], "line 3, column YYMMDD"),
        ([HEADER, ROWS[0].replace("070101,0", "070101,24")], "line 2"),
        ([HEADER, ROWS[0].replace(".441,1,", ".441,1.5,")], "OPTIME 0 to 1"),
        ([HEADER, "1,A,070101,0"], "line 2, column NOXMASS"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_line_and_column(lines: list[str], words: str) -> None:
    with pytest.raises(ReplayError, match=words):
        ReplayPlant(read_hours(lines))


@pytest.mark.parametrize(
    ("name", "pounds"),
    [
        ("703-2BLR", 9_704_277.3),
        ("55304-CT4", 8_554.5),
        ("55063-1_H1", 90_613.3),
        ("3396-1_H1", 13_455_756.6),
    ],
)
def test_real_files_keep_their_mass(name: str, pounds: float) -> None:
    folder = Path(os.environ.get("DOXEDGE_PUBLISHED", "../shared"))
    file = folder / "data" / f"epa_cem_2007_{name}.csv"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    with file.open(encoding="utf-8") as lines:
        p = ReplayPlant(read_hours(lines))
    assert p.truth_g(p.start_ms, p.end_ms) / GRAMS_PER_POUND == pytest.approx(pounds, abs=0.06)
