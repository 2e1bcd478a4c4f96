"""One day from the first start to the last comparison."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import LedgerError
from doxedge.backends.remote import RemoteLedger
from doxedge.fieldbus.clock import CompressedClock
from doxedge.ledger import state_tree
from doxedge.ledger.receipt import decode_receipt, record_outcomes
from doxedge.ledger.transaction import open_transaction
from doxedge.node.daemon import ledger_file
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.chain import ChainStore
from doxedge.store.outbox import Outbox
from simulators.plant import SimulatedPlant
from simulators.scenario import Outage, Scenario, read_scenario
from simulators.scenario_run import moments
from tests.day import findings
from tests.day.findings import FinalRecord, FoundHour
from tests.day.processes import Daemon, Simulators
from tests.day.standstill import processor_waits_s, watch_machine
from tests.gateway.key_files import write_key
from tests.gateway.registered_channel import RegisteredChannel, registered_channel
from tests.integration.simulated_site import SimulatedSite

UNIT = "alpha-1"
"""The unit that the test channel knows, with its device."""
LEAD_S = 15.0
"""Real seconds before the plant's first hour, in which everything starts."""
PATIENCE_S = 120.0
GRACE_MS = 2 * MINUTE_MS
LOOK_S = 0.5
TIMEOUT_MS = 1_000
"""Of a question, in real time: long enough for a machine that is shared."""
ERROR_PPM_MAX = 5_000


@dataclass
class DayResult:
    """What the day showed. The first group are counts, the second must be zero or empty."""

    gateway_kills: int = 0
    node_kills: int = 0
    broker_outages: int = 0
    faults_injected: int = 0
    acknowledged: int = 0
    final: int = 0
    blocks: int = 0
    hours_wanted: int = 0
    hours_posted: int = 0
    gaps: int = 0
    outages_planned: int = 0
    outages_told: int = 0
    compared_hours: int = 0
    posted_g: int = 0
    truth_g: int = 0
    error_ppm: int = 0
    """|posted - truth| of the compared hours together; less than 5000."""
    energy_error_ppm: int = 0
    """The same of their energy."""

    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    unknown: int = 0
    refused: int = 0
    unproved: int = 0
    chain_breaks: int = 0
    scrub_findings: int = 0
    hours_missing: int = 0
    hours_doubled: int = 0
    causes_missing: int = 0
    outages_wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Lines of error in the logs of gateway and node."""
    unmet: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Processes that ended otherwise than they should."""

    hours: list[FoundHour] = field(default_factory=list)
    seconds: float = 0.0
    machine_stood_s: list[float] = field(default_factory=list)
    """How long the machine paused, each time, or gave a process no processor."""

    @property
    def is_clean(self) -> bool:
        """Everything holds, and there was something to hold."""
        something = self.acknowledged and self.compared_hours and self.faults_injected
        told = self.outages_told == self.outages_planned
        return (
            bool(something)
            and told
            and not (self._is_kept_badly or self.hours_missing or self.outages_wrong or self.unmet)
            and max(self.error_ppm, self.energy_error_ppm) < ERROR_PPM_MAX
        )

    @property
    def is_void(self) -> bool:
        """What failed is only what a machine that stands still makes fail: it proves nothing either way.

        An hour may be missing, too: where the gateway's first start comes after it.
        """
        return bool(self.machine_stood_s) and not self.is_clean and not self._is_kept_badly

    @property
    def _is_kept_badly(self) -> bool:
        """Something is wrong that no pause excuses: the same holds however slow the machine is."""
        return any((
            self.lost, self.doubled, self.out_of_order, self.unknown, self.refused, self.unproved, self.chain_breaks,
            self.scrub_findings, self.hours_doubled, self.causes_missing, self.errors, self.failures,
        ))  # fmt: skip


