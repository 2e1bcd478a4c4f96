"""§ 8 Hours, gaps, revisions, events: what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doxedge.contracts import figures, hours
from doxedge.contracts.statements import Gap, Revision
from doxedge.quantity import DAY_MS, HOUR_MS, MAX_AMOUNT_G
from tests.contracts.hour_attempts import (
    SECOND_MS,
    THIRD_MS,
    a_gap,
    a_revision,
    an_event,
    an_hour,
    record_of,
)
from tests.contracts.refusals import (
    Attempt,
    Fault,
    RuleCases,
    accepted,
    check_accepted,
    check_lower,
    check_refused,
    pairs,
    singles,
)
from tests.contracts.small_channel import (
    OTHER_MAP,
    START_MS,
    hour,
    long,
    register_device,
)


def _in_hour(**changes: Any) -> Fault:
    """A fault in the facts of an hour, or of the hour in a revision."""

    def fault(attempt: Attempt) -> None:
        if isinstance(attempt.facts, Revision):
            attempt.saying(hour=replace(attempt.facts.hour, **changes))
        else:
            attempt.saying(**changes)

    return fault


def _replaced(attempt: Attempt) -> None:
    """The regulator has put another device in the place of the one that acts."""
    attempt.channel.do("device.register", attempt.channel.regulator, register_device("alpha-gw-2", "alpha-1"))


def _registered_later(attempt: Attempt) -> None:
    """The regulator has put a new device there after the hour, and it states the hour."""
    channel = attempt.channel
    channel.now_ms = attempt.act.clock_ms + DAY_MS
    _replaced(attempt)
    attempt.by(device="alpha-gw-2", clock_ms=channel.now_ms)


def _gap_there(attempt: Attempt) -> None:
    """The next hour is a gap, and it is the one that is revised."""
    channel = attempt.channel
    channel.now_ms = START_MS + 3 * HOUR_MS
    channel.do("gap", channel.device("alpha-gw"), Gap("alpha-1", THIRD_MS, channel.now_ms, "power cut"))
    attempt.by(clock_ms=channel.now_ms)
    _in_hour(start_ms=THIRD_MS)(attempt)


def _not_commissioned(attempt: Attempt) -> None:
    """A new device without commissioning would revise the hours of its predecessor."""
    channel = attempt.channel
    channel.book.put(figures.ROOM, b"hours_before_registration", [1])
    _registered_later(attempt)


def _of_every_statement() -> dict[str, dict[str, Fault]]:
    """Clauses that hold for an hour and for a revision alike."""
    return {
        "8.1": {
            "an officer": lambda a: a.by(device=None, purpose="officer"),
            "the regulator": lambda a: a.by(
                device=None, party="regulator", role="regulator", purpose="officer"
            ),
        },
        "8.2": {
            "an unknown unit": _in_hour(unit="nowhere"),
            "a unit of another company": _in_hour(unit="beta-1"),
            "the device of another unit": lambda a: a.by(device="beta-gw"),
            "a device that was replaced": _replaced,
            "a device that nobody knows": lambda a: a.by(device="ghost"),
        },
        "8.3": {
            "a minute late": _in_hour(start_ms=SECOND_MS + 60_000),
            "a millisecond early": _in_hour(start_ms=SECOND_MS - 1),
            "before 1970": _in_hour(start_ms=-HOUR_MS),
        },
        "8.4": {
            "next year": _in_hour(start_ms=START_MS + 365 * DAY_MS),
            "the hour that runs": _in_hour(start_ms=THIRD_MS),
            "after all time": _in_hour(start_ms=2**62 - 2**62 % HOUR_MS),
        },
        "8.5": {
            "less than nothing": _in_hour(nox_g=-1),
            "2^40 g": _in_hour(nox_g=MAX_AMOUNT_G + 1),
            "2^63 g": _in_hour(nox_g=2**63),
            "energy below zero": _in_hour(energy_wh=-1),
            "more energy than there is": _in_hour(energy_wh=hours.ENERGY_WH_MAX + 1),
        },
        "8.6": {
            "101 per cent": _in_hour(operating_percent=101),
            "-1 per cent": _in_hour(operating_percent=-1),
            "61 minutes": _in_hour(minutes_valid=61),
            "-1 minutes": _in_hour(minutes_valid=-1),
            "-1 samples": _in_hour(samples=-1),
        },
        "8.8": {"a device that was registered later": _registered_later},
        "8.9": {"another register map": _in_hour(profile_hash=OTHER_MAP)},
    }


CASES = (
    RuleCases(
        "hour",
        an_hour,
        {
            **_of_every_statement(),
            "8.7": {
                "the same hour again": lambda a: a.first(),
                "the same hour with another mass": lambda a: a.first().saying(nox_g=1),
                "an hour that was a trial": lambda a: a.saying(start_ms=START_MS),
            },
        },
        apart=frozenset({("8.7", "8.8")}),
    ),
    RuleCases(
        "hour.revise",
        a_revision,
        {
            **_of_every_statement(),
            "8.10": {"an hour that nobody stated": lambda a: _in_hour(start_ms=THIRD_MS)(_later(a))},
            "8.11": {"a gap": _gap_there},
            "8.12": {
                "another record": lambda a: a.saying(revised=long("another")),
                "the record of another hour": lambda a: a.saying(revised=record_of(a, START_MS)),
            },
            "8.13": {"a device that is not commissioned": _not_commissioned},
            "8.14": {"no reason": lambda a: a.saying(reason="")},
        },
        # 8.8 and 8.13 need a new device, and 8.13 a channel that takes old hours.
        apart=frozenset(
            {
                ("8.2", "8.8"),
                ("8.8", "8.13"),
                ("8.2", "8.13"),
                ("8.9", "8.13"),
                ("8.10", "8.11"),
                ("8.11", "8.13"),
            }
        ),
    ),
    RuleCases(
        "gap",
        a_gap,
        {
            "8.1": {"an officer": lambda a: a.by(device=None, purpose="officer")},
            "8.2": {
                "an unknown unit": lambda a: a.saying(unit="nowhere"),
                "a unit of another company": lambda a: a.saying(unit="beta-1"),
                "a device that was replaced": _replaced,
            },
            "8.15": {
                "half an hour": lambda a: a.saying(from_ms=a.facts.from_ms + HOUR_MS // 2),
                "an end within an hour": lambda a: a.saying(to_ms=a.facts.to_ms - 1),
                "no length": lambda a: a.saying(to_ms=a.facts.from_ms),
                "backwards": lambda a: a.saying(from_ms=a.facts.to_ms, to_ms=a.facts.from_ms),
                "before 1970": lambda a: a.saying(from_ms=-HOUR_MS),
            },
            "8.16": {
                "745 hours": lambda a: a.saying(to_ms=a.facts.from_ms + 745 * HOUR_MS),
                "all time": lambda a: a.saying(from_ms=0, to_ms=2**63 - 2**63 % HOUR_MS),
            },
            "8.17": {
                "until next week": lambda a: a.saying(to_ms=a.facts.to_ms + 7 * DAY_MS),
                "an hour that runs": lambda a: a.saying(to_ms=a.facts.to_ms + HOUR_MS),
            },
            "8.18": {"a device that was registered later": _registered_later},
            "8.19": {
                "an hour that was stated": lambda a: a.channel.do(
                    "hour", a.channel.device("alpha-gw"), hour("alpha-1", SECOND_MS)
                ),
                "the same gap again": lambda a: a.first(),
                "one hour of it is a trial hour": lambda a: a.saying(from_ms=START_MS),
            },
            "8.20": {"no cause": lambda a: a.saying(cause="")},
        },
        apart=frozenset({("8.2", "8.18"), ("8.18", "8.19")}),
    ),
    RuleCases(
        "event",
        an_event,
        {
            "8.1": {
                "an officer": lambda a: a.by(device=None, purpose="officer"),
                "an officer, of no unit": lambda a: a.by(device=None, purpose="officer").saying(unit=None),
            },
            "8.2": {
                "an unknown unit": lambda a: a.saying(unit="nowhere"),
                "a unit of another company": lambda a: a.saying(unit="beta-1"),
            },
            "8.21": {"no code": lambda a: a.saying(code="")},
        },
    ),
)


@accepted(*CASES)
def test_the_act_without_a_fault_is_accepted(cases: RuleCases) -> None:
    check_accepted(cases)


@singles(*CASES)
def test_a_fault_is_refused_with_its_clause(cases: RuleCases, clause: str, fault: Fault) -> None:
    check_refused(cases, clause, fault)


@pairs(*CASES)
def test_of_two_faults_the_lower_clause_is_cited(cases: RuleCases, lower: str, two: list[Fault]) -> None:
    check_lower(cases, lower, two)


def _later(attempt: Attempt) -> Attempt:
    """An hour has passed."""
    attempt.channel.now_ms += HOUR_MS
    return attempt.by(clock_ms=attempt.channel.now_ms)
