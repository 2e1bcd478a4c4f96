"""Which wire a device hangs on: what can be said in the configuration, and what cannot work."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.plant import describe, make_lines, plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.sample import Sample
from simulators.instrument import f32
from simulators.null_modem import NullModem
from tests.gateway.plant_settings import settings_text

METER = 'profile = "janitza_umg"\nhost = "127.0.0.1"\nport = 5022'
FLOW = 'profile = "generic_analogue_input"\nhost = "127.0.0.1"\nport = 5021'


def text_with(meter: str, flow: str = FLOW) -> str:
    text = settings_text()
    assert METER in text
    assert FLOW in text
    return text.replace(METER, f'profile = "janitza_umg"\n{meter}').replace(FLOW, flow)


def line_names(text: str) -> list[str]:
    clock = RealClock()
    units = plan_units(parse_settings(text, source="g.toml"), source="g.toml", clock=clock)
    assert describe(units)
    lines = make_lines(
        units, clock=clock, chance=lambda: 0.5, on_sample=lambda _: None, on_state=lambda _: None
    )
    return [line.name for line in lines]


@pytest.mark.parametrize(
    ("meter", "name"),
    [
        ('host = "127.0.0.1"\nport = 5022', "127.0.0.1:5022"),
        ('host = "127.0.0.1"\nport = 5022\nframing = "rtu"', "127.0.0.1:5022 (rtu)"),
        ('serial = { port = "/dev/ttyS9", baud = 19200, parity = "E" }', "/dev/ttyS9 (19200 8E1)"),
        ('serial = { port = "/dev/ttyS9", baud = 115200, stop_bits = 2 }', "/dev/ttyS9 (115200 8N2)"),
    ],
)
def test_a_device_is_reached_as_the_site_says(meter: str, name: str) -> None:
    assert name in line_names(text_with(meter))


def test_devices_on_one_bus_share_its_line() -> None:
    port = 'timeout_ms = 500\nserial = { port = "/dev/ttyS9", baud = 115200 }'
    flow = f'profile = "generic_analogue_input"\nunit_id = 2\n{port}'
    assert sorted(line_names(text_with(port, flow))) == [
        "/dev/ttyS9 (115200 8N1)",
        "127.0.0.1:5020",
        "constants",
    ]


@pytest.mark.parametrize(
    ("what", "meter", "path", "reason"),
    [
        ("no address", "", "host", "`host` or `serial`"),
        ("two addresses", 'host = "a"\nserial = { port = "/dev/ttyS9" }', "serial", "not both"),
        ("broadcast", 'unit_id = 0\nserial = { port = "/dev/ttyS9" }', "unit_id", "1 to 247"),
        ("a reserved unit", 'host = "a"\nframing = "rtu"\nunit_id = 248', "unit_id", "1 to 247"),
        ("TCP frames on a port", 'framing = "tcp"\nserial = { port = "/dev/ttyS9" }', "framing", "rtu"),
        ("no such parity", 'serial = { port = "/dev/ttyS9", parity = "X" }', "parity", "'N', 'E' or 'O'"),
        ("no such key", 'serial = { port = "/dev/ttyS9", speed = 1 }', "speed", "no such key"),
        ("no port", "serial = { baud = 9600 }", "port", "required"),
        ("a speed that is none", 'serial = { port = "/dev/ttyS9", baud = 50 }', "baud", "300"),
        ("too slow", 'timeout_ms = 90\nserial = { port = "/dev/ttyS9", baud = 1200 }', "", "at 1200 Bd"),
        (
            "too much for the line",
            'timeout_ms = 1000\npoll_ms = { energy = 500 }\nserial = { port = "/dev/ttyS9" }',
            "",
            "busy",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_place(what: str, meter: str, path: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        line_names(text_with(meter))
    assert path in str(refused.value), what
    assert reason in str(refused.value), what


def test_one_port_has_one_speed() -> None:
    flow = 'profile = "generic_analogue_input"\nunit_id = 2\nserial = { port = "/dev/ttyS9", baud = 9600 }'
    with pytest.raises(ConfigError, match="one port, two settings"):
        line_names(text_with('serial = { port = "/dev/ttyS9", baud = 19200 }', flow))


def test_a_constant_has_no_address() -> None:
    text = settings_text().replace(
        'profile = "configured_moisture"', 'profile = "configured_moisture"\nhost = "a"'
    )
    with pytest.raises(ConfigError, match="nobody is asked"):
        line_names(text)


async def test_a_meter_on_a_serial_line_is_read_by_the_map_that_reads_it_over_tcp() -> None:
    registers = bytearray(2 * 122)
    for address, value in ((19_026, 2.5e8), (19_050, 50.0), (19_068, 1e6)):
        place = 2 * (address - 19_000)
        registers[place : place + 4] = f32(value)
    words = [int.from_bytes(registers[n : n + 2], "big") for n in range(0, len(registers), 2)]
    block = [SimData(19_000, values=words, datatype=DataType.REGISTERS)]
    flags = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    samples: asyncio.Queue[Sample] = asyncio.Queue()
    async with NullModem() as cable:
        ours, theirs = cable.ports
        server = ModbusSerialServer(
            SimDevice(id=3, simdata=(flags, flags, block, block)), port=theirs, baudrate=115_200
        )
        await server.serve_forever(background=True)
        text = text_with(f'unit_id = 3\ntimeout_ms = 1900\nserial = {{ port = "{ours}", baud = 115200 }}')
        clock = RealClock()
        units = plan_units(parse_settings(text, source="g.toml"), source="g.toml", clock=clock)
        lines = make_lines(
            units, clock=clock, chance=lambda: 0.5, on_sample=samples.put_nowait, on_state=lambda _: None
        )
        line = next(line for line in lines if line.name.startswith(ours))
        running = asyncio.create_task(line.run())
        try:
            while (sample := await asyncio.wait_for(samples.get(), 60)).values.get("power_w") is None:
                pass
            assert sample.values["power_w"] == Decimal(250_000_000)
            assert sample.values["energy_wh"] == Decimal(1_000_000)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await server.shutdown()  # type: ignore[no-untyped-call]
