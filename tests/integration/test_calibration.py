"""Calibration checks on real sockets before a simulated analyser, in compressed time: an hour is five seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.daemon import Gateway
from doxedge.quantity import HOUR_MS
from tests.gateway.calibrations import calibration_text
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.gateway.waiting import until
from tests.integration.simulated_site import FIRST_HOUR_MS, simulated_site
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
        assert_true(site, body)
        assert not [
            hour for hour in ledger.final_bodies("hour") if int(str(hour[1])) < FIRST_HOUR_MS + HOUR_MS
        ]
        causes = {body[1]: str(body[3]) for body in ledger.final_bodies("gap")}
        assert "nox_ppb" in causes[FIRST_HOUR_MS]
        await until(lambda: bool(said(ledger)), within_s=PATIENCE_S, what="the signed event")
        ((code, text),) = said(ledger)
        assert code == "calibration.passed"
        assert "for 400000, error 0.0 % of span" in text
