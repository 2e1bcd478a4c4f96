"""The road of a reading through real processes: simulated plant, `doxedge gateway run`, `doxedge node run`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import LedgerError
from doxedge.backends.remote import RemoteLedger
from doxedge.evidence.check import Proved, check
from doxedge.quantity import HOUR_MS
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Entry
from tests.gateway.key_files import write_key
from tests.gateway.registered_channel import RegisteredChannel, registered_channel
from tests.gateway.waiting import until
from tests.integration.simulated_site import FIRST_HOUR_MS, SimulatedSite, simulated_site

pytestmark = pytest.mark.slow


@asynccontextmanager
async def daemon(noun: str, config: Path, site: SimulatedSite) -> AsyncIterator[asyncio.subprocess.Process]:
    """`doxedge NOUN run`; stopped by SIGTERM unless it is dead by then."""
    with (config.parent / f"{noun}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "doxedge", noun, "run", "--config", str(config),
            stdin=asyncio.subprocess.DEVNULL, stderr=log, env=site.environment,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


def write_configuration(folder: Path, site: SimulatedSite, channel: RegisteredChannel) -> None:
    """Keys, genesis and the two files."""
    device_key = write_key(folder / "device.pem", "alpha device")
    node_key = write_key(folder / "node.pem", "regulator node")
    (folder / "genesis.cbor").write_bytes(channel.chain.genesis_bytes)
    (folder / "node.toml").write_text(
        f'party = "regulator"\nstate_dir = "{folder}"\nkey = "{node_key}"\nblock_interval_ms = 20\n'
        f'[[channel]]\ngenesis = "{folder}/genesis.cbor"\n[listen]\nsocket = "{folder}/node.sock"\n'
    )
    source = bytes(channel.authors["alpha-1 device"].source)
    (folder / "gateway.toml").write_text(
        site.settings(
            folder,
            key=device_key,
            channel=bytes(channel.chain.channel),
            source=source,
            node=f"unix:{folder}/node.sock",
        )
    )


async def register(ledger: RemoteLedger, channel: RegisteredChannel) -> None:
    """Tell the node of the unit and its device, as soon as it listens."""
    name = bytes(channel.chain.channel)

    async def listens() -> bool:
        try:
            await ledger.head(name)
        except LedgerError:
            return False
        return True

    await until(listens, what="the node")
    raws = [transaction.raw for transaction in channel.registrations]
    statuses = await ledger.submit(name, raws, wait="final", timeout_ms=10_000)
    assert {record.outcome for status in statuses for record in status.records} == {0}


async def closed_entries(folder: Path, channel: RegisteredChannel) -> list[Entry]:
    """What the outbox holds, after the gateway has ended."""
    name, source = bytes(channel.chain.channel), bytes(channel.authors["alpha-1 device"].source)
    entries = []
    async with await Outbox.open(folder / "gateway" / "outbox.db", now_ms=lambda: 0) as outbox:
        assert await outbox.verify_chain() == []
        head = await outbox.head(name, source)
        assert head is not None
        for start_ms in range(FIRST_HOUR_MS - HOUR_MS, FIRST_HOUR_MS + 6 * HOUR_MS, HOUR_MS):
            entry = await outbox.find_key(name, source, f"hour/alpha-1/{start_ms}/0")
            entries += [entry] if entry is not None else []
    return entries


async def test_hours_are_final_on_the_node_also_when_the_gateway_is_killed(tmp_path: Path) -> None:
    channel = registered_channel("north")
    name, source = bytes(channel.chain.channel), bytes(channel.authors["alpha-1 device"].source)
    ledger = RemoteLedger(NodeAddress.parse(f"unix:{tmp_path}/node.sock"))
    async with simulated_site() as site:
        write_configuration(tmp_path, site, channel)
        async with daemon("node", tmp_path / "node.toml", site):
            await register(ledger, channel)
            async with daemon("gateway", tmp_path / "gateway.toml", site) as gateway:
                await until(
                    lambda: site.clock.now_ms() > FIRST_HOUR_MS + HOUR_MS // 2,
                    within_s=30,
                    what="half an hour",
                )
                gateway.kill()
                await gateway.wait()
            async with daemon("gateway", tmp_path / "gateway.toml", site) as gateway:
                await until(
                    lambda: site.clock.now_ms() > FIRST_HOUR_MS + 5 * HOUR_MS // 2,
                    within_s=40,
                    what="two hours",
                )

                async def posted() -> bool:
                    head = await ledger.source_head(name, source)
                    return head is not None and head.seq >= 5

                await until(posted, within_s=30, what="two starts and three hours")
                assert gateway.returncode is None
            assert gateway.returncode == 0, (tmp_path / "gateway.log").read_text()
        await ledger.close()
    entries = [entry for entry in await closed_entries(tmp_path, channel) if entry.proof is not None]
    proved = {body[1]: body for body in map(_hour_of, entries)}
    # A new process takes a second, twelve minutes of the first hour: those are filled by scaling.
    for start_ms, tolerance in ((FIRST_HOUR_MS, 0.03), (FIRST_HOUR_MS + HOUR_MS, 0.005)):
        assert proved[start_ms][4] == pytest.approx(site.truth_g(start_ms), rel=tolerance)


def _hour_of(entry: Entry) -> list[object]:
    """The hour in an entry's proof."""
    assert entry.proof is not None
    found: Proved = check(entry.proof, channel=entry.channel)
    (record,) = [record for record in found.records if record.record_id == entry.record_id]
    assert (record.kind, record.outcome) == ("hour", 0)
    return list(record.body)


async def test_a_gateway_says_what_is_wrong_with_its_configuration_and_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('key = "file:///nowhere.pem"\nunit = []\n')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doxedge", "gateway", "run", "--config", str(tmp_path / "gateway.toml"),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, told = await process.communicate()
    assert process.returncode == 2
    assert b"gateway.toml: unit" in told
