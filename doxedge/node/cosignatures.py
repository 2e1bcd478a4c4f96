"""Cosignatures of others: who executed the same block as we says so, and evidence carries it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from doxedge.consensus import cosignature
from doxedge.consensus.cosignature import Cosignature
from doxedge.consensus.header import decode_header
from doxedge.gossip.gate import MemberKey
from doxedge.gossip.message import InvalidMessage
from doxedge.node.channel_node import ChannelNode
from doxedge.signing.canonical import Value
from doxedge.signing.tags import KeyId
from doxedge.store import rows

COSIGNATURE_DEPTH: Final = 64
"""How far below the own head a cosignature is still collected."""


async def collect(
    node: ChannelNode,
    body: Sequence[Value],
    *,
    sender: bytes,
    member: MemberKey | None,
    known_height: int | None,
) -> int | None:
    """Keep a cosignature that holds; its height, or None for one that is not wanted or not to be judged yet.

    `known_height` is the sender's last one. Raises InvalidMessage for one that does not hold.
    """
    match list(body):
        case [int(height), bytes(block_id), bytes(signature)] if height >= 1 and len(signature) == 64:
            pass
        case _:
            raise InvalidMessage("a cosignature is [height, block_id, signature]")
    is_known = known_height is not None and height <= known_height
    own_height = node.chain.height
    if is_known or member is None or not own_height - COSIGNATURE_DEPTH < height <= own_height:
        return None
    stored = await node.store.headers(height, height)
    if not stored:
        return None  # executed here and on its way to the disk: the cosignature comes again
    if stored[0].block_id != block_id:
        raise InvalidMessage("a cosignature of a block that is not the one here")
    given = Cosignature(height, KeyId(sender), signature)
    header = decode_header(stored[0].header)
    holds = cosignature.holds(
        given,
        channel=node.chain.channel,
        block_id=header.block_id,
        history_root=header.history_root,
        alg=member.alg,
        public_key=member.public_key,
    )
    if not holds:
        raise InvalidMessage("the cosignature does not verify")
    await node.store.add_cosignature(rows.Cosignature(height, given.key_id, signature))
    return height
