"""Units on one stack through what happens to a plant: checks with gas, another meter, another unit, a verifier."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.commission_hours import RawHour, make_again
from doxedge.gateway.meter_exchange import MeterExchange
from doxedge.gateway.unit_setup import SetupChange, setup_of
from doxedge.measurement.apportioning import By, stack_hour_in
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.signing import envelope
from doxedge.signing.record import decode_payload
from doxedge.store.hour_tree import leaf
from tests.gateway.calibrations import calibration_text
from tests.gateway.stack_bench import CHANNEL, OWNER, SHARER, SOURCES, StackBench, shared_plan, stack_bench
from tests.gateway.unit_bench import GRAMS_PER_HOUR
from tests.ledger.channels import START_MS

ALONE = "\n"


async def events(stack: StackBench, unit: str) -> list[str]:
    """Codes of the events that a unit has signed."""
    entries = await stack.equipment.outbox.pending(CHANNEL, SOURCES[unit], limit=1_000)
    records = [decode_payload(envelope.decode(entry.envelope).payload) for entry in entries]
    return [str(record.body[1]) for record in records if record.kind == "event"]


async def test_a_monitor_that_is_out_of_control_measures_for_nobody(tmp_path: Path) -> None:
    async with stack_bench(tmp_path, owner=calibration_text(lines="read_s = 120")) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=20_000_000)
        said = {unit: await stack.said(unit) for unit in (OWNER, SHARER)}
    for told in said.values():
        assert [(kind, body["cause"]) for kind, body in told] == [
            ("gap", "too_few_points:nox_ppb:out_of_control; 60.13(h)(2)(i)")
        ]


async def test_a_failed_check_is_of_the_hour_of_all(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(30, alpha_w=60_000_000, beta_w=20_000_000)
        stack.measuring.pipelines[OWNER].calibration(stack.clock.at_ms, passed=False, quantity="nox_ppb")
        await stack.measure(32, alpha_w=60_000_000, beta_w=20_000_000)
        causes = [[body["cause"] for _, body in await stack.said(unit)] for unit in (OWNER, SHARER)]
    assert causes == [["calibration_failed; 60.13(h)(2)(iv)"]] * 2


async def test_another_meter_is_of_one_unit_and_lies_under_the_root_of_both(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(30, alpha_w=60_000_000, beta_w=20_000_000)
        at_ms = stack.clock.at_ms - 1
        said = MeterExchange(
            SHARER,
            at_ms,
            Decimal(10_000_000),
            Decimal(10_000_000),
            "A. Person",
            "op",
            "worn",
            "ab" * 32,
            at_ms,
        )
        await stack.measuring.pipelines[SHARER].exchange_meter(said)
        await stack.measure(32, alpha_w=60_000_000, beta_w=20_000_000)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
        assert "meter.exchanged" in await events(stack, SHARER)
        assert "meter.exchanged" not in await events(stack, OWNER)
    assert (alpha["samples"], alpha["samples_root"]) == (beta["samples"], beta["samples_root"])
    assert alpha["samples"] == 4 * 120 + 60 + 1


async def test_a_verifier_makes_the_part_of_each_unit_again_from_the_samples(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(60, alpha_w=60_000_000, beta_w=20_000_000)
        await stack.measure(62, alpha_w=40_000_000, beta_w=0)
        samples = stack.equipment.samples
        for unit in (OWNER, SHARER):
            planned = stack.measuring.plan.unit(unit)
            assert planned is not None
            stated = await stack.hours(unit)
            raw = [
                RawHour(
                    body["start_ms"],
                    [leaf(row) for row in await samples.hour_samples(unit, body["start_ms"])],
                    body["clock_state"],
                    body["clock_offset_ms"],
                )
                for body in stated
            ]
            made = make_again(planned, raw)
            assert [one.hour and one.hour.nox_g for one in made] == [body["nox_g"] for body in stated]
            alone = [make_again(planned, [one])[0] for one in raw]
            assert [one.hour and one.hour.nox_g for one in alone] == [body["nox_g"] for body in stated], (
                "an hour needs no other for its weights"
            )
            head, first, *_ = made[0].sheet.decode().splitlines()
            columns = dict(zip(head.split(","), first.split(","), strict=True))
            assert columns[f"operating_s:{SHARER}"] == "60"
            assert float(columns[f"load_w:{OWNER}"]) == pytest.approx(60_000_000)


async def test_a_unit_that_comes_at_a_restart_shares_the_hour_that_runs(tmp_path: Path) -> None:
    async with stack_bench(tmp_path, sharer=ALONE) as stack:
        await stack.measure(40, alpha_w=60_000_000, beta_w=None)
        await stack.measuring.flush()
        clock = stack.clock
    async with stack_bench(tmp_path, clock=clock) as stack:
        await stack.measure(22, alpha_w=60_000_000, beta_w=20_000_000)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
    said = stack_hour_in(alpha["recipe"])
    assert said == stack_hour_in(beta["recipe"])
    assert said is not None
    assert said.nox_g == pytest.approx(GRAMS_PER_HOUR, rel=1e-3), "what the first had measured is not lost"
    assert alpha["nox_g"] + beta["nox_g"] == said.nox_g
    assert said.apportioning.by is By.LOAD
    assert alpha["samples_root"] == beta["samples_root"]


async def test_a_unit_that_goes_at_a_restart_has_its_part_of_the_hours_before(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(61, alpha_w=60_000_000, beta_w=20_000_000)
        assert await stack.hours(OWNER) == []
        await stack.measuring.flush()
        clock = stack.clock
    async with stack_bench(tmp_path, sharer=ALONE, clock=clock) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=None)
        alpha, beta = await stack.hours(OWNER), await stack.hours(SHARER)
        assert "measuring.ended" in await events(stack, SHARER)
    assert [body["start_ms"] for body in alpha] == [START_MS, START_MS + HOUR_MS]
    assert [body["start_ms"] for body in beta] == [START_MS]
    said = stack_hour_in(beta[0]["recipe"])
    assert said == stack_hour_in(alpha[0]["recipe"])
    assert said is not None
    assert alpha[0]["nox_g"] + beta[0]["nox_g"] == said.nox_g
    assert stack_hour_in(alpha[1]["recipe"]) is None
    assert alpha[1]["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-3)
    assert alpha[1]["start_ms"] + HOUR_MS + MINUTE_MS < clock.at_ms


async def test_other_rules_come_to_all_units_at_one_border(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(30, alpha_w=60_000_000, beta_w=20_000_000)
        other = shared_plan("mg_per_m3_per_ppm = 4.105")
        kept = frozenset(device for unit in other.units for device in unit.devices)
        for planned in other.units:
            change = SetupChange(setup_of(planned), START_MS + HOUR_MS, kept, ", approved")
            stack.measuring.pipelines[planned.table.name].change(change)
        await stack.measure(92, alpha_w=60_000_000, beta_w=20_000_000)
        hours = {unit: await stack.hours(unit) for unit in (OWNER, SHARER)}
        for unit in (OWNER, SHARER):
            assert (await events(stack, unit)).count("rules.changed") == 1
    for alpha, beta, factor in zip(hours[OWNER], hours[SHARER], (1, 2), strict=True):
        said = stack_hour_in(alpha["recipe"])
        assert said == stack_hour_in(beta["recipe"])
        assert said is not None
        assert said.nox_g == pytest.approx(factor * GRAMS_PER_HOUR, rel=1e-3)
        assert alpha["nox_g"] + beta["nox_g"] == said.nox_g
        assert alpha["rules_hash"] == beta["rules_hash"]


async def test_hours_without_a_sample_are_gaps_of_all_and_their_substitutes_are_divided_by_time(
    tmp_path: Path,
) -> None:
    rules = '[unit.missing_data]\nrules = "part75"\nmaximum_g_per_h = 30_001'
    async with stack_bench(tmp_path, owner=rules) as stack:
        stack.clock.run_to(START_MS + 2 * HOUR_MS)
        await stack.measure(62, alpha_w=60_000_000, beta_w=20_000_000)
        said = {unit: await stack.hours(unit) for unit in (OWNER, SHARER)}
    for hours in said.values():
        assert [hour["start_ms"] for hour in hours] == [START_MS + n * HOUR_MS for n in range(3)]
    for number in range(2):
        alpha, beta = (said[unit][number] for unit in (OWNER, SHARER))
        assert (alpha["quality"], alpha["nox_g"], beta["nox_g"]) == ("substituted", 15_001, 15_000)
        assert "apportioned_by:operating_time" in alpha["recipe"][-1]


async def test_a_power_cut_between_the_signatures_of_two_units_leaves_parts_of_one_mass(
    tmp_path: Path,
) -> None:
    async with stack_bench(tmp_path) as stack:
        stack.measuring.pipelines[SHARER].desk.numbered = False  # it signs nothing
        await stack.measure(70, alpha_w=60_000_000, beta_w=20_000_000)
        assert await stack.hours(SHARER) == []
        (alpha,) = await stack.hours(OWNER)
        await stack.measuring.flush()
        clock = stack.clock
    async with stack_bench(tmp_path, clock=clock) as stack:
        await stack.measure(54, alpha_w=60_000_000, beta_w=20_000_000)
        hours = {unit: await stack.hours(unit) for unit in (OWNER, SHARER)}
    assert hours[OWNER][0] == alpha
    for first, second in zip(hours[OWNER], hours[SHARER], strict=True):
        assert first["start_ms"] == second["start_ms"]
        said = stack_hour_in(first["recipe"])
        assert said == stack_hour_in(second["recipe"])
        assert said is not None
        assert first["nox_g"] + second["nox_g"] == said.nox_g
    assert len(hours[OWNER]) == 2
