"""Every hour is told with what stands for it, and a substitute can be computed again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.quantity import HOUR_MS
from doxedge.store import look
from tests.gateway.calibrations import calibration_text
from tests.gateway.manual_hours import FIRST, SECOND, confirmation, proposal, with_a_gap
from tests.gateway.manual_hours import office as by_hand
from tests.gateway.missing_hours import PART75, RATE, planned, remember
from tests.gateway.plant_settings import settings_text, unit_text
from tests.gateway.test_calibration_function import EU, STEEP
from tests.gateway.test_qa_desk import TIMES, own_sequence
from tests.gateway.test_qa_tests import S_AMS, office
from tests.gateway.unit_bench import bench
from tests.ledger.channels import START_MS
from tests.measurement.qa_layouts import RATA, runs


async def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code and what was said."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["gateway", "hours", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def configured(folder: Path, lines: str = PART75, more: str = "") -> str:
    path = folder / "gateway.toml"
    unit = unit_text("alpha-1", lines, channel=(b"c" * 32).hex(), source=(b"s" * 16).hex())
    text = settings_text(state_dir=str(folder), units={}) + unit + more
    path.write_text(text, encoding="utf-8")
    return str(path)


async def test_an_hour_by_hand_stands_for_a_gap_and_contradicts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, lines="")
    gateway = tmp_path / "gateway"
    async with by_hand(gateway) as (unit, made):
        await with_a_gap(unit)
        await made.propose(proposal(), FIRST)
        before = look.hours(gateway / "hours.db", "alpha-1")
        _, out, _ = await run(capsys, "--config", config, "--output", "json")
        assert [hour["what"] for hour in json.loads(out)["hours"]] == ["measured", "missing", "measured"]
        await made.confirm(confirmation(), SECOND)
        code, out, err = await run(capsys, "--config", config, "--verify", "--output", "json")
        assert code == 0, err
        told = json.loads(out)["hours"][1]
        assert (told["what"], told["nox_g"], told["method_code"]) == ("by hand", 12_000, "55")
        assert told["recipe"][0] == "entered by hand: portable analyser"
        code, out, _ = await run(capsys, "--config", config, "--substituted")
        assert (code, "by hand" in out) == (0, True)
        assert "  entered by hand: portable analyser" in out
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["gateway", "gaps", "--config", config, "--output", "json"]) == 0
        (gap,) = json.loads(capsys.readouterr().out)["gaps"]
        counts = (gap["hours_stated_after_all"], gap["hours_substituted"], gap["hours_by_hand"])
        assert counts == (0, 0, 1), "nobody measured it"
    # What is made again from the signed records is what the history had: nobody measured that hour.
    (gateway / "hours.db").unlink()
    async with by_hand(gateway) as (unit, _):
        again = look.hours(gateway / "hours.db", "alpha-1")
    assert [hour.known.nox_g for hour in again] == [hour.known.nox_g for hour in before]
    assert [hour.known.is_missing for hour in again] == [False, True, False]


async def test_hours_are_told_with_what_stands_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(60, nox_ppm=None)
        await unit.measure(60)
        await unit.measure(62, nox_ppm=None, power_w=0)
        code, out, _ = await run(capsys, "--config", config, "--output", "json")
        told = json.loads(out)
        assert (code, told["schema"]) == (0, "doxedge.gateway.hours/1")
        last = told["hours"][-3:]
        assert [(hour["what"], hour["method_code"], hour["provisional"]) for hour in last] == [
            ("substituted", "11", False), ("measured", "01", False), ("off", "01", False),
        ]  # fmt: skip
        assert last[0]["recipe"][3] == last[0]["nox_g"] == RATE
        assert len(told["hours"]) == 7 * 24
        (total,) = told["totals"]
        measured = [hour for hour in told["hours"] if hour["what"] != "off"]
        assert (total["hours"], total["hours_without_mass"]) == (len(measured), 0)
        assert total["nox_g"] == sum(hour["nox_g"] for hour in measured)
        assert total["kg_per_mwh"] == f"{total['nox_g'] * 1_000 / total['energy_wh']:.4f}"
        code, out, _ = await run(capsys, "--config", config, "--substituted")
        assert code == 0
        assert f"mean: {RATE} g/h while the unit runs" in out
        assert f"(sum {2_160 * RATE} g/h)" in out
        code, out, _ = await run(
            capsys, "--state", str(tmp_path), "--from", "2001-01-01", "--to", "2001-01-02"
        )
        assert (code, out) == (0, "no hour is known for this time\n")


async def test_a_substitute_is_computed_again_and_a_wrong_one_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(120, nox_ppm=None)
        await unit.measure(62)
    code, out, _ = await run(capsys, "--config", config, "--verify", "--output", "json")
    verdicts = [hour["verdict"] for hour in json.loads(out)["hours"] if hour["what"] == "substituted"]
    assert (code, verdicts) == (0, ["proved", "proved"])
    with closing(sqlite3.connect(tmp_path / "gateway" / "hours.db")) as history, history:
        history.execute("UPDATE hour SET stated_g = stated_g - 1 WHERE start_ms = ?", (START_MS + HOUR_MS,))
    code, out, _ = await run(capsys, "--config", config, "--verify")
    assert code == 6
    assert "differs" in out
    assert f"verified: the signed record says a substitute of {RATE} g" in out
    assert f"verified: {RATE} g by method 11" in out
    with closing(sqlite3.connect(tmp_path / "gateway" / "hours.db")) as history, history:
        history.execute("UPDATE hour SET stated_g = stated_g + 1 WHERE start_ms = ?", (START_MS + HOUR_MS,))
        history.execute("UPDATE hour SET nox_g = nox_g + 1 WHERE start_ms = ?", (START_MS - HOUR_MS,))
    code, out, _ = await run(capsys, "--config", config, "--verify", "--output", "json")
    verdicts = [hour["verdict"] for hour in json.loads(out)["hours"] if hour["what"] == "substituted"]
    assert (code, verdicts) == (0, ["holds", "holds"])


async def test_a_history_that_says_otherwise_than_the_signed_records_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(60, nox_ppm=None)
        await unit.measure(62)
    code, out, _ = await run(capsys, "--config", config, "--verify", "--output", "json")
    (gap, measured) = json.loads(out)["hours"][-2:]
    assert (code, gap["verdict"], measured["verdict"]) == (0, "proved", None)
    with closing(sqlite3.connect(tmp_path / "gateway" / "hours.db")) as history, history:
        history.execute("UPDATE hour SET nox_g = 1 WHERE start_ms = ?", (START_MS + HOUR_MS,))
    code, out, _ = await run(capsys, "--config", config, "--verify", "--from", "2026-01-01T01:00")
    assert code == 6
    assert f"verified: the signed record says {measured['nox_g']} g in 100 % by method 01" in out
    (tmp_path / "gateway" / "outbox.db").unlink()
    code, _, err = await run(capsys, "--config", config, "--verify")
    assert (code, "holds the hours against what was signed" in err) == (7, True)


async def test_a_bias_factor_is_computed_again_from_the_file_of_its_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, 'bias_source = "rata"', calibration_text(lines=TIMES))
    (tmp_path / "gateway").mkdir()
    async with office(tmp_path / "gateway", unit='bias_source = "rata"') as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("rata", RATA + runs(off=28), day="2026-01-01", ended_ms=START_MS + 1)
        await made.it.measure(112)
    code, out, _ = await run(capsys, "--config", config, "--verify", "--output", "json")
    told = [(hour["verdict"], hour["recomputed"].split(" = ")[1]) for hour in json.loads(out)["hours"]]
    assert code == 0
    assert [verdict for verdict, _ in told] == ["proved", "proved"]
    assert told[0][1].endswith("before the first RATA")
    assert "by the RATA of nox_ppb" in told[1][1]
    # Somebody puts another file in the place of the one that was handed in.
    with closing(sqlite3.connect(tmp_path / "gateway" / "qa.db")) as record, record:
        record.executescript("DROP TRIGGER entry_stands; DROP TRIGGER entry_stays")
        record.execute("UPDATE entry SET body = replace(body, '329', '303') WHERE kind = 'test'")
    code, out, _ = await run(capsys, "--config", config, "--verify")
    assert (code, "of nox_ppb that the hour names" in out) == (6, True)
    with closing(sqlite3.connect(tmp_path / "gateway" / "qa.db")) as record, record:
        record.execute("DELETE FROM entry WHERE kind = 'test'")
    code, out, _ = await run(capsys, "--config", config, "--verify")
    assert (code, "was not in force" in out) == (6, True)


async def test_a_calibration_function_is_held_against_the_file_of_its_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, EU, calibration_text(lines=f"{TIMES}\n{S_AMS}"))
    (tmp_path / "gateway").mkdir()
    async with office(tmp_path / "gateway", unit=EU, lines=S_AMS) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("qal2", STEEP, limit="150", measured_in="ppm")
        await made.it.measure(112)
    code, out, _ = await run(capsys, "--config", config, "--verify", "--output", "json")
    told = [(hour["verdict"], hour["recomputed"]) for hour in json.loads(out)["hours"]]
    assert (code, told) == (
        0,
        [
            ("proved", "nox_ppb as read, before the first QAL2"),
            ("proved", "calibrated by the QAL2 of nox_ppb"),
        ],
    )
    with closing(sqlite3.connect(tmp_path / "gateway" / "qa.db")) as record, record:
        record.executescript("DROP TRIGGER entry_stands")
        record.execute("UPDATE entry SET body = replace(body, '60', '61') WHERE kind = 'test'")
    code, out, _ = await run(capsys, "--config", config, "--verify")
    assert (code, "the QAL2 of nox_ppb that the hour names" in out) == (6, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--unit", "beta-9"], 2, "no hour of unit beta-9 is known here; there are: alpha-1"),
        (["--from", "yesterday"], 2, "is no time"),
    ],
)
async def test_what_cannot_be_shown_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await remember(unit.history, 1)
    try:
        ended, _, err = await run(capsys, "--state", str(tmp_path), *arguments)
    except SystemExit as stop:
        ended, err = int(str(stop.code)), capsys.readouterr().err
    assert (ended, words in err) == (code, True)


async def test_without_a_history_or_rules_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = await run(capsys, "--state", str(tmp_path))
    assert (code, "there is no such file: no gateway has run here yet" in err) == (7, True)
    code, _, err = await run(
        capsys, "--state", str(tmp_path), "--verify", "--config", str(tmp_path / "none.toml")
    )
    assert (code, "--verify needs the rules of the configuration" in err) == (2, True)
