"""Find the record that stands where another one claims the same number."""

from __future__ import annotations

from typing import Final

from doxedge.contracts import numbering
from doxedge.ledger.chain import ChainState
from doxedge.ledger.pool import Pool
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.store.chain import ChainStore

STEPS_MAX: Final = 4_096
"""Transactions walked back from the newest one of a source: half a year of single hours."""


async def find_rival(
    chain: ChainState, pool: Pool, store: ChainStore, transaction: Transaction
) -> tuple[int, bytes] | None:
    """Number and envelope of the record that stands where `transaction` claims the same number.

    None when every number of it is free, its own already, or too old to be found.
    """
    for record, record_id in zip(transaction.records, transaction.record_ids, strict=True):
        waiting = pool.find_number(transaction.source, record.seq)
        if waiting is not None and record_id not in waiting.record_ids:
            return record.seq, waiting.raw
    return await _find_final(chain, store, transaction)


async def _find_final(
    chain: ChainState, store: ChainStore, transaction: Transaction
) -> tuple[int, bytes] | None:
    """Walk the numbering back from its newest final record: each names the one before it."""
    source = numbering.find_source(chain.state, transaction.source)
    if source is None or source.seq < transaction.first_seq:
        return None
    claimed = {r.seq: i for r, i in zip(transaction.records, transaction.record_ids, strict=True)}
    name = source.prev
    for _ in range(STEPS_MAX):
        place = await store.find(name)
        found = None if place is None else await store.transaction(place)
        if found is None:
            return None
        standing = open_transaction(found[0], chain.channel)
        for record, record_id in zip(standing.records, standing.record_ids, strict=True):
            if claimed.get(record.seq, record_id) != record_id:
                return record.seq, found[0]
        if standing.first_seq <= transaction.first_seq:
            return None
        name = standing.record.prev
    return None
