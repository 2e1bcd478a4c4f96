"""Whether the records on the disk are still those that were signed: looked at after the start, then once a day."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from doxedge.gateway.batches import holds
from doxedge.quantity import DAY_MS
from doxedge.signing.envelope import Envelope
from doxedge.signing.signer import Signer
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Break

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = DAY_MS / 1_000
"""Real seconds. A month of hours of one unit takes a tenth of a second."""


class RecordCheck:
    """Follows the chain of every source in the outbox, and remembers where it is broken."""

    def __init__(self, outbox: Outbox, signer: Signer) -> None:
        self._outbox, self._signer = outbox, signer
        self._breaks: list[Break] | None = None

    def verdict(self, channel: bytes, source: bytes) -> str | None:
        """What is wrong with the records of a source, empty when nothing is; None before the first look."""
        if self._breaks is None:
            return None
        own = [one for one in self._breaks if (one.channel, one.source) == (channel, source)]
        if not own:
            return ""
        more = f", and {len(own) - 1} more findings" if len(own) > 1 else ""
        return f"record {own[0].seq}: {own[0].reason}{more}"

    async def run(self) -> None:
        """Look again and again until cancelled. Raises StoreError."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Once over everything, beside all other work. Raises StoreError."""
        self._breaks = await self._outbox.verify_chain(signature_holds=self._holds)
        for one in self._breaks:
            log.error("source %s, record %d: %s", one.source.hex(), one.seq, one.reason)

    def _holds(self, channel: bytes, sealed: Envelope) -> bool:
        """A record of a key that was replaced since is for the ledger to judge: its key is not here."""
        return sealed.key_id != self._signer.key_id or holds(sealed, channel, self._signer)
