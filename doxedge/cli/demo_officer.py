"""An officer of a party, as the demo plays him: numbers and signs records, hands them in, waits for the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from doxedge.backends.http_client import NodeAddress, NodeClient
from doxedge.backends.port import LedgerError, RecordStatus, TransactionStatus
from doxedge.backends.remote import RemoteLedger
from doxedge.cli.outcome import Exit, Failure
from doxedge.ledger.transaction import Transaction, sign_record
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer
from doxedge.signing.tags import ZERO_HASH, RecordId, SourceId, source_id

FINAL_MS: Final = 60_000
"""As long as a node waits for anybody; a busy machine needs some of it."""


class Node:
    """A running node, over its socket."""

    def __init__(self, socket: Path) -> None:
        """Nothing is connected yet."""
        self._address = NodeAddress.parse(f"unix://{socket}")
        self.ledger = RemoteLedger(self._address)

    async def get(self, path: str) -> Any:
        """JSON of a GET. Raises LedgerError."""
        client = NodeClient(self._address)
        try:
            answer = await asyncio.to_thread(client.request, "GET", path)
        finally:
            await asyncio.to_thread(client.close)
        return json.loads(answer.body)

    async def until(self, path: str, done: Callable[[Any], bool], *, what: str, seconds: float = 40.0) -> Any:
        """Ask until `done` says so. Raises Failure when the time is up."""
        deadline_s = time.monotonic() + seconds
        while True:
            try:
                found = await self.get(path)
                if done(found):
                    return found
            except LedgerError:
                pass
            if time.monotonic() > deadline_s:
                raise Failure(Exit.TIMEOUT, f"waited {seconds:.0f} s in vain for {what}")
            await asyncio.sleep(0.1)


class Numbering:
    """One source of one channel in the hands of its officer."""

    def __init__(self, node: Node, channel: bytes, signer: Signer, anchor: bytes | None = None) -> None:
        """The anchor is the record id of a registration; without one the key is of the genesis."""
        self.node, self.channel, self.signer = node, channel, signer
        self.source = SourceId(source_id(channel, anchor or signer.key_id))
        self.seq, self.prev = 0, RecordId(ZERO_HASH)

    def sign(self, kind: str, body: Sequence[Value], *, keep: bool = True) -> Transaction:
        """The next record; with `keep` false the number is not used up, so that it can be used twice."""
        record = Record(kind, self.source, self.seq + 1, self.prev, list(body))
        transaction = sign_record(record, channel=self.channel, signer=self.signer)
        if keep:
            self.seq, self.prev = record.seq, transaction.record_ids[0]
        return transaction

    async def say(self, kind: str, body: Sequence[Value]) -> tuple[Transaction, RecordStatus]:
        """Sign, hand in, wait until final."""
        transaction = self.sign(kind, body)
        return transaction, (await self.hand_in(transaction)).records[0]

    async def hand_in(self, transaction: Transaction) -> TransactionStatus:
        """Hand in and wait until final or refused at the door."""
        statuses = await self.node.ledger.submit(
            self.channel, [transaction.raw], wait="final", timeout_ms=FINAL_MS
        )
        return statuses[0]

    async def must(self, kind: str, body: Sequence[Value]) -> Transaction:
        """Say what the demo needs to be accepted."""
        transaction, status = await self.say(kind, body)
        if status.outcome != 0:
            text = f"{kind} was not accepted: {status.state} {status.clause or status.code} {status.reason or ''}"
            raise Failure(Exit.REFUSED, text)
        return transaction
