"""Calibration checks on real sockets before a simulated analyser, in compressed time: an hour is five seconds."""

from __future__ import annotations

import asyncio
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
TIMES = "settle_s = 120\nread_s = 120"


def standing(gateway: Gateway) -> str:
    """Of the only monitor."""
    (monitor,) = gateway.measuring.quality.standings(UNIT)
    return str(monitor["standing"])


def said(ledger: MemoryLedger) -> list[tuple[Any, Any]]:
    """(code, text) of the final events about calibrations."""
    return [(body[1], body[3]) for body in ledger.final_bodies("event") if "calibration." in str(body[1])]


async def test_an_instruments_own_sequence_is_followed_and_the_hours_after_it_count(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    # Zero gas from 12:30 to 12:45, span gas until 12:55.
    faults = ["analyser:zero@3600+900", "analyser:span@4500+600"]
    async with (
        simulated_site(faults=faults) as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=TIMES)) as gateway,
    ):
        assert standing(gateway) == "out of control: no prior test"
        await until(
            lambda: standing(gateway) == "in control", within_s=PATIENCE_S, what="a check that passed"
        )
        body = await hour_from(ledger, FIRST_HOUR_MS + HOUR_MS)
        assert_true(site, body, rel=0.05)
        assert not [
            hour for hour in ledger.final_bodies("hour") if int(str(hour[1])) < FIRST_HOUR_MS + HOUR_MS
        ]
        causes = {body[1]: str(body[3]) for body in ledger.final_bodies("gap")}
        assert "nox_ppb" in causes[FIRST_HOUR_MS]
        await until(lambda: bool(said(ledger)), within_s=PATIENCE_S, what="the signed event")
        ((code, text),) = said(ledger)
        assert code == "calibration.passed"
        assert "for 400000, error 0.0 % of span" in text


DRIVEN = f'{TIMES}\ncontrol = "commands"\ndaily_at = 12:05:00'


async def test_a_scheduled_check_switches_the_gas_passes_and_its_hour_counts_by_60_13_h_2_iii(
    tmp_path: Path,
) -> None:
    ledger = MemoryLedger.begin()
    async with (
        simulated_site() as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=DRIVEN)) as gateway,
    ):
        await until(
            lambda: standing(gateway) == "in control", within_s=PATIENCE_S, what="a check that passed"
        )
        body = await hour_from(ledger, FIRST_HOUR_MS)
        assert (body[1], body[7]) == (FIRST_HOUR_MS, "60.13(h)(2)(iii)(A)")
        assert_true(site, body, rel=0.05)
        # The analyser was put back: the hour after it is measured whole.
        after = await hour_from(ledger, FIRST_HOUR_MS + HOUR_MS)
        assert after[7] == "60.13(h)(2)(i)"
        assert_true(site, after, rel=0.05)
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


async def test_a_check_that_fails_leaves_hours_without_a_mass_until_one_passes(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    # From 13:00 until before 15:00 the analyser reads more and more, also of the gas: 8 % in the first hour.
    async with (
        simulated_site(faults=["analyser:drift=80@5400+5700"]) as site,
        gateway_at(site, tmp_path, ledger, calibrations=calibration_text(lines=DRIVEN)) as gateway,
    ):
        await until(
            lambda: standing(gateway) == "in control", within_s=PATIENCE_S, what="a check that passed"
        )
        await plant_time(site, FIRST_HOUR_MS + 2 * HOUR_MS)
        failed = await calibrated(tmp_path)
        assert (failed["end"], failed["gases"][1]["verdict"]) == ("failed", "FAILED")
        assert standing(gateway) == "out of control: failed"
        await plant_time(site, FIRST_HOUR_MS + 3 * HOUR_MS)
        passed = await calibrated(tmp_path)
        assert passed["end"] == "passed"
        await hour_from(ledger, passed["at_ms"] - passed["at_ms"] % HOUR_MS + HOUR_MS)
        stated = {int(str(body[1])) for body in ledger.final_bodies("hour")}
        out = range(failed["at_ms"] - failed["at_ms"] % HOUR_MS, passed["at_ms"] - HOUR_MS, HOUR_MS)
        assert out
        assert stated.isdisjoint(out)
        assert set(out) <= {int(str(body[1])) for body in ledger.final_bodies("gap")}
        codes = [code for code, _ in said(ledger)]
        assert codes == ["calibration.passed", "calibration.failed", "calibration.passed"]


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
            assert (await calibrated(tmp_path))["end"] == "passed"
            await until(lambda: len(said(ledger)) == 2, within_s=PATIENCE_S, what="both events")
            assert [code for code, _ in said(ledger)] == ["calibration.aborted", "calibration.passed"]


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
        await until(
            lambda: standing(gateway) == "in control", within_s=PATIENCE_S, what="a check that passed"
        )
        await until(is_over, within_s=PATIENCE_S, what="the end of the alarm")
