"""Make an evidence file from what a node holds: bytes of its store, and the state after its head.

A node proves state only as of its head, so the certificate is the head's; the record's own block, if it is an earlier
one, is bound through the head's history root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from doxedge.consensus.cosignature import Cosignature, holds
from doxedge.consensus.header import Header, decode_header
from doxedge.contracts import parties
from doxedge.contracts.rule import Value
from doxedge.evidence.format import (
    LATER_BLOCK,
    OWN_BLOCK,
    BadEvidence,
    EvidenceFile,
    HeadSignature,
    KeyedProof,
    Later,
)
from doxedge.evidence.subject import BrokenChain, Passage, walk
from doxedge.ledger.state_tree import StateProof
from doxedge.ledger.transaction import open_transaction
from doxedge.signing import merkle
from doxedge.signing.tags import BlockId, KeyId


class ProvableState(Protocol):
    """The state after the head, as `ledger.state.State` offers it."""

    def get(self, room: str, key: bytes) -> Value:
        """What stands under the key."""
        ...

    def prove(self, room: str, key: bytes) -> tuple[bytes | None, StateProof]:
        """Its canonical bytes, and the proof."""
        ...


def build(
    *,
    genesis: bytes,
    block_header: bytes,
    transactions: Sequence[bytes],
    receipts: Sequence[bytes],
    index: int,
    transaction: bytes,
    head_header: bytes,
    certificate: bytes,
    block_ids: Sequence[BlockId],
    state: ProvableState,
    cosignatures: Sequence[tuple[int, bytes, bytes]],
) -> bytes:
    """The evidence file of the transaction at `index` of a block.

    `transactions` are the wire ids of the block, `receipts` its receipts' bytes; `certificate` finalizes the head;
    `block_ids` are those of heights 1 to head - 1, needed only when the head is a later block; `cosignatures` are
    (height, key id, signature), of which those that fit and hold are taken. Raises BadEvidence when the transaction
    cannot be proved: it was inadmissible, or the state has lost its signer.
    """
    header, head = decode_header(block_header), decode_header(head_header)
    opened = open_transaction(transaction, header.channel)
    passage = Passage(state.get)
    try:
        walk(passage, opened)
    except BrokenChain as error:
        raise BadEvidence(f"the transaction cannot be proved: {error}") from error
    levels = {header.height: (OWN_BLOCK, header)}
    if head.height != header.height:
        levels[head.height] = (LATER_BLOCK, head)
    given = _good_cosignatures(cosignatures, levels, state)
    names = passage.passed | {(parties.KEYS, item.key_id) for item in given}
    later = None
    if head.height != header.height:
        later = Later(head_header, tuple(merkle.inclusion_path(block_ids, header.height - 1)))
    return EvidenceFile(
        genesis=genesis,
        header=block_header,
        later=later,
        certificate=certificate,
        cosignatures=tuple(given),
        transaction=transaction,
        index=index,
        transaction_path=tuple(merkle.inclusion_path(transactions, index)),
        receipt=receipts[index],
        receipt_path=tuple(merkle.inclusion_path(receipts, index)),
        state_proofs=tuple(_prove(state, room, key) for room, key in sorted(names)),
    ).encode()


def _good_cosignatures(
    cosignatures: Sequence[tuple[int, bytes, bytes]],
    levels: Mapping[int, tuple[int, Header]],
    state: ProvableState,
) -> list[HeadSignature]:
    """Those of a registered node key over one of the two blocks, in the order of the file."""
    book = Passage(state.get)
    good: dict[tuple[int, bytes], HeadSignature] = {}
    for height, key_id, signature in cosignatures:
        key = parties.find_key(book, key_id)
        if height not in levels or key is None or key.purpose != "node" or key.revoked:
            continue
        of, header = levels[height]
        held = holds(
            Cosignature(height, KeyId(key_id), signature),
            channel=header.channel,
            block_id=header.block_id,
            history_root=header.history_root,
            alg=key.alg,
            public_key=key.public_key,
        )
        if held:
            good[of, key_id] = HeadSignature(of, key_id, signature)
    return [good[place] for place in sorted(good)]


def _prove(state: ProvableState, room: str, key: bytes) -> KeyedProof:
    value, proof = state.prove(room, key)
    if value is None:
        raise BadEvidence(f"the state holds nothing under {room}/{key.hex()}")
    return KeyedProof(room, key, value, proof.siblings)
