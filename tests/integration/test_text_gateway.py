"""An analyser that speaks and one with registers, before one stack: the gateway makes the same hours of both.

The 42i speaks C-Link at the end of a serial cable, the T200 has Modbus TCP. Both are real lines; only plant time is the
test's, so that an hour of polls takes as long as its exchanges do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from doxedge.analysers.question import Outcome
from doxedge.fieldbus.clock import RealClock
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.gateway.endpoints import Tenant, make_endpoint
from doxedge.gateway.instruments import Instrument
from doxedge.gateway.line_plan import make_lines
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.averaging import MinuteBucket, MinuteMean
from doxedge.measurement.sample import Reason, Sample
from doxedge.quantity import HOUR_MS, MINUTE_MS
from simulators.analysers import SimulatedAnalogueInputs, SimulatedMeter, SimulatedT200
from simulators.device import SimulatedDevice
from simulators.faults import Fault, FaultKind
from simulators.plant import PlantSettings, SimulatedPlant
from simulators.text_analysers import Simulated42iClink
from tests.gateway.plant_settings import settings_text, unit_text
from tests.gateway.unit_bench import SetClock, bench
from tests.ledger.channels import START_MS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PERIOD_MS = 20_000
PLANT = SimulatedPlant(PlantSettings(seed=3, two_shift=False, meter_origin_ms=START_MS - HOUR_MS))


def without_pause(folder: Path) -> Path:
    """The shipped map of the 42i, without the silence that a real one needs: nobody waits for a simulator."""
    text = (ROOT / "firmware_configs" / "analysers" / "thermo_42i_clink.toml").read_text(encoding="utf-8")
    assert "pause_ms = 200" in text
    folder.mkdir()
    (folder / "thermo_42i_clink.toml").write_text(
        text.replace("pause_ms = 200", "pause_ms = 0"), encoding="utf-8"
    )
    return folder


def planned(
    analyser: SimulatedDevice, flow: SimulatedDevice, meter: SimulatedDevice, maps: Path
) -> PlannedUnit:
    """The unit with this analyser, as the gateway plans it."""
    if analyser.serial:
        where, left_out = f'serial = {{ port = "{analyser.serial_port}", baud = 115200 }}', "diagnostics = 0"
    else:
        where = f'host = "127.0.0.1"\nport = {analyser.port}'
        left_out = "oxygen = 0, calibration = 0, diagnostics = 0"
    settings = ", ".join(f"{name} = {value}" for name, value in flow.settings.items())
    instruments = f"""
[[unit.instrument]]
name = "analyser"
profile = "{analyser.profile}"
{where}
poll_ms = {{ gas = {PERIOD_MS}, {left_out} }}

[[unit.instrument]]
name = "flow"
profile = "{flow.profile}"
host = "127.0.0.1"
port = {flow.port}
poll_ms = {{ channels = {PERIOD_MS} }}
settings = {{ {settings} }}

[[unit.instrument]]
name = "meter"
profile = "{meter.profile}"
host = "127.0.0.1"
port = {meter.port}
poll_ms = {{ energy = {PERIOD_MS} }}

