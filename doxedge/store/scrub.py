"""Tamper at rest: hash everything on the disk again and compare it with what was certified (ledger.md 4).

A database that only checks its own structure serves a changed value with a straight face. So blocks are compared with
their headers, headers with their chain and certificates, names with their transactions, and the state, row by row and
as a whole, with the root that the head certifies. Every finding names the block or the key.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from doxedge.consensus import certificate as certificates
from doxedge.consensus.header import Header, InvalidBlock, block_id, decode_header
from doxedge.consensus.validators import ValidatorSet
from doxedge.ledger import state_tree
from doxedge.ledger.genesis import InvalidGenesis, decode_genesis
from doxedge.signing import merkle, tags
from doxedge.store import block_rows, name_rows
from doxedge.store.connection import Database
from doxedge.store.errors import Kind, StoreError
from doxedge.store.rows import Finding, unpack

StateRoot = Callable[[Iterable[tuple[str, bytes, bytes]]], bytes]

BLOCKS_A_STEP: Final = 64
FINDINGS_MAX: Final = 1_000
"""After so many the file is a ruin; the list stays short enough to read and to send."""


@dataclass(slots=True)
class _Progress:
    """What the blocks looked at so far say about the next one."""

    channel: bytes
    validators: ValidatorSet | None
    parent_id: bytes
    height: int = 0
    frontier: merkle.Frontier = field(default_factory=merkle.Frontier)
    findings: list[Finding] = field(default_factory=list)

    def note(self, what: str, where: str, expected: object, found: object) -> None:
        self.findings.append(Finding(what, where, _text(expected), _text(found)))

    def compare(self, what: str, where: str, expected: object, found: object) -> None:
        if expected != found:
            self.note(what, where, expected, found)


async def scrub(database: Database, *, channel: bytes, state_root: StateRoot | None = None) -> list[Finding]:
    """All that differs, up to `FINDINGS_MAX`."""
    progress = _Progress(channel, None, channel)
    try:
        genesis = await database.read(partial(block_rows.fact, name="genesis"))
        if genesis is None:
            return []
        _check_genesis(genesis, progress)
        while len(progress.findings) < FINDINGS_MAX:
            if not await database.read(partial(_check_blocks, progress=progress)):
                break
        await _check_history(database, progress)
        await _check_state(database, progress, state_root or state_tree.root_of_values)
    except StoreError as error:
        if error.kind is not Kind.CORRUPT:
            raise
        progress.note("file", f"after block {progress.height}", "readable pages", str(error))
    return progress.findings[:FINDINGS_MAX]


def _check_genesis(genesis: bytes, progress: _Progress) -> None:
    progress.compare("genesis", "genesis", progress.channel, bytes(tags.channel_id(genesis)))
    try:
        progress.validators = decode_genesis(genesis).validator_set
    except InvalidGenesis as error:
        # Stores of other engines and of tests begin with bytes of their own; their certificates are theirs to check.
        if progress.findings:
            progress.note("genesis", "genesis", "a genesis", error)


def _check_blocks(connection: sqlite3.Connection, *, progress: _Progress) -> bool:
    """Check the next few blocks; False when there are no more."""
    rows = connection.execute(
        "SELECT b.height, b.block_id, b.header, b.certificate, d.transactions, d.receipts "
        "FROM block b LEFT JOIN body d ON d.height = b.height WHERE b.height > ? ORDER BY b.height LIMIT ?",
        (progress.height, BLOCKS_A_STEP),
    ).fetchall()
    for height, stored_id, header, certificate, transactions, receipts in rows:
        where = f"block {height}"
        progress.compare("header", f"{where}, height", progress.height + 1, height)
        progress.compare("header", f"{where}, id", block_id(header), stored_id)
        try:
            decoded = decode_header(header)
        except InvalidBlock as error:
            progress.note("header", where, "a header", error)
        else:
            _check_header(decoded, where, progress)
            _check_certificate(certificate, decoded, where, progress)
            if transactions is not None:
                _check_body(connection, decoded, height, (transactions, receipts), progress)
        progress.height, progress.parent_id = height, stored_id
        progress.frontier.append(stored_id)
    return bool(rows)


def _check_header(header: Header, where: str, progress: _Progress) -> None:
    progress.compare("header", f"{where}, channel", progress.channel, bytes(header.channel))
    progress.compare("parent", where, progress.parent_id, bytes(header.parent_id))
    progress.compare("history", where, progress.frontier.root(), header.history_root)


def _check_certificate(certificate: bytes | None, header: Header, where: str, progress: _Progress) -> None:
    """A block without one is final through a descendant; sets after a sealing block are the engine's to check."""
    if certificate is None or progress.validators is None or header.epoch != progress.validators.epoch:
        return
    try:
        decoded = certificates.decode_certificate(certificate)
        progress.compare("certificate", f"{where}, block id", bytes(header.block_id), bytes(decoded.block_id))
        certificates.check(decoded, channel=progress.channel, validators=progress.validators)
    except InvalidBlock as error:
        progress.note("certificate", where, "a quorum of good signatures", error)


