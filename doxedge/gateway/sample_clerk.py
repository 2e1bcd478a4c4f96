"""Answers requests for raw samples: looks for open ones, writes the answer file, has its hash signed.

    (1) the file is whole, checked and durable in the state folder
    (2) only then is the answer handed to the desk that signs

so that what is stated on the ledger is there to be carried to whoever asked. After a restart the same file is found
and stated; a request that was answered is not open any more. Samples are never dropped to make room for an answer.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from doxedge.backends.port import Ledger, LedgerError, OpenRequest
from doxedge.contracts import statements
from doxedge.evidence.answer_file import GAP, LOST, PRODUCED, SILENT, Head, Hour, Writer
from doxedge.evidence.check import NotProved, check
from doxedge.evidence.samples import ProvedSamples, check_samples
from doxedge.fieldbus.clock import Clock
from doxedge.gateway.record_desk import Answer, RecordDesk, answer_key
from doxedge.signing.merkle import EMPTY_ROOT, Frontier
from doxedge.store import durable_file, hour_tree
from doxedge.store.errors import StoreError
from doxedge.store.outbox import Outbox
from doxedge.store.rows import StoredSample
from doxedge.store.samples import SampleStore

log = logging.getLogger(__name__)

FOLDER: Final = "answers"
SUFFIX: Final = ".samples"
ROWS_A_STEP: Final = 500
ANSWER_EVERY_S: Final = 60.0
"""Plant seconds between two looks at whether samples are asked for; an answer is due after an hour at the least."""
ANSWER_REAL_S_MIN: Final = 0.5
"""Real seconds between two such looks, where plant time is compressed."""
FREE_FLOOR_BYTES: Final = 128 * 1024 * 1024
"""An answer is not written into the last room of the disk: measuring goes before answering."""


class NotYet(Exception):
    """The answer cannot be given now; it is tried again."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """What the ledger says of one hour, proved."""

    record_id: bytes
    evidence: bytes
    hour: statements.Hour | None
    """None for a gap."""


class SampleClerk:
    """Answers for one unit. One caller at a time."""

    def __init__(
        self, desk: RecordDesk, *, samples: SampleStore, outbox: Outbox, ledger: Ledger, folder: Path
    ) -> None:
        """`folder` is the gateway's state folder; the files go below it."""
        self.identity = desk.identity
        self._desk, self._samples, self._outbox, self._ledger = desk, samples, outbox, ledger
        self._folder = folder / FOLDER
        self._handed_in: set[bytes] = set()

    async def answer_open(self) -> int:
        """Answer what is open and can be answered; how many answers were handed to the desk.

        Raises LedgerError when the node cannot be asked, StoreError of the outbox.
        """
        channel, unit = self.identity.channel, self.identity.unit
        handed_in = 0
        for request in await self._ledger.open_requests(channel, unit):
            key = answer_key(unit, request.record_id)
            if request.record_id in self._handed_in:
                continue
            if await self._outbox.find_key(channel, self.identity.source, key) is None:
                try:
                    answer = await self._prepare(request)
                except (NotYet, OSError, StoreError) as error:
                    # A damaged page of old samples must not stop what is measured now.
                    log.error("unit %s: request %s waits: %s", unit, request.record_id.hex(), error)
                    continue
                self._desk.hand_in([answer])
                handed_in += 1
            self._handed_in.add(request.record_id)
        if handed_in:
            await self._desk.sign()
        return handed_in

    async def _prepare(self, request: OpenRequest) -> Answer:
        """Duty (1). Raises NotYet and OSError."""
        path = self._folder / f"{request.record_id.hex()}{SUFFIX}"
        shown = await asyncio.to_thread(_judge, path, self.identity.channel)
        if shown is None or shown.head != self._head(request):
            await self._write(request, path)
            shown = await asyncio.to_thread(_judge, path, self.identity.channel)
        if shown is None:
            raise NotYet(f"what was written to {path} does not hold")
        log.info("unit %s: request %s is answered by %s", self.identity.unit, request.record_id.hex(), path)
        outcome = LOST if any(hour.state == LOST for hour in shown.hours) else PRODUCED
        return Answer(request.record_id, shown.content_hash, shown.samples, outcome, words(shown))

    def _head(self, request: OpenRequest) -> Head:
        return Head(
            self.identity.channel, request.record_id, self.identity.unit, request.from_ms, request.to_ms
        )

    async def _write(self, request: OpenRequest, path: Path) -> None:
        """The whole file, durable under its name. Raises NotYet and OSError."""
        stated = [(start_ms, await self._statement(record_id)) for start_ms, record_id in request.hours]
        if any(statement is None for _, statement in stated) and await self._has_backlog():
            raise NotYet("an hour is not on the ledger, and records of this unit are still on their way")
        part = path.with_suffix(".part")
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        file = await asyncio.to_thread(part.open, "wb")
        try:
            writer = Writer()
            await _append(file, writer.head(self._head(request)))
            for start_ms, statement in stated:
                writer = await self._hour(file, writer, start_ms, statement)
            await _append(file, writer.end())
            await asyncio.to_thread(_make_durable, file, part, path)
        finally:
            file.close()
            await asyncio.to_thread(part.unlink, missing_ok=True)

    async def _has_backlog(self) -> bool:
        """Whether records wait, so that an hour may be stated a little later."""
        identity = self.identity
        return bool(
            self._desk.waiting or await self._outbox.pending(identity.channel, identity.source, limit=1)
        )

    async def _statement(self, record_id: bytes | None) -> _Statement | None:
        """What the ledger says of an hour, None where it says nothing. Raises NotYet when it cannot be proved now."""
        if record_id is None:
            return None
        (proof,) = await self._ledger.proofs(self.identity.channel, [record_id])
        if proof is None:
            raise NotYet(f"the node has no proof of record {record_id.hex()}")
        try:
            proved = await asyncio.to_thread(check, proof, channel=self.identity.channel)
        except NotProved as refusal:
            raise NotYet(
                f"the node's proof of record {record_id.hex()} does not hold: {refusal}"
            ) from refusal
        for record in proved.records:
            if record.record_id == record_id and record.kind in ("hour", "hour.revise", "gap"):
                return _Statement(record_id, proof, record.stated_hour)
        raise NotYet(f"the node's proof of record {record_id.hex()} shows no hour")

    async def _hour(
        self, file: BinaryIO, writer: Writer, start_ms: int, statement: _Statement | None
    ) -> Writer:
        """Write one hour; the writer to go on with."""
        if statement is None:
            await _append(file, writer.hour(Hour(start_ms, SILENT, None, 0, None)))
            return writer
        record_id, evidence, hour = statement.record_id, statement.evidence, statement.hour
        if hour is None:
            await _append(file, writer.hour(Hour(start_ms, GAP, record_id, 0, evidence)))
            return writer
        before, begin = writer.copy(), await asyncio.to_thread(file.tell)
        if await self._leaves(file, writer, hour):
            await _append(file, writer.hour(Hour(start_ms, PRODUCED, record_id, hour.samples, evidence)))
            return writer
        await asyncio.to_thread(_take_back, file, begin)
        await _append(file, before.hour(Hour(start_ms, LOST, record_id, 0, evidence)))
        return before

    async def _leaves(self, file: BinaryIO, writer: Writer, hour: statements.Hour) -> bool:
        """Write the samples that stand under the stated root; False when they do not give it any more."""
        if hour.samples == 0 and hour.samples_root == EMPTY_ROOT:
            return True
        wanted = (hour.samples, hour.samples_root)
        roots = await self._samples.hour_roots(hour.unit, hour.start_ms)
        root = next((one for one in roots if (one.samples, one.root) == wanted), None)
        if root is None:
            return False
        frontier, after = Frontier(), 0
        while rows := await self._samples.hour_samples(
            hour.unit, hour.start_ms, revision=root.revision, after=after, limit=ROWS_A_STEP
        ):
            await asyncio.to_thread(_append_leaves, file, writer, frontier, rows)
            after = rows[-1].row_id
        return (frontier.size, frontier.root()) == wanted


