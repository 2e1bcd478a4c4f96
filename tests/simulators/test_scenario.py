"""A scenario as a tester writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.measurement.sample import Reason
from simulators.catalogue import ROLES
from simulators.faults import FaultKind
from simulators.plant import DAY_MS, HOUR_MS, MINUTE_MS, Order
from simulators.scenario import Expectation, read_scenario
from simulators.site import site_of
from tests.simulators.plant_bench import SetClock, asked

START_MS = 1_767_225_600_000
SCENARIOS = Path(__file__).parents[2] / "simulators" / "scenarios"
EVERY_FAULT, SERIAL_LINES = SCENARIOS / "every_fault.toml", SCENARIOS / "serial_lines.toml"

SCENARIO = """
[plant]
start = 2026-01-01T00:00:00Z
hours = 6
speed = 720
broker_port = 0
[[unit]]
name = "north"
seed = 7
[[unit]]
name = "south"
meter_profile = "sunspec_meter_213"
[[step]]
at = "02:10:30"
for_s = 600
unit = "north"
instrument = "analyser"
fault = "late"
argument = 900
[[step]]
at_s = 3600
unit = "south"
plant = "load"
load_percent = 60
[[step]]
at = "05:00"
unit = "south"
plant = "trip"
[[step]]
at = "01:00"
for_s = 60
outage = "node"
[[expect]]
unit = "north"
hour = 2
finds = "gap"
cause = "too_few"
[[expect]]
unit = "north"
event = "gateway.start"
times = 1
[[expect]]
unit = "south"
away = "meter"
times = 0
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "scenario.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_says_what_is_done_to_which_unit_and_when(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, SCENARIO))
    assert (scenario.start_ms, scenario.end_ms, scenario.speed) == (START_MS, START_MS + 6 * HOUR_MS, 720)
    assert [(step.number, step.at_s, step.what) for step in scenario.steps] == [
        (2, 3_600, "load 60 %"),
        (4, 3_600, "node outage"),
        (1, 7_830, "analyser late 900"),
        (3, 18_000, "trip"),
    ]
    north, south = scenario.units
    (fault,) = north.faults
    assert fault.fault(START_MS).kind is FaultKind.LATE
    assert fault.fault(START_MS).from_ms == START_MS + 7_830_000
    assert north.plant.orders == ()
    assert south.plant.orders == (
        Order(START_MS + HOUR_MS, None, 0.6),
        Order(START_MS + 5 * HOUR_MS, START_MS + 5 * HOUR_MS + 40 * MINUTE_MS, 0.0),
    )
    assert south.profiles["meter"] == "sunspec_meter_213"
    assert scenario.expectations == (
        Expectation("north", hour=2, finds="gap", cause="too_few"),
        Expectation("north", event="gateway.start"),
        Expectation("south", away="meter", times=0),
    )


