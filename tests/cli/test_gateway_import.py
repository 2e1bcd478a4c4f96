"""A plant brings the hours that another system measured: whole or not at all, told to the regulator, and named."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.gateway_import import FILE_BYTES_MAX, PROGRESS_STEP_LINES, with_progress
from doxedge.cli.main import main
from doxedge.gateway.record_desk import RecordDesk
from doxedge.quantity import HOUR_MS
from doxedge.store import look
from tests.cli.test_gateway_hours import configured
from tests.gateway.missing_hours import PART75, RATE, planned, statements
from tests.gateway.other_system import CALLED, GRAMS, Hour, text
from tests.gateway.stack_bench import shared_text
from tests.gateway.test_missing_data_restart import PowerCut, cut_after
from tests.gateway.unit_bench import bench
from tests.ledger.channels import START_MS

GOOD = Hour()
SUBSTITUTED = Hour(flag="3")


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A gateway that ran and measured nothing yet: its folder is there."""

    async def once() -> None:
        async with bench(tmp_path / "gateway", planned=planned()):
            pass

    asyncio.run(once())
    return configured(tmp_path)


async def run(
    capsys: pytest.CaptureFixture[str], config: str, file: Path, *more: str
) -> tuple[int, str, str]:
    """Exit code and what was said."""
    capsys.readouterr()
    words = f"--unit alpha-1 --called {CALLED} --utc-offset -5 --name Ada --reason change".split()
    argv = ["gateway", "hours", "import", str(file), *words, "--config", config, *more]
    try:
        code = await asyncio.to_thread(main, argv)
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr()
    return code, said.out, said.err


async def verified(
    capsys: pytest.CaptureFixture[str], config: str, *more: str
) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    argv = ["gateway", "hours", "--config", config, "--verify", "--output", "json", *more]
    code = await asyncio.to_thread(main, argv)
    return code, json.loads(capsys.readouterr().out)["hours"]


def write(folder: Path, hours: Iterable[Hour], *, end_ms: int = START_MS, name: str = "hours.csv") -> Path:
    path = folder / name
    path.write_text(text(hours, end_ms=end_ms), encoding="utf-8")
    return path


def source(file: Path) -> str:
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()}:-5"


async def test_what_follows_looks_back_on_the_hours_and_the_regulator_knows_before(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, [*[GOOD] * 2_900, *[SUBSTITUTED] * 100])
    code, out, _ = await run(capsys, config, file)
    assert code == 0
    assert out.splitlines()[-1].startswith("taken: start the gateway")
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await unit.measure(60, nox_ppm=None)
        await unit.measure(62)
        said = await unit.said()
        (event,) = [body for kind, body in said if kind == "event" and body[1] == "history.imported"]
        assert event[0] == "alpha-1"
        assert f"file {source(file)}, in it {CALLED}" in str(event[3])
        assert "3000 operated, 2900 of them quality-assured" in str(event[3])
        assert str(event[3]).endswith(": change")
        assert said.index(("event", event)) < [kind for kind, _ in said].index("hour")
        last = [
            body
            for kind, body in await statements(unit)
            if kind != "gap" and body["quality"] == "substituted"
        ]
        # A gap of 101 hours in 96.6 % of availability: of 2,160 equal hours the 90th percentile is one of them.
        assert (last[-1]["nox_g"], last[-1]["method_code"]) == (RATE, "08")
        recipe = last[-1]["recipe"]
        assert recipe[4] == [2_900, 3_001, 966]
        # When the gap ended mass and method were the same, so nothing was revised.
        assert recipe[5] == [START_MS - 100 * HOUR_MS, START_MS, 101, False]
        assert recipe[10] == [f"history:imported:{source(file)}"]
        assert unit.pipeline.missing_data.outlook is not None
    code, hours = await verified(capsys, config)
    told = [(hour["what"], hour["verdict"]) for hour in hours[-4:]]
    assert (code, told) == (
        0, [("missing", None), ("missing", None), ("substituted", "proved"), ("measured", None)],
    )  # fmt: skip
    assert hours[0]["from_file"] == source(file)


