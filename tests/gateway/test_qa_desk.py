"""Checks of a unit on the bench: instrument's own, asked for, passed, failed, broken off, over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.gateway.qa_check import Check, Origin
from doxedge.gateway.qa_desk import BOTH, QaDesk
from doxedge.gateway.qa_monitor import Change
from doxedge.gateway.qa_office import AskStop, QaOffice
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.qa import QaStore
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind
from tests.gateway.calibrations import calibration_text
from tests.gateway.unit_bench import Bench, SetClock, bench, plan
from tests.ledger.channels import START_MS

NOX = "nox_ppb"
ANALYSER = "alpha-1.analyser"
ZERO, SPAN = frozenset({"zero"}), frozenset({"span"})
TIMES = "settle_s = 120\nread_s = 60"
NO_TEST = "out of control: no prior test"


@asynccontextmanager
async def checked(folder: Path, *, clock: SetClock | None = None, lines: str = "") -> AsyncIterator[Bench]:
    """The bench with one monitor of NOx, span 500 ppm, gases of 0 and 400 ppm."""
    planned = plan(calibrations=calibration_text(lines=f"{TIMES}\n{lines}"))
    async with bench(folder, clock=clock, planned=planned) as it:
        yield it


def desk(it: Bench) -> QaDesk:
    assert it.quality is not None
    return it.quality


def stands(it: Bench) -> Change:
    return desk(it).monitors[NOX].current


async def own_sequence(it: Bench, *, zero: Decimal = Decimal(0), span: Decimal = Decimal(400)) -> None:
    """The instrument shows both gases by itself, four minutes each."""
    await it.measure(4, nox_ppm=zero, flags=ZERO)
    await it.measure(4, nox_ppm=span, flags=SPAN)


async def entries(folder: Path) -> list[QaEntry]:
    async with await QaStore.open(folder / "qa.db", now_ms=0) as store:
        return await store.newest(None, None, 1_000)


async def events(it: Bench) -> list[tuple[object, object]]:
    """(code, text) of what was signed about calibrations."""
    await it.pipeline.close_hours()
    return [
        (body[1], body[3])
        for kind, body in await it.said()
        if kind == "event" and str(body[1]).startswith("calibration")
    ]


async def test_without_a_test_nothing_is_in_control_and_the_hour_has_no_mass(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await it.measure(63)
        reading = it.pipeline.latest[NOX]
        assert (reading.quality, reading.reason) == (Quality.BAD, Reason.OUT_OF_CONTROL)
        assert reading.value is None
        assert it.pipeline.live()["flags"] == ["out_of_control"]
        assert it.pipeline.latest["no_ppb"].quality is Quality.GOOD  # nobody asked for checks of NO
        (gap,) = [body for kind, body in await it.said() if kind == "gap"]
        assert "nox_ppb:out_of_control" in str(gap[3])
        assert stands(it).standing == NO_TEST


async def test_the_instruments_own_sequence_passes_and_what_follows_counts(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await it.measure(2)
        await own_sequence(it)
        assert (
            stands(it) == Change(it.clock.at_ms - 20_000 - 30_000, True, "in control", "")
            or stands(it).in_control
        )
        await it.measure(55)
        (hour,) = await it.hours()
        assert (hour[6], hour[7]) == ("extrapolated", "60.13(h)(2)(iii)(A)")
        ((code, text),) = await events(it)
        assert code == "calibration.passed"
        assert "zero" in str(text)
        assert "for 400000, error 0.0 % of span, PASSED, bottle U-9 (a maker)" in str(text)
        assert "begun by the instrument" in str(text)
    (check,) = [entry for entry in await entries(tmp_path) if entry.kind == "check"]
    zero, upscale = check.body["gases"]
    assert (check.body["end"], zero["gas"], upscale["gas"]) == ("passed", "zero", "upscale")
    assert abs(Decimal(zero["measured"])) < 1
    assert zero["readings"] == 6
    assert zero["from_ms"] == START_MS + 4 * MINUTE_MS


async def test_a_failed_check_invalidates_its_hour_and_those_after_until_a_pass(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(52)
        await it.measure(30)
        await own_sequence(it, span=Decimal(430))  # 6 % of span
        assert stands(it).standing == "out of control: failed"
        await it.measure(22 + 60 + 5)
        await own_sequence(it)
        assert stands(it).in_control
        await it.measure(55 + 60 + 3)
        by_start = {int(str(body[1])): body for body in await it.hours()}
        gaps = [body for kind, body in await it.said() if kind == "gap"]
        assert [body[1] for body in gaps] == [START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]
        assert str(gaps[0][3]).startswith("calibration_failed")
        assert sorted(by_start) == [START_MS, START_MS + 3 * HOUR_MS, START_MS + 4 * HOUR_MS]
        assert by_start[START_MS + 3 * HOUR_MS][7] == "60.13(h)(2)(iii)(A)"
        assert by_start[START_MS + 4 * HOUR_MS][7] == "60.13(h)(2)(i)"
        codes = [code for code, _ in await events(it)]
        assert codes == ["calibration.passed", "calibration.failed", "calibration.passed"]


async def test_under_part_60_a_failed_check_puts_the_hours_since_the_last_pass_in_doubt(
    tmp_path: Path,
) -> None:
    async with checked(tmp_path, lines='failed_check = "part60"') as it:
        await own_sequence(it)
        await it.measure(52 + 120 + 10)
        assert len(await it.hours()) == 3
        await own_sequence(it, span=Decimal(430))
        await it.measure(60)
        said = await events(it)
        (text,) = [str(text) for code, text in said if code == "calibration.suspect"]
        assert f"from {START_MS + HOUR_MS} to {START_MS + 3 * HOUR_MS}" in text
        doubtful = [
            body[3] for kind, body in await it.said() if kind == "event" and body[1] == "hour.doubtful"
        ]
        assert len(doubtful) == 2  # the hours that can still be revised; the first keeps its pass


async def test_a_pass_is_good_for_26_clock_hours(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(52)
        it.clock.run_to(START_MS + 25 * HOUR_MS)
        await it.measure(59)
        assert stands(it).in_control
        await it.measure(2)
        assert stands(it) == Change(START_MS + 26 * HOUR_MS, False, "out of control: expired", "")
        assert it.pipeline.latest[NOX].reason is Reason.OUT_OF_CONTROL


async def asked(it: Bench, *, by: str = "operator") -> Check:
    return await desk(it).begin_check(ANALYSER, [NOX], BOTH, origin=Origin.OPERATOR, by=by)


async def test_a_check_that_an_operator_asks_for_waits_for_his_gas(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        check = await asked(it)
        await it.measure(5)
        assert check.as_dict()["wanted"] == "zero"
        with pytest.raises(ValueError, match="under way"):
            await asked(it)
        await own_sequence(it)
        assert check.as_dict()["over"] is True
        (result,) = check.results
        assert (result["end"], result["by"]) == ("passed", "operator")
        assert desk(it).checks == {}
        # The last gas is still on for a while, and begins no other check.
        await it.measure(5, nox_ppm=Decimal(400), flags=SPAN)
        assert desk(it).checks == {}


async def test_gas_that_is_taken_away_aborts_a_check_that_was_asked_for(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(5)
        check = await asked(it)
        await it.measure(1, nox_ppm=Decimal(0), flags=ZERO)
        await it.measure(2)
        assert check.as_dict()["over"] is True
        assert stands(it).standing == "out of control: aborted"
        assert "taken away" in stands(it).why
        assert (await events(it))[-1][0] == "calibration.aborted"


async def test_a_check_for_which_no_gas_ever_came_changes_nothing(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        check = await asked(it)
        await it.measure(40)
        assert [one["end"] for one in check.results] == ["incomplete"]
        assert stands(it).in_control
        assert [code for code, _ in await events(it)] == ["calibration.passed"]


async def test_a_sequence_that_the_instrument_breaks_off_changes_nothing(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(10)
        await it.measure(4, nox_ppm=Decimal(0), flags=ZERO)
        await it.measure(30)
        assert stands(it).in_control
        assert desk(it).checks == {}
    ends = [entry.body["end"] for entry in await entries(tmp_path) if entry.kind == "check"]
    assert ends == ["passed", "incomplete"]


async def test_a_zero_that_fails_alone_is_a_failed_check(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(10)
        await it.measure(4, nox_ppm=Decimal(30), flags=ZERO)
        await it.measure(30)
        assert stands(it).standing == "out of control: failed"


async def test_a_check_begins_by_schedule_once_a_day(tmp_path: Path) -> None:
    async with checked(tmp_path, lines="daily_at = 00:10:00") as it:
        await it.measure(9)
        assert desk(it).checks == {}
        await it.measure(2)
        check = desk(it).checks[ANALYSER]
        assert check.origin is Origin.SCHEDULE
        await own_sequence(it)
        assert check.as_dict()["over"] is True
        await it.measure(60)
        assert desk(it).checks == {}


async def test_a_bottle_past_its_date_begins_no_check_and_the_schedule_says_so(tmp_path: Path) -> None:
    old = 'upscale = { reference = 400_000, bottle = "U-8", vendor = "a maker", expires = 2025-12-31 }'
    text = calibration_text(lines=f"{TIMES}\ndaily_at = 00:10:00", upscale=old)
    async with bench(tmp_path, planned=plan(calibrations=text)) as it:
        with pytest.raises(ValueError, match="U-8"):
            await asked(it)
        await it.measure(12)
        assert desk(it).checks == {}
        ((code, told),) = await events(it)
        assert (code, "U-8" in str(told)) == ("calibration.missed", True)


async def test_the_standing_survives_a_restart_and_open_hours_are_judged_as_before(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(12)
        before, clock = stands(it), it.clock
    async with checked(tmp_path, clock=clock) as it:
        assert stands(it) == before
        await it.measure(43)
        (hour,) = await it.hours()
        assert hour[7] == "60.13(h)(2)(iii)(A)"
        codes = [code for code, _ in await events(it)]
        assert codes == ["calibration.passed"]  # told again, signed once


async def test_a_failed_check_just_before_a_restart_still_invalidates_its_hour(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(30)
        await own_sequence(it, span=Decimal(430))
        clock = it.clock
    async with checked(tmp_path, clock=clock) as it:
        assert stands(it).standing == "out of control: failed"
        await it.measure(20)
        assert await it.hours() == []
        (gap,) = [body for kind, body in await it.said() if kind == "gap"]
        assert str(gap[3]).startswith("calibration_failed")


async def test_a_restart_in_the_middle_of_a_check_aborts_it(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(5)
        await asked(it)
        await it.measure(2, nox_ppm=Decimal(0), flags=ZERO)
        clock = it.clock
    async with checked(tmp_path, clock=clock) as it:
        assert stands(it).standing == "out of control: aborted"
        await it.measure(5)
        ends = [code for code, _ in await events(it)]
        assert ends == ["calibration.passed", "calibration.aborted"]
        await own_sequence(it)
        assert stands(it).in_control
    begun = [entry for entry in await entries(tmp_path) if entry.kind == "begun"]
    assert len(begun) == 3


async def test_a_power_cut_between_the_end_of_a_check_and_its_standing_loses_neither(tmp_path: Path) -> None:
    """The disk holds the check's end and not the standing it makes: as after a cut between the two."""
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(5)
        clock = it.clock
    async with await QaStore.open(tmp_path / "qa.db", now_ms=0) as store:
        about = {"unit": "alpha-1", "quantity": NOX, "at_ms": clock.at_ms}
        (begun,) = await store.append([QaDraft(kind=QaKind.BEGUN, body={}, **about)])  # type: ignore[arg-type]
        body = {"end": "failed", "why": "", "origin": "operator", "by": "", "gases": []}
        await store.append(
            [QaDraft(kind=QaKind.CHECK, body=body, begun=begun.number, **about)]  # type: ignore[arg-type]
        )
    async with checked(tmp_path, clock=clock) as it:
        assert stands(it).standing == "out of control: failed"