[[unit.instrument]]
name = "moisture"
profile = "configured_moisture"
settings = {{ moisture_percent = 12 }}
"""
    unit = unit_text("alpha-1", channel="63" * 32, source="73" * 16, instruments=instruments)
    text = settings_text(units={}, top=f'profiles = "{maps}"') + unit
    (found,) = plan_units(parse_settings(text, source="g.toml"), source="g.toml", clock=SetClock())
    return found


@asynccontextmanager
async def started(*devices: SimulatedDevice) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for device in devices:
            await device.start()
            stack.push_async_callback(device.stop)
        yield


async def sample_of(instrument: Instrument, endpoint: Endpoint | None, clock: SetClock) -> Sample:
    """One poll of the only group that is polled."""
    (poll,) = instrument.polls
    outcomes: list[Outcome] = []
    for request in poll.driver.requests(poll.group):
        assert endpoint is not None
        outcomes.append(await endpoint.exchange(request))
    at_ns = round(clock.at_s * 1e9)
    return poll.driver.sample(poll.group, outcomes, at_ms=clock.now_ms(), monotonic_ns=at_ns)


async def hour_of(
    analyser: SimulatedDevice, clock: SetClock, folder: Path, maps: Path
) -> tuple[list[MinuteMean], list[object]]:
    """An hour through the gateway's pipeline: the minutes of NOx, and the signed hour."""
    flow = SimulatedAnalogueInputs(PLANT, clock)
    meter = SimulatedMeter(PLANT, clock)
    async with started(analyser, flow, meter), AsyncExitStack() as stack:
        unit = planned(analyser, flow, meter, maps)
        endpoints: dict[str, Endpoint | None] = {}
        for one in unit.instruments:
            transport = one.profile.transport
            tenants = [] if transport is None else [Tenant(one.device, transport, 5_000, one.polls)]
            endpoint = make_endpoint(one.address, tenants)
            endpoints[one.device] = endpoint
            if endpoint is not None:
                stack.push_async_callback(endpoint.close)
        here = await stack.enter_async_context(bench(folder, clock=clock, planned=unit))
        minutes: list[MinuteMean] = []
        for minute in range(62):
            bucket = MinuteBucket(clock.now_ms())
            for _ in range(MINUTE_MS // PERIOD_MS):
                for one in unit.instruments:
                    here.pipeline.take(await sample_of(one, endpoints[one.device], clock))
                bucket.add(here.pipeline.latest["nox_ppb"])
                clock.run_to(clock.now_ms() + PERIOD_MS)
            if minute < 60:
                minutes.append(bucket.mean(poll_period_ms=PERIOD_MS, coverage_percent=75))
            await here.pipeline.flush()
            await here.pipeline.close_hours()
        (hour,) = await here.hours()
        return minutes, list(hour)


async def test_an_analyser_that_speaks_makes_the_minutes_that_one_with_registers_makes(
    tmp_path: Path,
) -> None:
    maps = without_pause(tmp_path / "maps")
    for name in ("speaks", "registers"):
        (tmp_path / name).mkdir()
    clocks = SetClock(), SetClock()
    speaking, spoken = await hour_of(
        Simulated42iClink(PLANT, clocks[0], serial=True), clocks[0], tmp_path / "speaks", maps
    )
    registers, written = await hour_of(
        SimulatedT200(PLANT, clocks[1]), clocks[1], tmp_path / "registers", maps
    )
    assert len(speaking) == len(registers) == 60
    for by_words, by_registers in zip(speaking, registers, strict=True):
        assert by_words.mean is not None
        assert by_registers.mean is not None
        # Each cell trembles by half a ppb, and C-Link says two places.
        assert float(by_words.mean) == pytest.approx(float(by_registers.mean), abs=2)
    assert spoken[:4] == written[:4]
    assert spoken[4] == pytest.approx(written[4], rel=1e-4)
    assert spoken[4] == pytest.approx(PLANT.truth_g(START_MS, START_MS + HOUR_MS), rel=0.005)
    assert spoken[12] != written[12], "the map that was followed is in the signed hour"


async def test_zero_gas_that_is_told_in_words_is_no_emission(tmp_path: Path) -> None:
    maps, clock = without_pause(tmp_path / "maps"), SetClock()
    zero = Fault(FaultKind.ZERO, START_MS + 4 * MINUTE_MS, START_MS + 8 * MINUTE_MS)
    analyser = Simulated42iClink(PLANT, clock, serial=True, faults=[zero])
    minutes, hour = await hour_of(analyser, clock, tmp_path, maps)
    # Three minutes more until the test gas has left the sample line.
    assert [index for index, minute in enumerate(minutes) if minute.mean is None] == [4, 5, 6, 7, 8, 9, 10]
    assert minutes[5].percent_of(Reason.ZERO) == 100
    assert hour[4] == pytest.approx(PLANT.truth_g(START_MS, START_MS + HOUR_MS), rel=0.02)


async def test_a_running_line_reads_a_42i_on_a_port_with_its_shipped_map(tmp_path: Path) -> None:
    clock = RealClock()
    plant = SimulatedPlant(PlantSettings(seed=3, two_shift=False))
    analyser = Simulated42iClink(plant, clock, serial=True)
    flow, meter = SimulatedAnalogueInputs(plant, clock), SimulatedMeter(plant, clock)
    samples: asyncio.Queue[Sample] = asyncio.Queue()
    async with started(analyser, flow, meter):
        unit = planned(analyser, flow, meter, tmp_path)
        lines = make_lines(
            (unit,), clock=clock, chance=lambda: 0.5, on_sample=samples.put_nowait, on_state=lambda _: None
        )
        (line,) = [line for line in lines if "clink" in line.name]
        assert line.name == f"{analyser.serial_port} (115200 8N1, clink)"
        running = asyncio.create_task(line.run())
        try:
            while (found := await asyncio.wait_for(samples.get(), 120)).values["nox_ppb"] is None:
                pass
            assert found.flags == frozenset()
            assert found.raw
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
