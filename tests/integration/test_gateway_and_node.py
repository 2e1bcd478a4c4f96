"""The road of a reading through real processes: simulated plant, `doxedge gateway run`, `doxedge node run`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from doxedge.backends.http_client import NodeAddress, NodeClient
from doxedge.backends.port import LedgerError
from doxedge.backends.remote import RemoteLedger
from doxedge.evidence.check import Proved, check
from doxedge.quantity import HOUR_MS
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Entry
from tests.gateway.key_files import write_key
from tests.gateway.registered_channel import RegisteredChannel, registered_channel
from tests.gateway.waiting import until
from tests.integration.simulated_site import SimulatedSite, allowance, simulated_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 90.0
"""On a busy machine; nothing depends on it."""


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
        async with asyncio.timeout(PATIENCE_S):
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

    await until(listens, within_s=PATIENCE_S, what="the node")
    raws = [transaction.raw for transaction in channel.registrations]
    statuses = await ledger.submit(name, raws, wait="final", timeout_ms=60_000)
    assert {record.outcome for status in statuses for record in status.records} == {0}


async def has_records(ledger: RemoteLedger, channel: RegisteredChannel, count: int) -> bool:
    """Whether so many records of the device are final. A node that is too busy to answer is asked again."""
    source = bytes(channel.authors["alpha-1 device"].source)
    try:
        head = await ledger.source_head(bytes(channel.chain.channel), source)
    except LedgerError:
        return False
    return head is not None and head.seq >= count


async def is_stated(node: Path, channel: RegisteredChannel, start_ms: int) -> bool:
    """Whether the regulator's desk has this hour, as an hour or as a gap. A busy node is asked again."""
    path = (
        f"/v1/channels/{channel.chain.channel.hex()}/readings?from_ms={start_ms}&to_ms={start_ms + HOUR_MS}"
    )
    client = NodeClient(NodeAddress(socket_path=node))
    try:
        rows = json.loads((await asyncio.to_thread(client.request, "GET", path)).body)
    except LedgerError:
        return False
    finally:
        client.close()
    return any(row["device"] == "alpha-gw" and row["hours_accepted"] + row["hours_gap"] == 1 for row in rows)


async def entry_of(outbox: Outbox, channel: RegisteredChannel, key: str) -> Entry | None:
    """What the outbox holds under a key of the device."""
    name, source = bytes(channel.chain.channel), bytes(channel.authors["alpha-1 device"].source)
    return await outbox.find_key(name, source, key)


async def test_hours_are_final_on_the_node_also_when_the_gateway_is_killed(tmp_path: Path) -> None:
    channel = registered_channel("north")
    name = bytes(channel.chain.channel)
    ledger = RemoteLedger(NodeAddress.parse(f"unix:{tmp_path}/node.sock"))
    async with simulated_site() as site:
        write_configuration(tmp_path, site, channel)
        async with daemon("node", tmp_path / "node.toml", site):
            await register(ledger, channel)
            async with daemon("gateway", tmp_path / "gateway.toml", site) as gateway:
                await until(
                    lambda: has_records(ledger, channel, 1),
                    within_s=PATIENCE_S,
                    what="the event of the start",
                )
                start_ms = site.whole_hour_ms()
                # Behind the first point of a quarter, so that there is time until the end of the next one.
                kill_ms = start_ms + HOUR_MS // 4 + 2 * 60_000
                await until(lambda: site.clock.now_ms() > kill_ms, within_s=PATIENCE_S, what="a quarter")
                gateway.kill()
                await gateway.wait()
            async with daemon("gateway", tmp_path / "gateway.toml", site) as gateway:
                await until(
                    lambda: site.clock.now_ms() > start_ms + HOUR_MS,
                    within_s=PATIENCE_S,
                    what="the end of the hour",
                )
                await until(
                    lambda: is_stated(tmp_path / "node.sock", channel, start_ms),
                    within_s=PATIENCE_S,
                    what="the hour's proof",
                )
                assert gateway.returncode is None
            assert gateway.returncode == 0, (tmp_path / "gateway.log").read_text()
            async with await Outbox.open(tmp_path / "gateway" / "outbox.db", now_ms=lambda: 0) as outbox:
                assert await outbox.verify_chain() == []
                hour = await entry_of(outbox, channel, f"hour/alpha-1/{start_ms}/0")
                gap = await entry_of(outbox, channel, f"gap/alpha-1/{start_ms}/{start_ms + HOUR_MS}")
            assert (hour is None) != (gap is None), "an hour is stated once"
            if hour is not None:
                (proof,) = await ledger.proofs(name, [hour.record_id])
                assert proof is not None
                # A new process takes a second, twelve minutes of the hour: those are filled by scaling.
                body = _hour_of(hour, proof)
                assert body[4] == pytest.approx(
                    site.truth_g(start_ms), rel=allowance(int(str(body[9])), 0.03)
                )
        await ledger.close()


def _hour_of(entry: Entry, proof: bytes) -> list[object]:
    """The hour that is proved."""
    found: Proved = check(proof, channel=entry.channel)
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