async def test_a_check_across_an_hour_border_touches_both_hours(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(52 + 56)
        await own_sequence(it)
        await it.measure(62)
        clauses = {body[1]: body[7] for body in await it.hours()}
        assert clauses[START_MS + HOUR_MS] == "60.13(h)(2)(iii)(A)"
        assert clauses[START_MS + 2 * HOUR_MS] == "60.13(h)(2)(iii)(A)"


async def test_after_an_outage_a_grace_of_eight_operating_hours_begins_and_then_a_check_is_wanted(
    tmp_path: Path,
) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(10)
        await it.measure(2, power_w=0)
        it.clock.run_to(START_MS + 40 * HOUR_MS)
        await desk(it).look()
        await it.measure(2)
        assert stands(it).standing == "in control (grace)"
        assert it.pipeline.latest[NOX].quality is Quality.GOOD
        it.clock.run_to(START_MS + 47 * HOUR_MS)
        await it.measure(1)
        assert stands(it).in_control
        it.clock.run_to(START_MS + 48 * HOUR_MS)
        await it.measure(1)
        assert stands(it).standing == "out of control: expired"


async def test_a_clock_that_was_ahead_by_years_leaves_no_pass_in_the_future(tmp_path: Path) -> None:
    years_ms = 4 * 365 * 24 * HOUR_MS
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(2)
        it.clock.run_to(it.clock.at_ms + years_ms)
        await own_sequence(it)  # a pass that is dated years ahead
        assert stands(it).in_control
        it.clock.run_to(START_MS + 20 * MINUTE_MS)
        await desk(it).look()
        assert stands(it).standing == NO_TEST
        await it.measure(2)
        await own_sequence(it)
        assert stands(it).in_control
        clock = it.clock
    async with checked(tmp_path, clock=clock) as it:
        assert stands(it).in_control
        valid_until_ms = desk(it).monitors[NOX].valid_until_ms
        assert valid_until_ms == START_MS + 26 * HOUR_MS


async def test_a_clock_that_was_ahead_for_a_while_leaves_the_pass_of_the_past_as_it_was(
    tmp_path: Path,
) -> None:
    async with checked(tmp_path) as it:
        await own_sequence(it)
        await it.measure(2)
        it.clock.run_to(it.clock.at_ms + 1_000 * HOUR_MS)
        await desk(it).look()
        assert stands(it).standing == "out of control: expired"
        it.clock.run_to(START_MS + 20 * MINUTE_MS)
        await desk(it).look()
        assert stands(it).in_control
        assert desk(it).monitors[NOX].valid_until_ms == START_MS + 26 * HOUR_MS


async def test_an_operator_who_asks_while_the_instrument_shows_gas_by_itself_has_his_check(
    tmp_path: Path,
) -> None:
    async with checked(tmp_path) as it:
        await it.measure(1, nox_ppm=Decimal(0), flags=ZERO)
        assert desk(it).checks[ANALYSER].origin is Origin.INSTRUMENT
        begun, _ = await asyncio.gather(asked(it), desk(it).look())
        assert desk(it).checks[ANALYSER] is begun
        await own_sequence(it)
        assert [one["end"] for one in begun.results] == ["passed"]
    ends = [entry.body["end"] for entry in await entries(tmp_path) if entry.kind == "check"]
    assert ends == ["incomplete", "passed"]


async def test_an_operator_stops_a_check(tmp_path: Path) -> None:
    async with checked(tmp_path) as it:
        office = QaOffice(clock=it.clock, command=no_command)
        office.desks["alpha-1"] = desk(it)
        stop, caller = AskStop(ask="stop_check", unit="alpha-1"), Caller("operator", it.clock.at_ms)
        with pytest.raises(Refusal, match="under way"):
            await office.stop(stop, caller)
        await own_sequence(it)
        await it.measure(2)
        check = await asked(it)
        await it.measure(1, nox_ppm=Decimal(0), flags=ZERO)
        assert await office.stop(stop, caller) == {"checks": [check.as_dict()], "not_begun": []}
        await it.measure(1, nox_ppm=Decimal(0), flags=ZERO)
        assert [(one["end"], one["why"]) for one in check.results] == [("aborted", "stopped by operator")]


async def no_command(device: str, command: str) -> str | None:
    return f"{device} takes no {command}"


async def test_an_instrument_that_takes_the_command_and_shows_no_gas_aborts_the_check(tmp_path: Path) -> None:
    async with checked(tmp_path, lines='control = "commands"') as it:
        await own_sequence(it)
        await it.measure(2)
        check = await asked(it)
        await it.measure(8)
        ((end, why),) = [(one["end"], str(one["why"])) for one in check.results]
        assert (end, "no zero gas was read within" in why) == ("aborted", True)
        assert not stands(it).in_control


async def test_another_plan_takes_over_the_standing_and_aborts_what_is_under_way(tmp_path: Path) -> None:
    async with checked(tmp_path, lines='control = "commands"') as it:
        old = desk(it)
        await own_sequence(it)
        await it.measure(2)
        await asked(it)
        await it.measure(1, nox_ppm=Decimal(0), flags=ZERO)
        bottle = 'upscale = { reference = 400_000, bottle = "U-10", vendor = "a maker" }'
        planned = plan(calibrations=calibration_text(lines=f'{TIMES}\ncontrol = "commands"', upscale=bottle))
        new = await it.office.reopen_desk(planned, it.checks, it.pipeline)
        assert new is not None
        it.quality = it.pipeline.quality = new
        await old.look()
        assert old.checks == {}
        assert stands(it).standing == "out of control: aborted"
        await it.measure(4)
        await own_sequence(it)
        assert stands(it).in_control
        assert "bottle U-10" in str((await events(it))[-1][1])
    ends = [entry.body["end"] for entry in await entries(tmp_path) if entry.kind == "check"]
    assert ends == ["passed", "aborted", "passed"]
