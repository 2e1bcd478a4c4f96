"""Two units on one stack: each states its part of one mass, and the parts are the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.measurement.apportioning import By, stack_hour_in
from doxedge.quantity import HOUR_MS
from tests.gateway.stack_bench import OWNER, SHARER, stack_bench
from tests.gateway.unit_bench import GRAMS_PER_HOUR
from tests.ledger.channels import START_MS


async def test_the_mass_is_divided_by_load_and_the_parts_add_up(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=20_000_000)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
    said = stack_hour_in(alpha["recipe"])
    assert said is not None
    assert said == stack_hour_in(beta["recipe"])
    assert (said.apportioning.by, said.apportioning.weights) == (
        By.LOAD,
        ((OWNER, 60_000_000), (SHARER, 20_000_000)),
    )
    assert said.nox_g == pytest.approx(GRAMS_PER_HOUR, rel=1e-4)
    assert alpha["nox_g"] + beta["nox_g"] == said.nox_g
    assert {OWNER: alpha["nox_g"], SHARER: beta["nox_g"]} == said.apportioning.divide(said.nox_g or 0)
    assert alpha["energy_wh"] == pytest.approx(60_000_000, rel=0.01)
    assert beta["energy_wh"] == pytest.approx(20_000_000, rel=0.01)
    for field in (
        "quality",
        "clause",
        "minutes_valid",
        "samples",
        "samples_root",
        "profile_hash",
        "rules_hash",
    ):
        assert alpha[field] == beta[field], field
    assert (alpha["samples"], alpha["minutes_valid"]) == (4 * 120 + 60, 60)


async def test_a_unit_that_stands_still_has_an_hour_of_nothing(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=0)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
    assert (beta["nox_g"], beta["operating_percent"], beta["clause"]) == (0, 0, "not operating")
    assert (beta["quality"], beta["minutes_valid"]) == ("valid", 0)
    assert alpha["nox_g"] == pytest.approx(GRAMS_PER_HOUR, rel=1e-4)
    assert f"load_wh:{SHARER}:0" in beta["recipe"]
    assert f"stack_g:{alpha['nox_g']}" in beta["recipe"]


async def test_the_stack_is_judged_over_the_time_in_which_any_unit_ran(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(15, alpha_w=60_000_000, beta_w=0)
        await stack.measure(30, alpha_w=0, beta_w=0, nox_ppm=0)
        await stack.measure(17, alpha_w=0, beta_w=60_000_000)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
    assert (alpha["operating_percent"], beta["operating_percent"]) == (25, 25)
    assert "stack_operating_percent:50" in alpha["recipe"]
    assert alpha["nox_g"] + beta["nox_g"] == pytest.approx(GRAMS_PER_HOUR / 2, rel=1e-3)
    assert abs(alpha["nox_g"] - beta["nox_g"]) <= 1
    assert alpha["minutes_valid"] == 30, "also those in which the other ran are minutes of the stack"


async def test_without_the_load_of_a_unit_that_ran_time_divides(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=None)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
    assert "apportioned_by:operating_time" in alpha["recipe"]
    assert f"operating_ms:{SHARER}:3600000" in alpha["recipe"]
    assert f"{SHARER}.power_w:assumed" in alpha["recipe"], "who cuts the wire of a signal hides nothing"
    assert abs(alpha["nox_g"] - beta["nox_g"]) <= 1


async def test_an_hour_without_a_mass_is_a_gap_of_who_ran_and_nothing_of_who_did_not(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=0, nox_ppm=None)
        alpha, beta = await stack.said(OWNER), await stack.said(SHARER)
    assert [(kind, body.get("cause")) for kind, body in alpha] == [
        ("gap", "too_few_points:nox_ppb:comms; 60.13(h)(2)(i)")
    ]
    ((kind, hour),) = beta
    assert (kind, hour["nox_g"], hour["operating_percent"]) == ("hour", 0, 0)
    assert not [remark for remark in hour["recipe"] if remark.startswith("stack_g:")]


async def test_a_bias_factor_is_the_stacks(tmp_path: Path) -> None:
    bias = "bias = [{ factor = 1.1, since = 2020-01-01T00:00:00Z }]"
    async with stack_bench(tmp_path, owner=bias) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=20_000_000)
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
    said = stack_hour_in(beta["recipe"])
    assert said is not None
    assert said.unadjusted_g == pytest.approx(GRAMS_PER_HOUR, rel=1e-4)
    assert said.nox_g == pytest.approx(GRAMS_PER_HOUR * 1.1, rel=1e-4)
    assert alpha["nox_g"] + beta["nox_g"] == said.nox_g
    assert "baf:1.100" in beta["recipe"]
    assert not [remark for remark in beta["recipe"] if remark.startswith("unadjusted_g:")]


async def test_a_restart_within_the_hour_changes_nothing(tmp_path: Path) -> None:
    folder, whole = tmp_path / "broken", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()
    async with stack_bench(whole) as stack:
        await stack.measure(124, alpha_w=60_000_000, beta_w=20_000_000)
        wanted = [await stack.hours(unit) for unit in (OWNER, SHARER)]
    async with stack_bench(folder) as stack:
        await stack.measure(92, alpha_w=60_000_000, beta_w=20_000_000)
        await stack.measuring.flush()
        clock = stack.clock
    async with stack_bench(folder, clock=clock) as stack:
        await stack.measure(32, alpha_w=60_000_000, beta_w=20_000_000)
        found = [await stack.hours(unit) for unit in (OWNER, SHARER)]
    assert [[(h["nox_g"], h["samples_root"], h["recipe"]) for h in hours] for hours in found] == [
        [(h["nox_g"], h["samples_root"], h["recipe"]) for h in hours] for hours in wanted
    ]


async def test_what_one_unit_has_when_its_hour_closes_the_other_has(tmp_path: Path) -> None:
    """A late sample comes between the closing of the first and of the second."""
    async with stack_bench(tmp_path) as stack:
        await stack.measure(61, alpha_w=60_000_000, beta_w=20_000_000)
        stack.clock.run_to(START_MS + HOUR_MS + 90_000)
        await stack.measuring.pipelines[OWNER].close_hours()
        late_ms, stack.clock.at_ms = stack.clock.at_ms, START_MS + HOUR_MS - 5_000
        stack.poll({OWNER: 60_000_000, SHARER: 20_000_000}, nox_ppm=200)
        stack.clock.at_ms = late_ms
        await stack.measuring.pipelines[SHARER].close_hours()
        (alpha,), (beta,) = await stack.hours(OWNER), await stack.hours(SHARER)
        assert stack_hour_in(alpha["recipe"]) == stack_hour_in(beta["recipe"])
        await stack.measure(3, alpha_w=60_000_000, beta_w=20_000_000)
        revised = [(await stack.said(unit))[-1] for unit in (OWNER, SHARER)]
    assert [kind for kind, _ in revised] == ["hour.revise", "hour.revise"]
    said = [stack_hour_in(body["recipe"]) for _, body in revised]
    assert said[0] == said[1] != stack_hour_in(alpha["recipe"])
    assert said[0] is not None
    assert sum(body["nox_g"] for _, body in revised) == said[0].nox_g


async def test_what_is_shown_of_each_unit_is_its_own(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(30, alpha_w=60_000_000, beta_w=0)
        alpha, beta = (stack.measuring.pipelines[unit] for unit in (OWNER, SHARER))
        assert (alpha.unit_runs, beta.unit_runs) == (True, False)
        assert beta.is_running, "there is gas in its stack"
        assert set(beta.latest) == {"power_w", "energy_wh"}
        assert {name: reading.quantity for name, reading in beta.latest.items()}["power_w"] == "power_w"
        assert "nox_ppb" in alpha.latest
        assert f"{SHARER}.power_w" not in alpha.latest
        hour = alpha.running_hour()
        assert hour is not None
        assert hour.nox_g == pytest.approx(GRAMS_PER_HOUR / 2, rel=1e-3)
        nothing = beta.running_hour()
        assert nothing is not None
        assert nothing.nox_g == 0


async def test_the_memory_of_a_unit_knows_who_else_ran(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=0)
    memory = (tmp_path / "gateway" / f"{OWNER}.memory.json").read_text(encoding="utf-8")
    assert f'"others": {{"{SHARER}": false}}' in memory
