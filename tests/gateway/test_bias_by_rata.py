"""The bias factor of a RATA comes into force by itself: from its file to the signed hour, and back again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.commission_hours import RawHour, make_again
from doxedge.gateway.commission_words import chain_text
from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.gateway.plant import describe
from doxedge.gateway.qa_tests import AskEnter, file_hash
from doxedge.quantity import DAY_MS, HOUR_MS, MINUTE_MS, round_half_away
from doxedge.signing.canonical import Value
from doxedge.store.hour_tree import leaf
from doxedge.store.qa_rows import QaDraft, QaKind
from tests.gateway import test_backup_instruments as backups
from tests.gateway import test_stacks as stacks
from tests.gateway.calibrations import calibration_text
from tests.gateway.stack_bench import OWNER, SHARER, StackBench, stack_bench
from tests.gateway.test_qa_desk import NOX, SPAN, TIMES, ZERO, own_sequence
from tests.gateway.test_qa_tests import Office, office
from tests.gateway.unit_bench import PERIOD_MS, Bench, bench, plan
from tests.ledger.channels import START_MS
from tests.measurement.qa_layouts import RATA, runs

BY_RATA = 'bias_source = "rata"'
SITE = "bias = [{ factor = 1.020, since = 2026-01-01T00:00:00Z }]"
HIGH = RATA + runs(off=28)
"""Factor 1.092."""
LOW = RATA + "".join(f"1,U1,T1,H,{run},{100 + run},{112 + run},RUNUSED\n" for run in range(1, 10))
"""Factor 1.114 of a low emitter."""
EVEN = RATA + runs()
"""No bias."""


def said(body: list[Value]) -> list[str]:
    assert isinstance(body[18], list)
    return [str(line) for line in body[18]]


def named(body: list[Value]) -> list[str]:
    """What an hour says of its factor, without the grams; that it is their product is looked at here."""
    words = [word for word in said(body) if "baf" in word]
    (factor,) = [Decimal(word.removeprefix("baf:")) for word in words if word.startswith("baf:")]
    (before,) = [word for word in said(body) if word.startswith("unadjusted_g:")]
    grams = int(before.removeprefix("unadjusted_g:"))
    assert grams > 0
    assert body[4] == round_half_away(grams * int(factor * 1_000), 1_000)
    return words


def by(text: str, factor: str, monitor: str = NOX) -> list[str]:
    return [f"baf:{factor}", f"baf_by:rata:{monitor}:{factor}:{file_hash(text)}"]


async def to_hour(made: Office, hours: int) -> None:
    """Measure until so many hours after the beginning, and until the last of them is closed."""
    await made.it.measure((START_MS + hours * HOUR_MS - made.it.clock.at_ms) // MINUTE_MS + 2)


async def test_a_rata_holds_from_the_hour_after_it_ended_over_restarts_until_the_next_one(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(42)
        entry = (await made.enter("rata", HIGH, day="2026-01-01", ended_ms=START_MS + 40 * MINUTE_MS))[
            "entry"
        ]
        assert (entry["in_force_ms"], entry["applied"]) == (START_MS + HOUR_MS, True)
        await to_hour(made, 2)
        first, second = await made.it.hours()
        assert named(first) == ["baf:1.000", "baf_by:no_rata"]
        assert named(second) == by(HIGH, "1.092")
        told = dict(await made.events())["rata.passed"]
        assert "good until 2026-09-30 at least, in force from 2026-01-01T01:00Z on;" in told
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        await to_hour(made, 3)
        ended_ms = START_MS + 3 * HOUR_MS + 1
        await made.enter("rata", EVEN, day="2026-01-01", ended_ms=ended_ms)
        await to_hour(made, 5)
        *_, third, fourth, fifth = await made.it.hours()
        assert [named(third), named(fourth)] == [by(HIGH, "1.092")] * 2
        assert named(fifth) == by(EVEN, "1.000")
        assert [fact.bias for fact in made.office.facts("alpha-1")] == [None]  # nobody has to copy it
        assert [kind for kind, _ in await made.it.said() if kind == "hour.revise"] == []


async def test_the_site_states_the_factor_until_there_is_a_test(tmp_path: Path) -> None:
    async with office(tmp_path, unit=f"{BY_RATA}\n{SITE}") as made:
        await own_sequence(made.it)
        await made.it.measure(22)
        await made.enter("rata", RATA + runs(off=60))  # failed: gives nothing, and nothing counts
        await made.enter("rata", HIGH, day="2026-01-01", ended_ms=START_MS + 20 * MINUTE_MS)
        await to_hour(made, 2)
        first, second = await made.it.hours()
    assert named(first) == ["baf:1.020", "baf_by:site"]
    assert named(second) == by(HIGH, "1.092")


async def test_a_test_that_failed_or_is_older_than_the_one_in_force_changes_no_factor(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("rata", HIGH, day="2025-12-30")
        await made.enter("rata", EVEN, day="2025-12-29")
        failed = await made.enter("rata", RATA + runs(off=60), day="2025-12-31")
        assert "in_force_ms" not in failed["entry"]
        await made.enter(
            "rata", HIGH, day="2025-12-30", reason="once more"
        )  # the same test: of its first hour
        held = made.office.in_force("alpha-1").rata(NOX, START_MS + 2 * HOUR_MS)
        assert held is not None
        assert (held.test, held.since_ms) == (file_hash(HIGH), START_MS - DAY_MS)


async def test_a_site_that_states_its_factors_is_told_and_not_adjusted(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        entry = (await made.enter("rata", HIGH))["entry"]
        assert entry["applied"] is False
        await to_hour(made, 2)
        assert [body[18] for body in await made.it.hours()] == [["moisture_percent:default"]] * 2
        assert "in force" not in dict(await made.events())["rata.passed"]
        assert [fact.bias for fact in made.office.facts("alpha-1")] == [(Decimal("1.092"), Decimal(1))]
        clock = made.it.clock
    # The same test, where the site lets tests decide from now on.
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        await to_hour(made, 3)
        assert named((await made.it.hours())[-1]) == by(HIGH, "1.092")


@pytest.mark.parametrize(("more", "factor"), [("", "1.114"), ("\nbias_low_emitter_cap = true", "1.111")])
async def test_a_low_emitter_is_capped_where_the_site_chose_it(
    tmp_path: Path, more: str, factor: str
) -> None:
    async with office(tmp_path, unit=f"{BY_RATA}{more}") as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("rata", LOW)
        await to_hour(made, 2)
        assert named((await made.it.hours())[-1]) == by(LOW, factor)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"day": "2026-01-01", "ended_ms": START_MS - 1}, "not on 2026-01-01"),
        ({"day": "2026-01-01", "ended_ms": START_MS + HOUR_MS}, "still to come"),
        ({"day": "2025-12-30", "ended_ms": START_MS - 3 * HOUR_MS}, "not on 2025-12-30"),
    ],
)
async def test_an_end_that_cannot_be_is_refused(tmp_path: Path, more: dict[str, object], text: str) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        with pytest.raises(Refusal, match=text):
            await made.enter("rata", HIGH, **more)
        with pytest.raises(Refusal, match="of a RATA"):
            await made.enter("ast", HIGH, ended_ms=START_MS - 1)
        assert made.office.in_force("alpha-1").rata(NOX, START_MS + DAY_MS) is None


async def test_what_was_stored_before_factors_came_into_force_holds_from_the_end_of_its_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with office(tmp_path) as made:
        await made.enter("rata", HIGH)
        (entry,) = await made.it.checks.newest(QaKind.TEST, None, 1)
    old = {
        key: value for key, value in entry.body.items() if key not in ("ended_ms", "in_force_ms", "applied")
    }
    (tmp_path / "old").mkdir()
    async with office(tmp_path / "old", unit=BY_RATA) as made:
        draft = QaDraft(kind=QaKind.TEST, unit="alpha-1", quantity=NOX, at_ms=START_MS + 1, body=old)
        broken = QaDraft(
            kind=QaKind.TEST,
            unit="alpha-1",
            quantity=NOX,
            at_ms=START_MS + 2,
            body={**old, "text": "nonsense"},
        )
        await made.it.checks.append([draft, broken])
    async with office(tmp_path / "old", unit=BY_RATA) as made:
        held = made.office.in_force("alpha-1")
        assert held.rata(NOX, START_MS - DAY_MS - HOUR_MS) is None
        found = held.rata(NOX, START_MS - DAY_MS)
        assert found is not None
        assert (found.factor, found.test) == (Decimal("1.092"), file_hash(HIGH))
    # Each file is computed once at a start.
    assert len([line for line in caplog.messages if "puts nothing in force" in line]) == 1


async def test_a_test_of_what_has_no_table_any_more_still_holds(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await made.enter("rata", HIGH)
        (kept,) = await made.it.checks.newest(QaKind.TEST, None, 1)
        draft = QaDraft(
            kind=QaKind.TEST, unit="alpha-1", quantity=f"backup.{NOX}", at_ms=START_MS, body=kept.body
        )
        await made.it.checks.append([draft])
    async with office(tmp_path, unit=BY_RATA) as made:
        for monitor in (NOX, f"backup.{NOX}"):
            held = made.office.in_force("alpha-1").rata(monitor, START_MS)
            assert held is not None
            assert held.test == file_hash(HIGH)


async def test_another_plan_keeps_what_is_in_force(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("rata", HIGH)
        await to_hour(made, 1)
        it = made.it
        new = await made.office.reopen_desk(it.planned, it.checks, it.pipeline, it.history)
        assert new is not None
        it.quality = it.pipeline.quality = new
        await to_hour(made, 2)
        assert named((await it.hours())[-1]) == by(HIGH, "1.092")


async def test_the_hour_is_made_again_by_what_it_says_and_not_without_it(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("rata", HIGH)
        await to_hour(made, 2)
        body = (await made.it.hours())[-1]
        rows = await made.it.samples.hour_samples("alpha-1", START_MS + HOUR_MS)
        leaves = [leaf(row) for row in rows]
        for recipe, is_same in ((said(body), True), ([], False)):
            raw = RawHour(START_MS + HOUR_MS, leaves, "synchronised", 0, recipe)
            (again,) = make_again(made.it.planned, [raw])
            assert again.hour is not None
            assert (again.hour.nox_g == body[4]) is is_same
        assert "baf_by:rata:MONITOR" in "\n".join(chain_text(made.it.planned.hour.emission))


# Backups, several stacks, one stack of several units


async def test_a_backup_is_adjusted_by_its_own_test(tmp_path: Path) -> None:
    checks = calibration_text(lines=TIMES) + calibration_text(f"backup.{NOX}", lines=TIMES)
    planned = backups.with_spare(BY_RATA, spare=backups.SPARE + checks)
    async with bench(tmp_path, planned=planned) as unit:
        made = Office(unit, unit.office)
        for ppm, flags in ((Decimal(0), ZERO), (Decimal(400), SPAN)):
            for at_ms in range(unit.clock.at_ms, unit.clock.at_ms + 4 * MINUTE_MS, PERIOD_MS):
                unit.poll(at_ms, nox_ppm=ppm, flags=flags)
                wobble = Decimal(at_ms // PERIOD_MS % 7 - 3) / 10
                values: dict[str, Decimal | None] = {"nox_ppb": ppm * 1_000 + wobble}
                unit._take("spare", at_ms, values, {}, flags)
                unit.clock.run_to(at_ms + PERIOD_MS)
                assert unit.quality is not None
                await unit.quality.look()
        await made.enter("rata", HIGH)
        await made.enter("rata", LOW, quantity=f"backup.{NOX}")
        await backups.measure(unit, 52, first_ppm=Decimal(100), spare_ppm=Decimal(100))
        await backups.measure(unit, 60, first_ppm=Decimal(100), spare_ppm=Decimal(100))
        await backups.measure(unit, 60, first_ppm=None, spare_ppm=Decimal(100))
        await backups.measure(unit, 30, first_ppm=Decimal(100), spare_ppm=Decimal(100))
        await backups.measure(unit, 32, first_ppm=None, spare_ppm=Decimal(100))
        _, first, spare, both = await unit.hours()
    assert named(first) == by(HIGH, "1.092")
    assert named(spare) == by(LOW, "1.114", f"backup.{NOX}")
    assert (
        named(both)
        == [
            "baf:1.114",  # the larger one
            *by(LOW, "1.114", f"backup.{NOX}")[1:],
            *by(HIGH, "1.092")[1:],
        ]
    )


async def stack_sequence(unit: Bench) -> None:
    """Both gas analysers show zero and span gas."""
    for ppm, flags in ((Decimal(0), ZERO), (Decimal(400), SPAN)):
        for at_ms in range(unit.clock.at_ms, unit.clock.at_ms + 4 * MINUTE_MS, PERIOD_MS):
            wobble = Decimal(at_ms // PERIOD_MS % 7 - 3) / 10
            for stack in ("east", "west"):
                gas: dict[str, Decimal | None] = {"nox_ppb": ppm * 1_000 + wobble}
                unit._take(f"gas-{stack}", at_ms, gas, {}, flags)
            unit.clock.run_to(at_ms + PERIOD_MS)
            assert unit.quality is not None
            await unit.quality.look()


async def test_each_stack_is_adjusted_by_the_test_of_its_own_monitor(tmp_path: Path) -> None:
    checks = "".join(calibration_text(f"{stack}.{NOX}", lines=TIMES) for stack in ("east", "west"))
    planned = stacks.planned(f"{stacks.STACKS}\n{BY_RATA}", stacks.TWO + checks)
    async with bench(tmp_path, planned=planned) as unit:
        made = Office(unit, unit.office)
        await stack_sequence(unit)
        await made.enter("rata", HIGH, quantity=f"west.{NOX}")
        await stacks.measure(unit, 114, east_ppm=Decimal(100), west_ppm=Decimal(50))
        _, body = await unit.hours()
    words = said(body)
    assert {"east.baf:1.000", "east.baf_by:no_rata", "west.baf:1.092"} <= {*words}
    assert f"west.baf_by:rata:west.{NOX}:1.092:{file_hash(HIGH)}" in words
    grams = {word.partition(":")[0]: int(word.rpartition(":")[2]) for word in words if "_g:" in word}
    assert grams["west.nox_g"] == round_half_away(grams["west.unadjusted_g"] * 1_092, 1_000)
    assert body[4] == grams["west.nox_g"] + grams["east.nox_g"]


async def shared_sequence(stack: StackBench) -> None:
    for ppm, flags in ((0, ZERO), (400, SPAN)):
        await stack.measure(4, alpha_w=60_000_000, beta_w=20_000_000, nox_ppm=ppm, flags=flags)


async def test_units_on_one_stack_are_adjusted_by_the_test_of_its_owner(tmp_path: Path) -> None:
    calibration = calibration_text(lines="settle_s = 60\nread_s = 90")
    async with stack_bench(tmp_path, owner=BY_RATA, calibrations=calibration) as stack:
        await shared_sequence(stack)
        usual = {
            "ask": "enter", "unit": OWNER, "quantity": NOX, "kind": "rata", "file": "t.csv", "text": HIGH,
            "day": "2025-12-30", "name": "A. Person", "reason": "yearly",
        }  # fmt: skip
        caller = Caller("operator", stack.clock.at_ms)
        await stack.measuring.quality.enter(AskEnter.model_validate(usual), caller)
        await stack.measure(114, alpha_w=60_000_000, beta_w=20_000_000)
        clock = stack.clock
    async with stack_bench(tmp_path, owner=BY_RATA, calibrations=calibration, clock=clock) as stack:
        await stack.measure(60, alpha_w=60_000_000, beta_w=20_000_000)
        masses = {unit: (await stack.hours(unit))[1:] for unit in (OWNER, SHARER)}
    for alpha, beta in zip(masses[OWNER], masses[SHARER], strict=True):
        assert {*by(HIGH, "1.092")} <= {*alpha["recipe"]} & {*beta["recipe"]}
        told = (word.split(":") for word in alpha["recipe"])
        grams = {word: int(number) for word, number, *_ in told if word.startswith("stack_") and "_g" in word}
        assert grams["stack_g"] == round_half_away(grams["stack_unadjusted_g"] * 1_092, 1_000)
        assert alpha["nox_g"] + beta["nox_g"] == grams["stack_g"]
    assert len(masses[OWNER]) == 2


# What is refused, and what stays as it was


@pytest.mark.parametrize(
    ("lines", "checks", "text"),
    [
        (BY_RATA, "", "no RATA of nox_ppb can be handed in"),
        (BY_RATA, calibration_text("no_ppb"), "no RATA of nox_ppb can be handed in"),
        ("bias_low_emitter_cap = true", calibration_text(), 'bias_source is "site"'),
        ('bias_source = "test"', calibration_text(), "unit[0].bias_source"),
    ],
)
def test_rules_that_cannot_work_are_refused(lines: str, checks: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(lines=lines, calibrations=checks)
    assert text in str(caught.value)


def test_the_plan_says_where_the_factor_comes_from_and_older_hashes_stay() -> None:
    checks = calibration_text(lines=TIMES)
    by_rata = plan(lines=f"{BY_RATA}\n{SITE}", calibrations=checks)
    line = "  mass x bias factor of the last RATA that passed, of each monitor, not capped; "
    assert f"{line}the factors above before the first" in describe((by_rata,))
    same = plan(lines=f'bias_source = "site"\nbias_low_emitter_cap = false\n{SITE}', calibrations=checks)
    plain = plan(lines=SITE, calibrations=checks)
    assert same.rules_hash == plain.rules_hash != by_rata.rules_hash
