"""The checks of a day can fail: each is shown something wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from doxedge.quantity import HOUR_MS
from simulators.plant import MINUTE_MS
from simulators.scenario import Expectation, Scenario, read_scenario
from tests.day.findings import (
    FinalRecord,
    FoundHour,
    LogLine,
    Numbers,
    Outages,
    Span,
    count_records,
    cut_off_spans,
    disturbances,
    error_ppm,
    errors_in,
    hours_of,
    outages_of,
    unmet,
)
from tests.day.run import DayResult, read_day

UNIT = "alpha-1"
SCENARIO = """
[plant]
hours = 6
[[unit]]
name = "alpha-1"
[[step]]
at = "01:00"
for_s = 1200
instrument = "analyser"
fault = "silence"
[[step]]
at = "01:15"
for_s = 900
instrument = "analyser"
fault = "reset"
[[step]]
at = "03:00"
for_s = 1200
instrument = "analyser"
fault = "garbage"
[[step]]
at = "04:00"
for_s = 600
instrument = "flow"
fault = "drift"
[[step]]
at = "05:00"
instrument = "meter"
fault = "counter_reset"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    file = tmp_path / "scenario.toml"
    file.write_text(SCENARIO, encoding="utf-8")
    return read_scenario(file)


def final(
    seq: int, record_id: str, *, kind: str = "event", outcome: int = 0, body: Sequence[object] = ()
) -> FinalRecord:
    return FinalRecord(seq, record_id, kind, outcome, list(body))


# Records

CLEAN = Numbers(acknowledged=3, final=3, lost=0, doubled=0, out_of_order=0, unknown=0, refused=0)


@pytest.mark.parametrize(
    ("finals", "expected"),
    [
        (["1a", "2b", "3c"], {}),
        (["1a", "2b"], {"final": 2, "lost": 1}),
        (["1a", "2b", "2b", "3c"], {"final": 4, "doubled": 2}),
        (["1a", "3c", "2b"], {"out_of_order": 2}),
        (["1a", "2x", "3c"], {"lost": 1, "unknown": 1}),
        (["1a", "2b", "3c", "4d"], {"final": 4, "unknown": 1}),
        ([], {"final": 0, "lost": 3}),
    ],
    ids=["whole", "lost", "twice", "order", "another in its place", "never acknowledged", "nothing"],
)
def test_records_are_counted(finals: list[str], expected: dict[str, int]) -> None:
    found = count_records({1: "a", 2: "b", 3: "c"}, [final(int(one[0]), one[1]) for one in finals])
    assert found == replace(CLEAN, **expected)
    assert found.is_clean is (not expected)


def test_a_refused_record_is_lost_and_refused() -> None:
    found = count_records({1: "a", 2: "b"}, [final(1, "a"), final(2, "b", outcome=1)])
    assert (found.lost, found.refused, found.is_clean) == (1, 1, False)


def test_where_there_is_nothing_to_lose_nothing_is_clean() -> None:
    assert not count_records({}, []).is_clean


# Hours


def hour_body(start_ms: int, nox_g: int, *, minutes: int = 60, unit: str = UNIT) -> list[object]:
    return [unit, start_ms, "us60", 100, nox_g, 0, "valid", "60.13(h)(2)(i)", "01", minutes]


