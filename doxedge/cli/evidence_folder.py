"""Make an evidence file from the state folder of a node that may be running or not: the ledger file is only read."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from doxedge.cli.outcome import Exit, Failure
from doxedge.evidence.build import build
from doxedge.evidence.format import BadEvidence
from doxedge.ledger.block import wire_id
from doxedge.ledger.genesis import decode_genesis
from doxedge.ledger.state import restore
from doxedge.signing.tags import BlockId
from doxedge.store import block_rows
from doxedge.store.chain import ChainStore
from doxedge.store.connection import Database
from doxedge.store.errors import StoreError
from doxedge.store.rows import Loaded


async def build_from_folder(folder: Path, record_id: bytes, *, wanted: str | None) -> bytes:
    """The evidence file of a record, from whichever channel of the folder holds it.

    `wanted` is a channel's name or the beginning of its id. Raises Failure.
    """
    files = await asyncio.to_thread(lambda: sorted(folder.glob("channels/*/ledger.db")))
    if not files:
        text = f"{folder} holds no channels/*/ledger.db; give the state folder of a node"
        raise Failure(Exit.LOCAL_IO, text)
    try:
        for path in files:
            data = await _from_file(path, record_id, wanted)
            if data is not None:
                return data
    except StoreError as error:
        raise Failure(Exit.LOCAL_IO, str(error)) from error
    except BadEvidence as error:
        raise Failure(Exit.UNVERIFIED, str(error)) from error
    raise Failure(Exit.USAGE, f"record {record_id.hex()} is not final in any channel of {folder}")


async def _from_file(path: Path, record_id: bytes, wanted: str | None) -> bytes | None:
    async with await ChainStore.open(path, await _channel_of(path), read_only=True) as store:
        loaded = await store.load()
        if loaded is None or not _is_wanted(loaded, store.channel, wanted):
            return None
        place = await store.find(record_id)
        if place is None or loaded.head is None or loaded.head.certificate is None:
            return None
        block = await store.block(place.height)
        if block is None or block.transactions is None or block.receipts is None:
            text = f"the body of block {place.height} was pruned here; ask a node that keeps it"
            raise Failure(Exit.LOCAL_IO, text)
        head = loaded.head
        later = head.height > place.height
        cosignatures = [
            (each.height, each.key_id, each.data)
            for height in {place.height, head.height}
            for each in await store.cosignatures(height)
        ]
        ids = await store.block_ids(1, head.height - 1) if later else []
        return build(
            genesis=loaded.genesis,
            block_header=block.header,
            transactions=[wire_id(raw) for raw in block.transactions],
            receipts=block.receipts,
            index=place.index,
            transaction=block.transactions[place.index],
            head_header=head.header,
            certificate=loaded.head.certificate,
            block_ids=[BlockId(each) for each in ids],
            state=restore(loaded.state),
            cosignatures=cosignatures,
        )


async def _channel_of(path: Path) -> bytes:
    """The channel that a ledger file says it is of; what is built from it is checked afterwards."""
    database = await Database.open(path, schema="chain", read_only=True, check=False, linger_ms=0)
    try:
        channel = await database.read(partial(block_rows.fact, name="channel"))
    finally:
        await database.close()
    if channel is None:
        raise Failure(Exit.LOCAL_IO, f"{path} is not the ledger of a channel yet")
    return channel


def _is_wanted(loaded: Loaded, channel: bytes, wanted: str | None) -> bool:
    if wanted is None or decode_genesis(loaded.genesis).name == wanted:
        return True
    return len(wanted) >= 8 and channel.hex().startswith(wanted.lower())
