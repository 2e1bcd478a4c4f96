"""A request for raw samples is answered by a file that holds, or by the word that samples are lost; once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from doxedge.backends.port import OpenRequest, Unreachable
from doxedge.evidence.check import NotProved
from doxedge.evidence.samples import ProvedSamples
from doxedge.gateway import sample_clerk
from doxedge.gateway.sample_clerk import SampleClerk, judge
from doxedge.quantity import HOUR_MS
from doxedge.signing.canonical import Value
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import Closing, StoredSample
from doxedge.store.samples import SampleSettings
from tests.gateway.memory_ledger import MemoryLedger
from tests.gateway.unit_bench import Bench, bench, plan
from tests.ledger.channels import START_MS


@dataclass
class Desk:
    """A unit on the bench whose records are final on a ledger in memory, and its clerk."""

    bench: Bench
    ledger: MemoryLedger
    clerk: SampleClerk
    posted: list[tuple[str, list[Value]]] = field(default_factory=list)
    """(kind, body) of what has left the outbox."""

    async def post(self) -> None:
        """Everything that the outbox holds is final, and proved to the outbox."""
        self.posted += await self.bench.said()
        for entry in await self.bench.entries():
            await self.ledger.submit(self.ledger.channel, [entry.envelope])
        self.ledger.build_block()
        for entry in await self.bench.outbox.pending(*self.bench.key, limit=1_000):
            (proof,) = await self.ledger.proofs(self.ledger.channel, [entry.record_id])
            assert proof is not None
            await self.bench.outbox.close_entries([Closing(entry.record_id, proof, 0)])

    async def ask(self, from_hour: int, to_hour: int) -> bytes:
        """The regulator asks; the request's record id."""
        state = self.ledger.channel_state
        due_ms = max(state.now_ms, START_MS + 400 * 86_400_000) + 24 * HOUR_MS
        body: list[Value] = [
            "alpha-1", START_MS + from_hour * HOUR_MS, START_MS + to_hour * HOUR_MS, due_ms, "spot check"
        ]  # fmt: skip
        transaction = state.officer("regulator").say("samples.request", body)
        await self.ledger.submit(self.ledger.channel, [transaction.raw])
        self.ledger.build_block()
        return bytes(transaction.record_ids[0])

    def file(self, request: bytes) -> Path:
        return self.bench.folder / "answers" / f"{request.hex()}.samples"

    def shown(self, request: bytes) -> ProvedSamples:
        return judge(self.file(request), channel=self.ledger.channel)

    async def answers(self) -> list[list[Value]]:
        """What was signed of answers."""
        return [body for kind, body in await self.said() if kind == "samples.answer"]

    async def said(self) -> list[tuple[str, list[Value]]]:
        """(kind, body) of everything that was signed, in order."""
        return [*self.posted, *await self.bench.said()]

    async def hours(self) -> list[list[Value]]:
        """The bodies of the hours."""
        return [body for kind, body in await self.said() if kind == "hour"]


@asynccontextmanager
async def desk(folder: Path, *, keep_ms: int = 100 * 86_400_000) -> AsyncIterator[Desk]:
    ledger = MemoryLedger.begin(hours_before_registration=1)
    planned = plan(channel=ledger.channel, source=ledger.source)
    async with bench(folder, planned=planned, sample_settings=SampleSettings(keep_ms=keep_ms)) as unit:
        clerk = SampleClerk(
            unit.pipeline.desk, samples=unit.samples, outbox=unit.outbox, ledger=ledger, folder=folder
        )
        yield Desk(unit, ledger, clerk)


