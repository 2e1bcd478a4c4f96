"""Which certified headers a node believes, and what two of one height mean."""

from __future__ import annotations

from collections import deque
from typing import Final

from doxedge.consensus.certificate import decode_certificate
from doxedge.consensus.header import Header
from doxedge.gossip.catch_up import CatchUp
from doxedge.gossip.message import InvalidMessage
from doxedge.node.channel_node import ChannelNode
from doxedge.node.standing import BEHIND, FORK
from doxedge.signing import canonical
from doxedge.signing.canonical import Value

UNCOMPARED_MAX: Final = 64


class CertifiedHeads:
    """Of one channel: what the others show is checked, and tells how far they are."""

    def __init__(self, node: ChannelNode, catch_up: CatchUp) -> None:
        self._node, self._catch_up = node, catch_up
        self.uncompared: deque[tuple[Header, bytes]] = deque(maxlen=UNCOMPARED_MAX)
        """Certified headers of a height whose block is not durable here yet."""

    async def believe(self, sender: bytes, header: Header, certificate: bytes) -> None:
        """Check a certificate, and what it means for us. Raises InvalidBlock when it does not hold."""
        node = self._node
        if header.channel != node.chain.channel:
            raise InvalidMessage("a header of another channel")
        own_height = node.chain.height
        if header.height == own_height and header.block_id == node.chain.head_id:
            return
        node.chain.check_certificate(header, decode_certificate(certificate))
        if header.height <= own_height:
            await self._compare(header, certificate)
        else:
            if sender != node.signer.key_id:
                self._catch_up.saw_head(sender, header.height)
            if node.standing.saw_certified(header, own_height=own_height):
                await node.store.persist({BEHIND: header.height.to_bytes(8, "big")})

    async def compare_waiting(self) -> None:
        """Look again at those whose block was not durable."""
        for _ in range(len(self.uncompared)):
            await self._compare(*self.uncompared.popleft())

    async def _compare(self, header: Header, certificate: bytes) -> None:
        """Two certified blocks of one height are the end of trust: stop, and keep the proof."""
        node = self._node
        stored = await node.store.headers(header.height, header.height)
        if not stored:
            # Executed here, and on its way to the disk: a proof needs both, so it is compared afterwards.
            self.uncompared.append((header, certificate))
            return
        if stored[0].block_id == header.block_id or node.standing.halted:
            return
        proof: list[Value] = [stored[0].header, stored[0].certificate, header.encode(), certificate]
        await node.store.persist({FORK: canonical.encode(proof)})
        node.standing.halt(
            f"the validators certified two blocks of height {header.height}: {stored[0].block_id.hex()} is stored here "
            f"and {header.block_id.hex()} was shown. Tell the regulator; the proof is kept in this channel's file"
        )