async def answer_forever(clerks: Mapping[str, SampleClerk], clock: Clock) -> None:
    """Look for open requests again and again, until cancelled."""
    while True:
        await clock.sleep(max(ANSWER_EVERY_S, ANSWER_REAL_S_MIN * clock.speed))
        for unit, clerk in list(clerks.items()):
            try:
                await clerk.answer_open()
            except LedgerError as error:
                log.debug("unit %s: nobody says whether samples are asked for: %s", unit, error)


def words(shown: ProvedSamples) -> str:
    """What the answer says beside its numbers."""
    lost = [str(hour.start_ms) for hour in shown.hours if hour.state == LOST]
    silent = [str(hour.start_ms) for hour in shown.hours if hour.state == SILENT]
    said = []
    if lost:
        text = f"{shown.samples_lost} samples of {len(lost)} hours are not kept any more: hours {', '.join(lost)}"
        said.append(text)
    if silent:
        said.append(f"{len(silent)} hours are not on the ledger: hours {', '.join(silent)}")
    return "; ".join(said)


def judge(path: Path, *, channel: bytes | None = None) -> ProvedSamples:
    """What a file shows. Raises NotProved, and OSError when it cannot be read."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise NotProved(1, "the file is empty")
        # Mapped, because a day of samples may be larger than what a small box can spare. It is closed when nobody
        # refers to it any more: an explicit close would fail while the trace of a refusal holds a part of it.
        return check_samples(
            memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), channel=channel
        )


def _judge(path: Path, channel: bytes) -> ProvedSamples | None:
    """What our own file shows; None when it is not there, or an earlier run left something else."""
    try:
        return judge(path, channel=channel)
    except FileNotFoundError:
        return None
    except NotProved as refusal:
        log.error("%s does not hold and is written anew: %s", path, refusal)
        return None


async def _append(file: BinaryIO, data: bytes) -> None:
    await asyncio.to_thread(_append_now, file, data)


def _append_now(file: BinaryIO, data: bytes) -> None:
    free_bytes = shutil.disk_usage(Path(file.name).parent).free
    if free_bytes < FREE_FLOOR_BYTES + len(data):
        raise NotYet(f"only {free_bytes} bytes are free on the disk")
    file.write(data)


def _append_leaves(file: BinaryIO, writer: Writer, frontier: Frontier, rows: list[StoredSample]) -> None:
    """In a thread: hashing some hundred leaves would hold up the polling of instruments."""
    leaves = [hour_tree.leaf(row) for row in rows]
    for leaf in leaves:
        frontier.append(leaf)
    _append_now(file, writer.leaves(leaves))


def _take_back(file: BinaryIO, begin: int) -> None:
    file.seek(begin)
    file.truncate()


def _make_durable(file: BinaryIO, part: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    durable_file.take_place(part, path)
