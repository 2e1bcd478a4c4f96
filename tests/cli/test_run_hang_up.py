"""SIGHUP on `doxedge run` as a real process: the gateway takes its files up, the node says what a restart would do."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from doxedge.gateway.configuration_file import read_kept
from tests.cli.plant_box import process, whole_plant
from tests.gateway.waiting import until
from tests.integration.reload_bench import write_drop_in
from tests.ports import closed_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 90.0


def instruments(analyser: int, flow: int, meter: int) -> list[str]:
    """Instruments at addresses where nobody listens: the configuration is what matters here."""
    return [
        f"analyser=teledyne_t200@127.0.0.1:{analyser},oxygen=0,calibration=0,diagnostics=0",
        f"flow=generic_analogue_input@127.0.0.1:{flow},flow_high=576300",
        f"meter=janitza_umg@127.0.0.1:{meter}",
        "moisture=configured_moisture,moisture_percent=12",
    ]


class Manager:
    """What systemd hears (sd_notify(3)): the first word of each message, in order."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._heard: list[str] = []

    def heard(self, word: str) -> int:
        """How often this word has come."""
        while True:
            try:
                self._heard.append(self._socket.recv(4_096).decode().split("\n")[0])
            except BlockingIOError:
                return self._heard.count(word)


async def test_a_signal_reaches_the_gateway_and_the_node_tells_of_its_file(tmp_path: Path) -> None:
    address, log = tmp_path / "notify", tmp_path / "run.log"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound,
        closed_port() as analyser, closed_port() as flow, closed_port() as meter,
    ):  # fmt: skip
        bound.bind(str(address))
        manager = Manager(bound)
        plant = await asyncio.to_thread(whole_plant, tmp_path, instruments=instruments(analyser, flow, meter))
        gateway, node = plant / "gateway.toml", plant / "node.toml"
        command = ("doxedge", "run", "--gateway", str(gateway), "--node", str(node))

        def says(words: str) -> bool:
            return words in log.read_text(errors="replace")

        async with process(*command, environment={"NOTIFY_SOCKET": str(address)}, log=log) as child:
            await until(lambda: manager.heard("READY=1") == 1, within_s=PATIENCE_S, what="both serve")
            (file,) = plant.rglob("configuration.json")

            write_drop_in(plant, '[[unit]]\nname = "alpha-1"\ncoverage_percent = 80')
            child.send_signal(signal.SIGHUP)

            def taken_up() -> bool:
                kept = read_kept(file)
                return kept is not None and (kept.accepted is not None or kept.before is not None)

            await until(taken_up, within_s=PATIENCE_S, what="the gateway accepts its change")
            await until(
                lambda: says("node.toml says what the node runs with"),
                within_s=PATIENCE_S, what="the node's file is the same",
            )  # fmt: skip

            original = node.read_text(encoding="utf-8")
            node.write_text("seen_by_members = 2\n" + original, encoding="utf-8")
            child.send_signal(signal.SIGHUP)
            await until(
                lambda: says("until a restart"), within_s=PATIENCE_S, what="the node's file is another"
            )

            node.write_text("no_such_key = 1\n" + original, encoding="utf-8")
            child.send_signal(signal.SIGHUP)
            await until(
                lambda: says("a restart would fail"), within_s=PATIENCE_S, what="the node's file is wrong"
            )
            assert says("no_such_key")
            assert child.returncode is None, "a wrong file of the node stops nobody"
            child.terminate()
            async with asyncio.timeout(60):
                assert await child.wait() == 0
