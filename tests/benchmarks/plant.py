"""A plant for the gateway's benchmark: instruments, broker, node and gateway, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doxedge.cli.demo_officer import Node, Numbering
from doxedge.cli.demo_site import Stage, until_served
from doxedge.fieldbus.clock import VARIABLE, Clock, RealClock, from_environment
from doxedge.gateway.bodies import firmware_text
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.signing.algorithms import ED25519

REGISTERS = 125
REPOSITORY = Path(__file__).parents[2]
LIMITS = "hard_range = [0, 65_535]\nsoft_range = [0, 60_000]\nmax_rate_per_min = 60_000\nstuck_minutes = 60"
"""Of every value: all that the assessment can look at is looked at."""
DAYS_BACK = 30
"""Where plant time is compressed it begins so long ago, because it never passes the real one."""
NODE = "regulator-node"
GATEWAY = "gateway"


Wrap = Callable[[list[str]], list[str]]


def _as_it_is(arguments: list[str]) -> list[str]:
    return arguments


@dataclass
class Plant:
    """What the benchmark measures."""

    stage: Stage
    channel: bytes
    genesis: Path
    sources: list[bytes]
    first_port: int
    clock: Clock
    group_commit_ms: int | None = None
    """How long raw samples wait for company; None: as the gateway has it."""
    described: dict[str, Any] = field(default_factory=dict)
    """The usual unit's instruments, once they run."""

    @property
    def broker_port(self) -> int:
        """Of the broker that the node and the sketch use."""
        return self.stage.broker_port

    @property
    def samples(self) -> Path:
        """The gateway's raw samples."""
        return self.stage.folder / "gateway" / "gateway" / "samples.db"

    def port_of(self, *, is_restless: bool) -> int:
        """The first of the instruments that measure each 100 ms, or of those that measure whenever they are asked."""
        return self.first_port + (len(self.sources) if is_restless else 0)

    def pid(self, name: str) -> int:
        """Of a process of the plant."""
        return self.stage.processes[name].pid

    async def start_node(self) -> None:
        """Bring the regulator's node back, and wait until it serves."""
        self.stage.start_node("regulator", [self.genesis])
        await until_served(self.stage.socket("regulator"), self.stage)

    @contextmanager
    def gateway(
        self, *, units: int, registers: int, period_ms: int, is_restless: bool = False
    ) -> Iterator[int]:
        """The daemon, polling the first `units` instruments; its process id."""
        first_port = self.port_of(is_restless=is_restless)
        with self._running(self._configuration(units, registers, period_ms, first_port), _as_it_is) as pid:
            yield pid

    @contextmanager
    def usual_gateway(self, wrapped: Wrap | None = None) -> Iterator[int]:
        """The daemon at one unit with the shipped maps of an analyser, a flow and an energy meter, and their polls."""
        with self._running(self._usual_configuration(), wrapped or _as_it_is) as pid:
            yield pid

    @contextmanager
    def _running(self, config: Path, wrapped: Wrap) -> Iterator[int]:
        arguments = ["-m", "doxedge", "gateway", "run", "--config", str(config)]
        process = self.stage.start(GATEWAY, wrapped(arguments))
        try:
            yield process.pid
            self.stage.require_alive()
        finally:
            self.stage.stop(GATEWAY)

    def _usual_configuration(self) -> Path:
        if "plants" not in self.stage.processes:
            (self.described,) = self.stage.start_plants(["unit-0"])
        unit = self.described
        lines = self._head()
        lines += [f'[[unit]]\nname = "unit-0"\nchannel = "{self.channel.hex()}"']
        lines += [f'source = "{self.sources[0].hex()}"']
        lines += ['[unit.operating]\nquantity = "power_w"\non_above = 1000000\noff_below = 500000']
        for role in ("analyser", "flow", "meter"):
            device = unit[role]
            settings = ", ".join(f"{name} = {value}" for name, value in device.get("settings", {}).items())
            lines += [f'[[unit.instrument]]\nname = "{role}"\nprofile = "{device["profile"]}"']
            lines += [f'host = "{device["host"]}"\nport = {device["port"]}\nunit_id = {device["unit_id"]}']
            lines += [f"settings = {{ {settings} }}"]
        lines += ['[[unit.instrument]]\nname = "moisture"\nprofile = "configured_moisture"']
        lines += [f"settings = {{ moisture_percent = {unit['moisture_percent']} }}"]
        return self._written(lines)

    def _head(self) -> list[str]:
        waits = [] if self.group_commit_ms is None else [f"group_commit_ms = {self.group_commit_ms}"]
        return [
            f'state_dir = "{self.stage.folder / "gateway"}"',
            f'key = "{self.stage.key_uri("operator-device")}"',
            f'profiles = "{self.stage.folder}"',
            *waits,
            f'[node]\nurl = "unix://{self.stage.socket("regulator")}"',
        ]

    def _written(self, lines: list[str]) -> Path:
        path = self.stage.folder / "gateway.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def _configuration(self, units: int, registers: int, period_ms: int, first_port: int) -> Path:
        folder = self.stage.folder
        (folder / "benchmark.toml").write_text(register_map(registers, period_ms), encoding="utf-8")
        lines = self._head()
        for n, source in enumerate(self.sources[:units]):
            lines += [
                f'[[unit]]\nname = "unit-{n}"\nchannel = "{self.channel.hex()}"\nsource = "{source.hex()}"',
                'flow_basis = "normal_dry"',
                '[[unit.instrument]]\nname = "stack"\nprofile = "benchmark"\nhost = "127.0.0.1"',
                f"port = {first_port + n}",
            ]
        return self._written(lines)


