"""Calibration checks on real sockets before a simulated analyser, in compressed time: an hour is five seconds."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.gateway_folder import ask
from doxedge.gateway.daemon import Gateway
from doxedge.measurement.sample import Reason
from doxedge.quantity import HOUR_MS
from tests.gateway.calibrations import calibration_text
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.gateway.waiting import until
from tests.integration.simulated_site import FIRST_HOUR_MS, SimulatedSite, simulated_site
from tests.integration.test_gateway import PATIENCE_S, assert_true, gateway_at, hour_from

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HOUR_S = HOUR_MS // 1_000
TIMES = "settle_s = 300\nread_s = 240"
"""Short, and long enough for a machine that is shared: a third of a second."""


def standing(gateway: Gateway) -> str:
    """Of the only monitor."""
    (monitor,) = gateway.measuring.quality.standings(UNIT)
    return str(monitor["standing"])


def said(ledger: MemoryLedger) -> list[tuple[Any, Any]]:
    """(code, text) of the final events about calibrations."""
    return [(body[1], body[3]) for body in ledger.final_bodies("event") if "calibration." in str(body[1])]


async def test_an_instruments_own_sequence_is_followed_and_the_hours_after_it_count(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    # Zero gas from minute 30 to 45, span gas until 55, in every other hour; who starts late follows a later one.
    every_s, first_s = 2 * HOUR_S, 3_600
    faults = [f"analyser:zero@{first_s + n * every_s}+900" for n in range(12)]
    faults += [f"analyser:span@{first_s + 900 + n * every_s}+600" for n in range(12)]
    async with (
        simulated_site(faults=faults) as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=TIMES)) as gateway,
    ):
        assert standing(gateway) == "out of control: no prior test"
        await until(
            lambda: standing(gateway) == "in control", within_s=PATIENCE_S, what="a check that passed"
        )
        await until(lambda: bool(passes(ledger)), within_s=PATIENCE_S, what="the signed event")
        passed_ms, text = passes(ledger)[0]
        assert "for 400000, error 0.0 % of span" in text
        # It may be told in the hour after it.
        passed_hour_ms = passed_ms - (passed_ms - FIRST_HOUR_MS) % (2 * HOUR_MS)
        body = await hour_from(ledger, passed_hour_ms + HOUR_MS)
        assert_true(site, body, least=0.05)
        assert not [hour for hour in ledger.final_bodies("hour") if int(str(hour[1])) <= passed_hour_ms]
        causes = {body[1]: str(body[3]) for body in ledger.final_bodies("gap")}
        assert "nox_ppb" in causes[passed_hour_ms]


DRIVEN = f'{TIMES}\ncontrol = "commands"'


def scheduled(site: SimulatedSite) -> tuple[int, str]:
    """An hour that begins in some seconds, when everything runs, and a check with gas in its minute 5."""
    hour_ms = site.whole_hour_ms() + HOUR_MS
    return hour_ms, f"{DRIVEN}\ndaily_at = {hour_ms // HOUR_MS % 24:02}:05:00"


def passes(ledger: MemoryLedger) -> list[tuple[int, str]]:
    """(when, text) of the checks that passed."""
    events = ledger.final_bodies("event")
    return [(int(str(body[2])), str(body[3])) for body in events if body[1] == "calibration.passed"]


async def test_a_scheduled_check_switches_the_gas_passes_and_its_hour_counts_by_60_13_h_2_iii(
    tmp_path: Path,
) -> None:
    ledger = MemoryLedger.begin()
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(simulated_site())
        hour_ms, lines = scheduled(site)
        calibrations = calibration_text(lines=lines)
        gateway = await stack.enter_async_context(
            gateway_at(site, tmp_path, ledger, calibrations=calibrations)
        )
        await until(
            lambda: standing(gateway) == "in control", within_s=PATIENCE_S, what="a check that passed"
        )
        body = await hour_from(ledger, hour_ms)
        assert (body[1], body[7]) == (hour_ms, "60.13(h)(2)(iii)(A)")
        assert_true(site, body, least=0.05)
        # The analyser was put back: the hour after it is measured whole.
        after = await hour_from(ledger, hour_ms + HOUR_MS)
        assert after[7] == "60.13(h)(2)(i)"
        assert_true(site, after, least=0.05)
        ((code, text),) = said(ledger)
        assert (code, "begun by the schedule" in text) == ("calibration.passed", True)


async def calibrated(folder: Path) -> dict[str, Any]:
    """Ask at the operators' door, as the command does, and wait until it is over: what it came to."""
    door = folder / "gateway"
    answer = await asyncio.to_thread(ask, door, {"ask": "calibrate", "unit": UNIT})
    (check,) = answer["checks"]
    question = {"ask": "check", "unit": UNIT, "check": check["check"]}

    async def is_over() -> bool:
        nonlocal check
        check = (await asyncio.to_thread(ask, door, question))["check"]
        return bool(check["over"])

    await until(is_over, within_s=PATIENCE_S, what="the end of the check")
    (result,) = check["results"]
    return dict(result)


