"""From `doxedge init` to hours on a ledger: regulator and plant, a broker, simulated instruments, real processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.demo_officer import Node
from doxedge.fieldbus.clock import VARIABLE
from doxedge.keystore.keys import create_key, open_signer
from doxedge.quantity import HOUR_MS
from doxedge.signing.algorithms import ED25519
from doxedge.signing.tags import channel_id, source_id
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.cli.doctor_bench import Ask
from tests.cli.plant_box import REPOSITORY, first_line, found, init, plant_flags, process
from tests.gateway.waiting import until

SPEED = 720
PERIOD_MS = 20_000


def lines_of(told: dict[str, Any]) -> list[str]:
    """The instruments of one simulated unit, as an installer would answer."""
    flow = ",".join(f"{name}={value}" for name, value in told["flow"]["settings"].items())

    def line(name: str, values: str) -> str:
        device = told[name]
        where = f"{device['host']}:{device['port']}/{device['unit_id']}"
        return f"{name}={device['profile']}@{where},{values}"

    return [
        line("analyser", f"gas={PERIOD_MS},oxygen=0,calibration=0,diagnostics=0"),
        line("flow", f"channels={PERIOD_MS},{flow}"),
        line("meter", f"energy={PERIOD_MS}"),
        f"moisture=configured_moisture,moisture_percent={told['moisture_percent']}",
    ]


@pytest.mark.slow
async def test_what_init_writes_runs_unchanged_until_hours_are_final(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_ms = (time.time_ns() // 1_000_000 // HOUR_MS - 48) * HOUR_MS + HOUR_MS // 2
    clock = {VARIABLE: f"{time.time_ns() // 1_000_000},{first_ms},{SPEED}"}
    regulator, plant = tmp_path / "regulator", tmp_path / "plant"
    simulators = ["simulators", "plant", "--names", "alpha-1", "--always-on", "--until-stdin-closes"]
    simulators += ["--meter-origin-ms", str(first_ms)]
    async with Broker(BrokerSettings()) as broker, process(*simulators, environment=clock) as instruments:
        (told,) = (await first_line(instruments))["units"]
        at = f"127.0.0.1:{broker.port}"

        def set_up() -> None:
            answers = plant_flags(instruments=lines_of(told), broker=at)
            assert init(plant, *answers, "--running", "power_w:1_000_000:500_000") == 0
            genesis = found(
                regulator, plant / "alpha.member.toml", broker=at, figures=["commission_hours_min=1"]
            )
            assert init(plant, "--channel", "join", "--genesis", str(genesis)) == 0

        await asyncio.to_thread(set_up)
        ledger = ["doxedge", "node", "run", "--config", str(regulator / "node.toml")]
        box = ["doxedge", "run", "--gateway", str(plant / "gateway.toml"), "--node", str(plant / "node.toml")]
        async with (
            process(*ledger, environment=clock, log=tmp_path / "regulator.log"),
            process(*box, environment=clock, log=tmp_path / "plant.log"),
        ):
            await until((regulator / "node.sock").is_socket, within_s=60, what="the regulator's node")
            await until((plant / "node.sock").is_socket, within_s=60, what="the plant's node")
            node, own = Node(regulator / "node.sock"), Node(plant / "node.sock")
            channel = channel_id((plant / "north.genesis").read_bytes())
            for asked, folder in ((node, regulator), (own, plant)):
                officer = open_signer((folder / "keys" / "officer.pem").as_uri())
                numbering = f"/v1/channels/{channel.hex()}/sources/{source_id(channel, officer.key_id).hex()}"
                await asked.until(numbering, lambda told: "seq" in told, what="nodes in step", seconds=60)
            unit = ["unit=alpha-1", "party=alpha", "kind=boiler", "capacity_kw=200000", "zone=zone 1"]
            await asyncio.to_thread(say, regulator, "unit.register", *unit)
            await asyncio.to_thread(
                say, regulator, "account.open", "account=alpha-1", "party=alpha", "unit=alpha-1"
            )
            units = f"/v1/channels/{channel.hex()}/units"
            await own.until(units, bool, what="the plant's node to follow", seconds=60)
            registration = ["transaction", "submit", str(plant / "alpha-1.registration"), "--timeout-s", "60"]
            for _ in range(2):  # again is safe
                told = await asyncio.to_thread(run, *registration, "--node", str(plant / "node.sock"))
                assert "accepted" in told
            rows = await node.until(
                units, lambda rows: rows[0]["trial_hours"] + rows[0]["hours"] >= 1, what="an hour", seconds=60
            )
            assert rows[0]["unit"] == "alpha-1"
            monkeypatch.setenv(VARIABLE, clock[VARIABLE])  # the doctor compares with plant time too
            await asyncio.to_thread(look, plant, ask)
            for asked in (node, own):
                await asked.ledger.close()


def look(plant: Path, ask: Ask) -> None:
    """What the doctor says of a plant that works, and of files that do not fit what is registered."""
    well = ask(plant)
    assert well.errors() == []
    assert well.of("device of alpha-1")["text"] == "registered as alpha-1-gw with this key"
    assert well.of("peer regulator")["verdict"] == "ok"
    assert well.of("broker")["verdict"] == "ok"
    assert well.of("node ")["verdict"] == "ok"
    other = plant / "other.toml"
    other.write_text((plant / "gateway.toml").read_text().replace(f"gas = {PERIOD_MS}", "gas = 40000"))
    assert (
        "differ from those that were registered"
        in ask(plant, "--gateway", str(other)).of("device of")["text"]
    )
    key = (plant / "keys" / "other.pem").as_uri()
    create_key(key, ED25519)
    own = (plant / "keys" / "device.pem").as_uri()
    other.write_text((plant / "gateway.toml").read_text().replace(own, key))
    cloned = ask(plant, "--gateway", str(other))
    assert cloned.of("device of alpha-1")["verdict"] == "error"
    assert cloned.code == 2


def run(*arguments: str) -> str:
    """A command, as an officer types it."""
    done = subprocess.run(
        [sys.executable, "-m", "doxedge", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def say(folder: Path, kind: str, *fields: str) -> None:
    """Sign a record with the officer's key of a folder, and hand it in to the folder's node."""
    node, file = ["--node", str(folder / "node.sock")], str(folder / f"{kind}.envelope")
    key = (folder / "keys" / "officer.pem").as_uri()
    run("transaction", "sign", kind, *fields, "--key", key, "--out", file, *node)
    assert "accepted" in run("transaction", "submit", file, "--timeout-s", "60", *node)
