"""One unit on a bench: real stores in a folder, a clock that the test sets, samples made by hand."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from doxedge.gateway.clock_state import ClockReading
from doxedge.gateway.pipeline import UnitPipeline
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.qa_desk import QaDesk
from doxedge.gateway.qa_office import QaOffice
from doxedge.gateway.qa_ports import Command
from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.settings import parse_settings
from doxedge.gateway.unit_setup import SetupChange, UnitSetup, setup_of
from doxedge.gateway.unit_stores import UnitStores
from doxedge.measurement.sample import Reason, Sample
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.signing import envelope
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record, decode_payload
from doxedge.signing.signer import Ed25519Signer
from doxedge.store.hours import HourStore
from doxedge.store.outbox import Outbox, OutboxSettings
from doxedge.store.qa import QaStore
from doxedge.store.rows import Entry
from doxedge.store.samples import SampleSettings, SampleStore
from tests.gateway.plant_settings import settings_text, unit_text
from tests.ledger.channels import START_MS, signer

PERIOD_MS = 10_000
SYNCHRONISED = ClockReading("synchronised", 0)
GRAMS_PER_HOUR = 100 * 2.0525 * 100_000 * (273.15 / 393.15) * 0.88 / 1_000
"""What the samples below amount to: 100 ppm dry, 100,000 m3/h wet at 120 degC and 101.325 kPa, 12 % moisture."""


@dataclass
class SetClock:
    """Plant time and the clock that is never set, both moved by the test."""

    at_ms: int = START_MS
    at_s: float = 5_000.0
    speed: float = 1.0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, plant_seconds: float) -> None:
        raise AssertionError("nothing on the bench sleeps")

    def run_to(self, at_ms: int) -> None:
        self.at_s += (at_ms - self.at_ms) / 1_000
        self.at_ms = at_ms


def plan_text(
    unit: str = "alpha-1",
    lines: str = "",
    *,
    channel: bytes = b"c" * 32,
    source: bytes = b"s" * 16,
    calibrations: str = "",
    flow_high: str = "576300",
) -> str:
    """The unit's table, with every instrument polled each 10 s."""
    text = unit_text(unit, lines, channel=channel.hex(), source=source.hex(), flow_high=flow_high)
    text += calibrations
    text = text.replace("oxygen = 0", f"gas = {PERIOD_MS}, oxygen = 0")
    text = text.replace(
        "settings = { flow_high", f"poll_ms = {{ channels = {PERIOD_MS} }}\nsettings = {{ flow_high"
    )
    return text.replace(
        'profile = "janitza_umg"', f'profile = "janitza_umg"\npoll_ms = {{ energy = {PERIOD_MS} }}'
    )


def plan(
    unit: str = "alpha-1",
    lines: str = "",
    *,
    channel: bytes = b"c" * 32,
    source: bytes = b"s" * 16,
    calibrations: str = "",
    flow_high: str = "576300",
    oxygen: bool = False,
) -> PlannedUnit:
    """The unit with every instrument polled each 10 s; `oxygen`: its analyser has the O2 option."""
    text = plan_text(
        unit, lines, channel=channel, source=source, calibrations=calibrations, flow_high=flow_high
    )
    if oxygen:
        text = text.replace("oxygen = 0", f"oxygen = {PERIOD_MS}")
    settings = parse_settings(settings_text(units={}) + text, source="bench")
    (planned,) = plan_units(settings, source="bench", clock=SetClock())
    return planned