def read_day(file: Path, *, folder: Path, hours: int, speed: float | None) -> Day:
    """A day of a scenario; ConfigError and ValueError when it cannot be."""
    scenario = read_scenario(file)
    if not hours >= 1:
        raise ValueError("--hours is at least 1")
    if [unit.plant.name for unit in scenario.units] != [UNIT]:
        raise ValueError(f"{file}: the channel of this test knows one unit, {UNIT}")
    return Day(file, scenario, folder, min(hours, scenario.hours), speed or scenario.speed)


class Day:
    """A scenario, the folder of its processes, and what was seen of them."""

    def __init__(self, file: Path, scenario: Scenario, folder: Path, hours: int, speed: float) -> None:
        self.file, self.scenario, self.folder, self.hours = file, scenario, folder, hours
        real_ms = time.time_ns() // 1_000_000
        lead_ms = round(LEAD_S * 1_000 * speed)
        self.clock_text = f"{real_ms},{scenario.start_ms - lead_ms},{speed:g}"
        self.clock = CompressedClock(
            real_origin_ms=real_ms, plant_origin_ms=scenario.start_ms - lead_ms, speed=speed
        )
        self.until_ms = scenario.start_ms + hours * HOUR_MS
        self.channel: RegisteredChannel = registered_channel("day")
        self.source = bytes(self.channel.authors["alpha-1 device"].source)
        self.name = bytes(self.channel.chain.channel)
        self.gateway = Daemon("gateway", folder, self.clock, self.clock_text)
        self.node = Daemon("node", folder, self.clock, self.clock_text)
        self.acknowledged: dict[int, str] = {}
        self.result = DayResult(hours_wanted=hours)
        self.injected: list[dict[str, Any]] = []

    async def run(self) -> None:
        """The whole day; `result` is what came of it."""
        async with AsyncExitStack() as stack:
            simulators = await Simulators.start(
                self.file, self.clock_text, log=self.folder / "simulators.log"
            )
            listening = asyncio.create_task(simulators.told(), name="what is injected")
            stack.push_async_callback(simulators.stop)
            self._write_configuration(simulators)
            await self.node.start()
            stack.push_async_callback(self.node.stop)
            await self._register()
            await self.gateway.start()
            stack.push_async_callback(self.gateway.stop)
            watching = asyncio.gather(self._watch_outbox(), self._watch_machine(simulators))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._take_away("gateway", self.gateway), name="gateway outages")
                    group.create_task(self._take_away("node", self.node), name="node outages")
                await self._sleep_until(self.until_ms + GRACE_MS)
                await self._drain()
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            for daemon in (self.gateway, self.node):
                if code := await daemon.stop():
                    self.result.failures.append(f"the {daemon.noun} ended with {code} when it was stopped")
            await simulators.stop()
            self.injected = await listening
        await self._compare()

    # Start

    def _write_configuration(self, simulators: Simulators) -> None:
        folder = self.folder
        device = write_key(folder / "device.pem", "alpha device")
        key = write_key(folder / "node.pem", "regulator node")
        (folder / "genesis.cbor").write_bytes(self.channel.chain.genesis_bytes)
        broker = simulators.ready.get("broker")
        brokers = ""
        if broker:
            brokers = f'[[broker]]\nhost = "{broker["host"]}"\nport = {broker["port"]}\nreconnect_s_max = 1\n'
        (folder / "node.toml").write_text(
            f'party = "regulator"\nstate_dir = "{folder}"\nkey = "{key}"\nblock_interval_ms = 20\n'
            f'scrub_at_start = false\n[[channel]]\ngenesis = "{folder}/genesis.cbor"\n{brokers}'
            f'[listen]\nsocket = "{folder}/node.sock"\n'
        )
        (ready,) = simulators.ready["units"]
        site = SimulatedSite(
            UNIT, self.clock_text, ready, self._plant(), simulators.process, timeout_ms=TIMEOUT_MS
        )
        (folder / "gateway.toml").write_text(
            site.settings(
                folder, key=device, channel=self.name, source=self.source, node=f"unix:{folder}/node.sock"
            )
        )

    def _plant(self) -> SimulatedPlant:
        return SimulatedPlant(self.scenario.units[0].plant)

    async def _register(self) -> None:
        ledger = self._ledger()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    self.node.require_alive()
                    with suppress(LedgerError):
                        await ledger.head(self.name)
                        break
                    await asyncio.sleep(0.05)
            raws = [transaction.raw for transaction in self.channel.registrations]
            statuses = await ledger.submit(self.name, raws, wait="final", timeout_ms=60_000)
        finally:
            await ledger.close()
        if any(record.outcome != 0 for status in statuses for record in status.records):
            raise RuntimeError(f"the channel could not be prepared: {statuses}")

    def _ledger(self) -> RemoteLedger:
        return RemoteLedger(NodeAddress.parse(f"unix:{self.folder}/node.sock"))

    # On the way

    async def _take_away(self, outage: Outage, daemon: Daemon) -> None:
        """Kill it and bring it back when the scenario says so."""
        for moment in moments(self.scenario):
            if moment.step.outage != outage or moment.at_ms >= self.until_ms:
                continue
            await self._sleep_until(moment.at_ms)
            if moment.begins:
                await asyncio.to_thread(self._look_into_outbox)
                await daemon.kill()
            else:
                await daemon.start()
        if daemon.process is not None and daemon.process.returncode is not None:
            await daemon.start()  # its outage is not over when the day is

    async def _sleep_until(self, at_ms: int) -> None:
        while (left_ms := at_ms - self.clock.now_ms()) > 0:
            await self.clock.sleep(left_ms / 1_000)

    async def _watch_outbox(self) -> None:
        """Remember every record that was ever durable, in the outbox's own file, so that a loss there shows too."""
        while True:
            await asyncio.to_thread(self._look_into_outbox)
            await asyncio.sleep(LOOK_S)

    async def _watch_machine(self, simulators: Simulators) -> None:
        def waited_s() -> dict[int, float]:
            processes = (simulators.process, self.gateway.process, self.node.process)
            return processor_waits_s(one.pid for one in processes if one is not None)

        await watch_machine(self.result.machine_stood_s, now_s=time.monotonic, waited_s=waited_s)

    def _look_into_outbox(self) -> int:
        """How many records wait; those that are there are remembered."""
        with suppress(sqlite3.OperationalError):  # not there yet, or just being opened after a kill
            outbox = sqlite3.connect(f"file:{self.folder}/gateway/outbox.db?mode=ro", uri=True, timeout=5)
            try:
                rows = outbox.execute("SELECT seq, record_id, state FROM entry").fetchall()
            finally:
                outbox.close()
            for seq, record_id, _ in rows:
                if self.acknowledged.setdefault(seq, record_id.hex()) != record_id.hex():
                    self.result.failures.append(f"record {seq} was acknowledged with two contents")
            return sum(state != 1 for _, _, state in rows)
        return -1

    async def _drain(self) -> None:
        """Until the last hour is stated and everything is proved; what then waits is counted as unproved."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not await asyncio.to_thread(self._is_done):
                    self.gateway.require_alive()
                    self.node.require_alive()
                    await asyncio.sleep(0.1)

    def _is_done(self) -> bool:
        waiting = self._look_into_outbox()
        last_ms = self.until_ms - HOUR_MS
        with suppress(sqlite3.OperationalError):
            outbox = sqlite3.connect(f"file:{self.folder}/gateway/outbox.db?mode=ro", uri=True, timeout=5)
            try:
                stated = outbox.execute(
                    "SELECT count(*) FROM entry WHERE key LIKE ? OR key LIKE ?",
                    (f"hour/{UNIT}/{last_ms}/%", f"gap/{UNIT}/%/{self.until_ms}"),
                ).fetchone()[0]
            finally:
                outbox.close()
            return bool(stated) and waiting == 0
        return False

    # At the end

    async def _compare(self) -> None:
        result, scenario = self.result, self.scenario
        finals = await self._final_records()
        numbers = findings.count_records(self.acknowledged, finals)
        for name in ("acknowledged", "final", "lost", "doubled", "out_of_order", "unknown", "refused"):
            setattr(result, name, getattr(numbers, name))
        async with await Outbox.open(self.folder / "gateway" / "outbox.db", now_ms=lambda: 0) as outbox:
            result.chain_breaks = len(await outbox.verify_chain())
            counts = await outbox.counts()
            result.unproved = counts.pending + counts.refused
        downs = self.gateway.downs
        hours = findings.hours_of(
            finals, unit=UNIT, scenario=scenario, hours=self.hours, truth=self._truth(), downs=downs
        )
        self._judge_hours(hours)
        told = findings.outages_of(
            self.gateway.lines, scenario=scenario, unit=UNIT, until_ms=self.until_ms, downs=downs
        )
        result.outages_planned, result.outages_told = told.planned, told.told
        result.outages_wrong = list(told.wrong)
        result.unmet = findings.unmet(
            scenario.expectations,
            hours={UNIT: hours},
            finals=finals,
            away={UNIT: told.away},
            is_whole=self.hours == scenario.hours,
        )
        result.errors = findings.errors_in([*self.gateway.lines, *self.node.lines])
        result.gateway_kills, result.node_kills = self.gateway.kills, self.node.kills
        began = [one for one in self.injected if one["begins"] and one["at_ms"] < self.until_ms]
        result.broker_outages = sum(one["what"] == "broker outage" for one in began)
        result.faults_injected = sum(one.get("unit") == UNIT for one in began)

    def _truth(self) -> list[tuple[int, int]]:
        plant, start_ms = self._plant(), self.scenario.start_ms
        borders = [start_ms + hour * HOUR_MS for hour in range(self.hours + 1)]
        return [
            (plant.truth_g(begin, end), plant.energy_wh(end) - plant.energy_wh(begin))
            for begin, end in pairwise(borders)
        ]

    def _judge_hours(self, hours: Sequence[FoundHour]) -> None:
        result = self.result
        result.hours_posted = sum(hour.posted_g is not None for hour in hours)
        result.gaps = sum(hour.stated == ["gap"] for hour in hours)
        result.hours_missing = sum(not hour.stated for hour in hours)
        result.hours_doubled = sum(bool(hour.stated) and not hour.is_stated_well for hour in hours)
        result.causes_missing = sum("gap" in hour.stated and not hour.cause for hour in hours)
        compared = [hour for hour in hours if hour.is_comparable]
        result.compared_hours = len(compared)
        result.posted_g = sum(hour.posted_g or 0 for hour in compared)
        result.truth_g = sum(hour.truth_g for hour in compared)
        result.error_ppm = findings.error_ppm(result.posted_g, result.truth_g)
        result.energy_error_ppm = findings.error_ppm(
            sum(hour.posted_wh for hour in compared), sum(hour.truth_wh for hour in compared)
        )
        result.hours = list(hours)

    async def _final_records(self) -> list[FinalRecord]:
        """The source's records in the ledger's file, in its order."""
        found: list[FinalRecord] = []
        async with await ChainStore.open(
            ledger_file(self.folder, self.name), self.name, read_only=True
        ) as store:
            self.result.scrub_findings = len(await store.scrub(state_root=state_tree.root_of_values))
            head = await store.head()
            self.result.blocks = head.height if head else 0
            for height in range(1, self.result.blocks + 1):
                for block in await store.blocks(height, height, bytes_max=2**25):
                    found += self._records_of(block)
        return found

    def _records_of(self, block: Any) -> list[FinalRecord]:
        found = []
        for raw, data in zip(block.transactions, block.receipts, strict=True):
            transaction, receipt = open_transaction(raw, self.name), decode_receipt(data)
            if transaction.source != self.source:
                continue
            outcomes = record_outcomes(receipt) or [(transaction.first_seq, receipt.outcome, receipt.clause)]
            for (seq, outcome, _), record_id, record in zip(
                outcomes, transaction.record_ids, transaction.records, strict=True
            ):
                found.append(FinalRecord(seq, record_id.hex(), record.kind, int(outcome), list(record.body)))
        return found
