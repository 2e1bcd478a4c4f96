"""The calibration function of a QAL2 comes into force by itself: from its file to the signed hour, and back again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.commission_hours import RawHour, make_again
from doxedge.gateway.commission_words import chain_text
from doxedge.gateway.history_rebuild import rebuild
from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.gateway.plant import describe
from doxedge.gateway.qa_in_force import times_of
from doxedge.gateway.qa_range import counted_since_ms, words
from doxedge.gateway.qa_tests import AskEnter, file_hash
from doxedge.measurement.hour_history import KnownHour
from doxedge.quantity import DAY_MS, HOUR_MS, MINUTE_MS
from doxedge.signing.canonical import Value
from doxedge.store.hour_tree import leaf
from doxedge.store.hours import HourStore
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind
from tests.gateway import test_backup_instruments as backups
from tests.gateway import test_stacks as stacks
from tests.gateway.calibrations import calibration_text
from tests.gateway.stack_bench import OWNER, SHARER, stack_bench
from tests.gateway.test_bias_by_rata import said, shared_sequence, stack_sequence, to_hour
from tests.gateway.test_qa_desk import NOX, TIMES, own_sequence
from tests.gateway.test_qa_tests import S_AMS, Office, office
from tests.gateway.unit_bench import GRAMS_PER_HOUR, bench, plan
from tests.ledger.channels import START_MS

EU = 'rule_set = "eu"\ncalibration_function = "qal2"'
MG_PER_PPM = Decimal("2.0525")
MONDAY_MS = START_MS + 4 * DAY_MS
"""2026-01-05."""


def parallel(a: str, b: str, *, unit_per_ppm: Decimal = Decimal(1), off: str = "0", top: int = 130) -> str:
    """A QAL2 of y = a + b x (in ppm), x from 60 ppm on; every other sample is `off` beside it. Written in any unit."""
    rows = []
    for n in range(15):
        x = Decimal(60) + Decimal(n * (top - 60)) / 14
        y = Decimal(a) + Decimal(b) * x + (Decimal(off) if n % 2 else 0)
        written = [f"{round(value * unit_per_ppm, 9):f}" for value in (x, y)]
        rows.append(f"2025-12-{1 + n // 5:02},{','.join(written)}\n")
    return "date,x,y\n" + "".join(rows)


STEEP = parallel("2", "1.05")
"""100 ppm become 107 ppm."""


async def enter(made: Office, text: str, **more: Any) -> dict[str, Any]:
    answer = await made.enter("qal2", text, **{"limit": "150", "measured_in": "ppm", **more})
    return dict(answer["entry"])


def functions(body: list[Value]) -> list[list[str]]:
    """(monitor, a, b, range, test) that an hour names, numbers in as few digits as they need."""
    named = [word.split(":")[1:] for word in said(body) if word.startswith("calibrated:")]
    return [
        [monitor, *(f"{Decimal(number).normalize():f}" for number in numbers), test]
        for monitor, *numbers, test in named
    ]


def share(body: list[Value]) -> float:
    """Of the mass that the bench amounts to where values count as read."""
    return int(str(body[4])) / GRAMS_PER_HOUR


async def test_a_qal2_holds_from_the_next_hour_on_over_restarts_until_the_next_one(tmp_path: Path) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        entry = await enter(made, STEEP)
        assert (entry["in_force_ms"], entry["applied"]) == (START_MS + HOUR_MS, True)
        await to_hour(made, 2)
        first, second = await made.it.hours()
        assert (functions(first), f"uncalibrated:{NOX}" in said(first)) == ([], True)
        (found,) = functions(second)
        assert found == [NOX, "2000", "1.05", "152350", file_hash(STEEP)]  # 1.1 times 138.5 ppm
        assert [share(first), share(second)] == pytest.approx([1, 1.07], abs=1e-3)
        assert ", in force from 2026-01-01T01:00Z on" in dict(await made.events())["qal2.passed"]
        failed = await enter(made, parallel("0", "3", off="90"), day="2025-12-31")
        assert (failed["passed"], "in_force_ms" in failed) == (False, False)
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=EU, lines=S_AMS) as made:
        await to_hour(made, 3)
        flat = parallel("0", "0.9")
        await enter(made, flat, day="2026-01-01")  # ends with its day
        await to_hour(made, 5)
        *_, third, _, fifth = await made.it.hours()
        assert functions(third) == functions(fifth) == [found]
        held = made.office.in_force("alpha-1").function(NOX, START_MS + DAY_MS)
        assert held is not None
        assert (held.b, held.test) == (Decimal("0.9"), file_hash(flat))


@pytest.mark.parametrize(
    ("measured_in", "per_ppm", "limit"),
    [
        ("ppm", Decimal(1), "150"),
        ("ppb", Decimal(1_000), "150000"),
        (None, Decimal(1_000), "150000"),
        ("mg/m3", MG_PER_PPM, "300"),
    ],
)
async def test_the_samples_may_be_in_any_unit_of_nox(
    tmp_path: Path, measured_in: str | None, per_ppm: Decimal, limit: str
) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await enter(made, parallel("2", "1.05", unit_per_ppm=per_ppm), measured_in=measured_in, limit=limit)
        held = made.office.in_force("alpha-1").function(NOX, START_MS + HOUR_MS)
        assert held is not None
        assert [float(held.a), float(held.b), float(held.highest)] == pytest.approx([2_000, 1.05, 152_350])


async def test_the_same_file_in_another_unit_is_another_test(tmp_path: Path) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        wrong = await enter(made, STEEP, measured_in="mg/m3")
        right = await enter(made, STEEP)
        again = await enter(made, STEEP, reason="once more")
        assert wrong["entry"] != right["entry"] == again["entry"]
        held = made.office.in_force("alpha-1").function(NOX, START_MS + HOUR_MS)
        assert held is not None
        assert held.a == 2_000  # the one that was handed in last


async def test_a_site_that_does_not_say_so_counts_values_as_they_are_read(tmp_path: Path) -> None:
    async with office(tmp_path, unit='rule_set = "eu"', lines=S_AMS) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        assert (await enter(made, STEEP))["applied"] is False
        await to_hour(made, 2)
        bodies = await made.it.hours()
        assert [body[18] for body in bodies] == [["moisture_percent:default"]] * 2
        assert share(bodies[1]) == pytest.approx(1, abs=1e-3)
        assert "in force" not in dict(await made.events())["qal2.passed"]
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=EU, lines=S_AMS) as made:
        await to_hour(made, 3)
        assert len(functions((await made.it.hours())[-1])) == 1


async def test_a_qal2_of_before_that_does_not_say_its_unit_is_not_applied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await enter(made, STEEP)
        (entry,) = await made.it.checks.newest(QaKind.TEST, None, 1)
    (told,) = entry.body["figures"]
    old = {**entry.body, "figures": [{key: told[key] for key in ("a", "b", "by_regression", "highest")}]}
    (tmp_path / "old").mkdir()
    async with office(tmp_path / "old", unit=EU, lines=S_AMS) as made:
        draft = QaDraft(kind=QaKind.TEST, unit="alpha-1", quantity=NOX, at_ms=START_MS + 1, body=old)
        await made.it.checks.append([draft])
    async with office(tmp_path / "old", unit=EU, lines=S_AMS) as made:
        held = made.office.in_force("alpha-1")
        assert held.function(NOX, START_MS + DAY_MS) is None
        assert "does not say in which unit its samples are; hand its file in again" in caplog.text
        assert (await made.enter("ast", STEEP, limit="150"))["entry"]["passed"]
        await enter(made, STEEP)
        assert held.function(NOX, START_MS + DAY_MS) is not None


async def test_the_hour_is_made_again_by_the_function_that_it_names_and_not_without_it(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await enter(made, STEEP)
        await to_hour(made, 2)
        body = (await made.it.hours())[-1]
        leaves = [leaf(row) for row in await made.it.samples.hour_samples("alpha-1", START_MS + HOUR_MS)]
        for recipe, is_same in ((said(body), True), ([], False)):
            raw = RawHour(START_MS + HOUR_MS, leaves, "synchronised", 0, recipe)
            (again,) = make_again(made.it.planned, [raw])
            assert again.hour is not None
            assert (again.hour.nox_g == body[4]) is is_same
        assert "calibrated:MONITOR" in "\n".join(chain_text(made.it.planned.hour.emission))


# The range of the function, week by week


async def weeks(store: HourStore, outside: list[int], *, word: str = f"out_of_range:{NOX}") -> None:
    """One week after the other from the first Monday on; so many hours of each outside."""
    await store.begin("alpha-1", began_ms=MONDAY_MS)
    rows = [
        KnownHour(
            MONDAY_MS + (week * 168 + n) * HOUR_MS, 100, 1_000, 0, True, "01", quality_assured=True,
            remarks=(word,) if n < many else (),
        )
        for week, many in enumerate(outside)
        for n in range(168)
    ]  # fmt: skip
    await store.put("alpha-1", rows, owed=False)


@pytest.mark.parametrize(
    ("outside", "due"),
    [
        ([67] * 1, False),  # 39.9 %
        ([68] * 1, True),
        ([8] * 6, False),  # 4.8 %
        ([9] * 4, False),
        ([9] * 5, True),
        ([9, 0, 9, 0, 9, 9, 0, 9], True),
    ],
)
async def test_weeks_outside_the_range_ask_for_a_new_qal2(
    tmp_path: Path, outside: list[int], *, due: bool
) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await enter(made, STEEP)
        await weeks(made.it.history, outside)
        made.it.clock.run_to(MONDAY_MS + len(outside) * 7 * DAY_MS + MINUTE_MS)
        assert made.it.quality is not None
        await made.it.quality.look()
        (fact,) = made.office.facts("alpha-1")
        assert ("a new QAL2 is due" in fact.outside) is due
        # A QAL2, or an AST that confirmed it, begins the count anew.
        today = "2026-03-15"
        made.it.clock.run_to(START_MS + 80 * DAY_MS)
        await made.enter("ast", STEEP, limit="150", day=today)
        made.it.clock.run_to(made.it.clock.at_ms + HOUR_MS)
        await made.it.quality.look()
        (fact,) = made.office.facts("alpha-1")
        assert fact.outside == ""


def test_a_qal2_that_is_handed_in_as_an_hour_begins_holds_from_the_next() -> None:
    for now_ms in (START_MS, START_MS + 1, START_MS + HOUR_MS - 1):
        assert times_of("qal2", "2025-12-30", None, now_ms=now_ms)["in_force_ms"] == START_MS + HOUR_MS


@pytest.mark.parametrize(
    ("in_force_ms", "ast", "since_ms"),
    [
        (MONDAY_MS, None, MONDAY_MS),
        (MONDAY_MS + HOUR_MS, None, MONDAY_MS + 7 * DAY_MS),  # this week is not a whole one
        (MONDAY_MS, "2026-01-11", MONDAY_MS + 7 * DAY_MS),  # a Sunday
        (MONDAY_MS, "2026-01-12", MONDAY_MS + 14 * DAY_MS),
        (MONDAY_MS, "2025-12-30", MONDAY_MS),
    ],
)
def test_weeks_count_from_the_monday_after_the_last_qal2_or_ast(
    in_force_ms: int, ast: str | None, since_ms: int
) -> None:
    def entry(**body: object) -> QaEntry:
        return QaEntry(kind=QaKind.TEST, unit="alpha-1", quantity=NOX, at_ms=START_MS, body=body, number=1)

    tests = {"qal2": [entry(in_force_ms=in_force_ms)], "ast": [entry(day=ast)] if ast else []}
    assert counted_since_ms(tests) == since_ms
    assert counted_since_ms({**tests, "qal2": []}) is None


async def test_what_another_monitor_or_nobody_says_of_the_range_is_not_counted(tmp_path: Path) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await weeks(made.it.history, [168], word=f"out_of_range:backup.{NOX}")
        made.it.clock.run_to(MONDAY_MS + 8 * DAY_MS)
        assert made.it.quality is not None
        await made.it.quality.look()
        assert [fact.outside for fact in made.office.facts("alpha-1")] == [""]  # no QAL2 at all
        assert await made.it.history.weeks("alpha-1", f"out_of_range:{NOX}", from_ms=0, to_ms=2**60) == [
            (2_922, 168, 0)
        ]
    assert words([(2_922, 168, 168)]).startswith("168 of 168 hours of the week of 2026-01-05 lie outside")


async def test_hours_outside_are_in_the_history_also_when_it_is_made_again(tmp_path: Path) -> None:
    narrow = parallel("2", "1.05", top=80)  # to 94.6 ppm
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await enter(made, narrow)
        await to_hour(made, 3)
        it = made.it
        assert [f"out_of_range:{NOX}" in said(body) for body in await it.hours()] == [False, True, True]
        kept = await it.history.history("alpha-1", from_ms=0)
        assert [hour.remarks for hour in kept] == [(), (f"out_of_range:{NOX}",), (f"out_of_range:{NOX}",)]
    async with await HourStore.open(tmp_path / "other.db", now_ms=0) as other:
        identity = it.pipeline.identity
        await rebuild(other, identity, tmp_path / "outbox.db", owed=False, shared=None)
        assert await other.history("alpha-1", from_ms=0) == kept


# Backups, several stacks, one stack of several units


async def test_each_stack_has_the_function_of_its_own_monitor(tmp_path: Path) -> None:
    checks = "".join(
        calibration_text(f"{stack}.{NOX}", lines=f"{TIMES}\n{S_AMS}") for stack in ("east", "west")
    )
    planned = stacks.planned(f"{stacks.STACKS}\n{EU}", stacks.TWO + checks)
    async with bench(tmp_path, planned=planned) as unit:
        made = Office(unit, unit.office)
        await stack_sequence(unit)
        await enter(made, STEEP, quantity=f"west.{NOX}")
        await stacks.measure(unit, 114, east_ppm=Decimal(100), west_ppm=Decimal(100))
        _, body = await unit.hours()
    assert [found[:3] for found in functions(body)] == [[f"west.{NOX}", "2000", "1.05"]]
    assert f"uncalibrated:east.{NOX}" in said(body)
    grams = {word.partition(":")[0]: int(word.rpartition(":")[2]) for word in said(body) if "_g:" in word}
    assert grams["west.nox_g"] / grams["east.nox_g"] == pytest.approx(1.07, abs=1e-3)
    assert body[4] == grams["west.nox_g"] + grams["east.nox_g"]


async def test_units_on_one_stack_have_the_function_of_its_owner(tmp_path: Path) -> None:
    calibrations = calibration_text(lines=f"settle_s = 60\nread_s = 90\n{S_AMS}")
    async with stack_bench(tmp_path, owner=EU, calibrations=calibrations) as stack:
        await shared_sequence(stack)
        usual = {
            "ask": "enter", "unit": OWNER, "quantity": NOX, "kind": "qal2", "file": "t.csv", "text": STEEP,
            "day": "2025-12-30", "name": "A. Person", "reason": "new", "limit": "150", "measured_in": "ppm",
        }  # fmt: skip
        caller = Caller("operator", stack.clock.at_ms)
        await stack.measuring.quality.enter(AskEnter.model_validate(usual), caller)
        await stack.measure(114, alpha_w=60_000_000, beta_w=20_000_000)
        masses = [(await stack.hours(unit))[1] for unit in (OWNER, SHARER)]
    named = [[word for word in body["recipe"] if word.startswith("calibrated:")] for body in masses]
    assert len(named[0]) == 1
    assert named[0] == named[1]
    assert sum(body["nox_g"] for body in masses) / GRAMS_PER_HOUR == pytest.approx(1.07, abs=1e-3)


def test_a_backup_may_be_tested_for_itself() -> None:
    lines = f"{TIMES}\n{S_AMS}"
    checks = calibration_text(lines=lines) + calibration_text(f"backup.{NOX}", lines=lines)
    planned = backups.with_spare(EU, spare=backups.SPARE + checks)
    assert [monitor.quantity for monitor in planned.monitors] == [NOX, f"backup.{NOX}"]


# What is refused, and what stays as it was


@pytest.mark.parametrize(
    ("lines", "checks", "text"),
    [
        (EU, "", "no QAL2 of nox_ppb can be handed in"),
        ('calibration_function = "qal2"', calibration_text(), "rule_set is us60"),
        ('rule_set = "alberta"\ncalibration_function = "qal2"', calibration_text(), "rule_set is alberta"),
        ('calibration_function = "ast"', calibration_text(), "unit[0].calibration_function"),
    ],
)
def test_rules_that_cannot_work_are_refused(lines: str, checks: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(lines=lines, calibrations=checks)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "rata", "measured_in": "ppm"},
        {"kind": "ast", "measured_in": "mg/m3"},
    ],
)
async def test_a_unit_of_what_has_none_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    async with office(tmp_path, unit=EU, lines=S_AMS) as made:
        kind = wrong.pop("kind")
        with pytest.raises(Refusal, match="measured_in"):
            await made.enter(kind, STEEP, limit="150", **wrong)
        assert made.office.in_force("alpha-1").function(NOX, START_MS + DAY_MS) is None


def test_the_plan_says_that_values_are_calibrated_and_older_hashes_stay() -> None:
    checks = calibration_text(lines=f"{TIMES}\n{S_AMS}")
    calibrated = plan(lines=EU, calibrations=checks)
    assert "function of the last QAL2 that passed" in "\n".join(describe((calibrated,)))
    plain = plan(lines='rule_set = "eu"', calibrations=checks)
    same = plan(lines='rule_set = "eu"\ncalibration_function = "none"', calibrations=checks)
    assert same.rules_hash == plain.rules_hash != calibrated.rules_hash