@dataclass
class Bench:
    """The pipeline with everything around it."""

    folder: Path
    clock: SetClock
    planned: PlannedUnit
    device: Ed25519Signer
    outbox: Outbox
    samples: SampleStore
    history: HourStore
    pipeline: UnitPipeline
    quality: QaDesk | None
    office: QaOffice
    checks: QaStore
    reading: ClockReading = SYNCHRONISED
    counter_shift_wh: int = 0
    """What the energy meter shows less than it has counted: another meter begins elsewhere."""

    @property
    def key(self) -> tuple[bytes, bytes]:
        return self.pipeline.identity.channel, self.pipeline.identity.source

    def poll(
        self,
        at_ms: int,
        *,
        nox_ppm: Decimal | None = Decimal(100),
        power_w: int = 50_000_000,
        flags: frozenset[str] = frozenset(),
        o2_percent: Decimal | None = None,
    ) -> None:
        """One sample of each instrument; `nox_ppm` None is an analyser that does not answer, `flags` are its own."""
        wobble = Decimal(at_ms // PERIOD_MS % 7 - 3) / 10  # a value that stands still is stuck
        gas = dict.fromkeys(("nox_ppb", "no_ppb", "no2_ppb"), None)
        values: dict[str, Decimal | None] = {**gas}
        if nox_ppm is not None:
            nox = nox_ppm * 1_000 + wobble
            values = {"nox_ppb": nox, "no_ppb": nox, "no2_ppb": Decimal(0) + wobble / 100}
        failures = dict.fromkeys(values, Reason.COMMS) if nox_ppm is None else {}
        self._take("analyser", at_ms, values, failures, flags)
        if o2_percent is not None:
            self._take("analyser", at_ms, {"o2_percent": o2_percent + wobble / 1_000}, {})
        flow = {
            "flow_m3_per_h": 100_000 + wobble,
            "stack_temperature_c": 120 + wobble / 1_000,
            "stack_pressure_kpa": Decimal("101.325") + wobble / 10_000,
        }
        self._take("flow", at_ms, {**flow}, {})
        energy = Decimal((at_ms - START_MS) * power_w // HOUR_MS - self.counter_shift_wh)
        self._take("meter", at_ms, {"power_w": Decimal(power_w) + wobble, "energy_wh": energy}, {})
        if at_ms % MINUTE_MS == 0:
            moisture = {"moisture_percent": Decimal(12)}
            self._take("moisture", at_ms, {**moisture}, dict.fromkeys(moisture, Reason.DEFAULT))

    def _take(
        self,
        instrument: str,
        at_ms: int,
        values: dict[str, Decimal | None],
        failures: dict[str, Reason],
        flags: frozenset[str] = frozenset(),
    ) -> None:
        self.pipeline.take(
            Sample(
                device=f"{self.planned.table.name}.{instrument}",
                at_ms=at_ms,
                monotonic_ns=round(self.clock.at_s * 1e9) + (at_ms - self.clock.at_ms) * 1_000_000,
                values=values,
                failures=failures,
                flags=flags,
                raw=b"raw",
            )
        )

    async def measure(
        self,
        minutes: int,
        *,
        nox_ppm: Decimal | None = Decimal(100),
        power_w: int = 50_000_000,
        flags: frozenset[str] = frozenset(),
        o2_percent: Decimal | None = None,
    ) -> None:
        """Poll for so long; samples are flushed each minute and hours close as they fall due."""
        for _ in range(minutes):
            for _ in range(MINUTE_MS // PERIOD_MS):
                self.poll(
                    self.clock.at_ms, nox_ppm=nox_ppm, power_w=power_w, flags=flags, o2_percent=o2_percent
                )
                self.clock.run_to(self.clock.at_ms + PERIOD_MS)
                if self.quality is not None:
                    await self.quality.look()
            await self.pipeline.flush()
            await self.pipeline.close_hours()

    async def entries(self) -> list[Entry]:
        """Everything in the outbox, in order."""
        return await self.outbox.pending(*self.key, limit=1_000)

    async def said(self) -> list[tuple[str, list[Value]]]:
        """(kind, body) of every record in the outbox, in order."""
        records = [decode_payload(envelope.decode(entry.envelope).payload) for entry in await self.entries()]
        return [(record.kind, list(record.body)) for record in records]

    async def hours(self) -> list[list[Value]]:
        """The bodies of the hours."""
        return [body for kind, body in await self.said() if kind == "hour"]


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    clock: SetClock | None = None,
    planned: PlannedUnit | None = None,
    before: UnitSetup | None = None,
    change: SetupChange | None = None,
    begun: bool = True,
    outbox_settings: OutboxSettings | None = None,
    sample_settings: SampleSettings | None = None,
    wake: Callable[[], None] | None = None,
    command: Command | None = None,
) -> AsyncIterator[Bench]:
    """Open the stores of the folder and restore the unit, as a start of the gateway does."""
    clock, planned, device = clock or SetClock(), planned or plan(), signer("alpha device")
    channel, source = bytes.fromhex(planned.table.channel), bytes.fromhex(planned.table.source)

    def seal(record: Record) -> envelope.Envelope:
        return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=device)

    async with (
        await Outbox.open(folder / "outbox.db", now_ms=clock.now_ms, settings=outbox_settings) as outbox,
        await SampleStore.open(
            folder / "samples.db", now_ms=clock.now_ms, settings=sample_settings, linger_ms=0
        ) as samples,
        await HourStore.open(folder / "hours.db", now_ms=clock.now_ms()) as hours,
        await QaStore.open(folder / "qa.db", now_ms=clock.now_ms()) as checks,
    ):
        office = QaOffice(clock=clock, command=command or _obey)
        quality = await office.open_desk(planned, checks, hours)
        reading = functools.partial(_reading_of, box := [])
        pipeline = UnitPipeline(
            UnitIdentity(planned.table.name, channel, source),
            setup=setup_of(planned),
            stores=UnitStores(outbox, samples, hours, folder),
            seal=seal,
            clock=clock,
            read_clock=reading,
            on_stored=wake or (lambda: None),
            quality=quality,
            tests=office.in_force(planned.table.name),
        )
        made = Bench(
            folder, clock, planned, device, outbox, samples, hours, pipeline, quality, office, checks
        )
        box.append(made)
        await pipeline.restore(before=before, change=change)
        if quality is not None:
            await quality.begin(pipeline, open_from_ms=pipeline.open_from_ms)
        if begun:
            await outbox.begin(channel, source)
            pipeline.desk.numbered = True
        yield made


async def _obey(device: str, command: str) -> str | None:
    """An instrument that takes every command."""
    del device, command
    return None


def _reading_of(box: list[Bench]) -> ClockReading:
    return box[0].reading if box else SYNCHRONISED
