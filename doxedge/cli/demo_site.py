"""The stage of the demo: keys, genesis files, configurations and the processes of everybody who takes part."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from doxedge.cli.demo_mosquitto import find_mosquitto, start_mosquitto
from doxedge.cli.init_answers import toml_value
from doxedge.cli.outcome import Exit, Failure
from doxedge.consensus.validators import Validator
from doxedge.fieldbus.clock import VARIABLE
from doxedge.keystore.keys import create_key
from doxedge.ledger.genesis import Genesis, Member
from doxedge.quantity import HOUR_MS
from doxedge.signing.algorithms import ED25519
from doxedge.signing.signer import Signer
from doxedge.signing.tags import channel_id

READY_S: Final = 60.0
BROKER_S: Final = 5.0
"""How long a broker of the user's may take to accept a connection."""
STOP_S: Final = 10.0
WORK_S: Final = 120.0
"""What a loaded machine may need for anything beside the plant's own time."""
PLANT_HOURS_BACK: Final = 48
"""Plant time starts so long ago and never passes the real clock."""


def plant_origin_ms(real_ms: int) -> int:
    """When plant time starts: at a full hour, and early enough for the whole story to lie in one year.

    The credits that are issued are of that year, and what is emitted in the next one is held against others.
    """
    origin_ms = (real_ms // HOUR_MS - PLANT_HOURS_BACK) * HOUR_MS
    first, last = (dt.datetime.fromtimestamp(at_ms // 1_000, dt.UTC).year for at_ms in (origin_ms, real_ms))
    return origin_ms if first == last else origin_ms - PLANT_HOURS_BACK * HOUR_MS


@dataclass
class Stage:
    """Folder, clock and processes of one run."""

    folder: Path
    speed: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    signers: dict[str, Signer] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    plant_origin_ms: int = 0
    broker_port: int = 0

    def set_clock(self) -> None:
        """All processes share plant time from now on."""
        real_ms = time.time_ns() // 1_000_000
        self.plant_origin_ms = plant_origin_ms(real_ms)
        self.environment = {**os.environ, VARIABLE: f"{real_ms},{self.plant_origin_ms},{self.speed}"}
        os.environ[VARIABLE] = self.environment[VARIABLE]

    def patience_s(self, plant_hours: int) -> float:
        """How long to wait, in real seconds, for what takes so many hours of the plant."""
        return WORK_S + plant_hours * HOUR_MS / 1_000 / self.speed

    def key(self, name: str) -> Signer:
        """The key of that name, made at the first call."""
        if name not in self.signers:
            self.signers[name] = create_key(self.key_uri(name), ED25519)
        return self.signers[name]

    def key_uri(self, name: str) -> str:
        """Where the key lies."""
        return (self.folder.absolute() / "keys" / f"{name}.pem").as_uri()

    def genesis(
        self, name: str, place: str, companies: Sequence[str], **parameters: int
    ) -> tuple[bytes, Path]:
        """Write a genesis whose only validator is the regulator's node."""
        members = []
        for party in ("regulator", *companies):
            officer, node = self.key(f"{party}-officer"), self.key(f"{party}-node")
            role = "regulator" if party == "regulator" else "company"
            members.append(Member(party, role, ED25519, officer.public_key, ED25519, node.public_key))
        leader = self.key("regulator-node")
        genesis = Genesis(
            name=name,
            place=place,
            created_ms=self.plant_origin_ms,
            members=tuple(members),
            validators=(Validator(ED25519, leader.public_key),),
            quorum=1,
            parameters=tuple(sorted(parameters.items())),
        )
        data, path = genesis.encode(), self.folder / f"{name}.genesis"
        path.write_bytes(data)
        return channel_id(data), path

    def start(self, name: str, arguments: Sequence[str], *, stdout: bool = False) -> subprocess.Popen[bytes]:
        """Start a child process; its log goes to a file in the stage's folder."""
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if stdout else log,
            stderr=log,
            env=self.environment,
            cwd=checkout(),
        )
        log.close()
        self.processes[name] = process
        return process

    def start_node(self, party: str, channels: Sequence[Path]) -> None:
        """Write a node's configuration, if it is not there, and start it."""
        config = self.folder / f"{party}-node.toml"
        if not config.exists():
            lines = [
                f'party = "{party}"',
                f"state_dir = {toml_value(str(self.folder / party))}",
                f"key = {toml_value(self.key_uri(f'{party}-node'))}",
                "block_interval_ms = 100",
            ]
            lines += [f"[[channel]]\ngenesis = {toml_value(str(path))}" for path in channels]
            lines += [f"[[broker]]\nhost = {toml_value(self.broker_host)}\nport = {self.broker_port}"]
            lines += [f"[listen]\nsocket = {toml_value(str(self.socket(party)))}"]
            config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.start(f"{party}-node", ["-m", "doxedge", "node", "run", "--config", str(config)])

    broker_host: str = "127.0.0.1"

    def socket(self, party: str) -> Path:
        """The node's socket."""
        return self.folder / f"{party}.sock"

    def start_broker(self, choice: str) -> str:
        """The embedded broker, a mosquitto of this machine, or one that runs already. Returns its name."""
        if choice == "embedded":
            process = self.start("broker", ["-m", "simulators.broker", "--port", "0"], stdout=True)
            line = _first_line(process, "the embedded broker")
            self.broker_port = int(line.rsplit(":", 1)[1])
            return "the embedded broker"
        if choice == "mosquitto":
            self.processes["broker"], self.broker_port = start_mosquitto(find_mosquitto(), self.folder)
            return "mosquitto"
        host, _, port = choice.rpartition(":")
        if not host or not port.isdecimal():
            raise Failure(Exit.USAGE, "--broker takes embedded, mosquitto or HOST:PORT")
        self.broker_host, self.broker_port = host.strip("[]"), int(port)
        try:
            socket.create_connection((self.broker_host, self.broker_port), BROKER_S).close()
        except OSError as error:
            text = f"no broker answers at {choice} ({error}); start it, or leave --broker out"
            raise Failure(Exit.UNREACHABLE, text) from error
        return choice

    def start_plants(self, units: Sequence[str]) -> list[dict[str, Any]]:
        """Simulated stacks, each with an analyser, a flow and an energy meter; returns where they listen."""
        arguments = ["-m", "simulators", "plant", "--units", str(len(units)), "--names", ",".join(units)]
        arguments += ["--always-on", "--until-stdin-closes", "--meter-origin-ms", str(self.plant_origin_ms)]
        process = self.start("plants", arguments, stdout=True)
        described: list[dict[str, Any]] = json.loads(_first_line(process, "the simulated plants"))["units"]
        return described

    def kill(self, name: str) -> None:
        """SIGKILL, as a power cut would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, *names: str) -> None:
        """SIGTERM, and wait."""
        chosen = [(name, self.processes.pop(name)) for name in names if name in self.processes]
        for _, process in chosen:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            process.terminate()
        for _, process in chosen:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def require_alive(self) -> None:
        """A child that ended by itself ends the demo, with the end of its log."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                tail = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-5:]
                text = "\n  ".join([f"{name} ended with exit code {process.returncode}:", *tail])
                raise Failure(Exit.LOCAL_IO, text)


def gateway_config(stage: Stage, party: str, units: Sequence[tuple[Mapping[str, Any], bytes, bytes]]) -> Path:
    """Write a gateway's configuration: for each unit what the simulator described, its channel and its source."""
    lines = [
        f"state_dir = {toml_value(str(stage.folder / party))}",
        f"key = {toml_value(stage.key_uri(f'{party}-device'))}",
        "group_commit_ms = 50",
        f"[node]\nurl = {toml_value(f'unix://{stage.socket(party)}')}",
    ]
    for unit, channel, source in units:
        lines += [
            "[[unit]]",
            f'name = "{unit["name"]}"',
            f'channel = "{channel.hex()}"',
            f'source = "{source.hex()}"',
        ]
        lines += ["[unit.operating]", 'quantity = "power_w"', "on_above = 1000000", "off_below = 500000"]
        polls = {"analyser": "gas = 20000, oxygen = 0, diagnostics = 0, calibration = 0", "flow": "channels = 20000",
                 "meter": "energy = 20000"}  # fmt: skip
        for role, poll in polls.items():
            device = unit[role]
            lines += ["[[unit.instrument]]", f'name = "{role}"', f'profile = "{device["profile"]}"']
            lines += [
                f'host = "{device["host"]}"',
                f"port = {device['port']}",
                f"unit_id = {device['unit_id']}",
            ]
            lines += [f"poll_ms = {{ {poll} }}"]
            settings = ", ".join(f"{name} = {value}" for name, value in device.get("settings", {}).items())
            lines += [f"settings = {{ {settings} }}"]
        lines += ["[[unit.instrument]]", 'name = "moisture"', 'profile = "configured_moisture"']
        lines += [f"settings = {{ moisture_percent = {unit['moisture_percent']} }}"]
    path = stage.folder / f"{party}-gateway.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def checkout() -> Path:
    """The folder that holds the simulators. Raises Failure where doxedge was installed without them."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "simulators" / "__main__.py").exists():
        raise Failure(
            Exit.USAGE,
            "the demo needs the simulators, which are not part of the installed package: run it in a checkout",
        )
    return folder


async def until_served(path: Path, stage: Stage) -> None:
    """Wait for a node's socket."""
    deadline_s = time.monotonic() + READY_S
    while not await asyncio.to_thread(path.is_socket):
        stage.require_alive()
        if time.monotonic() > deadline_s:
            raise Failure(Exit.TIMEOUT, f"{path.stem}'s node does not serve; --dir DIR keeps its log")
        await asyncio.sleep(0.05)


def _first_line(process: subprocess.Popen[bytes], what: str) -> str:
    if process.stdout is None:
        raise RuntimeError("the child's output is not piped")
    line = process.stdout.readline().decode()
    if not line:
        raise Failure(Exit.LOCAL_IO, f"{what} did not start (exit code {process.wait()})")
    return line.strip()