def test_every_hour_is_found_as_it_was_stated(scenario: Scenario) -> None:
    begin = scenario.start_ms
    finals = [
        final(1, "a", kind="hour", body=hour_body(begin - HOUR_MS, 7)),
        final(2, "b", kind="hour", body=hour_body(begin, 10)),
        final(3, "c", kind="gap", body=[UNIT, begin + HOUR_MS, begin + 3 * HOUR_MS, "no_data"]),
        final(4, "d", kind="hour", body=hour_body(begin + 2 * HOUR_MS, 12, minutes=20)),
        final(5, "e", kind="hour", body=hour_body(begin + 3 * HOUR_MS, 13)),
        final(6, "f", kind="hour", body=hour_body(begin + 3 * HOUR_MS, 13)),
        final(7, "g", kind="hour.revise", body=[b"b", "late samples", hour_body(begin, 11)]),
        final(8, "h", kind="hour", outcome=1, body=hour_body(begin + 4 * HOUR_MS, 14)),
        final(9, "i", kind="hour", body=hour_body(begin + 4 * HOUR_MS, 14, unit="beta-1")),
    ]
    found = hours_of(
        finals,
        unit=UNIT,
        scenario=scenario,
        hours=5,
        truth=[(11, 0), (1, 0), (12, 0), (13, 0), (14, 5)],
        downs=[],
    )
    assert [one.stated for one in found] == [["hour"], ["gap"], ["gap", "hour"], ["hour", "hour"], []]
    assert [one.is_stated_well for one in found] == [True, True, True, False, False]
    assert [one.posted_g for one in found] == [11, None, 12, 13, None]
    assert found[1].cause == "no_data"
    assert (found[4].truth_g, found[4].truth_wh) == (14, 5)
    assert [one.is_comparable for one in found] == [True, False, False, False, False]


def test_an_hour_is_disturbed_by_its_faults_and_a_quarter_of_an_hour_after_them(scenario: Scenario) -> None:
    begin = scenario.start_ms
    down = Span(begin + 5 * HOUR_MS, begin + 5 * HOUR_MS + MINUTE_MS)
    found = [disturbances(scenario, unit=UNIT, hour=hour, downs=[down]) for hour in range(6)]
    assert found == [
        [],
        ["analyser silence", "analyser reset"],
        [],
        ["analyser garbage"],
        ["flow drift"],
        ["gateway down"],
    ]
    late = [Span(begin + HOUR_MS - 20 * MINUTE_MS, begin + HOUR_MS - MINUTE_MS // 2)]
    assert "gateway down" in disturbances(scenario, unit=UNIT, hour=1, downs=late)
    assert disturbances(scenario, unit="beta-1", hour=1, downs=[]) == []


# Devices


def said(
    *words: tuple[float, str], run: int = 1, begin_ms: int = 0, device: str = "analyser"
) -> list[LogLine]:
    """(hour, `up` or `away`)."""
    text = {
        "up": f"INFO doxedge.gateway.daemon: device {UNIT}.{device} on line 127.0.0.1:5020 answers",
        "away": f"WARNING doxedge.gateway.daemon: device {UNIT}.{device} on line 127.0.0.1:5020 is away: "
        "comms: no answer",
    }
    return [LogLine(begin_ms + round(hour * HOUR_MS), run, text[word]) for hour, word in words]


GOOD = [(-0.1, "up"), (1.2, "away"), (1.6, "up"), (3.1, "away"), (3.5, "up")]


def judged(scenario: Scenario, lines: list[LogLine], *, downs: Sequence[Span] = ()) -> Outages:
    return outages_of(lines, scenario=scenario, unit=UNIT, until_ms=scenario.end_ms, downs=downs)


def test_overlapping_faults_are_one_outage(scenario: Scenario) -> None:
    spans = cut_off_spans(scenario, unit=UNIT, instrument="analyser", until_ms=scenario.end_ms)
    begin = scenario.start_ms
    assert spans == [
        Span(begin + HOUR_MS, begin + HOUR_MS + 30 * MINUTE_MS),
        Span(begin + 3 * HOUR_MS, begin + 3 * HOUR_MS + 20 * MINUTE_MS),
    ]
    assert cut_off_spans(scenario, unit=UNIT, instrument="flow", until_ms=scenario.end_ms) == []


def test_one_pair_for_each_outage_is_right(scenario: Scenario) -> None:
    found = judged(scenario, said(*GOOD, begin_ms=scenario.start_ms))
    assert (found.planned, found.told, found.wrong) == (2, 2, ())
    assert found.away == {"analyser": 2, "flow": 0, "meter": 0}


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ([*GOOD[:1], *GOOD[3:]], "hour 1.00: 0 times away"),
        (GOOD[:-1], "hour 3.00: 1 times away, 0 times back"),
        ([*GOOD[:2], (1.3, "up"), (1.4, "away"), *GOOD[2:]], "hour 1.00: 2 times away"),
        ([*GOOD[:2], (1.3, "away"), *GOOD[2:]], "told twice that it is away"),
        ([*GOOD, (3.6, "up")], "told twice that it answers"),
        ([GOOD[0], (0.4, "away"), (0.5, "up"), *GOOD[1:]], "1 times away before its first outage"),
        ([*GOOD[:2], (1.4, "up"), *GOOD[3:]], "hour 1.00: 1 times away, 0 times back"),
        ([], "hour 1.00: 0 times away"),
    ],
    ids=[
        "never away",
        "never back",
        "twice away",
        "away again",
        "up again",
        "no cause",
        "back too early",
        "silent",
    ],
)
def test_anything_else_is_wrong(scenario: Scenario, words: list[tuple[float, str]], wrong: str) -> None:
    found = judged(scenario, said(*words, begin_ms=scenario.start_ms))
    assert found.told < found.planned or found.wrong
    assert any(wrong in one for one in found.wrong), found.wrong


