"""Real evidence files of a small channel, for the tests of the room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from doxedge.consensus.cosignature import cosign
from doxedge.evidence.build import build
from doxedge.ledger.chain import Extension
from doxedge.ledger.transaction import Transaction
from doxedge.signing.tags import BlockId
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, certified, hour, signer

NODES = ("regulator", "alpha", "beta")


@dataclass
class Archive:
    """A channel that keeps its blocks, certificates and cosignatures."""

    channel: TestChannel
    blocks: list[tuple[Extension, bytes]] = field(default_factory=list)
    ids: list[BlockId] = field(default_factory=list)

    @classmethod
    def begin(cls, name: str = "north", **parameters: int) -> Archive:
        channel = TestChannel.begin(name, **parameters).with_units()
        assert channel.chain.height == 1
        return cls(channel, ids=[channel.chain.head_id])

    def block(self, *transactions: Transaction) -> Extension:
        extension = self.channel.block(*transactions)
        self.blocks.append((extension, certified(extension, self.channel.chain).certificate))
        self.ids.append(extension.header.block_id)
        return extension

    def cosignatures(self, extension: Extension, parties: Sequence[str]) -> list[tuple[int, bytes, bytes]]:
        header = extension.header
        given = [
            cosign(
                channel=header.channel,
                height=header.height,
                block_id=header.block_id,
                history_root=header.history_root,
                signer=signer(f"{party} node"),
            )
            for party in parties
        ]
        return [(each.height, each.key_id, each.signature) for each in given]

    def evidence(self, extension: Extension, index: int = 1, *, cosigned_by: Sequence[str] = NODES) -> bytes:
        """Against the present head, cosigned at the record's own block and at the head."""
        head, certificate = self.blocks[-1]
        later = head is not extension
        cosignatures = self.cosignatures(extension, cosigned_by)
        if later:
            cosignatures += self.cosignatures(head, cosigned_by)
        chain = self.channel.chain
        return build(
            genesis=chain.genesis_bytes,
            block_header=extension.header.encode(),
            transactions=[transaction.wire_id for transaction in extension.transactions],
            receipts=extension.receipts,
            index=index,
            transaction=extension.transactions[index].raw,
            head_header=head.header.encode(),
            certificate=certificate,
            block_ids=self.ids[:-1] if later else [],
            state=chain.state,
            cosignatures=cosignatures,
        )

    def evidence_of_first_hour(self) -> bytes:
        """Alpha states its first hour, and proves it in the same block."""
        self.channel.now_ms = START_MS + HOUR_MS
        device = self.channel.authors["alpha-1 device"]
        return self.evidence(self.block(device.say("hour", hour("alpha-1", START_MS))))


@cache
def one_hour() -> bytes:
    """An hour of alpha, proved in its own block, cosigned by two."""
    archive = Archive.begin()
    archive.channel.now_ms = START_MS + HOUR_MS
    device = archive.channel.authors["alpha-1 device"]
    extension = archive.block(device.say("hour", hour("alpha-1", START_MS, 1_234_567)))
    return archive.evidence(extension, cosigned_by=("regulator", "alpha"))


@cache
def batch_under_later_head() -> bytes:
    """Three hours in a batch, the last stated twice and so refused, proved under a head four blocks later."""
    archive = Archive.begin()
    archive.channel.now_ms = START_MS + 4 * HOUR_MS
    device = archive.channel.authors["alpha-1 device"]
    hours = [hour("alpha-1", START_MS), hour("alpha-1", START_MS + HOUR_MS), hour("alpha-1", START_MS)]
    extension = archive.block(device.batch([("hour", body) for body in hours]))
    other = archive.channel.authors["beta-1 device"]
    for number in range(4):
        archive.channel.now_ms += HOUR_MS
        archive.block(other.say("hour", hour("beta-1", START_MS + number * HOUR_MS)))
    return archive.evidence(extension)