async def test_a_substitute_on_a_file_that_was_replaced_is_still_proved_and_one_on_a_lost_file_differs(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await run(capsys, config, write(tmp_path, [GOOD] * 3_000)))[0] == 0
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await unit.measure(60, nox_ppm=None)
        await unit.measure(62)
    second = write(tmp_path, [Hour(load_mw=40)] * 3_000, name="second.csv")
    assert (await run(capsys, config, second, "--replace"))[0] == 0
    code, hours = await verified(capsys, config)
    assert (code, hours[-2]["verdict"]) == (0, "proved")
    (tmp_path / "gateway" / "hours.db").unlink()
    async with bench(tmp_path / "gateway", planned=planned(), clock=unit.clock):
        pass
    code, hours = await verified(capsys, config)
    assert (code, hours[-2]["verdict"]) == (6, "differs")
    assert (
        hours[-2]["recomputed"] == "it rests on a file that was imported and is not in the history any more"
    )
    # The same files bring it back: the history that was made again from the outbox does not mind.
    assert (await run(capsys, config, tmp_path / "hours.csv"))[0] == 0
    code, hours = await verified(capsys, config)
    assert (code, hours[-2]["verdict"]) == (0, "proved")


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_a_power_cut_leaves_the_event_signed_once(
    tmp_path: Path,
    config: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    assert (await run(capsys, config, write(tmp_path, [GOOD] * 30)))[0] == 0
    with monkeypatch.context() as patch:
        cut_after(patch, RecordDesk, "_keep", call)
        with pytest.raises(PowerCut):
            async with bench(tmp_path / "gateway", planned=planned()) as unit:
                await unit.measure(62)
    for _ in range(2):
        async with bench(tmp_path / "gateway", planned=planned()) as unit:
            await unit.measure(62)
            said = [body[1] for kind, body in await unit.said() if kind == "event"]
            assert said.count("history.imported") == 1
            # Also when the outbox has let the event go.
            assert await unit.pipeline.missing_data.untold() == []
    (file,) = look.imported_files(tmp_path / "gateway" / "hours.db", "alpha-1")
    assert file.is_told


async def test_a_check_shows_what_would_be_taken_also_beside_a_gateway_and_takes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    file = write(tmp_path, [GOOD, SUBSTITUTED, Hour(pounds=None, load_mw=-9), Hour(load_mw=-9)])
    async with bench(tmp_path / "gateway", planned=planned()):
        code, out, _ = await run(capsys, config, file, "--check", "--output", "json")
        assert code == 0
        told = json.loads(out)
        assert told.pop("event").startswith("the history begins with hours of another system")
        assert told == {
            "schema": "doxedge.gateway.hours.import/1",
            "outcome": "would be taken",
            "unit": "alpha-1",
            "called": CALLED,
            "source": source(file),
            "from_ms": START_MS - 4 * HOUR_MS,
            "to_ms": START_MS,
            "hours": 4,
            "operating_hours": 4,
            "quality_assured_hours": 2,
            "without_load_hours": 1,
            "nox_g": 2 * GRAMS,
            "availability_percent": "50.0",
            "own_from_ms": START_MS,
            "replaces": [],
        }
        code, out, _ = await run(capsys, config, file, "--check")
        assert (code, "nothing is wrong with it" in out) == (0, True)
        code, _, err = await run(capsys, config, file)
        assert code == 1
        assert "the gateway runs, and keeps its history to itself; stop it, import, and start it again" in err
    assert look.imported_files(tmp_path / "gateway" / "hours.db", "alpha-1") == []


async def test_hours_of_a_file_are_shown_before_the_gateway_has_any_of_its_own(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, [GOOD, SUBSTITUTED, Hour(pounds=Decimal(0), optime="0")])
    assert (await run(capsys, config, file))[0] == 0
    code, hours = await verified(capsys, config)
    told = [(hour["what"], hour["nox_g"]) for hour in hours]
    assert (code, told) == (0, [("imported", GRAMS), ("missing", None), ("off", 0)])
    assert {(hour["from_file"], hour["verdict"]) for hour in hours} == {(source(file), None)}
    code, hours = await verified(capsys, config, "--substituted")
    assert (code, [hour["what"] for hour in hours]) == (0, ["missing"])


async def test_the_same_file_changes_nothing_and_another_needs_the_word(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "gateway" / "hours.db"
    file, other = write(tmp_path, [GOOD] * 30), write(tmp_path, [GOOD] * 29, name="other.csv")
    assert (await run(capsys, config, file))[0] == 0
    before = look.imported_files(store, "alpha-1")
    code, out, _ = await run(capsys, config, file)
    assert (code, out.splitlines()[-1]) == (0, "there already: nothing is changed")
    assert look.imported_files(store, "alpha-1") == before
    code, _, err = await run(capsys, config, other)
    assert code == 1
    assert f"hours of this file were imported already, from the file {source(file)}; with --replace" in err
    code, out, _ = await run(capsys, config, other, "--replace", "--output", "json")
    told = json.loads(out)
    assert (code, told["replaces"]) == (0, [source(file)])
    assert f"it takes the place of the file {source(file)}" in told["event"]
    assert [file.is_replaced for file in look.imported_files(store, "alpha-1")] == [True, False]
    # The same hours placed elsewhere are another import.
    code, _, err = await run(capsys, config, other, "--utc-offset", "-6")
    assert (code, "the hour ends after the first hour of the gateway itself began" in err) == (6, True)
    code, _, err = await run(capsys, config, other, "--utc-offset", "-4")
    assert (code, "with --replace" in err) == (1, True)


async def test_an_hour_that_was_altered_after_the_import_is_found_by_the_file(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, [GOOD] * 3)
    assert (await run(capsys, config, file))[0] == 0
    with closing(sqlite3.connect(tmp_path / "gateway" / "hours.db")) as history, history:
        history.execute("UPDATE imported_hour SET nox_g = 1 WHERE start_ms = ?", (START_MS - 2 * HOUR_MS,))
    code, _, err = await run(capsys, config, file, "--check")
    assert (code, "the history says otherwise of the hour 2025-12-31 22:00:00 UTC" in err) == (6, True)


async def test_files_follow_each_other_without_a_hole(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = write(tmp_path, [GOOD] * 10, name="c.csv")
    middle = write(tmp_path, [GOOD] * 10, end_ms=START_MS - 10 * HOUR_MS, name="b.csv")
    oldest = write(tmp_path, [GOOD] * 10, end_ms=START_MS - 20 * HOUR_MS, name="a.csv")
    assert (await run(capsys, config, newest))[0] == 0
    code, _, err = await run(capsys, config, oldest)
    assert (code, "10 hours are missing between this file and one that was imported before" in err) == (
        1,
        True,
    )
    assert (await run(capsys, config, middle))[0] == 0
    assert (await run(capsys, config, oldest))[0] == 0
    known = look.imported_hours(tmp_path / "gateway" / "hours.db", "alpha-1")
    assert [(hour.start_ms - START_MS) // HOUR_MS for hour in known] == [*range(-30, 0)]


async def test_no_more_than_sixteen_files_are_kept(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(16):
        file = write(tmp_path, [GOOD] * (n + 1), name=f"{n}.csv")
        assert (await run(capsys, config, file, "--replace"))[0] == 0
    code, _, err = await run(capsys, config, write(tmp_path, [GOOD] * 99), "--replace")
    assert (code, "at most 8 files count for a unit, and 16 are kept" in err) == (1, True)


async def test_hours_between_the_file_and_the_gateway_that_nobody_knows_are_told(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, [GOOD] * 10, end_ms=START_MS - 72 * HOUR_MS)
    code, out, _ = await run(capsys, config, file, "--output", "json")
    assert code == 0
    assert "nothing is known of the 72 hours from there to the gateway's first" in json.loads(out)["event"]


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (
            [GOOD, Hour(blrid="3")],
            "line 3, column BLRID: '703/3': another unit; only hours of 703/2BLR are taken",
        ),
        ([GOOD, Hour(optime="1.5")], "line 3, column OPTIME"),
        ([GOOD, Hour(load_mw=500)], "line 3, column GLOAD: '500': more than 200000000 W"),
        ([GOOD, Hour(flag="x")], "line 3, column NOXMMEASURE"),
        ([Hour(optime="0")], "line 2, column NOXMASS: '44.0925': a mass, and the unit did not run"),
    ],
)
async def test_a_file_that_is_off_in_one_place_is_refused_there_and_nothing_is_taken(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str], hours: list[Hour], words: str
) -> None:
    code, _, err = await run(capsys, config, write(tmp_path, hours))
    assert (code, words in err, "nothing is taken" in err) == (6, True, True)
    assert look.imported_files(tmp_path / "gateway" / "hours.db", "alpha-1") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"oris,location,date,hour,parameter,unadjusted,adjusted,modc\n", "ORISID"),
        (b"\xff\xfe", "not a text file in UTF-8"),
    ],
)
async def test_what_is_no_such_file_is_refused(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    file = tmp_path / "hours.csv"
    file.write_bytes(content)
    code, _, err = await run(capsys, config, file)
    assert (code, words in err) == (6, True)


async def test_a_file_without_end_is_refused(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hours.csv"
    with file.open("wb") as sparse:
        sparse.truncate(FILE_BYTES_MAX + 1)
    code, _, err = await run(capsys, config, file)
    assert (code, f"is longer than {FILE_BYTES_MAX} bytes" in err) == (6, True)


async def test_an_hour_of_the_gateways_own_time_is_refused(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what the outbox has, also where the history was lost."""
    async with bench(tmp_path / "gateway", planned=planned()) as unit:
        await unit.measure(62)
    (tmp_path / "gateway" / "hours.db").unlink()
    (tmp_path / "gateway" / "alpha-1.memory.json").unlink()
    code, _, err = await run(capsys, config, write(tmp_path, [GOOD] * 2, end_ms=START_MS + HOUR_MS))
    assert (code, "line 3, column HOUR: '2025-12-31 19'" in err) == (6, True)
    assert (await run(capsys, config, write(tmp_path, [GOOD] * 2)))[0] == 0


async def test_an_hour_that_is_not_over_is_refused(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gateway" / "alpha-1.memory.json").unlink()
    later_ms = 3_000_000_000_000  # the year 2065
    code, _, err = await run(capsys, config, write(tmp_path, [GOOD], end_ms=later_ms // HOUR_MS * HOUR_MS))
    assert (code, "the hour ends after now: leave it out" in err) == (6, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--unit", "beta-9"], 2, "no unit beta-9 is configured; there are: alpha-1"),
        (["--name", ""], 2, "--name is needed"),
        (["--reason", "a\x1b[31mb"], 2, "--reason has at most 500 printable signs"),
        (["--utc-offset", "5.5"], 2, "is no whole number of hours from -12 to 14"),
        (["--called", "703/3"], 6, "'703/2BLR': another unit; only hours of 703/3 are taken"),
        (["--state", "nowhere"], 7, "no gateway has run here; start it once"),
        (["--config", "none.toml"], 2, "the rules of the configuration are needed"),
    ],
)
async def test_what_cannot_be_taken_so_is_said(
    tmp_path: Path,
    config: str,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    ended, _, err = await run(capsys, config, write(tmp_path, [GOOD]), *arguments)
    assert (ended, words in err) == (code, True)


async def test_a_file_that_is_not_there_is_said(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = await run(capsys, config, tmp_path / "none.csv")
    assert (code, "none.csv cannot be read" in err) == (7, True)


async def test_hours_are_not_counted_twice(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(tmp_path, PART75 + "prior_operating_hours = 5_000\nprior_qa_hours = 5_000\n")
    file = write(tmp_path, [GOOD])
    code, _, err = await run(capsys, config, file)
    assert code == 1
    assert (
        "set prior_operating_hours and prior_qa_hours to 0; if they lie before it, say --prior-is-before"
        in err
    )
    assert (await run(capsys, config, file, "--prior-is-before"))[0] == 0


async def test_a_unit_that_shares_its_stack_takes_no_file(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared.toml"
    shared.write_text(shared_text(PART75, folder=str(tmp_path)), encoding="utf-8")
    code, _, err = await run(capsys, str(shared), write(tmp_path, [GOOD]))
    assert (code, "alpha-1 shares its stack" in err) == (1, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_only_the_services_user_imports(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.chown(tmp_path / "gateway", 12_345, 12_345)
    code, _, err = await run(capsys, config, write(tmp_path, [GOOD]))
    assert (code, "belongs to user 12345; run this as that user: sudo -u '#12345' doxedge ..." in err) == (
        4,
        True,
    )


def test_the_bar_leaves_out_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [str(n) for n in range(2 * PROGRESS_STEP_LINES + 1)]
    assert list(with_progress(lines)) == lines
    assert capsys.readouterr().out == ""
