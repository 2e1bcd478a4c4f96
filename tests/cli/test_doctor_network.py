"""The doctor over sockets: node, peers, brokers, analysers, and beside running daemons."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.store.examine import examine
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.cli.doctor_bench import Ask, edit
from tests.cli.plant_box import REPOSITORY, init, process
from tests.gateway.waiting import until
from tests.ports import closed_port, server_port


def test_no_node_and_no_broker_and_no_analyser_are_named_with_what_to_do(
    plant: Path, tmp_path: Path, ask: Ask
) -> None:
    with closed_port() as port:
        (plant / "node.toml").write_text(
            (plant / "node.toml").read_text() + f'\n[[broker]]\nhost = "127.0.0.1"\nport = {port}\n'
        )
        edit(plant / "gateway.toml", "port = 5020", f"port = {port}")
        report = ask(plant)
    assert report.code == 3
    assert "no node runs" in report.of("node")["text"]
    assert "doxedge node run --config" in report.of("node")["advice"]
    assert report.of("broker")["verdict"] == "error"
    assert "broker[0]" in report.of("broker")["advice"]
    found = report.of("analyser alpha-1.analyser")
    assert (found["verdict"], found["code"]) == ("error", 7)
    assert "the address of analyser" in found["advice"]


def test_a_socket_that_nobody_listens_on_is_exit_code_3(plant: Path, ask: Ask) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(plant / "node.sock"))
    report = ask(plant)
    assert report.of("node")["verdict"] == "error"
    assert report.code == 3


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """A server that answers everything with the same bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4_096)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_something_else_behind_the_brokers_port_is_an_error(plant: Path, ask: Ask) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        text = (plant / "node.toml").read_text()
        (plant / "node.toml").write_text(f'{text}\n[[broker]]\nhost = "127.0.0.1"\nport = {port}\n')
        report = await asyncio.to_thread(ask, plant)
    assert report.of("broker")["verdict"] == "error"
    assert report.of("broker")["code"] == 3


async def test_a_broker_that_takes_us_is_ok(plant: Path, ask: Ask) -> None:
    async with Broker(BrokerSettings()) as broker:
        text = (plant / "node.toml").read_text()
        (plant / "node.toml").write_text(f'{text}\n[[broker]]\nhost = "127.0.0.1"\nport = {broker.port}\n')
        report = await asyncio.to_thread(ask, plant)
    assert report.of("broker")["text"] == "takes us, MQTT 5"


def test_a_node_without_a_broker_is_a_warning(plant: Path, ask: Ask) -> None:
    assert ask(plant).of("broker")["verdict"] == "warning"


IDENTITY = """
[[identity_check]]
function = "holding"
address = 19050
type = "f32"
order = "ABCD"
low = {low}
high = {high}
about = "mains frequency"
"""


@pytest.mark.parametrize(("low", "high", "verdict"), [(45, 65, "ok"), (1_000, 2_000, "error")])
async def test_an_instrument_is_told_by_its_registers(
    plant: Path, ask: Ask, low: int, high: int, verdict: str
) -> None:
    own = plant / "maps"
    own.mkdir()
    text = (REPOSITORY / "firmware_configs" / "analysers" / "janitza_umg.toml").read_text()
    (own / "janitza_umg.toml").write_text(text + IDENTITY.format(low=low, high=high))
    async with process("simulators", "plant", "--names", "alpha-1", "--until-stdin-closes") as simulated:
        from tests.cli.plant_box import first_line

        (told,) = (await first_line(simulated))["units"]
        edit(plant / "gateway.toml", "port = 5022", f"port = {told['meter']['port']}")
        edit(plant / "gateway.toml", "port = 5020", f"port = {told['analyser']['port']}")
        edit(plant / "gateway.toml", "[node]", f'profiles = "{own}"\n[node]')
        report = await asyncio.to_thread(ask, plant)
    assert report.of("analyser alpha-1.meter")["verdict"] == verdict
    assert report.of("analyser alpha-1.analyser")["verdict"] == "ok"
    if verdict == "error":
        assert "another instrument answers: mains frequency" in report.of("analyser alpha-1.meter")["text"]
    else:
        assert report.of("analyser alpha-1.meter")["text"] == "answers, and is a Janitza UMG"


