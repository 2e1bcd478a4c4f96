"""A damaged outbox is set aside, its sound entries are brought over, and measuring goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from doxedge.store.outbox import Outbox
from doxedge.store.rows import Closing, SampleRow
from doxedge.store.samples import SampleStore
from tests.store.records import CHANNEL, SOURCE, START_MS, SettableClock, hours, seal, signature_holds

CLOCK = SettableClock()
PAGE = 4_096
ENVELOPE_START = b"\x84\x55\xa2\x01\x27\x04\x50"


async def filled(path: Path, entries: int = 300) -> list[bytes]:
    async with await Outbox.open(path, now_ms=CLOCK.now_ms) as outbox:
        await outbox.begin(CHANNEL, SOURCE)
        appended = await outbox.append(CHANNEL, SOURCE, hours(0, entries), seal=seal)
        await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in appended[:10]])
    return [one.record_id for one in appended]


def entry_pages(path: Path, record_id: bytes = b"") -> list[int]:
    """Where whole envelopes lie, and this record among them: leaves of the table of entries."""
    data = path.read_bytes()
    pages = {at: data[at : at + PAGE] for at in range(0, len(data), PAGE)}
    return [at for at, page in pages.items() if page.count(ENVELOPE_START) > 3 and record_id in page]


def set_aside(folder: Path) -> list[str]:
    """Names of the damaged files."""
    return sorted(found.name for found in folder.glob("*.corrupt-*"))


async def test_entries_on_sound_pages_are_brought_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    record_ids = await filled(path)
    data = bytearray(path.read_bytes())
    pages = entry_pages(path)
    assert len(pages) >= 15
    hurt = pages[len(pages) // 2]
    data[hurt : hurt + 64] = b"\xff" * 64
    path.write_bytes(data)
    with caplog.at_level(logging.ERROR):
        outbox = await Outbox.open(path, now_ms=CLOCK.now_ms)
    async with outbox:
        assert outbox.quarantined is not None
        assert outbox.quarantined.name == "outbox.db.corrupt-20260101T000000Z"
        assert outbox.quarantined.read_bytes() == bytes(data)
        assert "was moved to" in caplog.text
        # One page of some fifteen entries is lost, no more.
        assert 270 <= outbox.salvaged < 300
        here = [one.record_id for one in await all_entries(outbox, record_ids)]
        assert len(here) == outbox.salvaged
        assert here[:10] == record_ids[:10]
        assert here[-1] == record_ids[-1]
        # What was closed stays closed, numbers go on, and the hole is on record.
        assert (await outbox.counts()).closed == 10
        assert len(await outbox.gaps()) == 1
        assert await outbox.verify_chain(signature_holds=signature_holds) == []
        assert (await outbox.begin(CHANNEL, SOURCE)).seq == 300
        [appended] = await outbox.append(CHANNEL, SOURCE, hours(300), seal=seal)
        assert appended.seq == 301
    async with await Outbox.open(path, now_ms=CLOCK.now_ms) as again:
        assert again.quarantined is None
        assert await again.verify_chain() == []


async def all_entries(outbox: Outbox, record_ids: list[bytes]):  # type: ignore[no-untyped-def]
    return [entry for one in record_ids if (entry := await outbox.entry(one)) is not None]


async def test_a_lost_end_is_noted_and_its_numbers_are_not_given_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    record_ids = await filled(path, 100)
    data = bytearray(path.read_bytes())
    [last] = entry_pages(path, record_ids[-1])
    data[last : last + 64] = b"\xff" * 64
    path.write_bytes(data)
    async with await Outbox.open(path, now_ms=CLOCK.now_ms) as outbox:
        assert 0 < outbox.salvaged < 100
        assert (await outbox.begin(CHANNEL, SOURCE)).seq == 100
        [appended] = await outbox.append(CHANNEL, SOURCE, hours(100), seal=seal)
        assert appended.seq == 101
        assert await outbox.verify_chain() == []
        assert [gap.seq for gap in await outbox.gaps()] == [outbox.salvaged + 1]


@pytest.mark.parametrize("content", [b"garbage " * 2_000, b"SQLite format 3\0" + bytes(8_000)])
async def test_a_file_that_gives_nothing_does_not_stop_the_gateway(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    async with await Outbox.open(path, now_ms=CLOCK.now_ms) as outbox:
        assert outbox.quarantined is not None
        assert outbox.salvaged == 0
        head = await outbox.begin(CHANNEL, SOURCE, seq=7, prev=bytes([1] * 32))
        assert head.adopted
        assert (await outbox.append(CHANNEL, SOURCE, hours(0), seal=seal))[0].seq == 8


async def test_each_damaged_file_is_kept_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    for _ in range(3):
        path.write_bytes(b"garbage " * 2_000)
        async with await Outbox.open(path, now_ms=CLOCK.now_ms) as outbox:
            assert outbox.quarantined is not None
    names = [name.removeprefix("outbox.db.corrupt-20260101T000000Z") for name in set_aside(tmp_path)]
    assert names == ["", "-2", "-3"]


async def test_a_damaged_sample_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    async with await SampleStore.open(path, now_ms=CLOCK.now_ms, linger_ms=0) as store:
        assert store.quarantined is None
        await store.append([SampleRow("t200", START_MS + k, bytes(500)) for k in range(200)])
    data = bytearray(path.read_bytes())
    data[5 * PAGE : 6 * PAGE] = b"\xff" * PAGE
    path.write_bytes(data)
    async with await SampleStore.open(path, now_ms=CLOCK.now_ms, linger_ms=0) as store:
        assert store.quarantined is not None
        await store.append([SampleRow("t200", START_MS, b"raw")])
        assert len(await store.between(0, 2 * START_MS)) == 1


async def test_a_file_of_another_kind_is_not_moved(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with await SampleStore.open(path, now_ms=CLOCK.now_ms):
        pass
    with pytest.raises(Exception, match="not a `outbox` file"):
        await Outbox.open(path, now_ms=CLOCK.now_ms)
    assert set_aside(tmp_path) == []


async def test_a_record_whose_proof_is_on_a_damaged_page_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    proofs = [bytes([number]) * 3_000 for number in range(1, 11)]  # a page each
    async with await Outbox.open(path, now_ms=CLOCK.now_ms) as outbox:
        await outbox.begin(CHANNEL, SOURCE)
        appended = await outbox.append(CHANNEL, SOURCE, hours(0, 10), seal=seal)
        closings = [Closing(one.record_id, proof, 0) for one, proof in zip(appended, proofs, strict=True)]
        await outbox.close_entries(closings)
    data = bytearray(path.read_bytes())
    hurt = data.index(proofs[4]) // PAGE * PAGE
    data[hurt : hurt + 64] = b"\xff" * 64
    path.write_bytes(data)
    async with await Outbox.open(path, now_ms=CLOCK.now_ms) as outbox:
        assert outbox.salvaged == 10
        entries = [await outbox.entry(one.record_id) for one in appended]
        found = [(entry.state, entry.proof) for entry in entries if entry is not None]
        kept = [("closed", proof) for proof in proofs]
        assert found == [*kept[:4], ("pending", None), *kept[5:]]
        assert [entry.record_id for entry in await outbox.pending(CHANNEL, SOURCE)] == [appended[4].record_id]
