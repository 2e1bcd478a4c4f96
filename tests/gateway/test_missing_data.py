"""Substitutes follow their gaps onto the ledger, once each, whatever happens in between."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.clock_state import ClockReading
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.reception_desk import GRACE_MS, look_at
from doxedge.ledger.transaction import open_transaction
from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.substitute_recipe import gap_in, is_recipe
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.hours import KEEP_HOURS
from tests.gateway.missing_hours import MAXIMUM, PART75, RATE, TWO_TIERS, brief, planned, remember, statements
from tests.gateway.unit_bench import GRAMS_PER_HOUR, PERIOD_MS, bench, plan
from tests.ledger.channels import START_MS, TestChannel


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
        unit.pipeline.calibration(START_MS + 59 * MINUTE_MS, passed=False, quantity="nox_ppb")
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


@pytest.mark.parametrize(("state", "kept"), [("unsynchronised", True), ("synchronised", False)])
async def test_hours_are_forgotten_for_their_age_by_a_sure_clock_only(
    tmp_path: Path, state: str, kept: bool
) -> None:
    async with bench(tmp_path) as unit:
        unit.reading = ClockReading(state, 0)
        old_ms = START_MS - (KEEP_HOURS + 1) * HOUR_MS
        await unit.history.begin("alpha-1", began_ms=old_ms)
        old = KnownHour(old_ms, 100, RATE, 50_000_000, True, "01", quality_assured=True)
        await unit.history.put("alpha-1", [old], owed=False)
        await unit.measure(62)
        starts = [hour.start_ms for hour in await unit.history.history("alpha-1", from_ms=0)]
        assert starts == ([old_ms] if kept else []) + [START_MS]
