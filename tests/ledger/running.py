"""A channel that runs: units with devices that have spoken, and what the tests of execution ask of it."""

from __future__ import annotations

from dataclasses import replace

from doxedge.contracts import numbering
from doxedge.ledger.chain import ChainState
from doxedge.ledger.execution import CLOCK
from doxedge.ledger.receipt import Outcome, Receipt
from doxedge.ledger.state import restore
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import RecordId
from tests.ledger.channels import HOUR_MS, Author, TestChannel

ACCEPTED, REFUSED, INADMISSIBLE = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.INADMISSIBLE
NOTE: list[Value] = [None, "note", 0, "door opened"]


def running(**parameters: int) -> TestChannel:
    """A channel with units whose devices have said one thing each."""
    channel = TestChannel.begin("north", bilateral_transfers=1, **parameters).with_units()
    channel.now_ms += HOUR_MS
    channel.block(device(channel).say("event", NOTE), device(channel, "beta").say("event", NOTE))
    return channel


def device(channel: TestChannel, party: str = "alpha") -> Author:
    return channel.authors[f"{party}-1 device"]


def rewound(author: Author, *, seq: int | None = None, prev: bytes | None = None) -> Author:
    """The same source, about to say something with another number or predecessor."""
    return replace(
        author,
        seq=author.seq if seq is None else seq,
        prev=author.prev if prev is None else RecordId(prev),
    )


def everything(channel: TestChannel) -> dict[tuple[str, bytes], Value]:
    """The state but for what every block's tick changes: the clock, and the leader's own numbering."""
    leader = channel.authors["regulator node"].source
    return {
        (room, key): value
        for room, entries in channel.chain.state.rooms.items()
        for key, value in entries.items()
        if room != CLOCK and (room, key) != (numbering.ROOM, leader)
    }


def last_receipts(channel: TestChannel, *transactions: Transaction) -> tuple[Receipt, ...]:
    """Of these transactions in one block."""
    return channel.block(*transactions).execution.receipts[1:]


def wrongly_signed(channel: TestChannel) -> Transaction:
    said = rewound(device(channel)).say("event", NOTE)
    forged = replace(said.envelope, signature=said.envelope.signature[:32] + bytes(32))
    return open_transaction(forged.encode(), channel.chain.channel)


def follower_of(channel: TestChannel) -> ChainState:
    """Somebody else's chain at the same height."""
    rows = [
        (room, key, canonical.encode(value))
        for room, entries in channel.chain.state.rooms.items()
        for key, value in entries.items()
    ]
    return ChainState(
        channel.chain.genesis_bytes,
        head=channel.chain.head,
        state=restore(rows),
        frontier=channel.chain.frontier.copy(),
    )
