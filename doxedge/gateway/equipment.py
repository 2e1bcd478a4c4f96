"""What a gateway holds for as long as it runs, whatever it measures: the stores, the way to the ledger, the key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import Ledger
from doxedge.backends.remote import RemoteLedger
from doxedge.fieldbus.clock import Clock
from doxedge.gateway.clock_state import ClockReading, read_clock
from doxedge.gateway.reach import Reach
from doxedge.gateway.settings import GatewaySettings, NodeTable, SamplesTable
from doxedge.keystore.keys import open_signer
from doxedge.quantity import DAY_MS
from doxedge.signing.signer import Signer
from doxedge.store.alarms import AlarmStore
from doxedge.store.hours import HourStore
from doxedge.store.outbox import Outbox, OutboxSettings
from doxedge.store.qa import QaStore
from doxedge.store.samples import SampleSettings, SampleStore


@dataclass(frozen=True, slots=True)
class Equipment:
    """Everything opened."""

    folder: Path
    """`gateway` in the state folder: the stores, each unit's memory and the operators' socket lie here."""
    outbox: Outbox
    samples: SampleStore
    hours: HourStore
    alarms: AlarmStore
    qa: QaStore
    ledger: Ledger
    signer: Signer
    clock: Clock
    reach: Reach = field(default_factory=Reach)
    """Whether the node of `ledger` is back, for all who wait for it."""

    def read_clock(self) -> ClockReading:
        """How good the clock is; a compressed one is nobody's measure."""
        return read_clock() if self.clock.speed == 1 else ClockReading("simulated", 0)

    @property
    def quarantined(self) -> list[str]:
        """Names of the stores' files that were damaged and moved aside at this start."""
        files = (
            self.outbox.quarantined,
            self.samples.quarantined,
            self.hours.quarantined,
            self.alarms.quarantined,
            self.qa.quarantined,
        )
        return [file.name for file in files if file is not None]


@asynccontextmanager
async def open_equipment(
    settings: GatewaySettings, *, clock: Clock, ledger: Ledger | None = None
) -> AsyncIterator[Equipment]:
    """Open everything, close it at the end. Raises ConfigError of the key and StoreError of the disk.

    `ledger` stands in for the node that the settings name; who gives it closes it.
    """
    signer = await asyncio.to_thread(open_signer, settings.key)
    folder = settings.state_dir / "gateway"
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        outbox = await Outbox.open(
            folder / "outbox.db",
            now_ms=clock.now_ms,
            settings=OutboxSettings(bytes_max=settings.outbox.budget_mb * 1024 * 1024),
        )
        stack.push_async_callback(outbox.close)
        samples = await SampleStore.open(
            folder / "samples.db", now_ms=clock.now_ms, settings=sample_settings(settings.samples)
        )
        stack.push_async_callback(samples.close)
        hours = await HourStore.open(folder / "hours.db", now_ms=clock.now_ms())
        stack.push_async_callback(hours.close)
        alarms = await AlarmStore.open(folder / "alarms.db", now_ms=clock.now_ms())
        stack.push_async_callback(alarms.close)
        qa = await QaStore.open(folder / "qa.db", now_ms=clock.now_ms())
        stack.push_async_callback(qa.close)
        if ledger is None:
            ledger = _remote(settings.node)
            stack.push_async_callback(ledger.close)
        yield Equipment(folder, outbox, samples, hours, alarms, qa, ledger, signer, clock)


def sample_settings(table: SamplesTable) -> SampleSettings:
    """How much is kept of the raw samples, and for how long."""
    return SampleSettings(
        bytes_max=table.budget_mb * 1024 * 1024,
        keep_ms=table.retention_days * DAY_MS,
    )


def _remote(node: NodeTable) -> RemoteLedger:
    address = NodeAddress.parse(node.url, token_file=node.token_file)
    return RemoteLedger(address, answer_timeout_ms=node.timeout_ms)