def _check_body(
    connection: sqlite3.Connection,
    header: Header,
    height: int,
    body: tuple[bytes, bytes],
    progress: _Progress,
) -> None:
    where = f"block {height}"
    try:
        transactions, receipts = unpack(body[0]), unpack(body[1])
    except ValueError as error:
        progress.note("transactions", where, "whole byte strings", error)
        return
    wire_ids = [hashlib.sha256(raw).digest() for raw in transactions]
    progress.compare("transactions", f"{where}, number", header.tx_count, len(transactions))
    progress.compare("transactions", f"{where}, root", header.tx_root, merkle.root(wire_ids))
    progress.compare("receipts", f"{where}, root", header.receipt_root, merkle.root(receipts))
    for index, wire_id in enumerate(wire_ids):
        place = name_rows.Found(height, index, name_rows.WIRE_ID)
        if not name_rows.leads_to(connection, wire_id, place):
            progress.note("name", f"{where}, transaction {index}", wire_id, "no name leads to it")


async def _check_history(database: Database, progress: _Progress) -> None:
    """The stored frontier must be that of the blocks, or the next header would be wrong."""

    def stored(connection: sqlite3.Connection) -> tuple[int, bytes | None]:
        size = connection.execute("SELECT count(*) FROM block").fetchone()[0]
        return size, block_rows.fact(connection, "history")

    size, history = await database.read(stored)
    if size == progress.frontier.size:  # else a block was added meanwhile: the next scrub sees it
        progress.compare("history", "frontier", block_rows.pack_frontier(progress.frontier), history)


async def _check_state(database: Database, progress: _Progress, state_root: StateRoot) -> None:
    def snapshot(
        connection: sqlite3.Connection,
    ) -> tuple[list[tuple[str, bytes, bytes, bytes]], int | None, bytes | None]:
        rows = connection.execute("SELECT room, key, value, checksum FROM state").fetchall()
        last = connection.execute("SELECT height, header FROM block ORDER BY height DESC LIMIT 1").fetchone()
        return rows, *(last or (None, None))

    rows, height, header = await database.read(snapshot)
    await asyncio.to_thread(_check_rows, rows, progress)
    if header is None or height is None:
        return
    try:
        expected = decode_header(header).state_root
    except InvalidBlock:
        return  # named already
    found = await asyncio.to_thread(state_root, [row[:3] for row in rows])
    progress.compare("state", f"root after block {height}", expected, found)


def _check_rows(rows: list[tuple[str, bytes, bytes, bytes]], progress: _Progress) -> None:
    for room, key, value, checksum in rows:
        found = block_rows.state_checksum(room, key, value)
        progress.compare("state row", f"{room}/{key.hex()}", checksum, found)


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
