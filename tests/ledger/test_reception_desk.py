"""The regulator's desk: what of a period has come, what is missing, and what looks wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import day_book, numbering
from doxedge.ledger import reception_desk
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.reception_desk import GRACE_MS, MISSING_SHOWN_MAX, DeviceRow, Stretch, look_at
from doxedge.quantity import DAY_MS, MINUTE_MS
from doxedge.signing.canonical import Value
from doxedge.signing.tags import ZERO_HASH
from tests.ledger.channels import HOUR_MS, START_MS, Author, TestChannel, hour, signer
from tests.ledger.running import device, rewound


def begun() -> TestChannel:
    """Units and devices, registered at the first hour of the year."""
    return TestChannel.begin(commission_hours_min=1).with_units()


def state_hours(channel: TestChannel, *numbers: int, **changes: Value) -> None:
    """Alpha's device states these hours of the year, all of them accepted."""
    channel.now_ms = max(channel.now_ms, START_MS + (max(numbers) + 1) * HOUR_MS)
    bodies = [("hour", hour("alpha-1", START_MS + number * HOUR_MS, **changes)) for number in numbers]  # type: ignore[arg-type]
    for at in range(0, len(bodies), 64):
        extension = channel.block(device(channel).batch(bodies[at : at + 64]))
        assert extension.execution.receipts[1].outcome is Outcome.ACCEPTED


def say(channel: TestChannel, author: Author, kind: str, body: list[Value]) -> None:
    """One record, accepted."""
    receipt = channel.block(author.say(kind, body)).execution.receipts[1]
    assert receipt.outcome is Outcome.ACCEPTED, receipt


