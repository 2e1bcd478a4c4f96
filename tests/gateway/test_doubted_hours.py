"""A check that fails under Part 60 takes away what was measured since the last pass, however long that is over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.doubted_hours import DoubtedHours
from doxedge.gateway.history_rebuild import contradiction, signed_hours
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.recipe_check import Recomputed, check_recipe
from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from tests.gateway.calibrations import calibration_text
from tests.gateway.missing_hours import MAXIMUM, PART75, brief, remember, statements
from tests.gateway.test_qa_desk import TIMES, own_sequence
from tests.gateway.unit_bench import Bench, SetClock, bench, plan
from tests.ledger.channels import START_MS

OVER = 6
"""Hours between the pass and the check that fails."""


def planned(*, rules: str = PART75, failed_check: str = "part60") -> PlannedUnit:
    return plan(lines=rules, calibrations=calibration_text(lines=f'{TIMES}\nfailed_check = "{failed_check}"'))


async def pass_and_fail(unit: Bench) -> None:
    """A check passes in the first hour; one fails in the eighth, long after the second hour was closed."""
    await own_sequence(unit)
    await unit.measure(52 + OVER * 60 + 4)
    await own_sequence(unit, span=Decimal(430))


async def doubtful(unit: Bench) -> list[int]:
    told = [
        str(body[3]) for kind, body in await unit.said() if kind == "event" and body[1] == "hour.doubtful"
    ]
    return sorted(
        (int(text.partition("the hour at ")[2].partition(" ")[0]) - START_MS) // HOUR_MS for text in told
    )


async def test_every_hour_since_the_last_pass_is_told_and_substituted(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned()) as unit:
        await remember(unit.history, 3_000)
        await pass_and_fail(unit)
        await unit.measure(120)
        assert await doubtful(unit) == [*range(1, 1 + OVER)]
        told = brief(await statements(unit))
        revised = {line[1]: line for line in told if line[0] == "hour.revise"}
        assert [*sorted(revised)] == [*range(1, 1 + OVER)]
        assert {line[2] for line in revised.values()} == {"substituted"}
        history = await unit.history.history("alpha-1", from_ms=0)
        rules = unit.planned.missing_data.rules
        began_ms = await unit.history.began_ms("alpha-1")
        assert began_ms is not None
        for stored in await unit.history.between(
            "alpha-1", from_ms=START_MS + HOUR_MS, to_ms=START_MS + 7 * HOUR_MS
        ):
            assert stored.stated is not None
            recipe = canonical.decode(stored.stated.recipe)
            assert isinstance(recipe, list)
            assert (
                "nox_ppb:calibration_failed" in str(recipe[10])
                or stored.known.start_ms >= START_MS + 5 * HOUR_MS
            )
            verdict, _ = check_recipe(
                history, stored.known, nox_g=stored.stated.nox_g, method_code=stored.stated.method_code,
                recipe=recipe, rules=rules, began_ms=began_ms,
            )  # fmt: skip
            assert verdict is not Recomputed.DIFFERS
        assert await unit.outbox.verify_chain() == []


async def test_a_power_cut_before_they_were_told_is_made_good_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock()

    async def cut(*_: object, **__: object) -> int:
        return 0

    async with bench(tmp_path, planned=planned(), clock=clock) as unit:
        await remember(unit.history, 3_000)
        with monkeypatch.context() as patch:
            patch.setattr(DoubtedHours, "follow", cut)
            await pass_and_fail(unit)
        assert len(await doubtful(unit)) < OVER
    for _ in range(2):
        async with bench(tmp_path, planned=planned(), clock=clock) as unit:
            await unit.measure(2)
            assert sorted({*await doubtful(unit)}) == [*range(1, 1 + OVER)]
            revised = [line[1] for line in brief(await statements(unit)) if line[0] == "hour.revise"]
            assert sorted(revised) == [*range(1, 1 + OVER)]


async def test_under_part_75_the_hours_before_stand(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=planned(failed_check="part75")) as unit:
        await remember(unit.history, 3_000)
        await pass_and_fail(unit)
        await unit.measure(5)
        assert await doubtful(unit) == []
        assert [line[0] for line in brief(await statements(unit))].count("hour.revise") == 0


async def test_where_nothing_is_substituted_the_hours_are_told_of_and_count_as_missing(
    tmp_path: Path,
) -> None:
    """The history says what the signed records say, the events among them: nothing of it looks like tampering."""
    async with bench(tmp_path, planned=planned(rules="")) as unit:
        await pass_and_fail(unit)
        await unit.measure(5)
        assert await doubtful(unit) == [*range(1, 1 + OVER)]
        assert MAXIMUM not in [line[4] for line in brief(await statements(unit))]
        stored = await unit.history.between("alpha-1", from_ms=START_MS, to_ms=START_MS + 7 * HOUR_MS)
        assert [one.known.quality_assured for one in stored] == [True] + [False] * OVER
        signed = await asyncio.to_thread(signed_hours, tmp_path / "outbox.db", unit.pipeline.identity)
        assert [contradiction(one, signed[one.known.start_ms]) for one in stored] == [None] * (1 + OVER)
        assert not any(signed[one.known.start_ms].known.quality_assured for one in stored[1:])
        (altered, *_) = stored[:1]
        wrong = replace(altered, known=replace(altered.known, nox_g=None, quality_assured=False))
        assert contradiction(wrong, signed[START_MS]) is not None  # of this one nothing was told
