"""Outbox and ledger agree on the next number of a source, once at every start.

The ledger knows best: an outbox that was lost or restored from an older copy would give a number away twice, which
looks like a cloned device and suspends the source. So an outbox that remembers nothing of a source signs nothing before
the node has answered; one that remembers goes on at once, since nobody else signs for this source.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from doxedge.backends.port import Ledger, LedgerError
from doxedge.store.errors import Kind, StoreError
from doxedge.store.outbox import Outbox

log = logging.getLogger(__name__)


async def agree(
    outbox: Outbox,
    ledger: Ledger,
    *,
    channel: bytes,
    source: bytes,
    on_conflict: Callable[[], None] = lambda: None,
) -> bool:
    """Begin the source in the outbox. False when that has to wait for the node. Raises StoreError of the disk.

    `on_conflict` is called when another record has a number of ours, or the source is suspended for that.
    """
    name = source.hex()
    remembered = await outbox.head(channel, source)
    try:
        standing = await ledger.source_head(channel, source)
    except LedgerError as error:
        if remembered is None:
            log.warning(
                "source %s: nothing is signed before the node says where its numbers stand: %s", name, error
            )
            return False
        log.warning("source %s: the node cannot be asked, numbers go on from our own memory: %s", name, error)
        standing = None
    if standing is None:
        # Not registered yet, or not asked: the first number is 1, or the one after our last.
        await outbox.begin(channel, source)
        return True
    try:
        begun = await outbox.begin(channel, source, seq=standing.seq, prev=standing.prev)
    except StoreError as error:
        if error.kind is not Kind.CONFLICT:
            raise
        log.error(
            "source %s: the ledger has another record with our number %d; what we sign is kept here, and the regulator "
            "must decide: %s", name, standing.seq, error,
        )  # fmt: skip
        on_conflict()
        await outbox.begin(channel, source)
        return True
    if standing.suspended:
        log.error("source %s is suspended on the ledger; the regulator must decide", name)
        on_conflict()
    if begun.adopted:
        log.warning(
            "source %s: the outbox was behind the ledger; the next number is %d", name, standing.seq + 1
        )
    return True
