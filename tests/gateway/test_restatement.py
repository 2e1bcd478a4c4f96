"""Hours that were signed before a RATA was handed in, and after it ended, are revised by its factor."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from doxedge.gateway.history_rebuild import signed_statements
from doxedge.gateway.operator_door import Caller
from doxedge.gateway.qa_tests import AskEnter
from doxedge.gateway.restatement import REASON
from doxedge.quantity import HOUR_MS, MINUTE_MS, round_half_away
from doxedge.signing.canonical import Value
from doxedge.store import look
from tests.gateway import test_stacks as stacks
from tests.gateway.calibrations import calibration_text
from tests.gateway.commission_bench import Site, registered_node
from tests.gateway.missing_hours import PART75
from tests.gateway.stack_bench import OWNER, SHARER, stack_bench
from tests.gateway.test_bias_by_rata import (
    BY_RATA,
    EVEN,
    HIGH,
    LOW,
    by,
    named,
    said,
    shared_sequence,
    stack_sequence,
    to_hour,
)
from tests.gateway.test_qa_desk import NOX, TIMES, own_sequence
from tests.gateway.test_qa_tests import Office, office
from tests.gateway.test_record_desk import limit_pages
from tests.gateway.unit_bench import Bench, bench, plan
from tests.ledger.channels import START_MS

ENDED_MS = START_MS + HOUR_MS - MINUTE_MS
"""In the first hour: the second is the first that it holds for."""


async def enter(made: Office, text: str, *, ended_ms: int = ENDED_MS, **more: object) -> None:
    await made.enter("rata", text, day="2026-01-01", ended_ms=ended_ms, **more)


async def revisions(it: Bench) -> list[list[Value]]:
    """[record, reason, hour] of every revision, in order."""
    await it.pipeline.close_hours()
    return [body for kind, body in await it.said() if kind == "hour.revise"]


def hour_of(revision: list[Value]) -> list[Value]:
    assert isinstance(revision[2], list)
    return revision[2]


async def test_hours_that_are_signed_since_the_test_ended_are_revised_once(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 3)
        before = await made.it.hours()
        await enter(made, HIGH)
        told = await revisions(made.it)
        assert [hour_of(one)[1] for one in told] == [START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]
        assert {one[1] for one in told} == {REASON}
        for old, one in zip(before[1:], told, strict=True):
            new = hour_of(one)
            assert named(old) == ["baf:1.000", "baf_by:no_rata"]
            assert named(new) == by(HIGH, "1.092")
            unchanged = [place for place in range(19) if old[place] == new[place]]
            assert unchanged == [place for place in range(19) if place not in (4, 18)]
        statements = signed_statements(tmp_path / "outbox.db", made.it.pipeline.identity)
        assert [one[0] for one in told] == [
            statements[start].to_revise for start in sorted(statements) if start > START_MS
        ]
        await to_hour(made, 4)
        assert named((await made.it.hours())[-1]) == by(HIGH, "1.092")
        kept = await made.it.history.history("alpha-1", from_ms=0)
        assert [hour.nox_g for hour in kept] == [
            before[0][4], *(hour_of(one)[4] for one in told), (await made.it.hours())[-1][4],
        ]  # fmt: skip
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        await made.it.measure(1)
        assert len(await revisions(made.it)) == 2


async def test_a_restart_goes_on_where_power_failed(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        await enter(made, HIGH)  # on the disk, and no hour is signed any more
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        (told,) = await revisions(made.it)
        stored = await made.it.history.history("alpha-1", from_ms=START_MS + HOUR_MS)
        assert stored[0].nox_g == hour_of(told)[4]


async def test_what_the_history_did_not_learn_before_power_failed_it_learns_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        old = await made.it.history.history("alpha-1", from_ms=START_MS + HOUR_MS)
        await enter(made, HIGH)
        (told,) = await revisions(made.it)
        await made.it.history.put("alpha-1", old, owed=False)
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        assert await revisions(made.it) == [told]
        (again,) = await made.it.history.history("alpha-1", from_ms=START_MS + HOUR_MS)
        assert again.nox_g == hour_of(told)[4]


async def test_a_history_without_room_learns_the_mass_when_there_is_room_again(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        history = made.it.history._database
        # Every change of an hour takes pages that are not there: SQLite says SQLITE_FULL, as on a full disk.
        await history.write(
            lambda connection: connection.execute("CREATE TABLE padding (bytes BLOB)").fetchall()
        )
        trigger = "CREATE TRIGGER pad AFTER UPDATE ON hour BEGIN INSERT INTO padding VALUES (zeroblob(1000000)); END"
        await history.write(lambda connection: connection.execute(trigger).fetchall())
        await limit_pages(history, 1)
        # Nothing can be given up either.
        while await made.it.samples.make_room(2**30) is not None:
            pass
        await enter(made, HIGH)
        (told,) = await revisions(made.it)  # signed all the same
        (kept,) = await made.it.history.history("alpha-1", from_ms=START_MS + HOUR_MS)
        assert kept.nox_g != hour_of(told)[4]
        await limit_pages(history, None)
        assert await revisions(made.it) == [told]
        (kept,) = await made.it.history.history("alpha-1", from_ms=START_MS + HOUR_MS)
        assert kept.nox_g == hour_of(told)[4]


async def test_nothing_is_signed_before_the_numbering_is_agreed_and_nothing_twice_after_it(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        desk = made.it.pipeline.desk
        before = await made.it.history.history("alpha-1", from_ms=0)
        await enter(made, HIGH)
        await desk.sign()  # the event of the test; the revision finds an empty desk
        desk.numbered = False
        for _ in range(3):
            assert await revisions(made.it) == []
        # Nor does the history know a mass that the outbox does not have.
        assert await made.it.history.history("alpha-1", from_ms=0) == before
        await made.it.measure(1)
        desk.numbered = True
        assert len(await revisions(made.it)) == 1
        assert len(await revisions(made.it)) == 1


async def test_a_test_that_is_put_right_revises_again_and_back(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        for ended_ms, text in ((0, HIGH), (1, LOW), (2, HIGH.replace("T1", "T2"))):
            await enter(made, text, ended_ms=ENDED_MS + ended_ms)
            await made.it.pipeline.close_hours()
        told = [named(hour_of(one)) for one in await revisions(made.it)]
    assert told == [by(HIGH, "1.092"), by(LOW, "1.114"), by(HIGH.replace("T1", "T2"), "1.092")]


async def test_the_ledger_takes_the_revisions_before_and_after_the_first_is_final(tmp_path: Path) -> None:
    lines, checks = BY_RATA, calibration_text(lines=TIMES)
    node, source = await registered_node(plan(lines=lines, calibrations=checks).profile_hash)
    planned = plan(lines=lines, calibrations=checks, channel=node.ledger.channel, source=source)
    (tmp_path / "gateway").mkdir()
    async with bench(tmp_path / "gateway", planned=planned) as unit:
        site, made = Site(tmp_path, unit, node, source, "576300"), Office(unit, unit.office)
        await own_sequence(unit)
        await unit.measure(2)
        await to_hour(made, 2)
        await site.post()
        for ended_ms, text in ((0, HIGH), (1, LOW)):
            await enter(made, text, ended_ms=ENDED_MS + ended_ms)
            await unit.pipeline.close_hours()
        await site.post()
        kept = look.records(tmp_path / "gateway" / "outbox.db", ("hour", "hour.revise"))
    assert [(one.kind, one.state) for one in kept] == [
        ("hour", "final"), ("hour", "final"), ("hour.revise", "final"), ("hour.revise", "final"),
    ]  # fmt: skip


async def test_a_revision_names_the_last_record_where_the_first_is_not_kept_any_more(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        for ended_ms, text in ((0, HIGH), (1, LOW)):
            await enter(made, text, ended_ms=ENDED_MS + ended_ms)
            await made.it.pipeline.close_hours()
        clock, identity = made.it.clock, made.it.pipeline.identity
    outbox = tmp_path / "outbox.db"
    with closing(sqlite3.connect(outbox)) as connection, connection:
        connection.execute(f"DELETE FROM entry WHERE key = 'hour/alpha-1/{START_MS + HOUR_MS}/0'")
    last = signed_statements(outbox, identity)[START_MS + HOUR_MS].record
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        await enter(made, EVEN, ended_ms=ENDED_MS + 2)
        *_, told = await revisions(made.it)
        assert (told[0], named(hour_of(told))) == (last, by(EVEN, "1.000"))


async def test_hours_that_were_made_by_the_factor_of_the_site_stay_as_they_are(tmp_path: Path) -> None:
    site = "bias = [{ factor = 1.020, since = 2026-01-01T00:00:00Z }]"
    async with office(tmp_path, unit=site) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        await enter(made, HIGH)
        assert await revisions(made.it) == []
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=f"{BY_RATA}\n{site}") as made:
        await to_hour(made, 3)
        assert await revisions(made.it) == []
        assert named((await made.it.hours())[-1]) == by(HIGH, "1.092")


async def test_an_hour_that_other_rules_made_stays_as_it_is(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        await enter(made, LOW)
        assert [named(hour_of(one)) for one in await revisions(made.it)] == [by(LOW, "1.114")]
        clock = made.it.clock
    async with office(tmp_path, clock=clock, unit=f"{BY_RATA}\nbias_low_emitter_cap = true") as made:
        await to_hour(made, 3)
        assert len(await revisions(made.it)) == 1  # a setting lowers nothing that was signed
        assert named((await made.it.hours())[-1]) == by(LOW, "1.111")


async def test_an_hour_whose_test_is_lost_is_not_taken_for_one_without(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await enter(made, HIGH, ended_ms=START_MS + 1)
        await to_hour(made, 2)
        clock = made.it.clock
    (tmp_path / "qa.db").unlink()
    async with office(tmp_path, clock=clock, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await enter(made, EVEN, ended_ms=START_MS + HOUR_MS)
        assert await revisions(made.it) == []
        await enter(made, HIGH, ended_ms=START_MS + 1)  # found again: now the later one is known to be later
        (told,) = await revisions(made.it)
        assert (hour_of(told)[1], named(hour_of(told))) == (START_MS + HOUR_MS, by(EVEN, "1.000"))


async def test_without_bias_an_hour_keeps_its_mass_and_names_the_test(tmp_path: Path) -> None:
    async with office(tmp_path, unit=BY_RATA) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        before = (await made.it.hours())[-1]
        await enter(made, EVEN)
        (told,) = await revisions(made.it)
        assert (hour_of(told)[4], named(hour_of(told))) == (before[4], by(EVEN, "1.000"))


async def test_a_substitute_follows_the_hours_that_it_was_computed_from(tmp_path: Path) -> None:
    async with office(tmp_path, unit=f"{BY_RATA}\n{PART75}") as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await to_hour(made, 2)
        await made.it.measure(58, nox_ppm=None)
        await to_hour(made, 4)
        kept = await made.it.history.between(
            "alpha-1", from_ms=START_MS + 2 * HOUR_MS, to_ms=START_MS + 3 * HOUR_MS
        )
        stated = kept[0].stated
        assert stated is not None
        await enter(made, HIGH)
        told = {hour_of(one)[1]: hour_of(one) for one in await revisions(made.it)}
        await made.it.measure(1)
        told |= {hour_of(one)[1]: hour_of(one) for one in await revisions(made.it)}
        assert {*told} == {START_MS + n * HOUR_MS for n in (1, 2, 3)}
        gap = told[START_MS + 2 * HOUR_MS]
        assert gap[6] == "substituted"
        assert int(str(gap[4])) > stated.nox_g


async def test_each_stack_is_revised_by_the_test_of_its_own_monitor(tmp_path: Path) -> None:
    checks = "".join(calibration_text(f"{stack}.{NOX}", lines=TIMES) for stack in ("east", "west"))
    planned = stacks.planned(f"{stacks.STACKS}\n{BY_RATA}", stacks.TWO + checks)
    async with bench(tmp_path, planned=planned) as unit:
        await stack_sequence(unit)
        await stacks.measure(unit, 114, east_ppm=Decimal(100), west_ppm=Decimal(50))
        await enter(Office(unit, unit.office), HIGH, quantity=f"west.{NOX}")
        (told,) = await revisions(unit)
        _, before = await unit.hours()
    new = hour_of(told)
    assert {"east.baf:1.000", "east.baf_by:no_rata", "west.baf:1.092"} <= {*said(new)}
    grams = {word.partition(":")[0]: int(word.rpartition(":")[2]) for word in said(new) if "_g:" in word}
    assert grams["west.nox_g"] == round_half_away(grams["west.unadjusted_g"] * 1_092, 1_000)
    assert new[4] == grams["west.nox_g"] + grams["east.nox_g"]
    assert int(str(new[4])) > int(str(before[4]))
    kept = [word for word in said(before) if not word.startswith(("west.baf", "west.nox_g"))]
    assert {*kept} <= {*said(new)}


async def test_every_unit_on_a_stack_revises_its_part(tmp_path: Path) -> None:
    calibrations = calibration_text(lines="settle_s = 60\nread_s = 90")
    async with stack_bench(tmp_path, owner=BY_RATA, calibrations=calibrations) as stack:
        await shared_sequence(stack)
        await stack.measure(114, alpha_w=60_000_000, beta_w=20_000_000)
        usual = {
            "ask": "enter", "unit": OWNER, "quantity": NOX, "kind": "rata", "file": "t.csv", "text": HIGH,
            "day": "2026-01-01", "name": "A. Person", "reason": "yearly", "ended_ms": ENDED_MS,
        }  # fmt: skip
        caller = Caller("operator", stack.clock.at_ms)
        await stack.measuring.quality.enter(AskEnter.model_validate(usual), caller)
        await asyncio.gather(*(pipeline.close_hours() for pipeline in stack.measuring.pipelines.values()))
        parts = []
        for unit in (OWNER, SHARER):
            (new,) = [body for kind, body in await stack.said(unit) if kind == "hour.revise"]
            words = {*new["recipe"]}
            assert {*by(HIGH, "1.092")} <= words
            assert "baf_by:no_rata" not in words
            told = (word.split(":") for word in words)
            grams = {word: int(text) for word, text, *_ in told if word in ("stack_g", "stack_unadjusted_g")}
            assert grams["stack_g"] == round_half_away(grams["stack_unadjusted_g"] * 1_092, 1_000)
            parts.append((new["nox_g"], grams["stack_g"]))
            (_, kept) = await stack.equipment.hours.history(unit, from_ms=0)
            assert kept.nox_g == grams["stack_g"]
            assert kept.share is not None
            assert kept.share.part(grams["stack_g"]) == new["nox_g"]
        assert sum(part for part, _ in parts) == parts[0][1] == parts[1][1]
