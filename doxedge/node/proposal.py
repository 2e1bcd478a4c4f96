"""What a leader puts into his next block: his tick, what waits in the pool, proofs of conflict."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from doxedge.consensus.engine import Build
from doxedge.consensus.header import InvalidBlock
from doxedge.contracts import numbering
from doxedge.ledger import admission
from doxedge.ledger.block import TRANSACTIONS_MAX, check_size
from doxedge.ledger.chain import ChainState, Extension
from doxedge.ledger.pool import Pool
from doxedge.ledger.state import State
from doxedge.ledger.transaction import TICK, Transaction, sign_record
from doxedge.node.accusations import PER_BLOCK, Accusations
from doxedge.signing import limits
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer
from doxedge.signing.tags import RecordId, SourceId, source_id

TICK_BYTES_MAX: Final = 512
SIGNERS_CHANGE: Final = frozenset({"conflict", "key.revoke", "key.rotate"})
"""Kinds after which somebody who waits in the pool may sign no more."""


def plan(
    chain: ChainState, pool: Pool, accusations: Accusations, *, signer: Signer, now_ms: int
) -> list[Transaction]:
    """The transactions of the next block in their order, the tick first; [] when nothing waits.

    Raises InvalidBlock when this node's key has lost its numbering.
    """
    for_proofs = min(len(accusations), PER_BLOCK) * limits.ENVELOPE_BYTES
    room = limits.BODY_BYTES - TICK_BYTES_MAX - for_proofs
    chosen = pool.take(bytes_max=room, count_max=TRANSACTIONS_MAX - 1 - PER_BLOCK)
    proofs: list[list[Value]] = []
    if accusations:
        consumed = {(t.source, record.seq) for t in chosen for record in t.records}
        proofs = accusations.bodies(chain.state, consumed_now=consumed)
    if not chosen and not proofs:
        return []
    tick: list[Value] = [max(now_ms, chain.clock_ms)]
    contents: list[tuple[str, list[Value]]] = [(TICK, tick)]
    contents += [("conflict", proof) for proof in proofs]
    mine = _sign(chain, contents, signer)
    return [mine[0], *chosen, *mine[1:]]


def build(
    chain: ChainState,
    transactions: Sequence[Transaction],
    *,
    wanted: Build,
    verified: Container[bytes] = frozenset(),
) -> Extension:
    """Execute them on the head. Raises InvalidBlock for a block that no other node would take."""
    check_size([transaction.raw for transaction in transactions])
    return chain.build(
        transactions,
        view=wanted.view,
        parent_view=wanted.parent_view,
        time_ms=wanted.time_ms,
        verified=verified,
    )


def find_stuck(state: State, pool: Pool) -> list[Transaction]:
    """What waits and can no longer enter a block: its key was revoked or its source suspended since."""
    verdicts: dict[tuple[bytes, bytes], bool] = {}
    stuck = []
    for transaction in pool.all():
        name = (transaction.source, transaction.envelope.key_id)
        if name not in verdicts:
            verdicts[name] = _may_sign(state, transaction)
        if not verdicts[name]:
            stuck.append(transaction)
    return stuck


def _may_sign(state: State, transaction: Transaction) -> bool:
    try:
        admission.find_signer(state, transaction)
    except admission.Inadmissible:
        return False
    return True


def _sign(
    chain: ChainState, contents: Sequence[tuple[str, list[Value]]], signer: Signer
) -> list[Transaction]:
    """Records of this node's own numbering, one after the other."""
    source = SourceId(source_id(chain.channel, signer.key_id))
    entry = numbering.find_source(chain.state, source)
    if entry is None or entry.suspended:
        raise InvalidBlock("this validator's node key has no numbering on the channel, or it is suspended")
    seq, prev, signed = entry.seq, entry.prev, []
    for kind, body in contents:
        seq += 1
        record = Record(kind, source, seq, RecordId(prev), body)
        transaction = sign_record(record, channel=chain.channel, signer=signer)
        prev = transaction.record_ids[0]
        signed.append(transaction)
    return signed