@asynccontextmanager
async def plant(
    folder: Path, *, units: int, speed: int = 1, group_commit_ms: int | None = None, hours_ago: int = 0
) -> AsyncIterator[Plant]:
    """Start everything but the gateway, and register the units; all of it ends with us.

    With a `speed` plant time runs so many times as fast as real time. With `hours_ago` the channel began and the units
    were registered so long ago, and the node is down: `start_node` brings it back into the present.
    """
    stage = _stage(folder, speed, hours_ago)
    (folder / "keys").mkdir()
    devices = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.benchmarks.modbus_devices", str(units)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert devices.stdin is not None
    assert devices.stdout is not None
    try:
        first_port = int(await devices.stdout.readline())
        with_mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        stage.start_broker("mosquitto" if with_mosquitto else "embedded")
        channel, genesis = stage.genesis("bench", "a benchmark", ["operator"])
        stage.start_node("regulator", [genesis])
        await until_served(stage.socket("regulator"), stage)
        sources = await _register(stage, channel, units)
        if hours_ago:
            stage.stop(NODE)
            now_ms = RealClock().now_ms()
            stage.environment[VARIABLE] = f"{now_ms},{now_ms},1"
        clock = from_environment(stage.environment)
        yield Plant(stage, channel, genesis, sources, first_port, clock, group_commit_ms)
    finally:
        stage.stop(*stage.processes)
        devices.stdin.close()
        await devices.wait()


def _stage(folder: Path, speed: int, hours_ago: int) -> Stage:
    stage = Stage(folder, speed, environment={**os.environ, **unit_environment()})
    # A simulated meter has counted since then: from 1970 on it would count for minutes before it answers.
    now_ms = RealClock().now_ms()
    stage.plant_origin_ms = now_ms - now_ms % HOUR_MS
    if hours_ago:
        stage.plant_origin_ms -= hours_ago * HOUR_MS
        stage.environment[VARIABLE] = f"{now_ms},{stage.plant_origin_ms},1"
    if speed > 1:
        before_ms = stage.plant_origin_ms - DAYS_BACK * DAY_MS
        stage.plant_origin_ms = before_ms
        stage.environment[VARIABLE] = f"{now_ms},{before_ms},{speed}"
    return stage


async def _register(stage: Stage, channel: bytes, units: int) -> list[bytes]:
    node = Node(stage.socket("regulator"))
    regulator = Numbering(node, channel, stage.key("regulator-officer"))
    device = stage.key("operator-device")
    sources: list[bytes] = []
    for n in range(units):
        await regulator.must("unit.register", [f"unit-{n}", "operator", "boiler", 100_000, "zone 1"])
        registered = await regulator.must(
            "device.register",
            [f"device-{n}", f"unit-{n}", ED25519, device.public_key, bytes(32), firmware_text()],
        )
        sources.append(Numbering(node, channel, device, registered.record_ids[0]).source)
    await node.ledger.close()
    return sources


def unit_environment() -> dict[str, str]:
    """The variables that the systemd units set: what is measured is what an operator installs."""
    lines = (REPOSITORY / "systemd" / "doxedge-gateway.service").read_text(encoding="utf-8").splitlines()
    settings = (line.removeprefix("Environment=") for line in lines if line.startswith("Environment="))
    return dict(setting.split("=", 1) for setting in settings)


def register_map(registers: int, period_ms: int) -> str:
    """One instrument with so many values, a 16-bit register each, all fetched by one read."""
    names = [("nox_ppb", "ppb"), ("flow_m3_per_h", "m3/h")]
    names += [(f"channel_{n}_v", "mV") for n in range(2, registers)]
    # A plan whose slowest answers cannot fit the period is refused, here as anywhere.
    timeout_ms = min(1_000, period_ms)
    lines = [
        "profile = 1",
        '[identity]\nmaker = "nobody"\nmodel = "benchmark"\nversion = "1"\nsource = "made up"\nverified = "document"',
        f'[transport]\nkind = "modbus-tcp"\naddress_base = 0\ntimeout_ms = {timeout_ms}',
        f'[[groups]]\nname = "all"\nperiod_ms = {period_ms}\natomic = true',
    ]
    for address, (name, unit) in enumerate(names):
        lines.append(
            f'[[points]]\nquantity = "{name}"\ngroup = "all"\nfunction = "holding"\naddress = {address}\n'
            f'type = "u16"\nunit = "{unit}"\n{LIMITS}'
        )
    return "\n".join(lines) + "\n"
