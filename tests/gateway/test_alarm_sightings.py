"""What one look says about every condition, as tables of cases."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.fieldbus.line import DeviceState
from doxedge.gateway.alarm_rules import MEBIBYTE, RULES, STEADY_MS, rule_of
from doxedge.gateway.alarm_sightings import (
    MachineFacts,
    UnitFacts,
    device_sightings,
    machine_sightings,
    unit_sightings,
)
from doxedge.gateway.availability import MonitorOutlook, availability_sightings
from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.digit_watch import DigitWatch
from doxedge.gateway.limit_sightings import limit_sightings
from doxedge.gateway.qa_sightings import MonitorFacts, monitor_sightings
from doxedge.measurement.alarms import Priority, Sighting
from doxedge.measurement.collected_hour import RunningHour
from doxedge.measurement.emission_limit import EmissionLimit, course_of
from doxedge.measurement.hour_history import outlook
from doxedge.measurement.missing_data_rules import MASS_RATE
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS, MINUTE_MS, Grams
from doxedge.store.rows import Room
from tests.gateway.unit_bench import plan

NOW_MS = 1_000 * HOUR_MS
T, F, N = True, False, None


def reading(
    quantity: str, value: int | None, quality: Quality = Quality.GOOD, reason: Reason = Reason.NONE
) -> Reading:
    decoded = None if value is None else Decimal(value)
    return Reading("alpha-1.analyser", quantity, NOW_MS, decoded, quality, reason)


def unit(**changed: Any) -> UnitFacts:
    facts: dict[str, Any] = {
        "unit": "alpha-1",
        "latest": {},
        "hour": None,
        "running": True,
        "flows": {"flow_m3_per_h": Decimal(100_000)},
        "oldest_pending_ms": None,
        "conflicts": 0,
        "suspended": False,
        "broken": "",
    }
    return UnitFacts(**{**facts, **changed})


def machine(**changed: Any) -> MachineFacts:
    facts: dict[str, Any] = {
        "clock": ClockReading("synchronised", 0),
        "disk_free_bytes": 10_000 * MEBIBYTE,
        "samples_dropped": 0,
        "stalled": frozenset(),
        "lines": ("one", "two"),
    }
    return MachineFacts(**{**facts, **changed})


def said(sightings: Iterable[Sighting], code: str, subject: str) -> Sighting:
    (found,) = [one for one in sightings if (one.code, one.subject) == (code, subject)]
    return found


def hour(operating: int, valid: int, elapsed: int | None = None) -> RunningHour:
    return RunningHour(NOW_MS, elapsed or operating, operating, valid, Grams(0), ())


@pytest.mark.parametrize(
    ("running", "holds"),
    [
        pytest.param(None, N, id="no hour yet"),
        pytest.param(hour(22, 0), T, id="21 whole minutes are lost"),
        pytest.param(hour(21, 0), N, id="exactly a third is not more than a third"),
        pytest.param(hour(5, 0), N, id="a new hour proves nothing"),
        pytest.param(hour(21, 20), F, id="twenty minutes went well"),
        pytest.param(hour(60, 38), T, id="the end of a bad hour"),
        pytest.param(hour(60, 39), F, id="the end of an hour that just did"),
        pytest.param(hour(0, 0, 30), F, id="half an hour of standstill"),
        pytest.param(hour(0, 0, 3), N, id="standstill since a moment"),
    ],
)
def test_more_than_a_third_of_the_running_hour(running: RunningHour | None, holds: bool | None) -> None:
    assert said(unit_sightings(unit(hour=running), now_ms=NOW_MS), "hour.invalid", "alpha-1").holds is holds


@pytest.mark.parametrize(
    ("quality", "reason", "stuck", "out_of_range", "pair"),
    [
        (Quality.GOOD, Reason.NONE, F, F, F),
        (Quality.BAD, Reason.STUCK, T, N, N),
        (Quality.BAD, Reason.RANGE, N, T, N),
        (Quality.UNCERTAIN, Reason.RANGE, N, T, N),
        (Quality.BAD, Reason.BELOW_RANGE, N, T, N),
        (Quality.BAD, Reason.ABOVE_RANGE, N, T, N),
        (Quality.UNCERTAIN, Reason.PAIR, N, N, T),
        (Quality.BAD, Reason.COMMS, N, N, N),
        (Quality.BAD, Reason.ZERO, N, N, N),
        (Quality.UNCERTAIN, Reason.DEFAULT, N, N, N),
    ],
)
def test_a_value_speaks_about_its_own_trouble_only(
    quality: Quality, reason: Reason, stuck: bool | None, out_of_range: bool | None, pair: bool | None
) -> None:
    facts = unit(latest={"nox_ppb": reading("nox_ppb", 7, quality, reason)})
    found = [*unit_sightings(facts, now_ms=NOW_MS)]
    holds = [
        said(found, code, "alpha-1.nox_ppb").holds for code in ("value.stuck", "value.range", "value.pair")
    ]
    assert holds == [stuck, out_of_range, pair]


def test_only_nox_is_compared_with_its_parts() -> None:
    facts = unit(latest={name: reading(name, 7) for name in ("nox_ppb", "no_ppb", "power_w")})
    pairs = [one.subject for one in unit_sightings(facts, now_ms=NOW_MS) if one.code == "value.pair"]
    assert pairs == ["alpha-1.nox_ppb"]


@pytest.mark.parametrize(
    ("running", "flow", "span", "holds"),
    [
        pytest.param(T, 90_000, 100_000, F, id="the unit runs"),
        pytest.param(F, 90_000, 100_000, T, id="off, and gas flows"),
        pytest.param(F, 5_000, 100_000, N, id="within the dead band"),
        pytest.param(F, 2_000, 100_000, F, id="the zero of the instrument"),
        pytest.param(F, -400, 100_000, F, id="below zero"),
        pytest.param(F, 1, None, T, id="any flow where the span is not known"),
        pytest.param(F, 0, None, F, id="no flow where the span is not known"),
        pytest.param(F, None, 100_000, N, id="the flow is not measured"),
    ],
)
def test_gas_in_the_stack_of_a_unit_that_is_off(
    running: bool, flow: int | None, span: int | None, holds: bool | None
) -> None:
    quality = Quality.BAD if flow is None else Quality.GOOD
    facts = unit(
        running=running,
        latest={"flow_m3_per_h": reading("flow_m3_per_h", flow, quality)},
        flows={"flow_m3_per_h": None if span is None else Decimal(span)},
    )
    assert said(unit_sightings(facts, now_ms=NOW_MS), "flow.off", "alpha-1").holds is holds


def test_gas_in_each_stack_of_a_unit_that_is_off_is_an_alarm_of_its_own() -> None:
    flows = {"east.flow_m3_per_h": Decimal(100_000), "west.flow_m3_per_h": None}
    latest = {"east.flow_m3_per_h": reading("east.flow_m3_per_h", 2_000)}
    latest["west.flow_m3_per_h"] = reading("west.flow_m3_per_h", 90_000)
    found = [*unit_sightings(unit(running=False, latest=latest, flows=flows), now_ms=NOW_MS)]
    assert not said(found, "flow.off", "alpha-1.east.flow_m3_per_h").holds
    west = said(found, "flow.off", "alpha-1.west.flow_m3_per_h")
    assert (west.holds, west.text) == (True, "the unit is off and west.flow_m3_per_h is 90000")


@pytest.mark.parametrize(
    ("age_minutes", "holds"), [(None, F), (0, F), (60, F), (61, N), (120, N), (121, T), (5_000, T)]
)
def test_a_record_that_waits_long_for_the_ledger(age_minutes: int | None, holds: bool | None) -> None:
    oldest_ms = None if age_minutes is None else NOW_MS - age_minutes * MINUTE_MS
    found = unit_sightings(unit(oldest_pending_ms=oldest_ms), now_ms=NOW_MS)
    assert said(found, "outbox.old", "alpha-1").holds is holds


@pytest.mark.parametrize(("conflicts", "suspended", "holds"), [(0, F, F), (1, F, T), (0, T, T), (2, T, T)])
def test_a_number_that_another_record_has(conflicts: int, suspended: bool, holds: bool) -> None:
    found = unit_sightings(unit(conflicts=conflicts, suspended=suspended), now_ms=NOW_MS)
    assert said(found, "source.suspended", "alpha-1").holds is holds


@pytest.mark.parametrize(("broken", "holds"), [(None, N), ("", F), ("record 5: it is missing", T)])
def test_a_record_that_was_altered_on_the_disk(broken: str | None, holds: bool | None) -> None:
    sighting = said(unit_sightings(unit(broken=broken), now_ms=NOW_MS), "outbox.altered", "alpha-1")
    assert sighting.holds is holds
    assert not broken or sighting.text == broken


@pytest.mark.parametrize(
    ("state", "offset_ms", "warning", "bad", "free"),
    [
        ("synchronised", 0, F, F, F),
        ("synchronised", 800, F, F, F),
        ("synchronised", 900, N, F, F),
        ("synchronised", 1_000, N, F, F),
        ("synchronised", -1_001, T, F, F),
        ("synchronised", 4_500, T, N, F),
        ("synchronised", 5_001, T, T, F),
        ("unsynchronised", 0, F, F, T),
        ("unsynchronised", -9_000, T, T, T),
        ("unknown", 0, N, N, T),
        ("simulated", 0, N, N, F),
    ],
)
def test_the_clock(state: str, offset_ms: int, warning: bool | None, bad: bool | None, free: bool) -> None:
    found = [*machine_sightings(machine(clock=ClockReading(state, offset_ms)))]
    holds = [said(found, code, "").holds for code in ("clock.warning", "clock.bad", "clock.free")]
    assert holds == [warning, bad, free]


@pytest.mark.parametrize(
    ("free_mb", "holds"), [(None, N), (0, T), (255, T), (256, N), (319, N), (320, F), (9_000, F)]
)
def test_the_disk(free_mb: int | None, holds: bool | None) -> None:
    facts = machine(disk_free_bytes=None if free_mb is None else free_mb * MEBIBYTE)
    assert said(machine_sightings(facts), "disk.low", "").holds is holds


def test_lines_and_lost_samples() -> None:
    found = [*machine_sightings(machine(stalled=frozenset({"two"}), samples_dropped=3))]
    assert said(found, "line.stalled", "one").holds is False
    assert said(found, "line.stalled", "two").holds is True
    assert said(found, "samples.dropped", "").holds is True
    assert said(machine_sightings(machine()), "samples.dropped", "").holds is False


@pytest.mark.parametrize(
    ("used_percent", "next_closed_ms", "holds"),
    [(91, NOW_MS, T), (90, NOW_MS, N), (86, NOW_MS, N), (85, NOW_MS, F), (10, NOW_MS, F), (99, None, F)],
)
def test_an_outbox_is_tight_when_what_must_go_is_proved_and_the_room_is_nearly_used(
    used_percent: int, next_closed_ms: int | None, holds: bool | None
) -> None:
    room = Room(used_percent * MEBIBYTE, 100 * MEBIBYTE, 0, next_closed_ms)
    found = said(machine_sightings(machine(outbox=room)), "outbox.tight", "")
    assert found.holds is holds
    assert found.text == f"{used_percent} % of its 100 MiB are used; raise outbox.budget_mb"


def test_records_that_went_early_are_told_with_their_number() -> None:
    found = said(machine_sightings(machine(dropped_early=24)), "outbox.dropped", "")
    assert (found.holds, found.text.partition(" had")[0]) == (True, "24 proved records")
    assert said(machine_sightings(machine()), "outbox.dropped", "").holds is False


def test_an_instrument_that_is_away_says_why() -> None:
    away = DeviceState("alpha-1.flow", "one", False, Reason.COMMS, "no answer in 200 ms", NOW_MS)
    back = DeviceState("alpha-1.meter", "one", True, Reason.NONE, "answers", NOW_MS)
    found = [*device_sightings([away, back])]
    assert [(one.subject, one.holds) for one in found] == [("alpha-1.flow", True), ("alpha-1.meter", False)]
    assert found[0].text == "comms: no answer in 200 ms"


def test_every_sighting_has_its_rule_and_every_rule_is_looked_for(tmp_path: Path) -> None:
    facts = unit(
        doors={"alpha-1.analyser": False},
        batteries={"alpha-1.analyser": False},
        latest={name: reading(name, 7) for name in ("nox_ppb", "o2_percent")},
        concentrations={"nox_ppb": None},
        calibrated_to={"nox_ppb": Decimal(9)},
    )
    state = DeviceState("alpha-1.flow", "one", True, Reason.NONE, "answers", NOW_MS)
    limit = EmissionLimit(name="permit", mg_per_m3=Decimal(9))
    course = course_of(limit, "", start_ms=0, minutes=60, so_far=[], last_start_ms=0, last=[])
    found = {
        one.code
        for one in (
            *device_sightings([state]),
            *machine_sightings(machine(outbox=Room(0, 1, 0, None))),
            *unit_sightings(facts, now_ms=NOW_MS),
            *monitor_sightings(MonitorFacts("alpha-1.nox_ppb", True, "", "", None, None), now_ms=NOW_MS),
            *availability_sightings(
                "alpha-1", MonitorOutlook(outlook([], MASS_RATE, began_ms=0), MASS_RATE, substitutes=False)
            ),
            *limit_sightings("alpha-1", [course]),
            *DigitWatch(tmp_path, now_ms=lambda: NOW_MS).look(plan(), facts.latest, running=True),
        )
    }
    assert found == set(RULES)


def test_what_is_signed_must_be_well_for_a_while_before_it_is_over() -> None:
    hasty = [code for code, rule in RULES.items() if rule.signed and rule.clear_after_ms < STEADY_MS]
    assert hasty == [], "an instrument that comes and goes would fill the ledger"


def test_a_code_of_another_version_is_taken_seriously() -> None:
    assert rule_of("roof.open").priority is Priority.HIGH
    assert not rule_of("roof.open").signed


def test_a_configuration_that_was_refused_stands_until_one_is_right() -> None:
    found = machine_sightings(machine(refused="gateway.toml: key: Field required"))
    sighting = said(found, "configuration.refused", "")
    assert (sighting.holds, sighting.text) == (True, "gateway.toml: key: Field required")
    assert said(machine_sightings(machine()), "configuration.refused", "").holds is False


@pytest.mark.parametrize(
    ("running", "nox_ppb", "span", "holds"),
    [
        pytest.param(T, 90_000, 500_000, F, id="the unit runs"),
        pytest.param(F, 25_001, 500_000, T, id="more than a twentieth of the span"),
        pytest.param(F, 25_000, 500_000, N, id="exactly a twentieth"),
        pytest.param(F, 10_000, 500_000, F, id="the zero of the instrument"),
        pytest.param(F, -9_000, 500_000, F, id="below zero"),
        pytest.param(F, 20_001, None, T, id="more than 20 ppm where the span is not known"),
        pytest.param(F, 10_000, None, F, id="10 ppm where the span is not known"),
        pytest.param(F, None, 500_000, N, id="test gas, or no answer"),
    ],
)
def test_nox_of_a_unit_that_is_off(
    running: bool, nox_ppb: int | None, span: int | None, holds: bool | None
) -> None:
    quality = Quality.BAD if nox_ppb is None else Quality.GOOD
    facts = unit(
        running=running,
        latest={"nox_ppb": reading("nox_ppb", nox_ppb, quality)},
        concentrations={"nox_ppb": None if span is None else Decimal(span)},
    )
    assert said(unit_sightings(facts, now_ms=NOW_MS), "value.off", "alpha-1.nox_ppb").holds is holds


def test_nox_that_nobody_has_read_yet_says_nothing() -> None:
    facts = unit(running=False, concentrations={"nox_ppb": None})
    assert said(unit_sightings(facts, now_ms=NOW_MS), "value.off", "alpha-1.nox_ppb").holds is N


@pytest.mark.parametrize(
    ("running", "o2_percent", "holds"),
    [(T, "20.9", T), (T, "20.5", N), (T, "20.0", F), (T, "6", F), (F, "20.9", F), (T, None, N)],
)
@pytest.mark.parametrize("quantity", ["o2_percent", "east.o2_percent"])
def test_a_unit_that_runs_and_breathes_air(
    running: bool, o2_percent: str | None, holds: bool | None, quantity: str
) -> None:
    one = Reading(
        "alpha-1.analyser", quantity, NOW_MS, None if o2_percent is None else Decimal(o2_percent),
        Quality.GOOD, Reason.NONE,
    )  # fmt: skip
    facts = unit(running=running, latest={quantity: one, "backup.o2_percent": one})
    found = [*unit_sightings(facts, now_ms=NOW_MS)]
    assert said(found, "value.air", f"alpha-1.{quantity}").holds is holds
    assert not [one for one in found if (one.code, one.subject) == ("value.air", "alpha-1.backup.o2_percent")]


@pytest.mark.parametrize(("nox_ppb", "holds"), [(500_001, T), (500_000, F), (0, F), (None, N)])
def test_a_value_above_what_its_monitor_was_calibrated_for(nox_ppb: int | None, holds: bool | None) -> None:
    quality = Quality.BAD if nox_ppb is None else Quality.GOOD
    facts = unit(
        latest={"nox_ppb": reading("nox_ppb", nox_ppb, quality), "no_ppb": reading("no_ppb", 7)},
        calibrated_to={"nox_ppb": Decimal(500_000)},
    )
    found = [*unit_sightings(facts, now_ms=NOW_MS)]
    assert said(found, "value.calibration", "alpha-1.nox_ppb").holds is holds
    assert [one.subject for one in found if one.code == "value.calibration"] == ["alpha-1.nox_ppb"]


def test_a_cabinet_on_its_battery_is_told_and_an_unread_contact_says_nothing() -> None:
    batteries = {"alpha-1.analyser": True, "alpha-1.flow": False, "alpha-1.meter": None}
    found = list(unit_sightings(unit(batteries=batteries), now_ms=NOW_MS))
    assert [said(found, "power.battery", device).holds for device in batteries] == [True, False, None]


def test_an_open_door_is_told_and_an_unread_contact_says_nothing() -> None:
    doors = {"alpha-1.analyser": True, "alpha-1.flow": False, "alpha-1.meter": None}
    found = list(unit_sightings(unit(doors=doors), now_ms=NOW_MS))
    assert [said(found, "door.open", device).holds for device in doors] == [True, False, None]
    assert rule_of("door.open").signed
