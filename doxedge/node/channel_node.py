"""One channel on one node: the engine's hands, the follower's eyes, and the one task that changes the chain.

Everything that moves the head goes through `run`, one step at a time: a block of our own, or blocks of others. A block
is executed beside the event loop, written in one durable SQL transaction, and only then shown to anybody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from doxedge.consensus.cosignature import Cosignature, cosign
from doxedge.consensus.engine import (
    AmnesiaError,
    Build,
    Built,
    Commit,
    Committed,
    Effect,
    Engine,
    Event,
    Persist,
    Started,
    TimePassed,
    WakeAt,
    WorkArrived,
)
from doxedge.consensus.header import Header, InvalidBlock
from doxedge.consensus.solo import SoloEngine
from doxedge.fieldbus.clock import Clock, CompressedClock
from doxedge.ledger.block import TRANSACTIONS_MAX, Block
from doxedge.ledger.chain import AHEAD_MS_MAX, ChainState, Extension
from doxedge.ledger.pool import Pool
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.transaction import Transaction
from doxedge.node import proposal
from doxedge.node.accusations import Accusations
from doxedge.node.block_queue import BlockQueue
from doxedge.node.clock_leap import ClockLeap
from doxedge.node.refusals import Refusals
from doxedge.node.standing import Standing
from doxedge.signing import limits
from doxedge.signing.signer import Signer
from doxedge.store import rows
from doxedge.store.chain import ChainStore

log = logging.getLogger(__name__)

GROUP_BLOCKS: Final = 64
"""Blocks that a node which catches up executes before it writes them in one commit."""
GROUP_TRANSACTIONS: Final = 4_096
IDLE_S: Final = 1.0
"""Real seconds after which the loop turns without being woken: the watchdog's sign of life."""


class Listener(Protocol):
    """Who is told what is durable. No method may wait."""

    def block_is_final(self, extension: Extension, certificate: bytes) -> None:
        """A block, in order of height."""
        ...

    def head_is_cosigned(self, own: Cosignature) -> None:
        """Our own cosignature of the head."""
        ...

    def cannot_follow(self, dropped: Sequence[Transaction]) -> None:
        """Transactions left the pool because a block has consumed their numbers: by other records, perhaps."""
        ...


