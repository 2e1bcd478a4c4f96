"""Real blocks to store: a small channel that executes hours, as a node would hand it over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from doxedge.ledger.chain import Extension
from doxedge.ledger.state import State
from doxedge.store.rows import BlockRow, Commit, StateWrite, TransactionRow
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, certified, hour


@dataclass(frozen=True)
class StoredChannel:
    """What a node writes: genesis, first state, and blocks."""

    channel: bytes
    genesis: bytes
    first_state: tuple[StateWrite, ...]
    commits: tuple[Commit, ...]


@cache
def small_channel(blocks: int = 6, name: str = "north") -> StoredChannel:
    """Registrations, then blocks with a single hour and a batch of three each."""
    test = TestChannel.begin(name)
    chain = test.chain
    first_state = tuple(StateWrite(*row) for row in state_rows(chain.state))
    commits = []
    taken = chain.take

    def keep(extension: Extension) -> None:
        taken(extension)
        commits.append(commit_of(extension, certified(extension, chain).certificate))

    chain.take = keep  # type: ignore[method-assign]
    test.with_units()
    device, other = test.authors["alpha-1 device"], test.authors["beta-1 device"]
    for number in range(blocks - 1):
        start_ms = START_MS + 3 * number * HOUR_MS
        batch = [("hour", hour("beta-1", start_ms + k * HOUR_MS, 500 + k)) for k in range(3)]
        test.now_ms = start_ms + 3 * HOUR_MS
        test.block(device.say("hour", hour("alpha-1", start_ms, 1_000 + number)), other.batch(batch))
    return StoredChannel(bytes(chain.channel), chain.genesis_bytes, first_state, tuple(commits))


def by_wire_id(raws: Iterable[bytes]) -> dict[bytes, bytes]:
    """As the node hands them to the store."""
    return {hashlib.sha256(raw).digest(): raw for raw in raws}


def state_rows(state: State) -> list[tuple[str, bytes, bytes]]:
    """(room, key, canonical value) of a whole state."""
    names = [(room, key) for room in sorted(state.rooms) for key, _ in state.items(room)]
    return [(room, key, value) for room, key in names if (value := state.prove(room, key)[0]) is not None]


def commit_of(extension: Extension, certificate: bytes) -> Commit:
    """As the node hands it to the store."""
    header = extension.header
    transactions = tuple(
        TransactionRow(t.raw, receipt, t.tx_id, t.wire_id, t.record_ids)
        for t, receipt in zip(extension.transactions, extension.receipts, strict=True)
    )
    writes = tuple(StateWrite(*row) for row in extension.execution.sealed.rows())
    return Commit(
        BlockRow(header.height, header.block_id, header.encode(), certificate, transactions), writes
    )
