"""Substitutes follow their gaps onto the ledger, once each, whatever happens in between."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.record_desk import RecordDesk
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.reception_desk import GRACE_MS, look_at
from doxedge.ledger.transaction import open_transaction
from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.substitute_recipe import gap_in, is_recipe
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.hours import HourStore
from doxedge.store.outbox import OutboxSettings
from tests.gateway.test_pipeline import named
from tests.gateway.unit_bench import GRAMS_PER_HOUR, PERIOD_MS, Bench, SetClock, bench, plan
from tests.ledger.channels import START_MS, TestChannel

MAXIMUM = 99_000
ROOM_BYTES = 4_096
"""A page of the outbox: some records."""
RATE = 20_000
PART75 = f"""
[unit.missing_data]
rules = "part75"
maximum_g_per_h = {MAXIMUM}
max_load_w = 100_000_000
"""


TWO_TIERS = """
[[unit.missing_data.tier]]
at_least_percent = 95
short_gap_hours = 1
short = { code = "11", statistic = "mean" }
long = { code = "08", statistic = "percentile", percent = 90, or_neighbours = true }
[[unit.missing_data.tier]]
at_least_percent = 0
long = { code = "12", statistic = "potential" }
"""


def planned() -> PlannedUnit:
    return plan(lines=PART75)


async def remember(store: HourStore, hours: int, *, g_per_h: int = RATE, load_w: int = 50_000_000) -> None:
    """So many good hours before the bench begins."""
    await store.begin("alpha-1", began_ms=START_MS - hours * HOUR_MS)
    rows = [
        KnownHour(START_MS - n * HOUR_MS, 100, g_per_h, load_w, True, "01", quality_assured=True)
        for n in range(hours, 0, -1)
    ]
    await store.put("alpha-1", rows, owed=False)


async def statements(unit: Bench) -> list[tuple[str, dict[str, Any]]]:
    """Kind and named body of gaps, hours and revisions, in order."""
    told: list[tuple[str, dict[str, Any]]] = []
    for kind, body in await unit.said():
        if kind == "gap":
            told.append((kind, {"start_ms": body[1], "to_ms": body[2]}))
        elif kind in ("hour", "hour.revise"):
            hour: Any = body if kind == "hour" else body[2]
            reason = None if kind == "hour" else body[1]
            told.append((kind, {**named(list(hour)), "reason": reason}))
    return told


def brief(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[Any, ...]]:
    return [
        (
            kind,
            (body["start_ms"] - START_MS) // HOUR_MS,
            body.get("quality"),
            body.get("method_code"),
            body.get("nox_g"),
        )
        for kind, body in told
    ]


async def test_a_gap_is_stated_first_and_its_substitute_follows_with_a_recipe(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62, nox_ppm=None)
        told = await statements(unit)
        assert brief(told) == [("gap", 0, None, None, None), ("hour", 0, "substituted", "11", RATE)]
        hour = told[1][1]
        assert (hour["clause"], hour["rule_set"], hour["operating_percent"]) == (
            "40 CFR 75.33",
            "us60/1",
            100,
        )
        assert hour["samples"] == 3 * 360 + 60  # what is there of the hour is still under its root
        recipe = hour["recipe"]
        assert is_recipe(recipe)
        assert recipe[1:4] == [
            "availability of at least 95 %, gap of at most 24 operating hours",
            "mean",
            RATE,
        ]
        assert recipe[4] == [3_000, 3_001, 1_000]
        assert recipe[5] == [START_MS, START_MS, 1, False]
        assert recipe[6] == [recipe[6][0], 100_000_000, 5, 10]
        assert recipe[7][:5] == [5, "in-range", 2_160, 2_160, START_MS - 2_160 * HOUR_MS]
        assert recipe[7][5:] == [START_MS - HOUR_MS, "mean", None, None, 2_160 * RATE, RATE]
        assert recipe[8:] == [None, None, []]
        assert await unit.outbox.verify_chain() == []


async def test_without_rules_a_gap_stays_a_gap_and_its_hours_are_remembered(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(62, nox_ppm=None)
        await unit.measure(60)
        assert [kind for kind, _ in await statements(unit)] == ["gap", "hour"]
        known = await unit.history.history("alpha-1", from_ms=0)
        assert [(hour.start_ms, hour.quality_assured) for hour in known] == [
            (START_MS, False), (START_MS + HOUR_MS, True),
        ]  # fmt: skip
        assert await unit.history.open_hours("alpha-1") == []


async def test_a_monitor_that_measured_nothing_yet_has_its_maximum(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await unit.measure(62, nox_ppm=None)
        (_, hour) = await statements(unit)
        assert (hour[1]["method_code"], hour[1]["nox_g"], hour[1]["clause"]) == (
            "07",
            MAXIMUM,
            "40 CFR 75.31",
        )
        assert hour[1]["recipe"][9] == MAXIMUM


async def test_hours_in_which_the_unit_does_not_run_need_no_substitute(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await unit.measure(62, nox_ppm=None, power_w=0)
        assert brief(await statements(unit)) == [("hour", 0, "valid", "01", 0)]


async def test_what_a_longer_gap_would_change_is_revised_when_it_has_ended(tmp_path: Path) -> None:
    """With a long gap of more than one hour: the first hour was provisional and becomes the 90th percentile."""
    async with bench(tmp_path, planned=plan(lines=PART75 + TWO_TIERS)) as unit:
        await remember(unit.history, 3_000)
        await remember(unit.history, 400, g_per_h=RATE * 2)
        await unit.measure(120, nox_ppm=None)
        await unit.measure(62, nox_ppm=Decimal(300))
        told = await statements(unit)
        mean = (1_760 * RATE + 400 * 2 * RATE + 1_080) // 2_160
        assert brief(told)[:4] == [
            ("gap", 0, None, None, None),
            ("hour", 0, "substituted", "11", mean),
            ("gap", 1, None, None, None),
            ("hour", 1, "substituted", "08", 2 * RATE),
        ]
        measured = round(GRAMS_PER_HOUR * 3)
        assert [line[:4] for line in brief(told)[4:]] == [
            ("hour", 2, "valid", "01"),
            ("hour.revise", 0, "substituted", "08"),
        ]
        assert told[4][1]["nox_g"] == pytest.approx(measured, rel=1e-3)
        revised = told[5][1]
        assert revised["reason"] == "gap ended"
        gap = gap_in(revised["recipe"])
        assert gap is not None
        assert (gap.operating_hours, gap.ended) == (2, True)
        # The greater of the percentile (2 x RATE) and the mean of both neighbours.
        assert revised["nox_g"] == max(2 * RATE, (2 * RATE + told[4][1]["nox_g"] + 1) // 2)
        assert [
            stored.is_open for stored in await unit.history.between("alpha-1", from_ms=START_MS, to_ms=2**60)
        ] == [False] * 3


async def test_late_samples_revise_the_substitute_and_say_that_they_came_late(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62, nox_ppm=None)
        now_ms = unit.clock.at_ms
        for at_ms in range(START_MS, START_MS + HOUR_MS, PERIOD_MS):
            unit.poll(at_ms + 1)
        unit.clock.run_to(now_ms)
        await unit.measure(5)
        told = await statements(unit)
        assert [line[:4] for line in brief(told)] == [
            ("gap", 0, None, None),
            ("hour", 0, "substituted", "11"),
            ("hour.revise", 0, "valid", "01"),
        ]
        revised = told[2][1]
        assert revised["reason"] == "late samples"
        assert "hour:backfilled" in revised["recipe"]
        assert revised["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-3)
        (stored,) = await unit.history.between("alpha-1", from_ms=START_MS, to_ms=START_MS + 1)
        assert (stored.known.quality_assured, stored.stated, stored.is_open) == (True, None, False)


class PowerCut(BaseException):
    """The process is gone."""


def cut_after(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int) -> None:
    """Power fails right after the n-th call of a method has done its work."""
    whole, calls = getattr(owner, name), 0

    async def once(self: object, *args: object, **kwargs: object) -> object:
        nonlocal calls
        done = await whole(self, *args, **kwargs)
        calls += 1
        if calls == call:
            raise PowerCut
        return done

    monkeypatch.setattr(owner, name, once)


async def run(folder: Path, plant: PlannedUnit, clock: SetClock, course: list[Decimal | None]) -> None:
    """A gateway that measures minute by minute, as long as it has power."""
    async with bench(folder, planned=plant, clock=clock) as unit:
        while course:
            await unit.measure(1, nox_ppm=course.pop(0))


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        *((RecordDesk, "_keep", call) for call in (2, 3, 4, 5, 6)),
        *((HourStore, "put", call) for call in (1, 2, 3)),
        *((HourStore, "note_statement", call) for call in (1, 2)),
        *((HourStore, "settle", call) for call in (1, 5)),
    ],
)
async def test_a_power_cut_between_any_two_writes_leaves_nothing_out_and_says_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int
) -> None:
    """Two gap hours, two good ones; the power fails once, somewhere."""
    plant = planned()
    async with bench(tmp_path, planned=plant) as unit:
        await remember(unit.history, 3_000)
        clock = unit.clock
    course: list[Decimal | None] = [*[None] * 120, *[Decimal(100)] * 125]
    with monkeypatch.context() as patch:
        cut_after(patch, owner, name, call)
        with pytest.raises(PowerCut):
            await run(tmp_path, plant, clock, course)
    async with bench(tmp_path, planned=plant, clock=clock) as unit:
        for nox_ppm in course:
            await unit.measure(1, nox_ppm=nox_ppm)
        await unit.measure(3)
        told = await statements(unit)
        assert [line[:4] for line in brief(told)] == [
            ("gap", 0, None, None),
            ("hour", 0, "substituted", "11"),
            ("gap", 1, None, None),
            ("hour", 1, "substituted", "11"),
            ("hour", 2, "valid", "01"),
            ("hour", 3, "valid", "01"),
        ]
        assert await unit.history.open_hours("alpha-1") == []
        assert await unit.outbox.verify_chain() == []
        hours = await unit.history.between("alpha-1", from_ms=START_MS, to_ms=2**60)
        assert [(stored.known.quality_assured, stored.statements) for stored in hours] == [
            (False, 1), (False, 1), (True, 0), (True, 0),
        ]  # fmt: skip


async def test_a_gateway_that_was_away_states_a_substitute_for_every_hour_of_the_gap(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62)
        clock = unit.clock
    clock.run_to(START_MS + 6 * HOUR_MS)
    async with bench(tmp_path, clock=clock, planned=planned()) as unit:
        await unit.measure(62)
        told = await statements(unit)
        kinds = [(kind, (body["start_ms"] - START_MS) // HOUR_MS) for kind, body in told]
        assert kinds == [
            ("hour", 0), ("gap", 1), ("gap", 2), ("hour", 1), ("hour", 2), ("hour", 3), ("hour", 4),
            ("gap", 5), ("hour", 5), ("hour", 6),
        ]  # fmt: skip
        silent = told[4][1]
        assert (silent["quality"], silent["operating_percent"]) == ("substituted", 100)
        assert silent["recipe"][6] is None  # nobody knows the load, so hours of every load are looked at
        assert silent["recipe"][7][0] == 0
        assert "operating_percent:assumed" in silent["recipe"][10]


async def test_a_measurement_that_meets_a_substitute_after_a_restart_revises_it(tmp_path: Path) -> None:
    """Late samples were on the disk when power failed, and the memory did not know yet that the hour was closed."""
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(59, nox_ppm=None)
        before = (tmp_path / "alpha-1.memory.json").read_text()
        await unit.measure(3, nox_ppm=None)
        for at_ms in range(START_MS, START_MS + HOUR_MS, PERIOD_MS):
            unit.poll(at_ms + 1)
        await unit.pipeline.flush()
        clock = unit.clock
    (tmp_path / "alpha-1.memory.json").write_text(before)
    for _ in range(2):
        async with bench(tmp_path, planned=planned(), clock=clock) as unit:
            await unit.measure(2)
            told = await statements(unit)
            assert [line[:4] for line in brief(told)] == [
                ("gap", 0, None, None),
                ("hour", 0, "substituted", "11"),
                ("hour.revise", 0, "valid", "01"),
            ]
            assert "hour:backfilled" in told[2][1]["recipe"]
            assert told[2][1]["samples"] > told[1][1]["samples"]
        (tmp_path / "alpha-1.memory.json").write_text(before)


def lose(folder: Path) -> None:
    for part in folder.glob("hours.db*"):
        part.unlink()


async def test_a_history_that_is_lost_is_made_again_from_the_outbox_and_said_so(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await unit.measure(60)
        await unit.measure(60, nox_ppm=None)
        await unit.measure(60)
        await unit.measure(62, nox_ppm=None)
        clock, before = unit.clock, await unit.history.between("alpha-1", from_ms=0, to_ms=2**60)
        told = await statements(unit)
    lose(tmp_path)
    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await unit.measure(1, nox_ppm=None)
        again = await unit.history.between("alpha-1", from_ms=0, to_ms=2**60)
        assert [(row.known, row.stated, row.statements, row.is_open) for row in again] == [
            (row.known, row.stated, row.statements, row.is_open) for row in before
        ]
        assert again[1].first_record == before[1].first_record
        (event,) = [
            body for kind, body in await unit.said() if kind == "event" and body[1] == "history.rebuilt"
        ]
        assert "begins anew with 4 hours" in str(event[3])
        await unit.measure(120)
        assert await statements(unit) == [*told, *(await statements(unit))[len(told) :]]
        assert [line[:4] for line in brief(await statements(unit))[len(told) :]] == [
            ("hour", 4, "extrapolated", "01"),
            ("hour", 5, "valid", "01"),
        ]
    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await unit.measure(1)
        assert [body[1] for kind, body in await unit.said() if kind == "event"].count("history.rebuilt") == 1


async def test_the_ledger_accepts_gap_substitute_revision_and_measurement_in_their_order(
    tmp_path: Path,
) -> None:
    channel = TestChannel.begin().with_units()
    author = channel.authors["alpha-1 device"]
    registered = plan(lines=PART75 + TWO_TIERS, channel=channel.chain.channel, source=author.source)
    async with bench(tmp_path, planned=registered) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(120, nox_ppm=None)
        await unit.measure(62, nox_ppm=Decimal(300))
        now_ms = unit.clock.at_ms
        for at_ms in range(START_MS + HOUR_MS, START_MS + 2 * HOUR_MS, PERIOD_MS):
            unit.poll(at_ms + 1)
        unit.clock.run_to(now_ms)
        await unit.measure(5)
        entries, end_ms = await unit.entries(), unit.clock.at_ms
        assert [line[1:4] for line in brief(await statements(unit))[5:]] == [
            (0, "substituted", "08"), (1, "substituted", "08"), (1, "valid", "01"), (0, "substituted", "11"),
        ]  # fmt: skip
    channel.now_ms = end_ms
    extension = channel.block(
        *(open_transaction(entry.envelope, channel=channel.chain.channel) for entry in entries)
    )
    kinds = [entry.kind for entry in entries if entry.kind != "event"]
    # Both hours of the gap when it ends; the late one, and the other since the gap is shorter now.
    assert kinds == ["gap", "hour", "gap", "hour", "hour", *["hour.revise"] * 4]
    assert {receipt.outcome for receipt in extension.execution.receipts} == {Outcome.ACCEPTED}
    row = look_at(channel.chain.state, "alpha-gw", now_ms=end_ms + GRACE_MS)
    assert row is not None
    assert (row.hours_due, row.hours_accepted, row.hours_substituted, row.hours_gap) == (3, 3, 1, 0)


async def test_an_hour_that_late_news_make_invalid_is_substituted_by_a_revision(tmp_path: Path) -> None:
    """A calibration that failed within the hour, told after it was closed."""
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62)
        unit.pipeline.calibration(START_MS + 59 * MINUTE_MS, passed=False)
        await unit.measure(70)
        told = await statements(unit)
        assert [line[:4] for line in brief(told)] == [
            ("hour", 0, "valid", "01"),
            ("hour.revise", 0, "substituted", "11"),
            ("hour", 1, "valid", "01"),
        ]
        assert (told[1][1]["reason"], told[1][1]["nox_g"]) == ("not quality-assured", RATE)
        codes = [body[1] for kind, body in await unit.said() if kind == "event"]
        assert "hour.doubtful" in codes
        assert await unit.history.open_hours("alpha-1") == []


async def test_a_gap_that_was_shorter_before_power_failed_is_stated_from_its_end_on(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(62)
        clock, before = unit.clock, (tmp_path / "alpha-1.memory.json").read_text()
    clock.run_to(START_MS + 4 * HOUR_MS + 5 * MINUTE_MS)
    async with bench(tmp_path, clock=clock, planned=planned()) as unit:
        await unit.pipeline.close_hours()
    (tmp_path / "alpha-1.memory.json").write_text(before)
    clock.run_to(START_MS + 6 * HOUR_MS + 5 * MINUTE_MS)
    async with bench(tmp_path, clock=clock, planned=planned()) as unit:
        await unit.pipeline.close_hours()
        gaps = [
            ((body["start_ms"] - START_MS) // HOUR_MS, (body["to_ms"] - START_MS) // HOUR_MS)
            for kind, body in await statements(unit)
            if kind == "gap"
        ]
        assert gaps == [(1, 2), (2, 4), (4, 6)]
        hours = [
            (body["start_ms"] - START_MS) // HOUR_MS
            for kind, body in await statements(unit)
            if kind == "hour"
        ]
        assert hours == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("room_bytes", [-1, 0, ROOM_BYTES])
async def test_what_the_outbox_has_no_room_for_is_stated_when_there_is_room_again(
    tmp_path: Path, room_bytes: int
) -> None:
    """The budget ends somewhere among the records of five missing hours; nothing is called closed before it is said."""
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await unit.measure(1)
        clock, size_bytes = unit.clock, (await unit.outbox.counts()).bytes
    room = OutboxSettings(bytes_max=size_bytes + room_bytes)
    async with bench(tmp_path, planned=planned(), clock=clock, outbox_settings=room) as unit:
        await unit.measure(305, nox_ppm=None)
        assert unit.pipeline.desk.waiting
        signed = len(await statements(unit))
        carry = json.loads((tmp_path / "alpha-1.memory.json").read_text())["carry"]
        assert carry["next_start_ms"] <= START_MS + (signed // 2) * HOUR_MS
    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await unit.measure(1, nox_ppm=None)
        told = brief(await statements(unit))
        assert sorted(line[1] for line in told if line[0] == "gap") == [0, 1, 2, 3, 4]
        assert sorted(line[1:4] for line in told if line[0] == "hour") == [
            (n, "substituted", "11") for n in range(5)
        ]
        assert await unit.outbox.verify_chain() == []
