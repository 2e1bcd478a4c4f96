"""A line tells an instrument something: over real sockets and a pty, between its polls, and only to whom it knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.profile_choices import setting_value
from doxedge.analysers.question import Answer, Asked, DeviceException, WriteCoil
from doxedge.fieldbus.clock import RealClock
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.line import Line, Poll
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.profile_folders import load_profile, search_path
from doxedge.measurement.sample import Sample
from simulators.catalogue import instrument_for
from simulators.device import SimulatedDevice
from simulators.faults import Fault, FaultKind
from simulators.plant import HOUR_MS, PlantSettings, SimulatedPlant
from simulators.text_instrument import TextInstrument
from tests.gateway.waiting import until
from tests.simulators.plant_bench import NOON_MS, PATIENT_MS, SetClock, endpoint_of

PLANT = SimulatedPlant(PlantSettings(seed=5, two_shift=False, meter_origin_ms=NOON_MS - 12 * HOUR_MS))
COMMANDED = (
    "teledyne_t200", "thermo_42i", "thermo_42i_clink", "emerson_nga2000_ak", "cai_700_ak", "servomex_servopro_ak",
    "ecotech_serinus40_advanced", "generic_bayern_hessen", "horiba_apna370",
)  # fmt: skip
DEVICE = "alpha-1.analyser"
SOON_MS = 100


@dataclass
class Told:
    """A line that polls one instrument."""

    line: Line
    instrument: SimulatedDevice
    endpoint: Endpoint
    samples: list[Sample] = field(default_factory=list)

    async def says(self, *flags: str) -> None:
        """Wait until the instrument says so itself; any digit of a Horiba is a warning as well."""
        await until(
            lambda: self.samples[-1:] != [] and self.samples[-1].flags - {"warning"} == set(flags),
            what=str(flags),
        )


@asynccontextmanager
async def telling(
    profile: str,
    *faults: Fault,
    serial: bool = False,
    settings: dict[str, str] | None = None,
    timeout_ms: int | None = None,
) -> AsyncIterator[Told]:
    made = instrument_for(profile, PLANT, SetClock(), faults=faults, serial=serial)
    await made.start()
    chosen = {name: setting_value(text) for name, text in {**made.settings, **(settings or {})}.items()}
    driver = make_driver(
        load_profile(profile, search_path(None), settings=chosen), device=DEVICE, unit_id=made.unit_id
    )
    samples: list[Sample] = []
    # On a serial line the answer to a coil looks like its echo, and some dialects take orders in silence: then each
    # command takes a whole time-out. It is said three times, so it may be late twice.
    has_to_wait = serial or isinstance(made, TextInstrument)
    endpoint = endpoint_of(made, timeout_ms=timeout_ms or (500 if has_to_wait else PATIENT_MS))
    line = Line(
        "line",
        endpoint,
        [Poll(driver, "gas", 20)],
        clock=RealClock(),
        chance=lambda: 0.0,
        on_sample=samples.append,
        on_state=lambda _: None,
    )
    running = asyncio.create_task(line.run(), name="line")
    try:
        yield Told(line, made, endpoint, samples)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.stop()


@pytest.mark.parametrize("profile", COMMANDED)
@pytest.mark.parametrize("serial", [False, True], ids=["network", "serial"])
async def test_an_instrument_takes_zero_gas_span_gas_and_measures_again(profile: str, serial: bool) -> None:
    async with telling(profile, serial=serial) as told:
        await told.says()
        for command, flag in (("zero", ("zero",)), ("span", ("span",)), ("measure", ())):
            assert await told.line.tell(DEVICE, command) is None
            await told.says(*flag)


async def test_a_refusal_is_told_in_words_and_not_repeated() -> None:
    async with telling("teledyne_t200") as told:
        await told.says()
        told.instrument.faults = [Fault(FaultKind.EXCEPTION, argument=4)]
        assert await told.line.tell(DEVICE, "zero") == "exception 4 (device failure)"


async def test_an_instrument_that_is_silent_takes_nothing() -> None:
    async with telling("teledyne_t200", Fault(FaultKind.SILENCE), timeout_ms=SOON_MS) as told:
        wrong = await told.line.tell(DEVICE, "zero")
        assert wrong is not None
        assert "no whole answer" in wrong


async def test_a_command_is_said_again_when_its_answer_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with telling("teledyne_t200") as told:
        await told.says()
        exchange, lost = told.endpoint.exchange, list[Asked]()
        assert isinstance(told.endpoint, ModbusTcp)

        async def lose_the_first(request: Asked) -> Answer | DeviceException:
            try:
                return await exchange(request)
            finally:
                if isinstance(request, WriteCoil) and not lost:
                    lost.append(request)
                    told.instrument.faults = []
                    monkeypatch.setattr(told.endpoint, "_timeout_s", PATIENT_MS / 1_000)

        monkeypatch.setattr(told.endpoint, "exchange", lose_the_first)
        monkeypatch.setattr(told.endpoint, "_timeout_s", SOON_MS / 1_000)
        told.instrument.faults = [Fault(FaultKind.SILENCE)]
        assert await told.line.tell(DEVICE, "zero") is None
        assert len(lost) == 1
        await told.says("zero")


async def test_an_instrument_that_is_not_what_the_map_says_is_told_nothing() -> None:
    async with telling("thermo_42i", Fault(FaultKind.WRONG_IDENTITY)) as told:
        wrong = await told.line.tell(DEVICE, "zero")
        assert wrong is not None
        assert "internal temperature" in wrong
        told.instrument.faults = []
        await told.says()


async def test_a_map_without_commands_tells_nothing_and_a_strange_device_is_a_mistake() -> None:
    async with telling("teledyne_n500") as told:
        assert await told.line.tell(DEVICE, "zero") == "its register map has no command zero"
        with pytest.raises(KeyError):
            await told.line.tell("beta-2.analyser", "zero")