def test_a_device_without_an_outage_that_goes_away_is_wrong(scenario: Scenario) -> None:
    lines = said(*GOOD, begin_ms=scenario.start_ms)
    lines += said((0, "up"), (2, "away"), (2.1, "up"), begin_ms=scenario.start_ms, device="flow")
    assert judged(scenario, lines).wrong == ("alpha-1.flow: 1 times away before its first outage",)


def test_a_new_process_tells_of_every_device_anew(scenario: Scenario) -> None:
    begin = scenario.start_ms
    lines = said(*GOOD[:3], begin_ms=begin) + said((2.5, "up"), *GOOD[3:], run=2, begin_ms=begin)
    assert judged(scenario, lines).wrong == ()


def test_an_outage_in_which_the_gateway_was_down_is_not_judged(scenario: Scenario) -> None:
    begin = scenario.start_ms
    down = Span(begin + HOUR_MS, begin + HOUR_MS + MINUTE_MS)
    lines = said(*GOOD[:1], begin_ms=begin) + said(*GOOD[3:], run=2, begin_ms=begin)
    found = judged(scenario, lines, downs=[down])
    assert (found.planned, found.told, found.wrong) == (1, 1, ())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Traceback (most recent call last):", 1),
        ("  + Exception Group Traceback (most recent call last):", 0),
        ("    | Traceback (most recent call last):", 1),
        ("WARNING x: no answer", 0),
        ("INFO x: ERROR is a word", 0),
        ("ERROR doxedge.gateway.pipeline: its memory cannot be written", 1),
        ("CRITICAL x: y", 1),
    ],
)
def test_an_error_or_a_stack_in_a_log_is_found(text: str, count: int) -> None:
    assert len(errors_in([LogLine(0, 1, text)])) == count


@pytest.mark.parametrize(
    ("posted", "truth", "ppm"),
    [(995, 1_000, 5_000), (1_005, 1_000, 5_000), (7, 7, 0), (0, 0, 0), (3, 0, 1_000_000)],
)
def test_an_error_is_told_in_millionths_of_the_truth(posted: int, truth: int, ppm: int) -> None:
    assert error_ppm(posted, truth) == ppm


# Expectations

HOURS = [
    FoundHour(0, ["gap"], cause="too_few_points:nox_ppb:comms"),
    FoundHour(1, ["hour"], quality="valid", posted_g=5, minutes_valid=60),
    FoundHour(2, ["hour"], quality="extrapolated", posted_g=5, minutes_valid=50),
    FoundHour(3),
]
EVENTS = [
    final(1, "a", body=[UNIT, "gateway.start", 0, ""]),
    final(2, "b", body=[UNIT, "gateway.start", 1, ""]),
    final(3, "c", body=["beta-1", "gateway.start", 1, ""]),
]


