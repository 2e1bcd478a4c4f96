"""§ 4 Units and devices."""

from __future__ import annotations

import pytest

from doxedge.contracts import day_book, keys, numbering, units
from doxedge.contracts.parties import Revoke, Rotate
from doxedge.contracts.statements import Gap, Revision
from doxedge.quantity import HOUR_MS
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
    MAP,
    OTHER_MAP,
    START_MS,
    SmallChannel,
    commission,
    hour,
    long,
    register_device,
    register_unit,
    short,
)


def _unit() -> Attempt:
    channel = SmallChannel.begin()
    return Attempt(channel, "unit.register", channel.regulator, register_unit("alpha-1", "alpha"))


def _device() -> Attempt:
    channel = SmallChannel.begin()
    channel.do("unit.register", channel.regulator, register_unit("alpha-1", "alpha"))
    return Attempt(
        channel, "device.register", channel.officer("alpha"), register_device("alpha-gw", "alpha-1")
    )


def _commission() -> Attempt:
    """The device has stated two trial hours, and three are demanded."""
    channel = SmallChannel.begin(commission_hours_min=3).with_plants()
    for number in range(3):
        channel.state("alpha-1", number, 100 * number)
    facts = commission("alpha-gw", *((START_MS + number * HOUR_MS, 100 * number) for number in range(3)))
    return Attempt(channel, "device.commission", channel.officer("verifier"), facts)


def _recommission(*, map_hash: bytes = OTHER_MAP) -> Attempt:
    """The device was commissioned, then stated three hours with another map."""
    channel = SmallChannel.begin(commission_hours_min=3).with_plants()
    for number in range(3):
        channel.state("alpha-1", number, 100 * number)
    first = commission("alpha-gw", *((START_MS + number * HOUR_MS, 100 * number) for number in range(3)))
    channel.do("device.commission", channel.officer("verifier"), first)
    channel.state("alpha-1", 3, 300)
    for number in range(4, 7):
        channel.state("alpha-1", number, 100 * number, profile_hash=OTHER_MAP)
    hours = ((START_MS + number * HOUR_MS, 100 * number) for number in range(4, 7))
    facts = commission("alpha-gw", *hours, profile_hash=map_hash)
    return Attempt(channel, "device.commission", channel.officer("verifier"), facts)


def _replace(attempt: Attempt) -> None:
    """Alpha puts another device in the place of its uncommissioned one."""
    attempt.channel.do(
        "device.register", attempt.channel.officer("alpha"), register_device("alpha-gw-2", "alpha-1")
    )


def _counting(attempt: Attempt) -> None:
    """The unit has a device already, and it is commissioned."""
    channel = attempt.channel
    channel.do("device.register", channel.regulator, register_device("first", "alpha-1"))
    channel.now_ms = START_MS + HOUR_MS
    channel.do("hour", channel.device("first"), hour("alpha-1", START_MS, 5))
    channel.do("device.commission", channel.regulator, commission("first", (START_MS, 5)))


def _known_key(attempt: Attempt, *, revoke: bool) -> Attempt:
    """The device's key measures at another unit of alpha."""
    channel = attempt.channel
    channel.do("unit.register", channel.regulator, register_unit("alpha-2", "alpha"))
    earlier = register_device("earlier", "alpha-2", key_id=attempt.facts.key_id)
    channel.do("device.register", channel.officer("alpha"), earlier)
    if revoke:
        channel.do("key.revoke", channel.regulator, Revoke(attempt.facts.key_id, "lost"))
    return attempt