class ChannelNode:
    """Chain, pool and engine of one channel, and the rules of who may touch them when."""

    def __init__(
        self,
        chain: ChainState,
        store: ChainStore,
        *,
        signer: Signer,
        clock: Clock,
        interval_ms: int,
        standing: Standing,
    ) -> None:
        """`interval_ms` is real time between blocks."""
        self.chain, self.store, self.signer, self.clock = chain, store, signer, clock
        self.pool = Pool(chain.channel)
        self.accusations = Accusations()
        self.refusals = Refusals(chain.channel)
        self.standing = standing
        self.listener: Listener | None = None
        self.certified: tuple[Header, bytes] | None = None
        """The newest durable head and its certificate; while a group is executed the chain is ahead of it."""
        self.cosigned: Cosignature | None = None
        """Our own, of the head."""
        self.committed = asyncio.Event()
        """Set and replaced at every commit: what waits for finality waits for this."""
        self.turned_s = clock.monotonic_s()
        self._engine: Engine | None = None
        if standing.is_validator:
            # Pace is kept here in real time: the engine's clock may be a compressed one.
            self._engine = SoloEngine(
                channel=chain.channel,
                validators=chain.validators,
                signer=signer,
                floor=chain.head,
                interval_ms=0,
            )
        self._queue = BlockQueue()
        self._wake = asyncio.Event()
        self._wake_at_ms: int | None = None
        self._has_work = False
        self._interval_s = interval_ms / 1_000
        self._next_build_s = 0.0
        self._leap = ClockLeap(standing)
        self._built: Extension | None = None
        self._held: set[bytes] = set()

    @property
    def short(self) -> str:
        """The channel's name in logs."""
        return self.chain.channel[:8].hex()

    @property
    def is_in_step(self) -> bool:
        """Whether what this node knows of the channel is the newest, as far as anybody has shown."""
        return self.standing.is_in_step(self.chain.height)

    @property
    def at_hand_height(self) -> int:
        """Up to where blocks are here, executed or waiting."""
        return self._queue.contiguous_height(self.chain.height)

    def work_arrived(self) -> None:
        """The pool or the accusations have something for a block."""
        if self._engine is not None:
            self._has_work = True
            self._wake.set()

    def block_arrived(self, block: Block, size_bytes: int) -> bool:
        """A block whose certificate and body hold, to be executed in its turn; False when it is not taken."""
        taken = self._queue.put(block, size_bytes, own_height=self.chain.height)
        if taken:
            self._wake.set()
        return taken

    def is_held(self, transaction: Transaction) -> bool:
        """Whether a waiting transaction is on the disk; between its admission and that lies one write."""
        return transaction.wire_id in self._held

    async def hold(self, transactions: Sequence[Transaction]) -> Sequence[Transaction]:
        """Make admitted transactions durable, and say which were not; those that are cost nothing. Raises StoreError.

        They are work from then on, also where an earlier attempt found a full disk: the pool had them by then.
        """
        fresh = [transaction for transaction in transactions if not self.is_held(transaction)]
        if fresh:
            await self.store.hold({transaction.wire_id: transaction.raw for transaction in fresh})
            self._held.update(transaction.wire_id for transaction in fresh)
            self.work_arrived()
            await self._release_stale()
        return fresh

    async def begin(self, journal: dict[bytes, bytes], *, was_held: Sequence[bytes]) -> None:
        """Once, before `run`: what the disk remembers. `was_held` are wire ids of the stored pool."""
        self._held.update(was_held)
        await self._release_stale()
        if self._engine is not None:
            try:
                await self._drive(Started(self.clock.now_ms(), journal))
            except AmnesiaError as error:
                self.standing.stop_voting(str(error))
        self._has_work = len(self.pool) > 0

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            self.turned_s = self.clock.monotonic_s()
            if not self.standing.halted:
                await self._follow()
                if self.standing.votes:
                    await self._lead()
            await self._rest()

    def start_voting(self) -> None:
        """The others were listened to: from here on this node orders, if it is a validator and nothing speaks
        against it."""
        self.standing.has_listened = True
        self._wake.set()

    async def _lead(self) -> None:
        now_ms, now_s = self.clock.now_ms(), self.clock.monotonic_s()
        if self._has_work and self._leaps(now_ms, now_s):
            self._next_build_s = now_s + IDLE_S
            return
        if self._has_work and (now_s >= self._next_build_s or self._is_block_full()):
            self._has_work = False
            self._next_build_s = now_s + self._interval_s
            await self._drive(WorkArrived(now_ms))
        elif self._wake_at_ms is not None and now_ms >= self._wake_at_ms:
            self._wake_at_ms = None
            await self._drive(TimePassed(now_ms))

    def _leaps(self, now_ms: int, now_s: float) -> bool:
        """Whether our clock waits for a time server; a simulated one has none."""
        head = self.chain.head
        simulated = isinstance(self.clock, CompressedClock)
        leap_ms = 0 if head is None or simulated else now_ms - head.time_ms
        return self._leap.waits(leap_ms=leap_ms, now_s=now_s)

    def _is_block_full(self) -> bool:
        return len(self.pool) >= TRANSACTIONS_MAX or self.pool.size_bytes >= limits.BODY_BYTES

    async def _rest(self) -> None:
        pause_s = IDLE_S
        if not self.standing.halted:
            if self._queue.holds(self.chain.height + 1) and not self.standing.is_early:
                return
            if self._has_work and self.standing.votes:
                pause_s = self._next_build_s - self.clock.monotonic_s()
            if self._wake_at_ms is not None:
                wake_s = (self._wake_at_ms - self.clock.now_ms()) / 1_000 / self.clock.speed
                pause_s = min(pause_s, wake_s)
        try:
            async with asyncio.timeout(min(max(pause_s, 0.001), IDLE_S)):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _drive(self, event: Event) -> None:
        """Feed the engine and carry its effects out, in order."""
        if self._engine is None:
            return
        waiting: deque[Event] = deque([event])
        while waiting:
            journal: dict[bytes, bytes | None] = {}
            for effect in self._engine.step(waiting.popleft()):
                answer = await self._carry_out(effect, journal)
                if answer is not None:
                    waiting.append(answer)

    async def _carry_out(self, effect: Effect, journal: dict[bytes, bytes | None]) -> Event | None:
        match effect:
            case Build():
                return await self._build(effect)
            case Persist(journal=records):
                journal.update(records)
            case Commit(header=header, certificate=certificate):
                extension, self._built = self._built, None
                if extension is None or extension.header.block_id != header.block_id:
                    raise RuntimeError("the engine commits a block that was not built here")
                # What was to be persisted goes into the same commit, and nothing was sent before it.
                await self._commit([(extension, certificate.encode())], journal=journal)
                return Committed(self.clock.now_ms(), header)
            case WakeAt(at_ms=at_ms):
                self._wake_at_ms = at_ms
            case _:
                raise RuntimeError(f"an engine of one validator asks for {effect!r}")
        return None

    async def _build(self, wanted: Build) -> Built:
        """Put what waits into a block, behind our tick; nothing waiting, no block."""
        try:
            transactions = proposal.plan(
                self.chain, self.pool, self.accusations, signer=self.signer, now_ms=wanted.time_ms
            )
            if not transactions:
                return Built(self.clock.now_ms(), None)
            self._built = await asyncio.to_thread(
                proposal.build, self.chain, transactions, wanted=wanted, verified=self.pool.verified
            )
        except InvalidBlock as error:
            self.standing.stop_voting(f"it cannot make a valid block: {error}")
            return Built(self.clock.now_ms(), None)
        self._has_work = self._has_work or len(transactions) <= len(self.pool)
        return Built(self.clock.now_ms(), self._built.header)

    async def _follow(self) -> None:
        """Execute the certified blocks that continue the head, and write them in one commit."""
        group: list[tuple[Extension, bytes]] = []
        count = 0
        while len(group) < GROUP_BLOCKS and count < GROUP_TRANSACTIONS:
            block = self._queue.get(self.chain.height + 1)
            self.standing.is_early = block is not None and self._is_early(block)
            if block is None or self.standing.is_early:
                break
            try:
                check = partial(self.chain.check, block, now_ms=None, verified=self.pool.verified)
                extension = await asyncio.to_thread(check)
            except InvalidBlock as error:
                self.standing.halt(
                    f"block {block.header.height} is certified, and here it comes out differently: {error}. Either the "
                    "versions of the software differ, or memory or disk of this machine are damaged"
                )
                break
            self.chain.take(extension)
            self._queue.forget(self.chain.height)
            group.append((extension, block.certificate))
            count += len(extension.transactions)
            self.turned_s = self.clock.monotonic_s()
        if group:
            await self._commit(group, journal={}, taken=True)

    def _is_early(self, block: Block) -> bool:
        """A block from the future waits: a certified one is not wrong, one of the two clocks is."""
        ahead_ms = block.header.time_ms - self.clock.now_ms()
        if ahead_ms <= AHEAD_MS_MAX:
            return False
        self.standing.clock_differs(ahead_ms)
        return True

    async def _commit(
        self,
        group: Sequence[tuple[Extension, bytes]],
        *,
        journal: dict[bytes, bytes | None],
        taken: bool = False,
    ) -> None:
        """Make blocks durable, then visible, then tell."""
        commits = await asyncio.to_thread(_to_store, group)
        await self.store.append(commits, journal=journal)
        for extension, certificate in group:
            if not taken:
                self.chain.take(extension)
                self._queue.forget(self.chain.height)
            self.certified = (extension.header, certificate)
            self._settle(extension)
        self.committed.set()
        self.committed = asyncio.Event()
        if self.listener is not None:
            for extension, certificate in group:
                self.listener.block_is_final(extension, certificate)
        await self._cosign_head()
        await self._release_stale()

    def _settle(self, extension: Extension) -> None:
        """The pool forgets what is final; refusals are kept for the status page."""
        at_ms = self.clock.now_ms()
        for transaction, receipt in zip(extension.transactions, extension.execution.receipts, strict=True):
            self._held.discard(transaction.wire_id)
            if receipt.outcome is not Outcome.ACCEPTED:
                self.refusals.by_rule(
                    self.chain.state, transaction, receipt, at_ms=at_ms, height=extension.header.height
                )
        self.accusations.judged(extension.transactions)
        dropped = self.pool.settle(self.chain.state, extension.transactions)
        if dropped and self.listener is not None:
            self.listener.cannot_follow(dropped)
        gone = [(transaction, "wrong_sequence", "its number was consumed") for transaction in dropped]
        if not all(t.kinds.isdisjoint(proposal.SIGNERS_CHANGE) for t in extension.transactions):
            stuck = proposal.find_stuck(self.chain.state, self.pool)
            self.pool.settle(self.chain.state, stuck)
            gone += [(t, "suspended", "its source was suspended, or its key revoked") for t in stuck]
        for transaction, code, reason in gone:
            self.refusals.at_the_door(self.chain.state, transaction, code=code, reason=reason, at_ms=at_ms)

    async def _release_stale(self) -> None:
        """The disk forgets what the pool has dropped: another envelope of the record, or another record, is final."""
        stale = [wire_id for wire_id in self._held if wire_id not in self.pool]
        if stale:
            self._held.difference_update(stale)
            await self.store.release(stale)

    async def _cosign_head(self) -> None:
        """Say that this head was executed here with the same result."""
        head = self.chain.head
        if head is None or self.standing.halted:
            return
        signed = cosign(
            channel=self.chain.channel,
            height=head.height,
            block_id=head.block_id,
            history_root=head.history_root,
            signer=self.signer,
        )
        await self.store.add_cosignature(rows.Cosignature(signed.height, signed.key_id, signed.signature))
        self.cosigned = signed
        if self.listener is not None:
            self.listener.head_is_cosigned(signed)


def _to_store(group: Sequence[tuple[Extension, bytes]]) -> list[rows.Commit]:
    return [_commit_of(extension, certificate) for extension, certificate in group]


def _commit_of(extension: Extension, certificate: bytes) -> rows.Commit:
    transactions = tuple(
        rows.TransactionRow(t.raw, receipt, t.tx_id, t.wire_id, t.record_ids)
        for t, receipt in zip(extension.transactions, extension.receipts, strict=True)
    )
    header = extension.header
    writes = tuple(rows.StateWrite(*row) for row in extension.execution.sealed.rows())
    block = rows.BlockRow(header.height, header.block_id, header.encode(), certificate, transactions)
    return rows.Commit(block, writes)
