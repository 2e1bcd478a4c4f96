"""No number is given away twice, also by an outbox that lost its memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doxedge.gateway.numbering import NewsOnly, agree
from doxedge.signing import envelope
from doxedge.signing.record import Record
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Draft
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.ledger.channels import START_MS, hour, signer


async def agreed(outbox: Outbox, ledger: MemoryLedger, *, warn: Callable[[str], None] | None = None) -> bool:
    return await agree(
        outbox,
        ledger,
        channel=ledger.channel,
        source=ledger.source,
        key_id=ledger.device.key_id,
        warn=warn or NewsOnly(),
    )


async def append(outbox: Outbox, ledger: MemoryLedger, key: str) -> int:
    def seal(record: Record) -> envelope.Envelope:
        return envelope.seal(record.payload(), object_name="tx", channel=ledger.channel, signer=ledger.device)

    draft = Draft("hour", hour(UNIT, START_MS), key)
    (appended,) = await outbox.append(ledger.channel, ledger.source, [draft], seal=seal)
    return appended.seq


async def speak(ledger: MemoryLedger, count: int) -> None:
    author = ledger.channel_state.authors["alpha-1 device"]
    for index in range(count):
        await ledger.submit(ledger.channel, [author.say("event", [UNIT, "test", index, ""]).raw])
    ledger.build_block()


def fresh(folder: Path, name: str = "outbox.db") -> Path:
    return folder / name


async def test_a_fresh_outbox_and_a_fresh_source_begin_at_one(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agreed(outbox, ledger)
        assert await append(outbox, ledger, "a") == 1


async def test_an_outbox_that_was_lost_goes_on_behind_the_ledger(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = MemoryLedger.begin()
    await speak(ledger, 7)
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agreed(outbox, ledger)
        assert await append(outbox, ledger, "a") == 8
        assert "the next number is 8" in caplog.text


async def test_an_outbox_without_memory_waits_for_the_node(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    ledger.away = True
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert not await agreed(outbox, ledger)
        assert await outbox.head(ledger.channel, ledger.source) is None
        ledger.away = False
        assert await agreed(outbox, ledger)


async def test_an_outbox_with_memory_goes_on_without_the_node(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agreed(outbox, ledger)
        assert await append(outbox, ledger, "a") == 1
    ledger.away = True
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agreed(outbox, ledger)
        assert await append(outbox, ledger, "b") == 2


async def test_a_source_that_the_ledger_does_not_know_yet_begins_at_one(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agree(outbox, ledger, channel=ledger.channel, source=b"u" * 16, key_id=b"k" * 16)
        head = await outbox.head(ledger.channel, b"u" * 16)
        assert head is not None
        assert head.seq == 0


async def test_a_ledger_that_has_another_record_under_our_number_is_told_and_measuring_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = MemoryLedger.begin()
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agreed(outbox, ledger)
        await append(outbox, ledger, "a")
    await speak(ledger, 1)
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert await agreed(outbox, ledger)
        assert "another record with our number 1" in caplog.text
        assert await append(outbox, ledger, "b") == 2


async def test_a_key_that_the_ledger_does_not_know_for_the_source_signs_nothing(tmp_path: Path) -> None:
    ledger, told = MemoryLedger.begin(), list[str]()
    wrong, right = signer("somebody else").key_id, ledger.device.key_id

    async def tried(key_id: bytes) -> bool:
        return await agree(
            outbox, ledger, channel=ledger.channel, source=ledger.source, key_id=key_id, on_key=told.append
        )

    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        assert not await tried(wrong)
        assert await outbox.head(ledger.channel, ledger.source) is None
        assert await tried(right)
        assert [wrong.hex() in told[0], right.hex() in told[0], told[1:]] == [True, True, [""]]
        await append(outbox, ledger, "a")
        ledger.away = True
        # Nobody can say whether the key was replaced: the last record was signed with another one.
        assert not await tried(wrong)
        assert await tried(right)


async def test_a_node_that_is_away_for_days_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, warn = MemoryLedger.begin(), NewsOnly()
    ledger.away = True
    async with await Outbox.open(fresh(tmp_path), now_ms=lambda: START_MS) as outbox:
        for _ in range(3):
            assert not await agreed(outbox, ledger, warn=warn)
    said = [record for record in caplog.records if "nothing is signed before the node says" in record.message]
    assert len(said) == 1
    warn("something else")
    warn("something else")
    assert [record.message for record in caplog.records][-1:] == ["something else"]
    assert len(caplog.records) == len(said) + 1
