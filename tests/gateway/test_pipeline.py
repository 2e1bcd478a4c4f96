"""What was measured is signed once, whatever happens to the process, the disk and the clock in between."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.bodies import firmware_text
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.sample_queue import GROUP_BYTES, flush_is_due
from doxedge.gateway.unit_memory import UnitMemory, write_memory
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.samples import SampleSettings
from tests.gateway.unit_bench import GRAMS_PER_HOUR, PERIOD_MS, bench, plan
from tests.ledger.channels import START_MS

HOUR_FIELDS = (
    "unit", "start_ms", "rule_set", "operating_percent", "nox_g", "energy_wh", "quality", "clause", "method_code",
    "minutes_valid", "samples", "samples_root", "profile_hash", "rules_hash", "clock_state", "clock_offset_ms",
    "boot_id", "firmware", "recipe",
)  # fmt: skip


def named(body: list[object]) -> dict[str, object]:
    return dict(zip(HOUR_FIELDS, body, strict=True))


async def test_an_hour_of_samples_becomes_one_signed_hour_under_the_root_of_its_samples(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(62)
        (hour,) = [named(list(body)) for body in await unit.hours()]
        assert hour["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-4)
        assert (hour["start_ms"], hour["quality"], hour["operating_percent"]) == (START_MS, "valid", 100)
        assert hour["energy_wh"] == pytest.approx(50_000_000, rel=0.01)
        assert hour["recipe"] == ["moisture_percent:default"]
        assert hour["samples"] == 3 * 360 + 60
        assert hour["profile_hash"] == unit.planned.profile_hash
        assert await unit.samples.check_hour("alpha-1", START_MS) is True
        root = await unit.samples.hour_root("alpha-1", unit.planned.devices, START_MS)
        assert (hour["samples"], hour["samples_root"]) == (root.samples, root.root)
        assert await unit.outbox.verify_chain() == []


async def test_a_start_is_signed_before_the_first_hour(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(1)
        ((kind, body),) = await unit.said()
        assert (kind, body[:2]) == ("event", ["alpha-1", "gateway.start"])
        assert str(body[3]).startswith(f"{firmware_text()}, boot ")


@pytest.mark.parametrize("minute", [1, 17, 59, 60, 61])
async def test_a_restart_in_mid_hour_loses_and_doubles_nothing(tmp_path: Path, minute: int) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(minute)
        clock = unit.clock
    async with bench(tmp_path, clock=clock) as unit:
        await unit.measure(130 - minute)
        hours = [named(list(body)) for body in await unit.hours()]
        assert [hour["start_ms"] for hour in hours] == [START_MS, START_MS + HOUR_MS]
        for hour in hours:
            assert hour["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-4)
            assert hour["quality"] == "valid"
            assert hour["samples"] == 3 * 360 + 60
            assert hour["energy_wh"] == pytest.approx(50_000_000, rel=0.01)


async def test_a_memory_that_was_not_written_makes_the_same_hour_again_and_stores_it_once(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(50)
        clock, before = unit.clock, (tmp_path / "alpha-1.memory.json").read_text()
        await unit.measure(15)
        (first,) = await unit.hours()
    (tmp_path / "alpha-1.memory.json").write_text(before)
    async with bench(tmp_path, clock=clock) as unit:
        await unit.measure(2)
        assert await unit.hours() == [first]
        assert json.loads((tmp_path / "alpha-1.memory.json").read_text())["carry"]["next_start_ms"] > START_MS


async def test_a_changed_configuration_is_signed_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(1)
        clock = unit.clock
    async with bench(tmp_path, clock=clock) as unit:
        await unit.measure(1)
        clock = unit.clock
    changed = plan(lines="coverage_percent = 80")
    async with bench(tmp_path, clock=clock, planned=changed) as unit:
        await unit.measure(1)
        clock = unit.clock
    async with bench(tmp_path, clock=clock, planned=changed) as unit:
        await unit.measure(1)
        codes = [body[1] for _, body in await unit.said()]
        assert codes == [
            "gateway.start", "gateway.start", "gateway.start", "rules.changed", "gateway.start",
        ]  # fmt: skip
        text = str((await unit.said())[3][1][3])
        assert changed.rules_hash.hex() in text
        assert plan().rules_hash.hex() in text


async def test_an_analyser_that_is_away_makes_a_gap_that_says_so_and_no_mass(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(60, nox_ppm=None)
        await unit.measure(62)
        said = [(kind, body) for kind, body in await unit.said() if kind != "event"]
        assert [kind for kind, _ in said] == ["gap", "hour"]
        assert said[0][1] == [
            "alpha-1",
            START_MS,
            START_MS + HOUR_MS,
            "too_few_points:nox_ppb:comms; 60.13(h)(2)(i)",
        ]


async def test_a_gateway_that_was_away_states_the_time_as_gaps_without_a_hole(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(62)
        clock = unit.clock
    clock.run_to(START_MS + 6 * HOUR_MS)
    async with bench(tmp_path, clock=clock) as unit:
        await unit.measure(62)
        said = [(kind, body) for kind, body in await unit.said() if kind != "event"]
        # Of the second hour two minutes were sampled, of the others nothing; the sixth was still open at the start.
        assert [(kind, body[1]) for kind, body in said] == [
            ("hour", START_MS),
            ("gap", START_MS + HOUR_MS),
            ("gap", START_MS + 2 * HOUR_MS),
            ("gap", START_MS + 5 * HOUR_MS),
            ("hour", START_MS + 6 * HOUR_MS),
        ]
        ends = [body[2] for kind, body in said if kind == "gap"]
        assert ends == [START_MS + hours * HOUR_MS for hours in (2, 5, 6)]
        assert [body[3] for kind, body in said if kind == "gap"] == [
            "too_few_points; 60.13(h)(2)(i)", "no_data", "no_data",
        ]  # fmt: skip


async def test_a_cold_stack_is_no_gap(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(62, power_w=0)
        (hour,) = [named(list(body)) for body in await unit.hours()]
        assert (hour["nox_g"], hour["operating_percent"], hour["clause"]) == (0, 0, "not operating")


async def test_late_samples_make_a_revision_that_names_the_first_statement(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        for minute in range(66):
            if not 20 <= minute < 25:
                await unit.measure(1)
                continue
            unit.clock.run_to(unit.clock.at_ms + MINUTE_MS)
        (first,) = [entry for entry in await unit.entries() if entry.kind == "hour"]
        now_ms = unit.clock.at_ms
        for at_ms in range(START_MS + 20 * MINUTE_MS, START_MS + 25 * MINUTE_MS, PERIOD_MS):
            unit.poll(at_ms, nox_ppm=Decimal(200))
        unit.clock.run_to(now_ms)
        await unit.measure(4)
        (revised,) = [body for kind, body in await unit.said() if kind == "hour.revise"]
        hour = named(list(revised[2]))  # type: ignore[arg-type]
        assert revised[0] == first.record_id
        assert hour["samples"] == 3 * 360 + 60
        assert hour["quality"] == "valid"
        assert hour["nox_g"] == pytest.approx(GRAMS_PER_HOUR * 65 / 60, rel=0.01)


async def test_the_state_of_the_clock_is_in_the_hour(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        unit.reading = ClockReading("unsynchronised", 1_500)
        await unit.measure(62)
        (hour,) = [named(list(body)) for body in await unit.hours()]
        assert (hour["clock_state"], hour["clock_offset_ms"]) == ("unsynchronised", 1_500)


async def test_a_clock_that_leaps_beyond_belief_signs_nothing_until_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(10)
        right_ms = unit.clock.at_ms
        unit.clock.at_ms += 3 * 365 * 24 * HOUR_MS
        unit.reading = ClockReading("unsynchronised", 0)
        for _ in range(5):
            unit.clock.at_s += 300
            await unit.pipeline.close_hours()
        assert await unit.hours() == []
        assert caplog.text.count("correct the clock") == 1
        unit.clock.at_ms = right_ms
        await unit.measure(52)
        (hour,) = [named(list(body)) for body in await unit.hours()]
        assert hour["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-4)


async def test_nothing_is_signed_before_the_numbering_is_agreed_and_nothing_is_lost_by_waiting(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, begun=False) as unit:
        await unit.measure(130)
        assert await unit.entries() == []
        clock = unit.clock
    async with bench(tmp_path, clock=clock, begun=False) as unit:
        await unit.measure(1)
        await unit.outbox.begin(*unit.key, seq=41, prev=b"p" * 32)
        unit.pipeline.desk.numbered = True
        await unit.measure(1)
        assert [named(list(body))["start_ms"] for body in await unit.hours()] == [
            START_MS,
            START_MS + HOUR_MS,
        ]
        assert [entry.seq for entry in await unit.entries()] == [42, 43, 44]


async def test_samples_that_are_given_up_for_room_are_told_of_once_an_hour(tmp_path: Path) -> None:
    settings = SampleSettings(bytes_max=80_000, free_floor_bytes=0)
    async with bench(tmp_path, sample_settings=settings) as unit:
        await unit.measure(190)
        events = [
            body for kind, body in await unit.said() if kind == "event" and body[1] == "samples.dropped"
        ]
        assert 2 <= len(events) <= 4
        assert "raw samples up to" in str(events[-1][3])
        assert len(await unit.hours()) == 3


async def test_the_live_value_is_the_latest_of_every_quantity(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(30)
        live = unit.pipeline.live()
        assert live["hour_start_ms"] == START_MS
        assert live["quality"] == "uncertain"  # the moisture is a configured constant
        assert live["minutes_valid"] == 30
        assert live["nox_g_running"] == pytest.approx(GRAMS_PER_HOUR / 2, rel=0.01)
        assert json.loads(json.dumps(live)) == live
        unit.poll(unit.clock.at_ms, nox_ppm=None)
        live = unit.pipeline.live()
        assert (live["quality"], live["values"]["nox_ppb"]) == ("bad", None)  # type: ignore[index]


async def test_two_that_close_at_the_same_time_never_remember_an_hour_that_is_not_signed_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Duty (2): the memory that is on the disk is at every write no further than the outbox."""
    async with bench(tmp_path) as unit:
        await unit.measure(60)
        unit.clock.run_to(unit.clock.at_ms + 2 * MINUTE_MS)
        unit.poll(unit.clock.at_ms)  # so that the hour's samples have to be written before it is signed
        remembered_ms: list[tuple[int, int]] = []

        def watched(path: Path, memory: UnitMemory) -> None:
            with closing(sqlite3.connect(tmp_path / "outbox.db")) as outbox:
                (signed,) = outbox.execute("SELECT count(*) FROM entry WHERE kind = 'hour'").fetchone()
            remembered_ms.append((memory.carry.next_start_ms, signed))
            write_memory(path, memory)

        monkeypatch.setattr("doxedge.gateway.pipeline.write_memory", watched)
        await asyncio.gather(*(unit.pipeline.close_hours() for _ in range(3)))
        assert len(await unit.hours()) == 1
    assert remembered_ms
    assert [(START_MS + signed * HOUR_MS, signed) for _, signed in remembered_ms] == remembered_ms


async def test_samples_wait_for_company_and_an_hour_that_closes_does_not(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        unit.poll(START_MS)
        assert unit.pipeline.queued_bytes > 0
        assert await unit.samples.between(START_MS, START_MS + HOUR_MS) == []
        assert await unit.pipeline.flush() > 0
        assert unit.pipeline.queued_bytes == 0


@pytest.mark.parametrize(
    ("waited_s", "queued_bytes", "due"),
    [(0.2, 0, False), (9.8, 500, False), (10.0, 0, True), (0.2, GROUP_BYTES, True)],
)
def test_samples_are_written_after_a_while_or_when_they_are_many(
    waited_s: float, queued_bytes: int, due: bool
) -> None:
    assert flush_is_due(waited_s=waited_s, patience_s=10.0, queued_bytes=queued_bytes) is due