async def judged(folder: Path) -> dict[str, Any]:
    """What a check comes to that a busy machine did not break off."""
    while (result := await calibrated(folder))["end"] == "aborted":
        pass
    return result


async def comes_to(folder: Path, end: str) -> dict[str, Any]:
    """The first of the checks that comes to `end`: a busy simulator's drift begins and ends later than it should."""
    async with asyncio.timeout(PATIENCE_S):
        while (result := await judged(folder))["end"] != end:
            pass
    return result


def verdicts(ledger: MemoryLedger) -> list[str]:
    """The codes of the events about checks that were not broken off; the same one several times in a row is one."""
    codes = [str(code) for code, _ in said(ledger) if code != "calibration.aborted"]
    return [code for code, _ in groupby(codes)]


async def test_a_check_that_fails_leaves_hours_without_a_mass_until_one_passes(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    # From 14:00 until 16:00 the analyser reads more and more, also of the gas: 8 % in the first hour.
    drifts_ms = FIRST_HOUR_MS + 2 * HOUR_MS
    async with (
        simulated_site(faults=[f"analyser:drift=80@{2.5 * HOUR_S:.0f}+{2 * HOUR_S}"]) as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=DRIVEN)) as gateway,
    ):
        assert (await judged(tmp_path))["end"] == "passed"
        await plant_time(site, drifts_ms + HOUR_MS)
        failed = await comes_to(tmp_path, "failed")
        assert failed["gases"][1]["verdict"] == "FAILED"
        assert standing(gateway) == "out of control: failed"
        await plant_time(site, drifts_ms + 2 * HOUR_MS)
        passed = await comes_to(tmp_path, "passed")
        await hour_from(ledger, passed["at_ms"] - passed["at_ms"] % HOUR_MS + HOUR_MS)
        stated = {int(str(body[1])) for body in ledger.final_bodies("hour")}
        out = range(failed["at_ms"] - failed["at_ms"] % HOUR_MS, passed["at_ms"] - HOUR_MS, HOUR_MS)
        assert out
        assert stated.isdisjoint(out)
        assert set(out) <= {int(str(body[1])) for body in ledger.final_bodies("gap")}
        assert verdicts(ledger) == ["calibration.passed", "calibration.failed", "calibration.passed"]


async def test_a_gateway_that_stops_in_a_check_puts_the_analyser_back_and_the_check_is_aborted(
    tmp_path: Path,
) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site:
        text = calibration_text(lines=DRIVEN)
        async with gateway_at(site, tmp_path, ledger, calibrations=text) as gateway:

            def wanted() -> object:
                (monitor,) = gateway.measuring.quality.standings(UNIT)
                return monitor["check"] and dict(monitor["check"])["wanted"]  # type: ignore[call-overload]

            await asyncio.to_thread(ask, tmp_path / "gateway", {"ask": "calibrate", "unit": UNIT})
            await until(lambda: wanted() == "upscale", within_s=PATIENCE_S, what="the zero gas was read")
        async with gateway_at(site, tmp_path, ledger, calibrations=text) as gateway:
            assert standing(gateway) == "out of control: aborted"
            pipeline = gateway.measuring.pipelines[UNIT]
            await until(
                lambda: (
                    "nox_ppb" in pipeline.latest
                    and pipeline.latest["nox_ppb"].reason is Reason.OUT_OF_CONTROL
                ),
                within_s=PATIENCE_S,
                what="stack gas again, which does not count",
            )
            assert (await judged(tmp_path))["end"] == "passed"
            await until(lambda: bool(verdicts(ledger)), within_s=PATIENCE_S, what="both events")
            assert said(ledger)[0][0] == "calibration.aborted"
            assert verdicts(ledger) == ["calibration.passed"]


async def test_a_silent_analyser_aborts_the_check_that_was_asked_for(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with (
        simulated_site(faults=["analyser:exception=4@0+864000"]) as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=DRIVEN)) as gateway,
    ):
        result = await calibrated(tmp_path)
        assert (result["end"], "exception 4" in result["why"]) == ("aborted", True)
        assert standing(gateway) == "out of control: aborted"


async def plant_time(site: SimulatedSite, at_ms: int) -> None:
    """Wait until the plant's clock says so."""
    await until(lambda: site.clock.now_ms() >= at_ms, within_s=PATIENCE_S, what="plant time")


async def test_a_new_monitor_raises_an_alarm_that_its_first_pass_ends(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with (
        simulated_site() as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=DRIVEN)) as gateway,
    ):

        async def alarms() -> dict[str, Any]:
            told = await asyncio.to_thread(ask, tmp_path / "gateway", {"ask": "status"})
            return {one["code"]: one["cleared_ms"] for one in told["status"]["alarms"]}

        async def is_raised() -> bool:
            return (await alarms()).get("monitor.out_of_control", 0) is None

        async def is_over() -> bool:
            return bool((await alarms()).get("monitor.out_of_control"))

        await until(is_raised, within_s=PATIENCE_S, what="the alarm")
        assert (await judged(tmp_path))["end"] == "passed"
        assert standing(gateway) == "in control"
        await until(is_over, within_s=PATIENCE_S, what="the end of the alarm")