async def test_the_samples_of_stated_hours_are_produced_and_the_file_holds(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(125)
        await at.post()
        request = await at.ask(0, 3)
        assert await at.clerk.answer_open() == 1
        shown = at.shown(request)
        assert [hour.state for hour in shown.hours] == ["produced", "produced", "silent"]
        hours = await at.hours()
        assert [hour.root for hour in shown.hours[:2]] == [body[11] for body in hours]
        assert [hour.samples for hour in shown.hours[:2]] == [body[10] for body in hours]
        assert all(hour.samples > 360 for hour in shown.hours[:2])
        (answer,) = await at.answers()
        silent = f"1 hours are not on the ledger: hours {START_MS + 2 * HOUR_MS}"
        assert answer == [request, shown.content_hash, shown.samples, "produced", silent]
        await at.post()
        assert at.ledger.final_bodies("samples.answer") == [answer]
        assert await at.clerk.answer_open() == 0
        assert not list((tmp_path / "answers").glob("*.part"))


async def test_a_request_is_answered_once_however_often_it_is_seen(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        await at.post()
        request = await at.ask(0, 1)
        assert [await at.clerk.answer_open() for _ in range(3)] == [1, 0, 0]
        content = at.file(request).read_bytes()
        again = SampleClerk(
            at.bench.pipeline.desk, samples=at.bench.samples, outbox=at.bench.outbox, ledger=at.ledger,
            folder=tmp_path,
        )  # fmt: skip
        assert await again.answer_open() == 0
        assert len(await at.answers()) == 1
        assert at.file(request).read_bytes() == content


async def test_a_file_that_was_written_before_a_power_cut_is_the_one_that_is_stated(tmp_path: Path) -> None:
    """The record of the answer is not in the outbox yet: the file is found, not made anew."""
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        await at.post()
        request = await at.ask(0, 1)
        at.bench.pipeline.desk.numbered = False
        assert await at.clerk.answer_open() == 1
        assert await at.answers() == []
        written = at.file(request).stat().st_mtime_ns, at.file(request).read_bytes()
    async with bench(tmp_path, planned=at.bench.planned) as unit:
        clerk = SampleClerk(
            unit.pipeline.desk, samples=unit.samples, outbox=unit.outbox, ledger=at.ledger, folder=tmp_path
        )
        assert await clerk.answer_open() == 1
        assert (at.file(request).stat().st_mtime_ns, at.file(request).read_bytes()) == written
        (answer,) = [body for kind, body in await unit.said() if kind == "samples.answer"]
        assert answer[1] == judge(at.file(request)).content_hash


@pytest.mark.parametrize("left", [b"", b"half a file", None], ids=["empty", "half", "of another request"])
async def test_what_an_earlier_run_left_half_done_is_written_anew(tmp_path: Path, left: bytes | None) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        await at.post()
        first = await at.ask(0, 1)
        await at.clerk.answer_open()
        await at.post()
        second = await at.ask(0, 2)
        at.file(second).write_bytes(at.file(first).read_bytes() if left is None else left)
        assert await at.clerk.answer_open() == 1
        assert at.shown(second).head.request == second


async def test_samples_past_their_retention_are_answered_lost_and_counted(tmp_path: Path) -> None:
    async with desk(tmp_path, keep_ms=90 * 60_000) as at:
        await at.bench.measure(185)
        await at.post()
        await at.bench.samples.prune()
        request = await at.ask(0, 3)
        await at.clerk.answer_open()
        shown = at.shown(request)
        assert [hour.state for hour in shown.hours] == ["lost", "lost", "produced"]
        first, second, third = await at.hours()
        assert shown.samples == third[10]
        assert shown.samples_lost == first[10] + second[10]  # type: ignore[operator]
        (answer,) = await at.answers()
        assert answer[2:4] == [shown.samples, "lost"]
        assert str(answer[4]).startswith(f"{shown.samples_lost} samples of 2 hours are not kept any more")
        await at.post()
        assert len(at.ledger.final_bodies("samples.answer")) == 1


async def test_a_gap_is_answered_by_its_evidence(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65, nox_ppm=None)
        await at.post()
        request = await at.ask(0, 1)
        await at.clerk.answer_open()
        shown = at.shown(request)
        assert [hour.state for hour in shown.hours] == ["gap"]
        assert shown.is_complete


async def test_a_revised_hour_is_answered_under_the_root_of_its_revision(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        at.bench.poll(START_MS + HOUR_MS - 5_000)
        await at.bench.measure(3)
        await at.post()
        said = await at.said()
        revisions = [body for kind, body in said if kind == "hour.revise"]
        assert revisions, "a late sample makes a revision"
        request = await at.ask(0, 1)
        await at.clerk.answer_open()
        (hour,) = at.shown(request).hours
        stated = revisions[-1][2]
        assert isinstance(stated, list)
        assert (hour.state, hour.root, hour.samples) == ("produced", stated[11], stated[10])


async def test_without_a_proof_nothing_is_stated_and_it_is_tried_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        await at.post()
        request = await at.ask(0, 1)
        at.ledger.forge = True
        assert await at.clerk.answer_open() == 0
        assert not at.file(request).exists()
        at.ledger.forge, at.ledger.away = False, True
        with pytest.raises(Unreachable):
            await at.clerk.answer_open()
        at.ledger.away = False
        assert await at.clerk.answer_open() == 1
        assert at.shown(request).is_complete


async def test_an_hour_that_is_still_on_its_way_is_waited_for(tmp_path: Path) -> None:
    """A gateway that was away for a while sees the request before its own backlog is final."""
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        request = await at.ask(0, 1)
        assert await at.clerk.answer_open() == 0
        assert not at.file(request).exists()
        await at.post()
        assert await at.clerk.answer_open() == 1
        assert [hour.state for hour in at.shown(request).hours] == ["produced"]


async def test_a_node_that_names_another_record_for_an_hour_gets_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(125)
        await at.post()
        await at.ask(0, 1)
        (asked,) = await at.ledger.open_requests(at.ledger.channel, "alpha-1")
        kinds = {kind: record_id for _, kind, record_id in at.ledger.final_records()}
        for name, hours in {
            "an event": ((START_MS, kinds["event"]),),
            "another hour": ((START_MS, kinds["hour"]),),
            "an hour too many": (*asked.hours, (START_MS + HOUR_MS, kinds["hour"])),
            "no hour": (),
        }.items():

            async def odd(
                channel: bytes, unit: str, hours: tuple[tuple[int, bytes | None], ...] = hours
            ) -> list[OpenRequest]:
                return [replace(asked, hours=hours)]

            with monkeypatch.context() as patch:
                patch.setattr(at.ledger, "open_requests", odd)
                assert await at.clerk.answer_open() == 0, name
        assert await at.answers() == []
        assert await at.clerk.answer_open() == 1


async def test_damaged_samples_do_not_stop_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        await at.post()
        await at.ask(0, 1)

        async def damaged(*_: object, **__: object) -> list[StoredSample]:
            raise StoreError(Kind.CORRUPT, tmp_path / "samples.db", "a page is damaged")

        with monkeypatch.context() as patch:
            patch.setattr(at.bench.samples, "hour_samples", damaged)
            assert await at.clerk.answer_open() == 0
        assert await at.clerk.answer_open() == 1


async def test_the_last_room_of_the_disk_is_not_filled_with_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as at:
        await at.bench.measure(65)
        await at.post()
        request = await at.ask(0, 1)
        with monkeypatch.context() as patch:
            patch.setattr(sample_clerk, "FREE_FLOOR_BYTES", 2**62)
            assert await at.clerk.answer_open() == 0
            assert list((tmp_path / "answers").iterdir()) == []
        assert await at.clerk.answer_open() == 1
        assert at.shown(request).is_complete


async def test_a_file_is_judged_without_reading_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(NotProved):
        await asyncio.to_thread(judge, tmp_path / "empty")
    with pytest.raises(OSError, match="No such file"):
        await asyncio.to_thread(judge, tmp_path / "nowhere")
