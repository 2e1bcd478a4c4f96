"""How requests for raw samples stand, and which hours they ask for."""

from __future__ import annotations

import pytest

from doxedge.ledger import inquiry_desk, reception_desk
from doxedge.ledger.inquiry_desk import WantedHour
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.transaction import Transaction
from doxedge.signing.canonical import Value
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, hour

NOW_MS = START_MS + 10 * HOUR_MS
DUE_MS = NOW_MS + 5 * HOUR_MS


def begun() -> TestChannel:
    channel = TestChannel.begin().with_units()
    channel.now_ms = NOW_MS
    return channel


def take(channel: TestChannel, transaction: Transaction) -> bytes:
    """One record, accepted; its id."""
    receipt = channel.block(transaction).execution.receipts[1]
    assert receipt.outcome is Outcome.ACCEPTED, receipt
    return bytes(transaction.record_ids[0])


def ask(channel: TestChannel, unit: str = "alpha-1", hours: int = 3) -> bytes:
    body: list[Value] = [unit, START_MS, START_MS + hours * HOUR_MS, DUE_MS, "spot check"]
    return take(channel, channel.officer("regulator").say("samples.request", body))


def answer(channel: TestChannel, asked: bytes, outcome: str, at_ms: int) -> bytes:
    channel.now_ms = at_ms
    body: list[Value] = [asked, b"c" * 32, 7, outcome, "two hours" if outcome == "lost" else ""]
    return take(channel, channel.authors["alpha-1 device"].say("samples.answer", body))


@pytest.mark.parametrize(
    ("outcome", "at_ms", "status"),
    [
        (None, DUE_MS, "open"),
        (None, DUE_MS + 1, "overdue"),
        ("produced", DUE_MS, "answered"),
        ("produced", DUE_MS + 1, "answered late"),
        ("lost", DUE_MS, "lost"),
        ("lost", DUE_MS + 1, "lost, told late"),
    ],
)
def test_a_request_has_one_status(outcome: str | None, at_ms: int, status: str) -> None:
    channel = begun()
    asked = ask(channel)
    said = None if outcome is None else answer(channel, asked, outcome, at_ms)
    (row,) = inquiry_desk.rows(channel.chain.state, now_ms=at_ms)
    assert (row.record_id, row.status, row.request.answer) == (asked, status, said)
    assert (None if row.answer is None else row.answer.record_id) == said
    waiting = inquiry_desk.open_rows(channel.chain.state, "alpha-1", now_ms=at_ms)
    assert waiting == ([row] if outcome is None else [])


def test_a_request_that_was_answered_in_time_is_never_overdue() -> None:
    channel = begun()
    answer(channel, ask(channel), "produced", DUE_MS)
    (row,) = inquiry_desk.rows(channel.chain.state, now_ms=DUE_MS + 1_000 * HOUR_MS)
    assert row.status == "answered"


def test_the_newest_request_stands_first() -> None:
    channel = begun()
    ids = []
    for number in range(4):
        channel.now_ms = NOW_MS + number
        ids.append(ask(channel, "alpha-1" if number % 2 else "beta-1"))
    shown = inquiry_desk.rows(channel.chain.state, now_ms=NOW_MS)
    assert [row.record_id for row in shown] == ids[::-1]
    waiting = inquiry_desk.open_rows(channel.chain.state, "alpha-1", now_ms=NOW_MS)
    assert [row.record_id for row in waiting] == [ids[1], ids[3]]


def test_a_revised_hour_is_wanted_as_it_was_stated_last() -> None:
    channel = begun()
    device = channel.authors["alpha-1 device"]
    first = take(channel, device.say("hour", hour("alpha-1", START_MS)))
    revised = take(
        channel, device.say("hour.revise", [first, "late samples", hour("alpha-1", START_MS, 900)])
    )
    gap = take(channel, device.say("gap", ["alpha-1", START_MS + HOUR_MS, START_MS + 2 * HOUR_MS, "power"]))
    ask(channel)
    (row,) = inquiry_desk.rows(channel.chain.state, now_ms=NOW_MS)
    assert inquiry_desk.wanted_hours(channel.chain.state, row.request) == [
        WantedHour(START_MS, revised),
        WantedHour(START_MS + HOUR_MS, gap),
        WantedHour(START_MS + 2 * HOUR_MS, None),
    ]


def test_the_reception_desk_shows_answers_that_were_late_or_lost() -> None:
    channel = begun()
    first, second, third, other = ask(channel), ask(channel), ask(channel), ask(channel, "beta-1")

    def told(device: str) -> list[str]:
        row = reception_desk.look_at(channel.chain.state, device, now_ms=DUE_MS)
        assert row is not None
        return [remark for remark in row.remarks if remark.startswith("answered")]

    answer(channel, first, "produced", NOW_MS)
    assert told("alpha-gw") == []
    answer(channel, second, "lost", NOW_MS)
    answer(channel, third, "lost", DUE_MS + 1)
    assert told("alpha-gw") == [
        "answered 2 requests for raw samples with a loss",
        "answered 1 requests for raw samples after the deadline",
    ]
    assert told("beta-gw") == []
    assert other not in {first, second, third}


def test_the_reception_desk_shows_what_a_device_owes() -> None:
    channel = begun()
    first, _, _ = ask(channel), ask(channel), ask(channel, "beta-1")
    answer(channel, first, "produced", NOW_MS)

    def seen(device: str, now_ms: int) -> tuple[int, int, list[str]]:
        row = reception_desk.look_at(channel.chain.state, device, now_ms=now_ms)
        assert row is not None
        told = [remark for remark in row.remarks if "requests" in remark]
        return row.requests_open, row.requests_overdue, told

    late = "1 requests for raw samples wait for it, 1 of them overdue"
    assert seen("alpha-gw", DUE_MS) == (1, 0, ["1 requests for raw samples wait for it"])
    assert seen("alpha-gw", DUE_MS + 1) == (1, 1, [late])
    device = channel.authors["beta-1 device"].signer
    successor: list[Value] = ["beta-gw-2", "beta-1", device.alg, device.public_key, bytes(32), "doxedge test"]
    take(channel, channel.officer("beta").say("device.register", successor))
    assert seen("beta-gw", DUE_MS + 1) == (0, 0, []), "its successor answers"
    assert seen("beta-gw-2", DUE_MS + 1) == (1, 1, [late])
