"""Outbox and ledger agree on the next number of a source, once at every start.

The ledger knows best: an outbox that was lost or restored from an older copy would give a number away twice, which
looks like a cloned device and suspends the source. So an outbox that remembers nothing of a source signs nothing before
the node has answered; one that remembers goes on at once, since nobody else signs for this source.

Nor is anything signed with a key that may not give the next number: the ledger would never take it, and everything
behind it would wait for ever. The ledger knows whose a numbering is; while the node is away, the last record says it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from doxedge.backends.port import Ledger, LedgerError
from doxedge.signing import envelope
from doxedge.store.errors import Kind, StoreError
from doxedge.store.outbox import Outbox

log = logging.getLogger(__name__)


class NewsOnly:
    """Warns of what keeps the numbers from being agreed upon, and of nothing twice in a row: it may take days."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str) -> None:
        """Say it, if it was not said last."""
        if text != self._last:
            log.warning("%s", text)
        self._last = text


async def agree(
    outbox: Outbox,
    ledger: Ledger,
    *,
    channel: bytes,
    source: bytes,
    key_id: bytes,
    on_conflict: Callable[[], None] = lambda: None,
    on_key: Callable[[str], None] = lambda _: None,
    warn: Callable[[str], None] = log.warning,
) -> bool:
    """Begin the source in the outbox. False when that has to wait: for the node, or for the right key.

    `key_id` is of the key that signs here. `on_conflict` is called when another record has a number of ours, or the
    source is suspended for that; `on_key` with what is wrong with the key, empty when nothing is; `warn` with why it
    has to wait for the node. Raises StoreError of the disk.
    """
    name = source.hex()
    remembered = await outbox.head(channel, source)
    try:
        standing = await ledger.source_head(channel, source)
    except LedgerError as error:
        if remembered is None:
            warn(f"source {name}: nothing is signed before the node says where its numbers stand: {error}")
            return False
        if not await _is_of(outbox, remembered.prev, key_id):
            warn(f"source {name}: its last record has another key, and the node must say why: {error}")
            return False
        log.warning("source %s: the node cannot be asked, numbers go on from our own memory: %s", name, error)
        standing = None
    if standing is None:
        # Not registered yet, or not asked: the first number is 1, or the one after our last.
        await outbox.begin(channel, source)
        return True
    if standing.holder != key_id:
        text = (
            f"the ledger takes records of source {name} from key {standing.holder.hex()}, and the key here is "
            f"{key_id.hex()}: put the right key in place and start again. Until then nothing is signed or lost"
        )
        on_key(text)
        return False
    on_key("")
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


async def _is_of(outbox: Outbox, record_id: bytes, key_id: bytes) -> bool:
    """Whether a record has this key, as far as it is kept."""
    entry = await outbox.entry(record_id)
    return entry is None or envelope.decode(entry.envelope).key_id == key_id
