"""A real disk that is really full: a node process on a file system of four MiB, in a name space of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import LedgerError, RecordStatus
from doxedge.backends.remote import RemoteLedger
from doxedge.ledger.transaction import Transaction
from tests.gateway.waiting import until
from tests.node.network import Network

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 90.0
DISK_BYTES = 4 * 1024 * 1024

SCRIPT = """
mount -t tmpfs -o size=$1 tmpfs "$2" || exit 77
echo mounted
while read -r line; do
  "$3" -m doxedge node run --config "$4" 2>>"$5" </dev/null &
  echo "pid $!"
  wait $!
  echo "exit $?"
done
"""
"""Keeps the small disk while nodes come and go: each line on stdin starts one."""


@dataclass
class SmallDisk:
    """The shell that holds the file system, and the service manager of the node on it."""

    shell: asyncio.subprocess.Process
    folder: Path
    """Where the disk is mounted; outside the name space this folder stays empty."""
    pid: int = 0
    """Of the node that was started last; 0 when it has ended."""
    exits: list[int] = field(default_factory=list)
    """How each node ended."""

    @property
    def inside(self) -> Path:
        """The same folder as the node sees it."""
        return Path(f"/proc/{self.shell.pid}/root{self.folder}")

    async def line(self) -> list[str]:
        """What the shell says next, in words."""
        assert self.shell.stdout is not None
        return (await self.shell.stdout.readline()).decode().split()

    async def manage(self) -> None:
        """Start a node, and another one whenever it fails, as systemd does; until one ends well."""
        assert self.shell.stdin is not None
        while 0 not in self.exits:
            self.shell.stdin.write(b"start\n")
            word, number = await self.line()
            assert word == "pid"
            self.pid = int(number)
            word, number = await self.line()
            assert word == "exit"
            self.pid = 0
            self.exits.append(int(number))

    def fill(self) -> None:
        """Leave not a byte."""
        with contextlib.suppress(OSError), (self.inside / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4_096))

    def make_room(self) -> None:
        """As the operator does."""
        (self.inside / "filler").unlink()


def tail_of(log: Path) -> str:
    return log.read_text(errors="replace")[-20_000:] if log.exists() else "none"


@asynccontextmanager
async def small_disk(network: Network, party: str, log: Path) -> AsyncIterator[SmallDisk]:
    """A file system of its own under the state folder of a party. Skips aloud where none can be mounted."""
    folder = network.folder / party
    folder.mkdir()
    arguments = [str(DISK_BYTES), str(folder), sys.executable, str(network.config(party)), str(log)]
    try:
        shell = await asyncio.create_subprocess_exec(
            "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("there is no unshare(1): a full disk was tested with a limit of SQLite's only")
    disk = SmallDisk(shell, folder)
    try:
        if await disk.line() != ["mounted"] or not os.access(disk.inside, os.W_OK):
            pytest.skip(
                "no file system can be mounted here: a full disk was tested with a limit of SQLite's only"
            )
        yield disk
    finally:
        print(f"exit codes {disk.exits}, log:")  # shown where the test fails
        print(tail_of(log))
        assert shell.stdin is not None
        shell.stdin.close()
        if disk.pid and shell.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(disk.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            await shell.wait()


async def listens(ledger: RemoteLedger, channel: bytes) -> bool:
    try:
        await ledger.head(channel)
    except LedgerError:
        return False
    return True


@dataclass
class Submitter:
    """Hands in and remembers what was acknowledged and what was said instead."""

    ledger: RemoteLedger
    channel: bytes
    acknowledged: list[Transaction] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seen: RecordStatus | None = None
    """What was last told of a record."""

    async def is_taken(self, transaction: Transaction) -> bool:
        """Whether the node says that it is stored."""
        try:
            (status,) = await self.ledger.submit(self.channel, [transaction.raw], timeout_ms=60_000)
        except LedgerError as error:
            self.errors.append(str(error))
            return False
        assert {record.state for record in status.records} <= {"stored", "seen", "final"}, status
        self.acknowledged.append(transaction)
        return True

    async def is_accepted(self, transaction: Transaction) -> bool:
        """Whether its record is final and a rule accepted it."""
        try:
            status = await self.ledger.record_status(self.channel, transaction.record_ids[0])
        except LedgerError:
            return False
        assert status is not None, "an acknowledged record is unknown"
        self.seen = status
        return (status.state, status.outcome) == ("final", 0)


async def test_a_full_disk_is_told_in_words_and_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    network = Network(tmp_path, channels={"north": ("regulator",)})
    regulator = network.hand("north").author("regulator officer")
    log = tmp_path / "node.log"
    async with small_disk(network, "regulator", log) as disk:
        ledger = RemoteLedger(NodeAddress(socket_path=network.socket("regulator")))
        submitter = Submitter(ledger, network.channels["north"])
        managing = asyncio.create_task(disk.manage(), name="service manager")
        await until(lambda: listens(ledger, submitter.channel), within_s=PATIENCE_S, what="the node")
        for number in range(5):
            assert await submitter.is_taken(
                regulator.say("config", ["warning_percent", 10 + number, "there is room"])
            )
        disk.fill()
        refused = None
        while refused is None and len(submitter.acknowledged) < 2_000:
            transaction = regulator.say("config", ["warning_percent", 50, "x" * 4_000])
            if not await submitter.is_taken(transaction):
                refused = transaction
        assert refused is not None, "the disk was never full"
        words = "the disk is full; free some space"
        await until(
            lambda: words in "".join(submitter.errors) + log.read_text(), within_s=PATIENCE_S, what=words
        )
        disk.make_room()
        await until(
            lambda: submitter.is_taken(refused), within_s=PATIENCE_S, what="what was turned away is taken"
        )
        for transaction in submitter.acknowledged:
            try:
                await until(
                    lambda each=transaction: submitter.is_accepted(each),  # type: ignore[misc]
                    within_s=PATIENCE_S,
                )
            except TimeoutError:
                pytest.fail(f"number {transaction.record.seq} of {regulator.seq}: {submitter.seen}")
        head = await ledger.source_head(submitter.channel, regulator.source)
        assert head is not None
        assert head.seq == len(submitter.acknowledged) == regulator.seq
        await ledger.close()
        os.kill(disk.pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await managing
        assert set(disk.exits[:-1]) <= {7}, (
            "a full disk ends a node with the code of a disk, and never by a bug"
        )
        assert "Traceback" not in log.read_text()