@pytest.mark.parametrize(
    ("expectation", "is_met"),
    [
        (Expectation(UNIT, hour=0, finds="gap"), True),
        (Expectation(UNIT, hour=0, finds="gap", cause="too_few_points:nox_ppb"), True),
        (Expectation(UNIT, hour=0, finds="gap", cause="no_data"), False),
        (Expectation(UNIT, hour=0, finds="hour"), False),
        (Expectation(UNIT, hour=1, finds="gap"), False),
        (Expectation(UNIT, hour=1, finds="valid"), True),
        (Expectation(UNIT, hour=2, finds="valid"), False),
        (Expectation(UNIT, hour=2, finds="hour"), True),
        (Expectation(UNIT, hour=3), False),
        (Expectation(UNIT, hour=9, finds="gap"), True),
        (Expectation(UNIT, event="gateway.start", times=2), True),
        (Expectation(UNIT, event="gateway.start", times=3), False),
        (Expectation(UNIT, event="clock.step", times=0), True),
        (Expectation(UNIT, away="meter", times=1), True),
        (Expectation(UNIT, away="meter", times=0), False),
    ],
)
def test_an_expectation_comes_true_or_not(expectation: Expectation, is_met: bool) -> None:
    wrong = unmet([expectation], hours={UNIT: HOURS}, finals=EVENTS, away={UNIT: {"meter": 1}}, is_whole=True)
    assert (wrong == []) is is_met
    assert all(expectation.words in one for one in wrong)


def test_counts_are_not_judged_before_the_scenario_is_over() -> None:
    expectation = Expectation(UNIT, event="gateway.start", times=3)
    assert unmet([expectation], hours={UNIT: HOURS}, finals=EVENTS, away={}, is_whole=False) == []


# The day's own word

FINE = DayResult(
    acknowledged=9, compared_hours=2, faults_injected=3, outages_planned=1, outages_told=1, error_ppm=4_999
)


def test_a_day_is_clean_when_everything_holds() -> None:
    assert FINE.is_clean


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1}, {"doubled": 1}, {"out_of_order": 1}, {"unknown": 1}, {"refused": 1}, {"unproved": 1},
        {"chain_breaks": 1}, {"scrub_findings": 1}, {"hours_missing": 1}, {"hours_doubled": 1},
        {"causes_missing": 1}, {"errors": ["x"]}, {"energy_error_ppm": 5_000},
        {"outages_wrong": ["x"]}, {"unmet": ["x"]}, {"failures": ["x"]},
        {"outages_told": 0}, {"error_ppm": 5_000}, {"acknowledged": 0}, {"compared_hours": 0},
        {"faults_injected": 0},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_day_is_not_clean_when_one_thing_does_not_hold(change: dict[str, object]) -> None:
    assert not replace(FINE, **change).is_clean  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"outages_wrong": ["x"]}, {"unmet": ["x"]}, {"outages_told": 0}, {"hours_missing": 1}, {"error_ppm": 5_000},
        {"compared_hours": 0},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_machine_that_stood_still_excuses_what_depends_on_time(change: dict[str, object]) -> None:
    day = replace(FINE, **change)  # type: ignore[arg-type]
    assert not day.is_void
    assert replace(day, machine_stood_s=[9.5]).is_void


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1}, {"doubled": 1}, {"out_of_order": 1}, {"unknown": 1}, {"refused": 1}, {"unproved": 1},
        {"chain_breaks": 1}, {"scrub_findings": 1}, {"hours_doubled": 1},
        {"causes_missing": 1}, {"errors": ["x"]}, {"failures": ["x"]},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_nothing_excuses_a_record_that_was_not_kept(change: dict[str, object]) -> None:
    assert not replace(FINE, machine_stood_s=[9.5], unmet=["x"], **change).is_void  # type: ignore[arg-type]


def test_a_clean_day_is_not_void_for_a_pause() -> None:
    assert not replace(FINE, machine_stood_s=[9.5]).is_void


def test_a_day_of_another_unit_or_of_no_hours_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(SCENARIO.replace("alpha-1", "omega-1"), encoding="utf-8")
    with pytest.raises(ValueError, match="knows one unit"):
        read_day(file, folder=tmp_path, hours=2, speed=None)
    file.write_text(SCENARIO, encoding="utf-8")
    with pytest.raises(ValueError, match="at least 1"):
        read_day(file, folder=tmp_path, hours=0, speed=None)
