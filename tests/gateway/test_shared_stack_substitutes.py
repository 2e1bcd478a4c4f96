"""Missing hours of a stack that units share: the substitute is the stack's, and each unit states its part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli import main
from doxedge.gateway.history_rebuild import contradiction, rebuild, signed_hours
from doxedge.gateway.record_desk import UnitIdentity
from doxedge.measurement.apportioning import By, stack_hour_in
from doxedge.quantity import HOUR_MS
from doxedge.store import look
from doxedge.store.hours import HourStore
from tests.gateway.stack_bench import CHANNEL, OWNER, SHARER, SOURCES, StackBench, shared_text, stack_bench
from tests.gateway.unit_bench import GRAMS_PER_HOUR
from tests.ledger.channels import START_MS

PART75 = """
[unit.missing_data]
rules = "part75"
maximum_g_per_h = 99_000
max_load_w = 100_000_000
load_ranges = 1
"""


async def three_hours(stack: StackBench) -> None:
    """One that is measured, two that are not, of which in the second beta stands still; and one that is."""
    await stack.measure(60, alpha_w=60_000_000, beta_w=20_000_000)
    await stack.measure(60, alpha_w=50_000_000, beta_w=30_000_001, nox_ppm=None)
    await stack.measure(60, alpha_w=50_000_000, beta_w=0, nox_ppm=None)
    await stack.measure(62, alpha_w=60_000_000, beta_w=20_000_000)


def brief(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[Any, ...]]:
    return [
        (kind, (body["start_ms"] - START_MS) // HOUR_MS, body.get("quality"), body.get("method_code"))
        for kind, body in told
    ]


async def test_the_substitute_is_the_stacks_and_is_divided_like_a_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stack_bench(tmp_path, owner=PART75) as stack:
        await three_hours(stack)
        alpha, beta = await stack.said(OWNER), await stack.said(SHARER)
    assert brief(alpha) == [
        ("hour", 0, "valid", "01"),
        ("gap", 1, None, None),
        ("hour", 1, "substituted", "07"),
        ("gap", 2, None, None),
        ("hour", 2, "substituted", "07"),
        ("hour", 3, "valid", "01"),
    ]
    assert brief(beta) == [
        ("hour", 0, "valid", "01"),
        ("gap", 1, None, None),
        ("hour", 1, "substituted", "07"),
        ("hour", 2, "valid", "01"),
        ("hour", 3, "valid", "01"),
    ]
    (of_alpha,), (of_beta,) = ([b for k, b in told if k == "hour" and b["start_ms"] == START_MS + HOUR_MS]
                               for told in (alpha, beta))  # fmt: skip
    assert of_alpha["recipe"][:10] == of_beta["recipe"][:10], "the recipe is the stack's"
    said = stack_hour_in(of_alpha["recipe"][-1])
    assert said is not None
    assert said.nox_g == pytest.approx(GRAMS_PER_HOUR, rel=1e-3)
    assert said.apportioning.by is By.LOAD
    assert said == stack_hour_in(of_beta["recipe"][-1])
    parts_g = said.apportioning.divide(said.nox_g or 0)
    assert parts_g == {OWNER: of_alpha["nox_g"], SHARER: of_beta["nox_g"]}
    assert sum(parts_g.values()) == said.nox_g
    idle = next(body for kind, body in beta if body["start_ms"] == START_MS + 2 * HOUR_MS)
    assert (idle["nox_g"], idle["clause"]) == (0, "not operating")

    config = tmp_path / "gateway.toml"
    config.write_text(shared_text(PART75, folder=str(tmp_path)), encoding="utf-8")
    argv = ["gateway", "hours", "--config", str(config), "--verify", "--output", "json"]
    assert main.main(argv) == 0
    shown = json.loads(capsys.readouterr().out)["hours"]
    assert [hour["verdict"] for hour in shown if hour["what"] == "substituted"] == ["proved"] * 3
    for number in range(4):
        parts = [hour for hour in shown if hour["start_ms"] == START_MS + number * HOUR_MS]
        assert [hour["unit"] for hour in parts] == [OWNER, SHARER]
        stacks = [hour["stack"]["nox_g"] for hour in parts]
        assert sum(hour["nox_g"] for hour in parts) == stacks[0]
        assert stacks[1] == stacks[0] or parts[1]["what"] == "off"


async def test_the_history_is_made_again_from_what_was_signed(tmp_path: Path) -> None:
    async with stack_bench(tmp_path, owner=PART75) as stack:
        await three_hours(stack)
    folder = tmp_path / "gateway"
    for unit in (OWNER, SHARER):
        identity = UnitIdentity(unit, CHANNEL, SOURCES[unit])
        known = look.hours(folder / "hours.db", unit)
        signed = signed_hours(folder / "outbox.db", identity)
        assert [contradiction(hour, signed[hour.known.start_ms]) for hour in known] == [None] * 4
        async with await HourStore.open(tmp_path / "again.db", now_ms=START_MS) as hours:
            assert await rebuild(hours, identity, folder / "outbox.db", owed=True) is not None
            again = await hours.history(unit, from_ms=0)
        assert [(hour.nox_g, hour.operating_percent, hour.load_w, hour.share) for hour in again] == [
            (hour.known.nox_g, hour.known.operating_percent, hour.known.load_w, hour.known.share)
            for hour in known
        ]
        (tmp_path / "again.db").unlink()


async def test_a_part_that_was_altered_is_found(tmp_path: Path) -> None:
    async with stack_bench(tmp_path) as stack:
        await stack.measure(62, alpha_w=60_000_000, beta_w=20_000_000)
    folder = tmp_path / "gateway"
    signed = signed_hours(folder / "outbox.db", UnitIdentity(SHARER, CHANNEL, SOURCES[SHARER]))
    (mine,) = look.hours(folder / "hours.db", SHARER)
    (others,) = look.hours(folder / "hours.db", OWNER)
    assert contradiction(mine, signed[START_MS]) is None
    assert contradiction(others, signed[START_MS]) is not None, "the share is another one"
