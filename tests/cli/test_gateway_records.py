"""Gaps, events and alarms are read beside the gateway that writes them, and after it has stopped."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from doxedge.cli.gateway_folder import Section, length, printable, utc
from doxedge.cli.main import main
from doxedge.measurement.alarms import Acknowledgement, Sighting
from doxedge.quantity import HOUR_MS
from doxedge.store.alarms import AlarmStore
from tests.cli.plant_box import process
from tests.gateway.unit_bench import bench
from tests.ledger.channels import START_MS


async def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints; it must end well."""
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["gateway", *arguments]) == 0
    return capsys.readouterr().out


async def test_gaps_are_told_with_cause_and_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path / "gateway") as unit:
        assert "no gap is stated" in await said(capsys, "gaps", "--state", str(tmp_path))
        await unit.measure(62, nox_ppm=None)
        await unit.measure(60)
        told = json.loads(await said(capsys, "gaps", "--state", str(tmp_path), "--output", "json"))
        (gap,) = told["gaps"]
        assert told["schema"] == "doxedge.gateway.gaps/1"
        assert (gap["from_ms"], gap["to_ms"], gap["hours"]) == (START_MS, START_MS + HOUR_MS, 1)
        assert gap["cause"] == "too_few_points:nox_ppb:comms; 60.13(h)(2)(i)"
        assert (gap["state"], gap["hours_stated_after_all"]) == ("pending", 0)
        lines = (await said(capsys, "gaps", "--state", str(tmp_path))).splitlines()
        assert lines[0].split()[:3] == ["unit", "from", "to"]
        assert f"alpha-1  {utc(START_MS)}  {utc(START_MS + HOUR_MS)}  1 h " in lines[1]


async def test_events_are_told_in_order_and_are_readable_after_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path / "gateway") as unit:
        unit.pipeline.happened("clock.step", "the clock was set by 9 ms\x1b[2J")
        await unit.pipeline.close_hours()
        during = await said(capsys, "events", "--state", str(tmp_path), "--output", "jsonl")
    assert await said(capsys, "events", "--state", str(tmp_path), "--output", "jsonl") == during
    events = [json.loads(line) for line in during.splitlines()]
    assert [(event["code"], event["seq"], event["state"]) for event in events] == [
        ("gateway.start", 1, "pending"),
        ("clock.step", 2, "pending"),
    ]
    whole = json.loads(await said(capsys, "events", "--state", str(tmp_path), "--output", "json"))
    assert whole == {"schema": "doxedge.gateway.events/1", "events": events}
    endless = ["gateway", "events", "--state", str(tmp_path), "--output", "json", "--follow"]
    assert await asyncio.to_thread(main, endless) == 2
    assert "say --output jsonl" in capsys.readouterr().err
    table = await said(capsys, "events", "--state", str(tmp_path))
    assert "the clock was set by 9 ms?[2J" in table, "a terminal is not to obey an event"


async def test_following_prints_an_event_when_it_is_signed(tmp_path: Path) -> None:
    async with bench(tmp_path / "gateway") as unit:
        await unit.pipeline.close_hours()
        arguments = ["gateway", "events", "--state", str(tmp_path), "--output", "jsonl", "--follow"]
        async with process("doxedge", *arguments) as child, asyncio.timeout(60):
            assert child.stdout is not None
            assert json.loads(await child.stdout.readline())["code"] == "gateway.start"
            unit.pipeline.happened("clock.step", "the clock was set by 9 ms")
            await unit.pipeline.close_hours()
            assert json.loads(await child.stdout.readline())["code"] == "clock.step"


async def test_alarms_are_listed_until_they_are_over_and_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gateway"
    folder.mkdir()
    async with await AlarmStore.open(folder / "alarms.db", now_ms=0) as store:
        assert "no alarm" in await said(capsys, "alarms", "--state", str(tmp_path))
        away = Sighting("device.away", "alpha-1.flow", True, "comms: no answer")
        alarm = await store.raise_alarm(away, at_ms=START_MS)
        await store.clear_alarm(alarm.number, text="answers", at_ms=START_MS + 1_000)
        low = await store.raise_alarm(Sighting("disk.low", "", True, "3 MiB are free"), at_ms=START_MS)
        await store.clear_alarm(low.number, text="", at_ms=START_MS + 1_000)
        table = await said(capsys, "alarms", "--state", str(tmp_path))
        assert "device.away  alpha-1.flow" in table
        assert "nobody" in table
        assert "disk.low" not in table, "not latched: it is over"
        said_so = Acknowledgement("A. Person", "cable was loose", START_MS + 2_000, "operator")
        await store.acknowledge(alarm.number, said_so)
        assert "no alarm" in await said(capsys, "alarms", "--state", str(tmp_path))
        every = json.loads(
            await said(capsys, "alarms", "--all", "--state", str(tmp_path), "--output", "json")
        )
        assert [one["code"] for one in every["alarms"]] == ["device.away", "disk.low"]
        assert every["alarms"][0]["acknowledged"]["name"] == "A. Person"


@pytest.mark.parametrize(
    ("verb", "code"),
    [(["status"], 3), (["alarms"], 7), (["gaps"], 7), (["events"], 7)],
    ids=str,
)
def test_where_no_gateway_ever_ran_is_said(
    verb: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gateway", *verb, "--state", str(tmp_path)]) == code
    assert "doxedge: " in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [], "looking leaves nothing behind"


def test_a_wrong_file_names_the_other_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "status", "--config", str(tmp_path / "none.toml")]) == 2
    assert "--state" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (61_000, "1 min 1 s"),
        (HOUR_MS, "1 h"),
        (100_000_000, "1 d 3 h"),
        (86_400_000 + 5_000, "1 d 5 s"),
    ],
)
def test_a_length_of_time_in_words(ms: int, text: str) -> None:
    assert length(ms) == text


def test_a_pipe_gets_aligned_columns_without_control_characters() -> None:
    section = Section("T", ("one", "two"), [["a\x07", "b"], ["long one", "c"]], "nothing")
    assert section.lines() == ["one       two", "a?        b", "long one  c"]
    assert Section("T", ("one",), [], "nothing").lines() == ["nothing"]
    assert printable("é\n") == "é?"
