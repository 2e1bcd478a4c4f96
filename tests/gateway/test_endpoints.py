"""Which wire a device hangs on: what can be said in the configuration, and what cannot work."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.line_plan import make_lines, plan_lines
from doxedge.gateway.plant import describe, plan_units
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


def test_one_port_under_two_names_is_refused(tmp_path: Path) -> None:
    """Two lines would ask on one bus, or one of them would find the port taken for ever."""
    (tmp_path / "by-id").symlink_to("/dev/ttyS9")
    meter = 'timeout_ms = 500\nserial = { port = "/dev/ttyS9", baud = 115200 }'
    other = meter.replace("/dev/ttyS9", str(tmp_path / "by-id"))
    flow = f'profile = "generic_analogue_input"\nunit_id = 2\n{other}'
    with pytest.raises(ConfigError, match="one port, two settings"):
        line_names(text_with(meter, flow))


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "/dev/ttyACM12"])
def test_a_name_that_goes_to_the_adapter_that_came_first_is_refused(port: str) -> None:
    """Two analysers whose adapters changed places would be signed as one another."""
    meter = f'serial = {{ port = "{port}", baud = 115200 }}'
    with pytest.raises(ConfigError, match=r"serial\.port: .* give its path under /dev/serial/by-id"):
        line_names(text_with(meter))


@pytest.mark.parametrize("port", ["/dev/serial/by-path/pci-0:1-port0", "/dev/ttyS0", "/dev/ttyAMA0"])
def test_a_name_that_lasts_is_taken(port: str) -> None:
    assert f"{port} (115200 8N1)" in line_names(text_with(f'serial = {{ port = "{port}", baud = 115200 }}'))


@pytest.mark.parametrize(("unit_id", "quarantine_ms"), [(2, 1_250), (1, 0)])
def test_several_devices_behind_one_address_wait_for_the_converter(unit_id: int, quarantine_ms: int) -> None:
    """It goes on asking a dead one; a device with an address of its own keeps nobody waiting."""
    where = 'host = "127.0.0.1"\nport = 5022\npoll_ms = { %s = 10000 }'
    flow = f'profile = "generic_analogue_input"\nunit_id = {unit_id}\n{where % "channels"}'
    text = text_with(where % "energy", flow)
    lines = plan_lines(plan_units(parse_settings(text, source="g"), source="g", clock=RealClock()))
    endpoint = next(line.endpoint() for line in lines if line.name == "127.0.0.1:5022")
    assert endpoint is not None
    assert endpoint.quarantine_ms == quarantine_ms


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
        ("datagrams of Modbus", 'host = "a"\nframing = "udp"', "framing", "`tcp` or `rtu`"),
        (
            "datagrams on a port",
            'framing = "udp"\nserial = { port = "/dev/ttyS9" }',
            "framing",
            "carries `rtu`",
        ),
        (
            "seven bits of Modbus",
            'serial = { port = "/dev/ttyS9", data_bits = 7 }',
            "serial.data_bits",
            "8 bits",
        ),
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


ANALYSER = """profile = "teledyne_t200"
host = "127.0.0.1"
port = 5020
poll_ms = { oxygen = 0, calibration = 0, diagnostics = 0 }"""


def text_of(profile: str, where: str, *, extra: str = "") -> str:
    """The plant with another analyser."""
    text = settings_text()
    assert ANALYSER in text
    settings = {
        "thermo_42i_clink": "{}",
        "horiba_apna370": '{ gas_unit = "ppb", zero_digit = 5, span_digit = 4 }',
        "cai_700_ak": '{ gas_unit = "ppm", component = "nox" }',
        "generic_bayern_hessen": (
            '{ frame_end = "bcc", gas_unit = "ppb", no_channel = 97, second_channel = 98, second_gas = "nox" }'
        ),
        "teledyne_t200": "{}",
    }
    lines = f'profile = "{profile}"\n{where}\nsettings = {settings[profile]}\n{extra}'
    return text.replace(ANALYSER, lines)


@pytest.mark.parametrize(
    ("profile", "where", "name"),
    [
        ("thermo_42i_clink", 'host = "127.0.0.1"', "127.0.0.1:9880 (tcp, clink)"),
        (
            "thermo_42i_clink",
            'host = "127.0.0.1"\nport = 4001\nframing = "tcp"',
            "127.0.0.1:4001 (tcp, clink)",
        ),
        ("thermo_42i_clink", 'serial = { port = "/dev/ttyS9" }', "/dev/ttyS9 (9600 8N1, clink)"),
        (
            "cai_700_ak",
            'serial = { port = "/dev/ttyS9", data_bits = 7, parity = "E" }',
            "/dev/ttyS9 (9600 7E1, ak)",
        ),
        ("horiba_apna370", 'host = "127.0.0.1"', "127.0.0.1:53700 (udp, horiba)"),
        ("horiba_apna370", 'host = "127.0.0.1"\nframing = "tcp"', "127.0.0.1:53700 (tcp, horiba)"),
        ("horiba_apna370", 'serial = { port = "/dev/ttyS9" }', "/dev/ttyS9 (9600 8N1, horiba)"),
    ],
)
def test_an_instrument_that_speaks_is_reached_as_the_site_says(profile: str, where: str, name: str) -> None:
    assert name in line_names(text_of(profile, where))


def test_the_plan_says_how_many_questions_a_poll_has() -> None:
    text = text_of("thermo_42i_clink", 'host = "127.0.0.1"')
    units = plan_units(parse_settings(text, source="g.toml"), source="g.toml", clock=RealClock())
    said = "\n".join(describe(units))
    assert "thermo_42i_clink, 127.0.0.1:9880 (tcp, clink)): gas every 5000 ms in 7 questions" in said
    assert "meter (janitza_umg, 127.0.0.1:5022): energy every 2000 ms in " in said


@pytest.mark.parametrize(
    ("what", "profile", "where", "path", "reason"),
    [
        ("no address", "thermo_42i_clink", "", "host", "`host` or `serial`"),
        ("registers of a dialect", "thermo_42i_clink", 'host = "a"\nframing = "rtu"', "framing", "`tcp` or `udp`"),
        (
            "framing on a port", "thermo_42i_clink", 'framing = "tcp"\nserial = { port = "/dev/ttyS9" }',
            "framing", "carries clink",
        ),
        ("too high a number", "thermo_42i_clink", 'host = "a"\nunit_id = 128', "unit_id", "0 to 127"),
        ("two digits", "horiba_apna370", 'host = "a"\nunit_id = 12', "unit_id", "one digit"),
        ("nine bits", "cai_700_ak", 'serial = { port = "/dev/ttyS9", data_bits = 9 }', "data_bits", "7 or 8"),
        ("too slow for its period", "thermo_42i_clink", 'host = "a"\ntimeout_ms = 900', "", "busy"),
        ("an unknown group", "cai_700_ak", 'host = "a"\npoll_ms = { dust = 1 }', "poll_ms.dust", "groups are gas"),
        ("a language beside Modbus", "cai_700_ak", 'host = "127.0.0.1"\nport = 5021', "host", "two settings"),
        (
            "another speed on one port", "cai_700_ak", 'serial = { port = "/dev/ttyS9" }',
            "serial", "two settings",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_spoken_is_refused_with_its_place(
    what: str, profile: str, where: str, path: str, reason: str
) -> None:
    text = text_of(profile, where)
    if what == "another speed on one port":
        text = text.replace(METER, 'profile = "janitza_umg"\nserial = { port = "/dev/ttyS9" }')
    with pytest.raises(ConfigError) as refused:
        line_names(text)
    assert path in str(refused.value), what
    assert reason in str(refused.value), what


def test_modbus_over_two_framings_on_one_address_is_refused() -> None:
    flow = 'profile = "generic_analogue_input"\nunit_id = 2\nhost = "127.0.0.1"\nport = 5022\nframing = "rtu"'
    with pytest.raises(ConfigError, match=r"two settings: 127\.0\.0\.1:5022"):
        line_names(text_with('host = "127.0.0.1"\nport = 5022', flow))


def test_a_socket_of_udp_is_another_than_that_of_tcp() -> None:
    names = line_names(text_of("horiba_apna370", 'host = "127.0.0.1"\nport = 5021'))
    assert {"127.0.0.1:5021", "127.0.0.1:5021 (udp, horiba)"} <= set(names)


def test_two_units_share_the_line_of_one_converter() -> None:
    """Whatever the units: two masters on one bus would hear each other."""
    where = 'serial = { port = "/dev/ttyS9" }'
    one = text_of("generic_bayern_hessen", where)
    unit = one[one.index("[[unit]]") :]
    for old, new in (("5021", "5121"), ("5022", "5122"), ("north-1", "north-2"), ("cd" * 16, "ce" * 16)):
        unit = unit.replace(old, new)
    names = line_names(one + unit)
    assert names.count("/dev/ttyS9 (9600 8N1, bayern_hessen)") == 1


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
