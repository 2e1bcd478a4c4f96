"""What a look at a monitor says, as a table of cases."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.alarm_desk import AlarmDesk
from doxedge.gateway.alarm_rules import RULES
from doxedge.gateway.qa_due import TestTerm
from doxedge.gateway.qa_sightings import MonitorFacts, monitor_sightings
from doxedge.gateway.record_desk import Happening
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.alarms import AlarmStore

NOW_MS = 1_000 * HOUR_MS
CODES = (
    "calibration.due", "calibration.expired", "calibration.failed", "monitor.out_of_control", "gas.expiring",
    "bias.low", "qal3.drift", "qal2.range", "test.due",
)  # fmt: skip


def facts(**changed: Any) -> MonitorFacts:
    usual: dict[str, Any] = {
        "subject": "alpha-1.nox_ppb",
        "in_control": True,
        "standing": "in control",
        "why": "",
        "valid_until_ms": NOW_MS + 20 * HOUR_MS,
        "gas_until_ms": None,
    }
    return MonitorFacts(**{**usual, **changed})


def out(standing: str) -> dict[str, Any]:
    return {"in_control": False, "standing": standing, "valid_until_ms": None}


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({}, set()),
        ({"valid_until_ms": NOW_MS + 4 * HOUR_MS}, set()),
        ({"valid_until_ms": NOW_MS + 4 * HOUR_MS - 1}, {"calibration.due"}),
        ({"standing": "in control (grace)", "valid_until_ms": NOW_MS - HOUR_MS}, {"calibration.due"}),
        (out("out of control: expired"), {"calibration.expired", "monitor.out_of_control"}),
        (out("out of control: failed"), {"calibration.failed", "monitor.out_of_control"}),
        (out("out of control: aborted"), {"calibration.failed", "monitor.out_of_control"}),
        (out("out of control: no prior test"), {"monitor.out_of_control"}),
        ({"gas_until_ms": NOW_MS + 14 * DAY_MS}, set()),
        ({"gas_until_ms": NOW_MS + 14 * DAY_MS - 1}, {"gas.expiring"}),
        ({"gas_until_ms": NOW_MS - DAY_MS}, {"gas.expiring"}),
        ({"bias": (Decimal("1.092"), Decimal("1.092"))}, set()),
        ({"bias": (Decimal("1.092"), Decimal("1.091"))}, {"bias.low"}),
        ({"drifts": "zero gas: drift upwards"}, {"qal3.drift"}),
        ({"outside": "9 of 10 hours"}, {"qal2.range"}),
        ({"test": TestTerm("rata", NOW_MS + 14 * DAY_MS, "is good")}, set()),
        ({"test": TestTerm("rata", NOW_MS - DAY_MS, "was good", 0)}, {"test.due"}),
    ],
)
def test_each_condition_is_said_to_hold_or_not(changed: dict[str, Any], held: set[str]) -> None:
    seen = {sighting.code: sighting.holds for sighting in monitor_sightings(facts(**changed), now_ms=NOW_MS)}
    assert seen == {code: code in held for code in CODES}
    assert set(CODES) <= set(RULES)


async def test_out_of_control_is_signed_once_and_once_when_it_is_over(tmp_path: Path) -> None:
    signed: list[Happening] = []
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=lambda _, happening: signed.append(happening))
        failed = facts(**out("out of control: failed"))
        for at_ms, seen in (
            (NOW_MS, failed),
            (NOW_MS + 1, failed),
            (NOW_MS + 2, facts()),
            (NOW_MS + HOUR_MS, facts()),
        ):
            await desk.look(monitor_sightings(seen, now_ms=at_ms), now_ms=at_ms)
        listed = {alarm.code for alarm in await desk.wanting()}
    assert [happening.code for happening in signed] == ["alarm.raised", "alarm.cleared"]
    assert "out of control: failed" in signed[0].text
    assert listed == {
        "calibration.failed",
        "monitor.out_of_control",
    }  # over, and nobody has acknowledged them