@pytest.mark.parametrize(
    ("profile", "settings", "text"),
    [
        ("thermo_42i_clink", "{}", "answers, and is a Thermo 42i (C-Link)"),
        ("cai_700_ak", '{ gas_unit = "ppm", component = "nox" }', "takes a connection"),
        ("horiba_apna370", '{ gas_unit = "ppb", zero_digit = 5, span_digit = 4 }', "knows no connection"),
    ],
)
async def test_an_instrument_that_speaks_is_looked_at_in_its_dialect(
    plant: Path, ask: Ask, profile: str, settings: str, text: str
) -> None:
    async with process("simulators", "instrument", "--profile", profile, "--until-stdin-closes") as simulated:
        from tests.cli.plant_box import first_line

        port = (await first_line(simulated))["port"]
        edit(
            plant / "gateway.toml",
            'profile = "teledyne_t200"\nhost = "127.0.0.1"\nport = 5020\n'
            "poll_ms = { oxygen = 0, calibration = 0, diagnostics = 0 }",
            f'profile = "{profile}"\nhost = "127.0.0.1"\nport = {port}\nsettings = {settings}',
        )
        found = (await asyncio.to_thread(ask, plant)).of("analyser alpha-1.analyser")
    assert (found["verdict"], text in found["text"]) == ("ok", True), found


def test_a_serial_port_that_is_not_there_is_named(plant: Path, ask: Ask) -> None:
    edit(
        plant / "gateway.toml",
        'host = "127.0.0.1"\nport = 5022',
        'serial = { port = "/dev/serial/by-id/none" }',
    )
    found = ask(plant).of("analyser alpha-1.meter /dev/serial/by-id/none")
    assert (found["verdict"], found["code"]) == ("error", 7)


def is_begun(path: Path) -> bool:
    """Whether a store has its schema: the stores are opened one after the other."""
    return examine(path, schema="samples").version > 0


@pytest.mark.slow
async def test_beside_running_daemons_all_is_read_and_nobody_is_disturbed(
    plant: Path, ask: Ask, tmp_path: Path
) -> None:
    box = ["doxedge", "run", "--gateway", str(plant / "gateway.toml"), "--node", str(plant / "node.toml")]
    regulator = ["doxedge", "node", "run", "--config", str(tmp_path / "regulator" / "node.toml")]
    async with process(*box, log=tmp_path / "log") as running, process(*regulator):
        await until((plant / "node.sock").is_socket, within_s=60, what="the node")
        outbox = plant / "state" / "gateway" / "outbox.db"
        await until(outbox.with_name("samples.db").exists, within_s=60, what="the gateway")
        await until(
            lambda: is_begun(outbox.with_name("samples.db")), within_s=60, what="the gateway's stores"
        )
        report = await asyncio.to_thread(ask, plant)
        assert report.of("database ledger north")["verdict"] == "ok"
        assert f"in use by process {running.pid}" in report.of("database outbox")["text"]
        left_alone = report.of("analyser alpha-1.meter")
        assert left_alone["verdict"] == "skipped"
        assert f"the gateway runs (process {running.pid})" in left_alone["text"]
        assert "no device of the channel has the source" in report.of("device of alpha-1")["text"]
        assert report.of("peer regulator")["verdict"] == "warning"  # without a broker nobody is heard
        assert report.of("channel north")["verdict"] == "ok"
        assert report.errors() == []
        assert report.code == 0
        assert running.returncode is None


async def test_a_healthy_machine_is_exit_code_0_with_one_line_for_each_check(
    plant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with process("doxedge", "node", "run", "--config", str(tmp_path / "regulator" / "node.toml")):
        node = tmp_path / "regulator" / "node.sock"
        await until(node.is_socket, within_s=60, what="the node")
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["doctor", "--dir", str(tmp_path / "regulator")])
    out, words = capsys.readouterr()
    assert code == 0, out
    lines = out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning", "skipped"}
    assert any(line.startswith("ok       key node on north: the node key of regulator") for line in lines)
    assert "0 error" in words


async def test_a_token_that_the_node_does_not_know_is_exit_code_4(
    plant: Path, tmp_path: Path, ask: Ask
) -> None:
    port = server_port()
    listen = f'port = {port}\ntoken_file = "{tmp_path / "token"}"'
    edit(plant / "node.toml", f'socket = "{plant}/node.sock"', f'socket = ""\n{listen}')
    (tmp_path / "wrong").write_text("x" * 32 + "\n")
    url = f'url = "http://127.0.0.1:{port}"\ntoken_file = "{tmp_path / "wrong"}"'
    edit(plant / "gateway.toml", f'url = "unix:{plant}/node.sock"', url)
    async with process("doxedge", "node", "run", "--config", str(plant / "node.toml")):
        await until(lambda: connects(port), within_s=60, what="the node")
        report = await asyncio.to_thread(ask, plant)
    assert report.of("node")["code"] == 4
    assert report.code == 4


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_init_and_doctor_agree_on_a_plant_that_was_never_started(plant: Path, ask: Ask) -> None:
    assert init(plant) == 0
    report = ask(plant)
    assert {one["verdict"] for one in report.findings if one["check"].startswith(("config", "genesis"))} == {
        "ok"
    }