CASES = (
    RuleCases(
        "unit.register",
        _unit,
        {
            "4.1": {"its operator": lambda a: a.by(party="alpha", role="company")},
            "4.2": {
                "no name": lambda a: a.saying(unit=""),
                "a name that turns around": lambda a: a.saying(unit="unit\u202e1"),
            },
            "4.3": {
                "an unknown party": lambda a: a.saying(party="nobody"),
                "a verifier, who would verify himself": lambda a: a.saying(party="verifier"),
                "the regulator": lambda a: a.saying(party="regulator"),
            },
            "4.4": {"the same unit again": lambda a: a.first()},
            "4.5": {
                "no capacity": lambda a: a.saying(capacity_kw=0),
                "less than none": lambda a: a.saying(capacity_kw=-1),
            },
        },
    ),
    RuleCases(
        "device.register",
        _device,
        {
            "4.6": {"an unknown unit": lambda a: a.saying(unit="nowhere")},
            "4.7": {
                "an officer of another company": lambda a: a.by(party="beta"),
                "the company's node": lambda a: a.by(purpose="node"),
                "a device of the company": lambda a: a.by(purpose="device"),
                "the regulator's node": lambda a: a.by(party="regulator", role="regulator", purpose="node"),
                "a verifier": lambda a: a.by(party="verifier", role="verifier"),
            },
            "4.8": {"no name": lambda a: a.saying(device="")},
            "4.9": {
                "the same device again": lambda a: a.first(),
                "the name of another unit's device": lambda a: _known_key(a, revoke=False).saying(
                    device="earlier"
                ),
            },
            "4.10": {
                "an officer's key": lambda a: a.saying(key_id=short("alpha officer")),
                "a node's key": lambda a: a.saying(key_id=short("alpha node")),
                "a key of another company": lambda a: a.saying(key_id=short("beta officer")),
            },
            "4.11": {
                "a key that was revoked": lambda a: _known_key(a, revoke=True),
            },
            "4.12": {"its operator while another device counts": _counting},
        },
        apart=frozenset({("4.9", "4.11"), ("4.9", "4.12"), ("4.10", "4.11")}),
    ),
    RuleCases(
        "device.commission",
        _commission,
        {
            "4.13": {
                "its operator": lambda a: a.by(party="alpha", role="company"),
                "the verifier's node": lambda a: a.by(purpose="node"),
            },
            "4.14": {"an unknown device": lambda a: a.saying(device="nowhere")},
            "4.15": {"a device that was replaced": _replace},
            "4.16": {"the same again": lambda a: a.first()},
            "4.17": {"another register map": lambda a: a.saying(profile_hash=OTHER_MAP)},
            "4.18": {
                "an hour too few": lambda a: a.saying(witnessed=a.facts.witnessed[:2]),
                "one hour three times": lambda a: a.saying(witnessed=a.facts.witnessed[:1] * 3),
                "no hour": lambda a: a.saying(witnessed=()),
            },
            "4.19": {
                "another mass": lambda a: a.saying(
                    witnessed=(*a.facts.witnessed[:2], (START_MS + 2 * HOUR_MS, 201))
                ),
                "an hour that was not stated": lambda a: a.saying(
                    witnessed=(*a.facts.witnessed, (START_MS + 9 * HOUR_MS, 0))
                ),
                "two masses for one hour": lambda a: a.saying(witnessed=(*a.facts.witnessed, (START_MS, 1))),
                "a time between hours": lambda a: a.saying(witnessed=(*a.facts.witnessed, (START_MS + 1, 0))),
                "a time before all time": lambda a: a.saying(witnessed=(*a.facts.witnessed, (-HOUR_MS, 0))),
                "a time after all time": lambda a: a.saying(witnessed=(*a.facts.witnessed, (2**63 - 1, 0))),
            },
        },
        apart=frozenset({("4.15", "4.16"), ("4.16", "4.17")}),
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


def test_a_registered_unit_has_neither_account_nor_device() -> None:
    attempt = _unit()
    assert attempt.judge() == [["unit.registered", "alpha-1", "alpha"]]
    entry = units.find_unit(attempt.channel.book, "alpha-1")
    assert entry == units.UnitEntry("alpha", "boiler", 100_000, "1", None, None)


def test_a_unit_of_one_kilowatt_is_a_unit() -> None:
    attempt = _unit()
    attempt.saying(capacity_kw=1)
    assert attempt.cited() is None


def test_a_registered_device_is_the_present_one_with_a_numbering_of_its_own() -> None:
    attempt = _device()
    book = attempt.channel.book
    assert attempt.judge() == [["device.registered", "alpha-gw", "alpha-1", short("alpha-gw device")]]
    entry = units.find_device(book, "alpha-gw")
    assert entry == units.DeviceEntry(
        "alpha-1", short("alpha-gw key"), MAP, "1.0", short("alpha-gw device"), START_MS, None
    )
    unit = units.find_unit(book, "alpha-1")
    assert unit is not None
    assert unit.device == "alpha-gw"
    key = keys.find_key(book, short("alpha-gw key"))
    assert key == keys.KeyEntry(-8, long("alpha-gw key"), "alpha", "company", "device", False)
    source = numbering.find_source(book, short("alpha-gw device"))
    assert source is not None
    assert (source.device, source.party, source.seq) == ("alpha-gw", "alpha", 0)


def test_the_regulator_registers_a_device_and_its_key_is_still_the_operators() -> None:
    attempt = _device()
    attempt.by(party="regulator", role="regulator")
    attempt.judge()
    key = keys.find_key(attempt.channel.book, short("alpha-gw key"))
    assert key is not None
    assert (key.party, key.role) == ("alpha", "company")


def test_one_gateway_serves_two_units_of_its_company_under_two_numberings() -> None:
    attempt = _device()
    _known_key(attempt, revoke=False)
    assert attempt.cited() is None
    held = numbering.held_sources(attempt.channel.book, short("alpha-gw key"))
    assert held == [short("earlier device"), short("alpha-gw device")]


def test_the_key_of_a_device_does_not_move_to_a_unit_of_another_company() -> None:
    attempt = _device()
    attempt.judge()
    channel = attempt.channel
    channel.do("unit.register", channel.regulator, register_unit("beta-1", "beta"))
    stolen = register_device("beta-gw", "beta-1", key_id=short("alpha-gw key"))
    for officer in (channel.officer("beta"), channel.regulator):
        assert Attempt(channel, "device.register", officer, stolen).cited() == "4.10"


def test_a_device_key_that_has_a_successor_is_not_registered_again() -> None:
    attempt = _device()
    attempt.judge()
    channel = attempt.channel
    old, new = short("alpha-gw key"), short("gw key 2")
    channel.do("key.rotate", channel.device("alpha-gw"), Rotate(old, -8, long("gw key 2"), new))
    again = register_device("again", "alpha-1", key_id=old)
    assert Attempt(channel, "device.register", channel.officer("alpha"), again).cited() == "4.11"
    again = register_device("again", "alpha-1", key_id=new)
    assert Attempt(channel, "device.register", channel.officer("alpha"), again).cited() is None


@pytest.mark.parametrize("who", ["regulator", "verifier"])
def test_hours_count_from_the_end_of_the_last_witnessed_one(who: str) -> None:
    attempt = _commission()
    attempt.by(party=who, role=who)
    counts_from_ms = START_MS + 3 * HOUR_MS
    assert attempt.judge() == [["device.commissioned", "alpha-gw", "alpha-1", counts_from_ms]]
    entry = units.find_device(attempt.channel.book, "alpha-gw")
    assert entry is not None
    assert entry.counts_from_ms == counts_from_ms


def test_the_regulator_replaces_a_commissioned_device_and_the_new_one_begins_with_trial_hours() -> None:
    channel = SmallChannel.begin().commissioned()
    events = channel.do("device.register", channel.regulator, register_device("alpha-gw-2", "alpha-1"))
    assert events[0][0] == "device.registered"
    channel.now_ms += HOUR_MS
    stated = channel.do("hour", channel.device("alpha-gw-2"), hour("alpha-1", START_MS + HOUR_MS, 9))
    assert stated == [["hour.accepted", "alpha-1", START_MS + HOUR_MS, 9, "trial"]]


def test_a_device_is_not_commissioned_by_the_trial_hours_of_its_predecessor() -> None:
    attempt = _commission()
    _replace(attempt)
    attempt.saying(device="alpha-gw-2")
    assert attempt.cited() == "4.19"


def test_a_device_is_not_commissioned_by_hours_it_read_with_another_map() -> None:
    channel = SmallChannel.begin().with_plants()
    channel.state("alpha-1", 0, 700, profile_hash=OTHER_MAP)
    attempt = Attempt(
        channel, "device.commission", channel.officer("verifier"), commission("alpha-gw", (START_MS, 700))
    )
    assert attempt.cited() == "4.19"


def test_a_changed_map_is_commissioned_anew_and_hours_count_again() -> None:
    attempt = _recommission()
    channel = attempt.channel
    counts_from_ms = START_MS + 7 * HOUR_MS
    assert units.find_reopened(channel.book, "alpha-gw") == units.Reopened(OTHER_MAP, START_MS + 4 * HOUR_MS)
    assert attempt.judge() == [["device.commissioned", "alpha-gw", "alpha-1", counts_from_ms]]
    entry = units.find_device(channel.book, "alpha-gw")
    assert entry is not None
    assert (entry.profile_hash, entry.counts_from_ms) == (OTHER_MAP, counts_from_ms)
    assert units.find_reopened(channel.book, "alpha-gw") is None
    assert channel.state("alpha-1", 7, 1, profile_hash=OTHER_MAP)[0][-1] == "counted"
    assert channel.state("alpha-1", 8, 1)[1][-1] == "trial"
    assert units.find_reopened(channel.book, "alpha-gw") == units.Reopened(MAP, START_MS + 8 * HOUR_MS)


def test_the_map_of_today_is_not_commissioned_twice_while_another_is_in_use() -> None:
    assert _recommission(map_hash=MAP).cited() == "4.16"
    assert _recommission(map_hash=long("a third map")).cited() == "4.17"


def test_a_changed_map_is_not_commissioned_by_hours_of_a_third() -> None:
    attempt = _recommission()
    channel = attempt.channel
    third = long("a third map")
    channel.state("alpha-1", 7, 700, profile_hash=third)
    assert attempt.cited() == "4.17"
    attempt.saying(profile_hash=third)
    assert attempt.cited() == "4.19"
    for number in (8, 9):
        channel.state("alpha-1", number, 100 * number, profile_hash=third)
    own = tuple((START_MS + number * HOUR_MS, 100 * number) for number in (7, 8, 9))
    assert (
        Attempt(channel, attempt.kind, attempt.act, commission("alpha-gw", *own, profile_hash=third)).cited()
        is None
    )


def test_an_hour_that_comes_late_does_not_let_a_third_map_in() -> None:
    """The hours of the other map lie after the one that was stated last, and none of them is of the third."""
    attempt = _recommission()
    channel = attempt.channel
    third = long("a third map")
    channel.state("alpha-1", 9, 900, profile_hash=OTHER_MAP)
    channel.state("alpha-1", 8, 800, profile_hash=third)
    assert units.find_reopened(channel.book, "alpha-gw") == units.Reopened(third, START_MS + 10 * HOUR_MS)
    mixed = commission(
        "alpha-gw", *((START_MS + n * HOUR_MS, 100 * n) for n in (6, 8, 9)), profile_hash=third
    )
    assert Attempt(channel, attempt.kind, attempt.act, mixed).cited() == "4.19"


def test_a_trial_hour_that_is_revised_with_a_third_map_reopens_again() -> None:
    attempt = _recommission()
    channel = attempt.channel
    third, start_ms = long("a third map"), START_MS + 5 * HOUR_MS
    known = day_book.find_hour(channel.book, "alpha-1", start_ms)
    assert known is not None
    revision = Revision(known.latest, "late samples", hour("alpha-1", start_ms, 500, profile_hash=third))
    events = channel.do("hour.revise", channel.device("alpha-gw"), revision)
    assert ["device.reopened", "alpha-gw", third, START_MS + 7 * HOUR_MS] in events
    assert attempt.cited() == "4.17"


def test_a_witnessed_hour_is_compared_with_its_latest_revision() -> None:
    attempt = _commission()
    channel = attempt.channel
    known = day_book.find_hour(channel.book, "alpha-1", START_MS)
    assert known is not None
    revision = Revision(known.original, "recalculated", hour("alpha-1", START_MS, 55))
    channel.do("hour.revise", channel.device("alpha-gw"), revision)
    assert attempt.cited() == "4.19"
    attempt.saying(witnessed=((START_MS, 55), *attempt.facts.witnessed[1:]))
    assert attempt.cited() is None


def test_a_gap_is_not_a_witnessed_hour_of_zero() -> None:
    channel = SmallChannel.begin().with_plants()
    channel.now_ms = START_MS + HOUR_MS
    channel.do("gap", channel.device("alpha-gw"), Gap("alpha-1", START_MS, START_MS + HOUR_MS, "power cut"))
    attempt = Attempt(channel, "device.commission", channel.regulator, commission("alpha-gw", (START_MS, 0)))
    assert attempt.cited() == "4.19"