@pytest.mark.parametrize(
    ("old", "new", "path", "reason"),
    [
        ("hours = 6", "hours = 0", "plant.hours", "greater than or equal to 1"),
        ("00:00:00Z", "00:00:00", "plant", "offset to UTC"),
        ("00:00:00Z", "00:30:00Z", "plant", "on the hour"),
        ('name = "south"', 'name = "north"', "unit", "one name"),
        ('"sunspec_meter_213"', '"teledyne_t200"', "unit[1].meter_profile", "janitza_umg"),
        ('at = "02:10:30"', 'at = "2h"', "step[0]", "HH:MM"),
        ('at = "02:10:30"', 'at = "02:60"', "step[0]", "HH:MM"),
        ('at = "02:10:30"', 'at = "06:00"', "step[0].at", "6 hours only"),
        ('at = "02:10:30"', "", "step[0]", "exactly one of at, at_s"),
        ('at = "02:10:30"', 'at = "02:00"\nat_s = 3', "step[0]", "exactly one of at, at_s"),
        ('fault = "late"', 'fault = "fire"', "step[0].fault", "silence"),
        ('fault = "late"', 'fault = "late"\nplant = "stop"', "step[0]", "exactly one of fault, plant"),
        ('fault = "late"', 'fault = "broken_loop"', "step[0]", "argument has no meaning"),
        ('fault = "late"\nargument = 900', 'fault = "broken_loop"', "step[0].fault", "changes nothing"),
        ('fault = "late"\nargument = 900', 'fault = "zero"\nwith = 1', "step[0].with", "unknown key"),
        ('instrument = "analyser"', "", "step[0]", "instrument is missing"),
        ('unit = "north"', 'unit = "west"', "step[0].unit", "north, south"),
        ('unit = "north"\ninstrument', "instrument", "step[0]", "which unit"),
        ("load_percent = 60", "", "step[1]", "load_percent is missing"),
        ("load_percent = 60", "load_percent = 101", "step[1].load_percent", "100"),
        ("at_s = 3600", "at_s = 3601", "step[1]", "five minutes"),
        ('plant = "trip"', 'plant = "trip"\nload_percent = 3', "step[2]", "load_percent has no meaning"),
        ('for_s = 60\noutage = "node"', 'outage = "node"', "step[3]", "for_s"),
        ("broker_port = 0", "", "", ""),
        ("hour = 2", "hour = 6", "expect[0].hour", "0 to 5"),
        ('finds = "gap"', 'finds = "hour"', "expect[0]", 'finds = "gap"'),
        ('away = "meter"\ntimes = 0', 'away = "meter"', "expect[2]", "times"),
        ('away = "meter"', 'away = "meter"\nevent = "x"', "expect[2]", "exactly one of"),
        ("[[unit]]", "[[unit", "", "not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, path: str, reason: str
) -> None:
    assert old in SCENARIO
    text = SCENARIO.replace(old, new, 1)
    if not reason:
        text, path, reason = (
            text.replace('outage = "node"', 'outage = "broker"'),
            "step[3].outage",
            "broker_port",
        )
    with pytest.raises(ConfigError) as refusal:
        read_scenario(written(tmp_path, text))
    assert refusal.value.path == path
    assert reason in refusal.value.reason


MORE_STEPS = """
[[step]]
at = "02:15"
for_s = {for_s}
unit = "{unit}"
instrument = "analyser"
fault = "{fault}"
"""


def test_a_fault_that_is_on_already_is_refused(tmp_path: Path) -> None:
    again = SCENARIO + MORE_STEPS.format(for_s=60, unit="north", fault="late")
    with pytest.raises(ConfigError, match=r"step\[4\]: analyser late is on already by step 1"):
        read_scenario(written(tmp_path, again))


@pytest.mark.parametrize(("unit", "fault"), [("south", "late"), ("north", "nan")])
def test_other_faults_may_come_at_the_same_time(tmp_path: Path, unit: str, fault: str) -> None:
    more = SCENARIO + MORE_STEPS.format(for_s=60, unit=unit, fault=fault)
    assert len(read_scenario(written(tmp_path, more)).steps) == 5


def test_a_counter_that_was_reset_stays_so(tmp_path: Path) -> None:
    text = SCENARIO.replace('instrument = "analyser"\nfault = "late"\nargument = 900', 'instrument = "meter"\n'
                            'fault = "counter_reset"')  # fmt: skip
    with pytest.raises(ConfigError, match="stays so"):
        read_scenario(written(tmp_path, text))


def test_our_day_has_every_fault_every_outage_and_every_event_of_a_plant() -> None:
    scenario = read_scenario(EVERY_FAULT)
    assert scenario.end_ms - scenario.start_ms == DAY_MS
    assert {step.fault for step in scenario.steps} - {None} == set(FaultKind)
    assert {step.outage for step in scenario.steps} - {None} == {"gateway", "node", "broker"}
    assert {step.plant for step in scenario.steps} - {None} == {"start", "stop", "trip", "load"}


def test_our_day_leaves_every_third_hour_alone() -> None:
    scenario = read_scenario(EVERY_FAULT)
    for hour in range(2, scenario.hours, 3):
        from_s, to_s = 3_600 * hour, 3_600 * (hour + 1)
        on = [
            step.what
            for step in scenario.steps
            if step.plant is None and step.at_s < to_s and (step.to_s or step.at_s) >= from_s
        ]
        assert on == [], hour


SPEAKING = """
[plant]
start = 2026-01-01T00:00:00Z
hours = 2
[[unit]]
name = "north"
analyser_profile = "cai_700_ak"
two_shift = false
[[unit]]
name = "south"
analyser_profile = "horiba_apna370"
two_shift = false
[[step]]
at = "01:00"
for_s = 600
unit = "north"
instrument = "analyser"
fault = "zero"
[[step]]
at = "01:00"
for_s = 600
unit = "south"
instrument = "analyser"
fault = "silence"
"""


async def test_a_units_analyser_may_speak_on_tcp_or_in_datagrams(tmp_path: Path) -> None:
    file = tmp_path / "speaking.toml"
    file.write_text(SPEAKING)
    scenario = read_scenario(file)
    clock = SetClock(scenario.start_ms + HOUR_MS // 2)
    site = site_of(scenario.units, clock, start_ms=scenario.start_ms)
    await site.start()
    try:
        north, south = (unit.analyser for unit in site.units)
        async with asked(north) as reader:
            good = await reader.sample("gas")
            clock.at_ms = scenario.start_ms + HOUR_MS + MINUTE_MS
            zero = await reader.sample("gas")
        async with asked(south, timeout_ms=200) as reader:
            silent = await reader.sample("gas")
        async with asked(south) as reader:
            clock.at_ms = scenario.start_ms + HOUR_MS + 11 * MINUTE_MS
            back = await reader.sample("gas")
    finally:
        await site.stop()
    assert (good.flags, "zero" in zero.flags) == (frozenset(), True)
    assert set(silent.failures.values()) == {Reason.COMMS}
    truth = site.units[1].plant.state(clock.at_ms)
    assert float(back.values["nox_ppb"] or 0) == pytest.approx(1_000 * truth.nox_ppm, rel=1e-3)


ON_LINES = SPEAKING.replace(
    '"cai_700_ak"', '"cai_700_ak"\nanalyser_serial = true\nflow_serial = true'
).replace('"horiba_apna370"', '"horiba_apna370"\nanalyser_serial = true')


async def test_a_unit_may_have_its_instruments_on_serial_lines(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, ON_LINES))
    clock = SetClock(scenario.start_ms + HOUR_MS // 2)
    site = site_of(scenario.units, clock, start_ms=scenario.start_ms)
    await site.start()
    try:
        ready = json.loads(json.dumps(site.ready_line()))["units"]
        (north, south), truth = site.units, site.units[0].plant.state(clock.at_ms)
        assert [set(unit[name]) & {"serial", "host", "port"} for unit in ready for name in ROLES] == [
            {"serial"}, {"serial"}, {"host", "port"}, {"serial"}, {"host", "port"}, {"host", "port"},
        ]  # fmt: skip
        ends = [ready[0]["analyser"]["serial"], ready[0]["flow"]["serial"], ready[1]["analyser"]["serial"]]
        assert ends == [north.analyser.serial_port, north.flow.serial_port, south.analyser.serial_port]
        assert len(set(ends)) == 3
        async with asked(north.analyser) as reader:
            said = await reader.sample("gas")
            clock.at_ms = scenario.start_ms + HOUR_MS + MINUTE_MS
            assert "zero" in (await reader.sample("gas")).flags
        async with asked(north.flow) as reader:
            flow = await reader.sample("channels")
        async with asked(south.analyser, timeout_ms=200) as reader:
            assert set((await reader.sample("gas")).failures.values()) == {Reason.COMMS}
    finally:
        await site.stop()
    assert float(said.values["nox_ppb"] or 0) == pytest.approx(1_000 * truth.nox_ppm, rel=1e-3)
    assert flow.values["flow_m3_per_h"] is not None


@pytest.mark.parametrize(
    ("old", "new", "path", "reason"),
    [
        ("flow_serial = true", "flow_serial = true\nflow_port = 5020", "unit[0]", "flow_port has no meaning"),
        ("flow_serial = true", 'flow_serial = "COM1"', "unit[0].flow_serial", "boolean"),
        (
            'instrument = "analyser"\nfault = "zero"',
            'instrument = "flow"\nfault = "wrong_transaction"',
            "step[0].fault",
            "wrong_transaction changes nothing in a generic_analogue_input on a serial line",
        ),
    ],
)
def test_a_serial_line_that_cannot_be_is_refused(
    tmp_path: Path, old: str, new: str, path: str, reason: str
) -> None:
    assert old in ON_LINES
    with pytest.raises(ConfigError) as refusal:
        read_scenario(written(tmp_path, ON_LINES.replace(old, new)))
    assert refusal.value.path == path
    assert reason in refusal.value.reason


def test_the_shipped_scenario_of_serial_lines_has_faults_of_both_kinds_of_line() -> None:
    (unit,) = read_scenario(SERIAL_LINES).units
    assert unit.serial == {"analyser", "flow"}
    assert {fault.instrument for fault in unit.faults} == unit.serial


def test_a_fault_that_a_dialect_does_not_know_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "speaking.toml"
    file.write_text(SPEAKING.replace('"silence"', '"wrong_transaction"'))
    with pytest.raises(ConfigError, match="changes nothing in a horiba_apna370"):
        read_scenario(file)
