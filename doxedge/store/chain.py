"""The ledger of one channel on disk: blocks, receipts, state, and what a node must not forget.

A block is written with its receipts, its state changes and its names in one transaction. What is read back can be
checked against the certified head: `scrub` re-hashes everything and names what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from doxedge.store import block_rows, journal_rows, scrub
from doxedge.store.connection import Database
from doxedge.store.rows import Commit, Cosignature, Finding, Loaded, Place, StateWrite, StoredBlock


class ChainStore:
    """One `ledger.db`. Get one from `open`, close it, or use it with `async with`."""

    def __init__(self, database: Database, channel: bytes) -> None:
        """For `open` only."""
        self._database = database
        self.channel = channel

    @classmethod
    async def open(
        cls, path: Path, channel: bytes, *, read_only: bool = False, check: bool = True, linger_ms: int = 0
    ) -> Self:
        """Open the file of `channel`, making it when it is missing.

        `read_only` opens it beside a running node. Raises StoreError: FOREIGN for the file of another channel, and all
        that `Database.open` raises.
        """
        database = await Database.open(
            path, schema="chain", read_only=read_only, check=check, linger_ms=linger_ms, is_busy=True
        )
        try:
            await database.read(partial(block_rows.check_channel, path=path, channel=channel))
        except BaseException:
            await database.close()
            raise
        return cls(database, channel)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._database.path

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Writing. When these return, it is on the disk.

    async def create(self, genesis: bytes, state: Iterable[StateWrite] = ()) -> None:
        """Begin the channel with its genesis and the state before the first block.

        The same genesis again changes nothing. Raises StoreError(FOREIGN) for another.
        """
        await self._database.write(
            partial(
                block_rows.create, path=self.path, channel=self.channel, genesis=genesis, state=tuple(state)
            )
        )

    async def append(
        self, commits: Sequence[Commit], *, journal: Mapping[bytes, bytes | None] | None = None
    ) -> None:
        """Add final blocks, all or none; their transactions leave the pool.

        A block that is there already is passed over. Raises StoreError: CONFLICT for another block at its height,
        BROKEN_CHAIN when one does not follow its parent.
        """
        await self._database.write(
            partial(
                block_rows.append,
                path=self.path,
                channel=self.channel,
                commits=tuple(commits),
                journal=dict(journal or {}),
            )
        )

    async def persist(self, journal: Mapping[bytes, bytes | None]) -> None:
        """Keep records of the consensus engine under their keys; None deletes."""
        await self._database.write(partial(journal_rows.put, records=dict(journal)))

    async def hold(self, raws: Mapping[bytes, bytes]) -> int:
        """Keep transactions, by their wire ids, until they are in a block; how many of them are new."""
        return await self._database.write(partial(journal_rows.hold, raws=dict(raws)))

    async def release(self, wire_ids: Iterable[bytes]) -> None:
        """Forget transactions that will never be in a block."""
        await self._database.write(partial(journal_rows.release, wire_ids=tuple(wire_ids)))

    async def add_cosignature(self, cosignature: Cosignature) -> bool:
        """Keep a member's signature over a head; whether it is new. The first of a member stands."""
        return await self._database.write(partial(journal_rows.add_cosignature, given=cosignature))

    async def prune_bodies(self, below_height: int, *, blocks_max: int = 64) -> int:
        """Delete the oldest transactions and receipts below a height, a few blocks a call; how many blocks.

        Headers, certificates and state stay. Call it again while it returns `blocks_max`.
        """
        pruned = await self._database.write(
            partial(
                block_rows.prune_bodies,
                channel=self.channel,
                below_height=below_height,
                blocks_max=blocks_max,
            )
        )
        if pruned:
            await self._database.give_back()
        return pruned

    # Reading, beside the writer.

    async def load(self) -> Loaded | None:
        """Everything a node holds in memory, as of one moment; None before `create`."""
        return await self._database.read(partial(block_rows.load, path=self.path))

    async def head(self) -> StoredBlock | None:
        """The last block."""
        return await self._database.read(block_rows.head)

    async def block(self, height: int) -> StoredBlock | None:
        """One block with its body, unless that was pruned."""
        found = await self.blocks(height, height, bytes_max=0)
        return found[0] if found else None

    async def blocks(self, first: int, last: int, *, bytes_max: int) -> list[StoredBlock]:
        """Blocks from height `first` to `last`, as many as fit in `bytes_max`, but at least one if it is there."""
        return await self._database.read(
            partial(block_rows.blocks, first=first, last=last, bytes_max=bytes_max)
        )

    async def headers(self, first: int, last: int) -> list[StoredBlock]:
        """Headers and certificates from height `first` to `last`."""
        return await self._database.read(partial(block_rows.headers, first=first, last=last))

    async def block_ids(self, first: int, last: int) -> list[bytes]:
        """Leaves of the history tree."""
        return await self._database.read(partial(block_rows.block_ids, first=first, last=last))

    async def receipts(self, height: int) -> tuple[bytes, ...] | None:
        """The receipts of a block."""
        found = await self.block(height)
        return found.receipts if found else None

    async def find(self, name: bytes) -> Place | None:
        """Where the record or transaction with this record_id, tx_id or wire_id stands, checked on its bytes."""
        return await self._database.read(partial(block_rows.find, channel=self.channel, name=name))

    async def transaction(self, place: Place) -> tuple[bytes, bytes] | None:
        """The envelope and the receipt at a place."""
        found = await self.block(place.height)
        if found is None or found.transactions is None or found.receipts is None:
            return None
        if not place.index < len(found.transactions) == len(found.receipts):
            return None
        return found.transactions[place.index], found.receipts[place.index]

    async def held(self) -> list[bytes]:
        """Transactions of the pool, oldest first."""
        return await self._database.read(journal_rows.held)

    async def cosignatures(self, height: int) -> list[Cosignature]:
        """The members' signatures over the head of this height."""
        return await self._database.read(partial(journal_rows.cosignatures, height=height))

    async def size_bytes(self) -> int:
        """The room that the file takes."""
        return await self._database.read(block_rows.size_bytes)

    async def scrub(
        self, *, state_root: Callable[[Iterable[tuple[str, bytes, bytes]]], bytes] | None = None
    ) -> list[Finding]:
        """Hash everything again and compare it with the certified headers; [] when all is as it was written.

        Works through the file in small pieces, beside reader and writer.
        """
        return await scrub.scrub(self._database, channel=self.channel, state_root=state_root)
