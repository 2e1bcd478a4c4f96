"""A ledger in memory behind the port that the gateway posts to: real rules, real receipts, real evidence, no disk.

The answers are those of a node; the test decides when blocks are built, and what goes wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from doxedge.backends.port import (
    Head,
    OpenRequest,
    RecordStatus,
    SourceHead,
    TransactionStatus,
    Unreachable,
    Wait,
)
from doxedge.contracts import numbering
from doxedge.evidence.build import build as build_evidence
from doxedge.ledger import inquiry_desk
from doxedge.ledger.admission import Inadmissible, SequenceConflict
from doxedge.ledger.block import wire_id
from doxedge.ledger.chain import Extension
from doxedge.ledger.pool import Pool
from doxedge.ledger.receipt import decode_receipt, record_outcomes
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.signing.canonical import Value
from doxedge.signing.signer import Ed25519Signer
from doxedge.signing.tags import BlockId
from tests.ledger.channels import START_MS, TestChannel, certified, signer

UNIT = "alpha-1"


@dataclass
class MemoryLedger:
    """Implements `backends.port.Ledger` over one channel."""

    channel_state: TestChannel
    pool: Pool
    away: bool = False
    """Nobody answers."""
    deaf: bool = False
    """What is submitted arrives, the answer does not."""
    slow: bool = False
    """No block is built by itself."""
    forge: bool = False
    """Proofs have a byte changed."""
    submissions: list[int] = field(default_factory=list)
    """Records of each envelope that arrived."""
    live: dict[str, dict[str, object]] = field(default_factory=dict)
    _blocks: list[tuple[Extension, bytes]] = field(default_factory=list)
    """With its certificate, each block since the units were registered."""
    _ids: list[bytes] = field(default_factory=list)
    """Of all blocks."""
    _places: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def begin(cls, **parameters: int) -> MemoryLedger:
        """A channel on which the device of unit `alpha-1` is registered."""
        channel = TestChannel.begin("north", **parameters).with_units()
        assert channel.chain.height == 1
        return cls(channel, Pool(channel.chain.channel), _ids=[bytes(channel.chain.head_id)])

    @property
    def channel(self) -> bytes:
        return bytes(self.channel_state.chain.channel)

    @property
    def device(self) -> Ed25519Signer:
        return signer("alpha device")

    @property
    def source(self) -> bytes:
        return bytes(self.channel_state.authors["alpha-1 device"].source)

    def final_records(self) -> list[tuple[int, str, bytes]]:
        """(seq, kind, record id) of the device's records, in final order."""
        found = []
        for extension, _ in self._blocks:
            for transaction in extension.transactions:
                if transaction.source == self.source:
                    pairs = zip(transaction.records, transaction.record_ids, strict=True)
                    found += [(record.seq, record.kind, bytes(name)) for record, name in pairs]
        return found

    def source_of(self, unit: str) -> bytes:
        """What numbers the records of a unit."""
        return bytes(self.channel_state.authors[f"{unit} device"].source)

    def with_another_unit(self, unit: str) -> MemoryLedger:
        """Another unit of company alpha, measured by the same device."""
        state = self.channel_state
        regulator, device = state.officer("regulator"), self.device
        registered = regulator.say("unit.register", [unit, "alpha", "boiler", 100_000, "zone 1"])
        opened = regulator.say("account.open", [unit, "alpha", unit])
        body: list[Value] = [f"gw of {unit}", unit, device.alg, device.public_key, bytes(32), "doxedge test"]
        enrolled = state.officer("alpha").say("device.register", body)
        state.author(f"{unit} device", device, enrolled.record_ids[0])
        extension = state.block(registered, opened, enrolled)
        self._ids.append(bytes(extension.header.block_id))
        return self

    def final_bodies(self, kind: str, unit: str = UNIT) -> list[list[Value]]:
        """The bodies of the device's records of a kind that were accepted, in final order."""
        found, source = [], self.source_of(unit)
        for extension, _ in self._blocks:
            for transaction in extension.transactions:
                if transaction.source == source:
                    for record, record_id in zip(transaction.records, transaction.record_ids, strict=True):
                        status = self._status(record_id)
                        if record.kind == kind and status is not None and status.outcome == 0:
                            found.append(list(record.body))
        return found

    def build_block(self, now_ms: int | None = None) -> None:
        """Everything that waits becomes final."""
        chosen = self.pool.take()
        if not chosen:
            return
        state = self.channel_state
        # Ahead of every hour that a test states: the leader's clock is not what is tested.
        state.now_ms = now_ms or max(state.now_ms + 1_000, START_MS + 400 * 86_400_000)
        extension = state.block(*chosen)
        certificate = certified(extension, state.chain).certificate
        self._blocks.append((extension, certificate))
        self._ids.append(bytes(extension.header.block_id))
        for index, transaction in enumerate(extension.transactions):
            for number, record_id in enumerate(transaction.record_ids):
                self._places[record_id] = (len(self._blocks) - 1, index, number)
        self.pool.settle(state.chain.state, extension.transactions)

    def forget_pool(self) -> None:
        """The node was rebuilt from the others: what waited is gone."""
        self.pool = Pool(self.channel_state.chain.channel)

    # The port

    async def submit(
        self,
        channel: bytes,
        envelopes: Sequence[bytes],
        *,
        wait: Wait = "stored",
        timeout_ms: int | None = None,
    ) -> list[TransactionStatus]:
        self._reach(channel)
        statuses = [self._take(raw) for raw in envelopes]
        if self.deaf:
            raise Unreachable("the answer was lost", outcome_unknown=True)
        return statuses

    async def record_status(self, channel: bytes, record_id: bytes) -> RecordStatus | None:
        self._reach(channel)
        return self._status(record_id)

    async def proofs(self, channel: bytes, record_ids: Sequence[bytes]) -> list[bytes | None]:
        self._reach(channel)
        assert 0 < len(record_ids) <= 64
        if not self.slow:
            self.build_block()
        return [self._proof(record_id) for record_id in record_ids]

    async def source_head(self, channel: bytes, source: bytes) -> SourceHead | None:
        self._reach(channel)
        entry = numbering.find_source(self.channel_state.chain.state, source)
        return (
            None if entry is None else SourceHead(entry.seq, entry.prev, entry.suspended, entry.holder_key_id)
        )

    async def head(self, channel: bytes) -> Head:
        self._reach(channel)
        chain = self.channel_state.chain
        assert chain.head is not None
        return Head(chain.height, chain.head_id, chain.state.root, chain.head.time_ms, chain.clock_ms, False)

    async def open_requests(self, channel: bytes, unit: str) -> list[OpenRequest]:
        self._reach(channel)
        state, found = self.channel_state.chain.state, []
        for row in inquiry_desk.open_rows(state, unit, now_ms=0):
            asked, hours = row.request, inquiry_desk.wanted_hours(state, row.request)
            wanted = tuple((hour.start_ms, hour.record_id) for hour in hours)
            found.append(
                OpenRequest(
                    row.record_id, unit, asked.from_ms, asked.to_ms, asked.due_ms, asked.reason, wanted
                )
            )
        return found

    async def put_live(self, unit: str, live: Mapping[str, object]) -> None:
        self._reach(self.channel)
        self.live[unit] = dict(live)

    async def close(self) -> None:
        return

    def _reach(self, channel: bytes) -> None:
        if self.away:
            raise Unreachable("nobody listens")
        assert channel == self.channel

    def _take(self, raw: bytes) -> TransactionStatus:
        try:
            transaction = open_transaction(raw, self.channel)
        except ValueError as error:
            return TransactionStatus(None, hashlib.sha256(raw).digest(), (), "bad_encoding", str(error))
        self.submissions.append(len(transaction.records))
        try:
            self.pool.admit(self.channel_state.chain.state, transaction)
        except SequenceConflict as conflict:
            return _refused(transaction, conflict, "conflict")
        except Inadmissible as error:
            known = [self._status(record_id) for record_id in transaction.record_ids]
            if all(known):
                return TransactionStatus(
                    transaction.tx_id, transaction.wire_id, tuple(status for status in known if status)
                )
            return _refused(transaction, error, "refused_at_admission")
        stored = tuple(RecordStatus(record_id, "stored") for record_id in transaction.record_ids)
        return TransactionStatus(transaction.tx_id, transaction.wire_id, stored)

    def _status(self, record_id: bytes) -> RecordStatus | None:
        place = self._places.get(record_id)
        if place is None:
            waits = self.pool.find_record(record_id) is not None
            return RecordStatus(record_id, "stored") if waits else None
        block, index, number = place
        receipt = decode_receipt(self._blocks[block][0].receipts[index])
        outcome, clause = receipt.outcome, receipt.clause
        if outcomes := record_outcomes(receipt):
            _, outcome, clause = outcomes[number]
        registered = len(self._ids) - len(self._blocks)  # blocks from before the first of ours
        return RecordStatus(record_id, "final", int(outcome), clause, None, registered + block + 1)

    def _proof(self, record_id: bytes) -> bytes | None:
        place = self._places.get(record_id)
        if place is None:
            return None
        block, index, _ = place
        extension, _ = self._blocks[block]
        head, certificate = self._blocks[-1]
        later = head is not extension
        proof = build_evidence(
            genesis=self.channel_state.chain.genesis_bytes,
            block_header=extension.header.encode(),
            transactions=[wire_id(transaction.raw) for transaction in extension.transactions],
            receipts=list(extension.receipts),
            index=index,
            transaction=extension.transactions[index].raw,
            head_header=head.header.encode(),
            certificate=certificate,
            block_ids=[BlockId(name) for name in self._ids[:-1]] if later else [],
            state=self.channel_state.chain.state,
            cosignatures=[],
        )
        return bytes([*proof[:-1], proof[-1] ^ 1]) if self.forge else proof


def _refused(transaction: Transaction, error: Inadmissible, state: str) -> TransactionStatus:
    assert state in ("conflict", "refused_at_admission")
    clause = numbering.ONE_NUMBER_CLAUSE if state == "conflict" else None
    records = tuple(
        RecordStatus(record_id, state, None, clause, error.reason, None, error.code)  # type: ignore[arg-type]
        for record_id in transaction.record_ids
    )
    return TransactionStatus(transaction.tx_id, transaction.wire_id, records, error.code, error.reason)