def row(
    channel: TestChannel,
    hours: int,
    *,
    name: str = "alpha-gw",
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> DeviceRow:
    """The device's row, seen when so many hours of the year are due."""
    found = look_at(
        channel.chain.state, name, now_ms=START_MS + hours * HOUR_MS + GRACE_MS, from_ms=from_ms, to_ms=to_ms
    )
    assert found is not None
    return found


def counts(found: DeviceRow) -> tuple[int, int, int, int]:
    return found.hours_due, found.hours_accepted, found.hours_gap, found.hours_silent


def test_the_desk_lists_every_device_in_order_and_knows_no_other() -> None:
    channel = begun()
    assert reception_desk.device_names(channel.chain.state) == ["alpha-gw", "beta-gw"]
    assert look_at(channel.chain.state, "gamma-gw", now_ms=START_MS) is None


def test_a_device_that_was_just_registered_owes_nothing() -> None:
    found = row(begun(), 0)
    assert counts(found) == (0, 0, 0, 0)
    assert found.completeness_percent is None
    assert found.last_hour_ms is None
    assert (found.records, found.clock_state, found.is_profile_registered, found.is_firmware_registered) == (
        0, "", None, None,
    )  # fmt: skip
    assert found.remarks == ("not commissioned: its hours are trial",)
    assert (found.unit, found.party, found.is_present) == ("alpha-1", "alpha", True)


def test_an_hour_is_due_a_quarter_of_an_hour_after_its_end() -> None:
    channel = begun()
    assert GRACE_MS == 15 * MINUTE_MS
    for now_ms, due in ((START_MS + HOUR_MS + GRACE_MS - 1, 0), (START_MS + HOUR_MS + GRACE_MS, 1)):
        found = look_at(channel.chain.state, "alpha-gw", now_ms=now_ms)
        assert found is not None
        assert found.hours_due == due


def test_accepted_hours_gaps_and_silence_add_up_to_what_is_due() -> None:
    channel = begun()
    state_hours(channel, 0, 1, 4)
    say(
        channel,
        device(channel),
        "gap",
        ["alpha-1", START_MS + 2 * HOUR_MS, START_MS + 4 * HOUR_MS, "calibration"],
    )
    found = row(channel, 8)
    assert counts(found) == (8, 3, 2, 3)
    assert found.completeness_percent == "37.5"
    assert found.missing == (
        Stretch(START_MS + 2 * HOUR_MS, START_MS + 4 * HOUR_MS, True),
        Stretch(START_MS + 5 * HOUR_MS, START_MS + 8 * HOUR_MS, False),
    )
    assert found.last_hour_ms == START_MS + 4 * HOUR_MS
    assert "3 hours are missing without a word" in found.remarks


def test_completeness_is_rounded_down_so_that_only_everything_is_a_hundred() -> None:
    channel = begun()
    state_hours(channel, 0, 1)
    assert row(channel, 3).completeness_percent == "66.6"
    assert row(channel, 2).completeness_percent == "100.0"
    assert row(channel, 2001).completeness_percent == "0.0"


def test_a_filled_gap_and_a_late_hour_are_accepted_hours() -> None:
    channel = begun()
    state_hours(channel, 3)
    say(channel, device(channel), "gap", ["alpha-1", START_MS, START_MS + 2 * HOUR_MS, "no line"])
    assert counts(row(channel, 4)) == (4, 1, 2, 1)
    state_hours(channel, 0, 1, 2)
    assert counts(row(channel, 4)) == (4, 4, 0, 0)
    assert row(channel, 4).missing == ()
    assert row(channel, 4).last_hour_ms == START_MS + 3 * HOUR_MS, "the newest, not the last that came"


def test_a_substitute_is_accepted_and_told_apart_until_a_measurement_revises_it() -> None:
    channel = begun()
    state_hours(channel, 2)
    say(channel, device(channel), "gap", ["alpha-1", START_MS, START_MS + HOUR_MS, "no line"])
    state_hours(channel, 0, 1, quality="substituted", method_code="11", recipe=["part75/1"])
    found = row(channel, 3)
    assert (counts(found), found.hours_substituted) == ((3, 3, 0, 0), 2)
    assert "2 hours are substitutes, not measurements" in found.remarks
    known = day_book.find_hour(channel.chain.state, "alpha-1", START_MS)
    assert known is not None
    measured = hour("alpha-1", START_MS, 7)
    say(channel, device(channel), "hour.revise", [known.original, "late samples", measured])
    assert row(channel, 2).hours_substituted == 1
    assert day_book.trial_g(channel.chain.state, "alpha-1", "alpha-gw", START_MS, own_map=True) == 7
    second_ms = START_MS + HOUR_MS
    assert day_book.trial_g(channel.chain.state, "alpha-1", "alpha-gw", second_ms, own_map=True) is None


def test_a_period_is_cut_to_whole_hours_that_are_due() -> None:
    channel = begun()
    state_hours(channel, *range(6))
    inner = row(channel, 10, from_ms=START_MS + HOUR_MS + 1, to_ms=START_MS + 5 * HOUR_MS - 1)
    assert (inner.from_ms, inner.to_ms) == (START_MS + 2 * HOUR_MS, START_MS + 4 * HOUR_MS)
    assert counts(inner) == (2, 2, 0, 0)
    outer = row(channel, 10, from_ms=0, to_ms=START_MS + 999 * HOUR_MS)
    assert (outer.from_ms, outer.to_ms) == (START_MS, START_MS + 10 * HOUR_MS)
    backwards = row(channel, 10, from_ms=START_MS + 5 * HOUR_MS, to_ms=START_MS)
    assert counts(backwards) == (0, 0, 0, 0)
    before = row(channel, 10, to_ms=START_MS - HOUR_MS)
    assert counts(before) == (0, 0, 0, 0)
    assert inner.last_hour_ms == before.last_hour_ms == START_MS + 5 * HOUR_MS, "in or out of the period"


def test_a_period_is_at_most_a_year_and_shows_the_newest_missing_stretches() -> None:
    channel = begun()
    state_hours(channel, *range(0, 2 * (MISSING_SHOWN_MAX + 20), 2))
    found = row(channel, 400 * 24)
    assert found.to_ms - found.from_ms == 366 * DAY_MS
    short = row(channel, 2 * (MISSING_SHOWN_MAX + 20))
    assert short.hours_silent == MISSING_SHOWN_MAX + 20
    assert len(short.missing) == MISSING_SHOWN_MAX
    assert short.missing[-1].to_ms == short.to_ms


@given(st.integers(0, 2**32))
def test_the_desk_counts_like_somebody_who_looks_at_every_hour(seed: int) -> None:
    """The twin keeps one letter an hour: accepted, gap, or nothing."""
    chance = random.Random(seed)
    channel, letters = begun(), ["."] * 60
    channel.now_ms = START_MS + 61 * HOUR_MS
    at = 0
    entries: list[tuple[str, list[Value]]] = []
    while at < 55:
        start_ms, act = START_MS + at * HOUR_MS, chance.random()
        length = chance.randrange(1, 5)
        if act < 0.5:
            entries += [("hour", hour("alpha-1", start_ms + n * HOUR_MS)) for n in range(length)]
            letters[at : at + length] = "a" * length
        elif act < 0.75:
            entries.append(("gap", ["alpha-1", start_ms, start_ms + length * HOUR_MS, "cause"]))
            letters[at : at + length] = "g" * length
        at += length
    if entries:
        channel.block(device(channel).batch(entries))
    first, last = sorted(chance.sample(range(61), 2))
    found = row(channel, 60, from_ms=START_MS + first * HOUR_MS, to_ms=START_MS + last * HOUR_MS)
    seen = "".join(letters[first:last])
    assert counts(found) == (len(seen), seen.count("a"), seen.count("g"), seen.count("."))
    drawn = ["a"] * len(seen)
    for stretch in found.missing:
        for n in range(
            (stretch.from_ms - found.from_ms) // HOUR_MS, (stretch.to_ms - found.from_ms) // HOUR_MS
        ):
            drawn[n] = "g" if stretch.stated else "."
    assert "".join(drawn) == seen
    touching = zip(found.missing, found.missing[1:], strict=False)
    assert all(a.to_ms < b.from_ms or a.stated != b.stated for a, b in touching)


def test_revisions_are_counted_by_hours_of_the_period() -> None:
    channel = begun()
    state_hours(channel, 0, 1)
    for number, times in ((0, 2), (1, 1)):
        for _ in range(times):
            entry = hour("alpha-1", START_MS + number * HOUR_MS, 900)
            latest = channel.chain.state.get("hours", b"alpha-1\0" + (START_MS // DAY_MS).to_bytes(4))
            assert isinstance(latest, list)
            stated = latest[number]
            assert isinstance(stated, list)
            say(channel, device(channel), "hour.revise", [stated[4], "drift", entry])
    assert row(channel, 2).revisions == 3
    assert row(channel, 2, from_ms=START_MS + HOUR_MS).revisions == 1


def test_after_the_commissioning_only_counting_hours_are_due() -> None:
    channel = begun()
    state_hours(channel, 0, 1, 2)
    witnessed: list[Value] = ["alpha-gw", bytes(32), [[START_MS + HOUR_MS, 1_000]], bytes(32)]
    say(channel, channel.officer("verifier"), "device.commission", witnessed)
    found = row(channel, 4)
    assert found.counts_from_ms == found.from_ms == START_MS + 2 * HOUR_MS
    assert counts(found) == (2, 1, 0, 1)
    assert found.remarks == ("1 hours are missing without a word",)


def test_a_fork_stands_at_the_desk_with_its_number_also_after_the_reinstatement() -> None:
    channel = begun()
    author = device(channel)
    say(channel, author, "event", [None, "note", 0, "one"])
    rivals: list[Value] = [
        rewound(author, seq=0, prev=ZERO_HASH).say("event", [None, "note", 0, text]).raw
        for text in ("one", "two")
    ]
    say(channel, channel.officer("beta"), "conflict", rivals)
    found = row(channel, 0)
    assert (found.conflicts, found.is_suspended) == ((1,), True)
    assert found.remarks[:2] == (
        "gave 1 numbers twice: its proof stands on the ledger",
        "suspended until the regulator reinstates its numbering",
    )
    say(channel, channel.officer("regulator"), "source.reinstate", [author.source, "the clone is destroyed"])
    found = row(channel, 0)
    assert (found.conflicts, found.is_suspended) == ((1,), False)
    assert row(channel, 0, name="beta-gw").conflicts == ()


def test_a_withdrawn_key_is_shown_and_its_successor_is_not() -> None:
    from doxedge.ledger.bodies import possession_bytes

    channel = begun()
    old, new = device(channel), signer("alpha device, renewed")
    possession = new.sign(possession_bytes(channel.chain.channel, old.signer.key_id))
    say(channel, old, "key.rotate", [old.signer.key_id, new.alg, new.public_key, possession])
    assert not row(channel, 0).is_key_revoked
    say(channel, channel.officer("alpha"), "key.revoke", [new.key_id, "stolen"])
    found = row(channel, 0)
    assert found.is_key_revoked
    assert "its key is withdrawn" in found.remarks


@pytest.mark.parametrize(
    ("change", "profile", "firmware", "remark"),
    [
        ({}, True, True, None),
        (
            {"profile_hash": b"p" * 32},
            False,
            True,
            "measures with a register map that is not the registered one",
        ),
        ({"firmware": "doxedge 9"}, True, False, "runs firmware that is not the registered one"),
        ({"clock_state": "free_running", "clock_offset_ms": -70}, True, True, "its clock is free_running"),
    ],
)
def test_the_last_hour_says_which_map_firmware_and_clock_are_in_use(
    change: dict[str, Value], profile: bool, firmware: bool, remark: str | None
) -> None:
    channel = begun()
    state_hours(channel, 0, clock_state="unknown", profile_hash=b"o" * 32, firmware="older")
    state_hours(channel, 1, **change)
    found = row(channel, 2)
    assert (found.is_profile_registered, found.is_firmware_registered) == (profile, firmware)
    assert found.clock_state == change.get("clock_state", "synchronised")
    assert found.clock_offset_ms == change.get("clock_offset_ms", 0)
    spoken = [text for text in found.remarks if not text.startswith("not commissioned")]
    assert spoken == ([] if remark is None else [remark])


def test_a_late_hour_does_not_turn_the_desk_back() -> None:
    channel = begun()
    state_hours(channel, 3)
    state_hours(channel, 1, clock_state="free_running", firmware="older")
    assert (row(channel, 4).clock_state, row(channel, 4).is_firmware_registered) == ("synchronised", True)


def replaced() -> TestChannel:
    """Alpha's device stated two hours with an old map; then another device took its place."""
    channel = begun()
    state_hours(channel, 0, 1, clock_state="free_running", profile_hash=b"o" * 32, firmware="older")
    new = signer("alpha device 2")
    body: list[Value] = ["alpha-gw-2", "alpha-1", new.alg, new.public_key, b"n" * 32, "doxedge 2"]
    registered = channel.officer("alpha").say("device.register", body)
    assert channel.block(registered).execution.receipts[1].outcome is Outcome.ACCEPTED
    channel.author("alpha-1 device 2", new, registered.record_ids[0])
    return channel


def test_a_replaced_device_owes_nothing_more_and_its_successor_begins() -> None:
    channel = replaced()
    old = row(channel, 6)
    assert (old.is_present, counts(old), old.clock_state) == (False, (0, 0, 0, 0), "")
    assert old.remarks == ("replaced: the unit has another device now",)
    new = row(channel, 6, name="alpha-gw-2")
    assert (new.is_present, new.from_ms, counts(new)) == (True, START_MS + 2 * HOUR_MS, (4, 0, 0, 4))


def test_a_new_device_is_not_blamed_for_the_map_and_clock_of_its_predecessor() -> None:
    channel = replaced()
    new = row(channel, 2, name="alpha-gw-2")
    assert (new.is_profile_registered, new.is_firmware_registered, new.clock_state) == (None, None, "")
    assert new.remarks == ("not commissioned: its hours are trial",)
    author = channel.authors["alpha-1 device 2"]
    channel.now_ms = START_MS + 3 * HOUR_MS
    body = hour("alpha-1", START_MS + 2 * HOUR_MS, profile_hash=b"n" * 32, firmware="doxedge 2")
    say(channel, author, "hour", body)
    new = row(channel, 3, name="alpha-gw-2")
    assert (new.is_profile_registered, new.is_firmware_registered, new.clock_state) == (
        True, True, "synchronised",
    )  # fmt: skip


def test_the_desk_says_whether_hours_count_and_when_a_changed_map_has_reopened_that() -> None:
    channel = begun()
    assert row(channel, 0).commissioning == "trial"
    state_hours(channel, 0)
    body: list[Value] = ["alpha-gw", bytes(32), [[START_MS, 1_000]], bytes(32)]
    say(channel, channel.officer("verifier"), "device.commission", body)
    assert row(channel, 1).commissioning == "commissioned"
    state_hours(channel, 1, profile_hash=b"p" * 32)
    found = row(channel, 2)
    assert found.commissioning == "reopened"
    assert "its commissioning is reopened: hours of this register map are trial" in found.remarks
    body = ["alpha-gw", b"p" * 32, [[START_MS + HOUR_MS, 1_000]], bytes(32)]
    say(channel, channel.officer("verifier"), "device.commission", body)
    state_hours(channel, 2, profile_hash=b"p" * 32)
    assert row(channel, 3).commissioning == "commissioned"
    new = signer("alpha device 2")
    body = ["alpha-gw-2", "alpha-1", new.alg, new.public_key, b"n" * 32, "doxedge 2"]
    say(channel, channel.officer("regulator"), "device.register", body)
    assert row(channel, 3).commissioning == "replaced"


def test_hours_that_are_made_by_other_settings_than_the_witnessed_ones_are_shown() -> None:
    """Also when the gateway says nothing of it: every hour names the hash of its settings."""
    remark = "its hours are made by other settings than those that were witnessed"
    channel = begun()
    state_hours(channel, 0, rules_hash=b"a" * 32)
    state_hours(channel, 1, rules_hash=b"r" * 32)
    body: list[Value] = ["alpha-gw", bytes(32), [[START_MS + HOUR_MS, 1_000]], bytes(32)]
    say(channel, channel.officer("verifier"), "device.commission", body)
    state_hours(channel, 3, rules_hash=b"r" * 32)
    state_hours(channel, 2, rules_hash=b"a" * 32)  # late, and no news
    found = row(channel, 4)
    assert (found.rules_since_ms, remark in found.remarks) == (START_MS + HOUR_MS, False)
    state_hours(channel, 4, 5, rules_hash=b"s" * 32)
    found = row(channel, 6)
    assert (found.rules_since_ms, remark in found.remarks) == (START_MS + 4 * HOUR_MS, True)


def test_the_desk_sees_what_a_device_says_of_itself() -> None:
    channel = begun()
    state_hours(channel, 0)
    body: list[Value] = ["alpha-1", "alarm.raised", START_MS, "outbox.altered alpha-1: record 3 is gone"]
    say(channel, device(channel), "event", body)
    say(channel, device(channel), "event", ["alpha-1", "store.damaged", START_MS, "samples.db"])
    found = row(channel, 1)
    assert [(one.name, one.since_ms) for one in found.signs.standing] == [
        ("outbox.altered alpha-1", START_MS)
    ]
    assert [(one.code, one.count) for one in found.signs.events] == [("store.damaged", 1)]
    assert "says of itself: outbox.altered alpha-1" in found.remarks
    say(channel, device(channel), "event", [*body[:1], "alarm.cleared", *body[2:]])
    assert row(channel, 1).signs.standing == ()


def test_looking_changes_nothing() -> None:
    channel = begun()
    state_hours(channel, 0, 3)
    root = channel.chain.state.root
    assert row(channel, 5) == row(channel, 5)
    assert channel.chain.state.root == root
    assert numbering.find_source(channel.chain.state, device(channel).source) is not None
