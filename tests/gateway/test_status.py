"""What an hour still needs, and how a gateway is told of in plain values."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from doxedge.fieldbus.line import DeviceState
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.poster import PosterState
from doxedge.gateway.status import UnitStatus, gateway_as_dict, hour_as_dict
from doxedge.measurement.alarms import Acknowledgement, Alarm
from doxedge.measurement.collected_hour import RunningHour
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import Grams
from doxedge.store.rows import Queue


@pytest.mark.parametrize(
    ("elapsed", "empty", "running", "needed", "lost"),
    [
        pytest.param(0, (), True, 3, [], id="before the first minute"),
        pytest.param(1, (0,), True, 4, [], id="the first minute is not over"),
        pytest.param(2, (), True, 3, [], id="the first point is there"),
        pytest.param(15, (0,), True, 4, [], id="the last minute of the first quarter can still save it"),
        pytest.param(16, (0, 1), True, 3, [1], id="the first quarter is lost"),
        pytest.param(46, (3,), True, 1, [], id="the last quarter needs its point"),
        pytest.param(60, (), True, 0, [], id="all are there"),
        pytest.param(60, (1, 3), True, 1, [2], id="one lost, one open"),
        pytest.param(20, (), False, 0, [], id="a unit at standstill needs nothing"),
        pytest.param(20, (1,), False, 1, [], id="it ran in this quarter"),
    ],
)
def test_what_an_hour_still_needs(
    elapsed: int, empty: tuple[int, ...], running: bool, needed: int, lost: list[int]
) -> None:
    told = hour_as_dict(RunningHour(0, elapsed, elapsed, 0, Grams(5), empty), running=running)
    assert (told["minutes_needed"], told["quarters_lost"]) == (needed, lost)


def test_where_two_thirds_decide_minutes_are_needed_and_no_quarter_is_lost() -> None:
    told = hour_as_dict(RunningHour(0, 46, 46, 25, Grams(5), (0, 3), minutes_wanted=40), running=True)
    assert (told["minutes_needed"], told["quarters_lost"]) == (15, [])


def test_the_status_is_plain_json_and_a_bad_value_is_never_a_number() -> None:
    bad = Reading("alpha-1.analyser", "nox_ppb", 7, Decimal("12.50"), Quality.BAD, Reason.STUCK)
    unit = UnitStatus(
        unit="alpha-1",
        running=True,
        hour=None,
        latest={"nox_ppb": bad},
        devices=("alpha-1.analyser", "alpha-1.flow"),
        device_states={
            "alpha-1.analyser": DeviceState("alpha-1.analyser", "one", False, Reason.COMMS, "no answer", 5)
        },
        queue=Queue(2, 8, 6, 7),
        poster=PosterState(final_seq=4, last_error="nobody listens"),
        numbered=True,
        waiting=0,
    )
    alarm = Alarm(3, "device.away", "alpha-1.analyser", "comms", 5, None, Acknowledgement("A", "B", 6, "C"))
    told: dict[str, Any] = gateway_as_dict(
        [unit],
        now_ms=9,
        started_ms=1,
        firmware="doxedge test",
        key_id=bytes(16),
        clock=ClockReading("synchronised", -3),
        disk_free_bytes=10,
        alarms=[alarm],
    )
    assert json.loads(json.dumps(told)) == told
    (shown,) = told["units"]
    assert (shown["values"][0]["value"], shown["values"][0]["decoded"]) == (None, "12.50")
    assert [(device["up"], device["reason"]) for device in shown["devices"]] == [
        (False, "comms"),
        (None, None),
    ]
    assert shown["last_final_seq"] == 7, "also after a restart, when the poster remembers less"
    assert shown["backlog"] == {
        "pending": 2,
        "oldest_seq": 8,
        "oldest_ms": 6,
        "last_error": "nobody listens",
    }
    assert told["alarms"][0]["priority"] == "high"
