"""The regulator asks for raw samples and judges what comes: real gateway, real node, simulated instruments."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.remote import RemoteLedger
from doxedge.quantity import HOUR_MS
from tests.gateway.key_files import write_key
from tests.gateway.registered_channel import RegisteredChannel, registered_channel
from tests.gateway.waiting import until
from tests.integration.simulated_site import SimulatedSite, simulated_site
from tests.integration.test_gateway_and_node import (
    PATIENCE_S,
    daemon,
    is_stated,
    register,
    write_configuration,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class CommandLine:
    """`doxedge` as a person uses it, beside the running daemons."""

    def __init__(self, folder: Path, site: SimulatedSite) -> None:
        self.folder, self.site = folder, site

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "doxedge", *arguments, cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**self.site.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def requests(self) -> list[dict[str, Any]]:
        """What the regulator's desk shows of requests."""
        code, out, err = await self(
            "readings", "requests", "--node", f"{self.folder}/node.sock", "--output", "json"
        )
        assert code == 0, err
        rows: list[dict[str, Any]] = json.loads(out)["channels"][0]["requests"]
        return rows


def utc(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1_000, dt.UTC).strftime("%Y-%m-%dT%H:%M")


async def stated_hour(folder: Path, site: SimulatedSite, channel: RegisteredChannel) -> int:
    """Wait for an hour that was measured from its beginning and is on the ledger; its start."""
    start_ms = site.whole_hour_ms()
    await until(
        lambda: site.clock.now_ms() > start_ms + HOUR_MS, within_s=PATIENCE_S, what="the end of the hour"
    )
    await until(
        lambda: is_stated(folder / "node.sock", channel, start_ms), within_s=PATIENCE_S, what="the hour"
    )
    return start_ms


async def test_what_the_regulator_asks_for_is_handed_over_and_proved_off_line(tmp_path: Path) -> None:
    channel = registered_channel("north")
    ledger = RemoteLedger(NodeAddress.parse(f"unix:{tmp_path}/node.sock"))
    name = channel.chain.channel.hex()
    async with simulated_site() as site:
        write_configuration(tmp_path, site, channel)
        doxedge = CommandLine(tmp_path, site)
        async with daemon("node", tmp_path / "node.toml", site):
            await register(ledger, channel)
            async with daemon("gateway", tmp_path / "gateway.toml", site) as gateway:
                start_ms = await stated_hour(tmp_path, site, channel)
                code, out, err = await doxedge(
                    "readings", "request", "alpha-1", "--from", utc(start_ms), "--to", utc(start_ms + HOUR_MS),
                    "--reason", "spot check", "--key", write_key(tmp_path / "officer.pem", "regulator officer"),
                    "--out", "ask.envelope", "--node", f"{tmp_path}/node.sock",
                )  # fmt: skip
                assert code == 0, out + err

                async def is_answered() -> bool:
                    (row,) = await doxedge.requests()
                    return row["answer"] is not None

                await until(is_answered, within_s=PATIENCE_S, what="the answer")
                assert gateway.returncode is None
            (row,) = await doxedge.requests()
            assert row["status"] == "answered"
            for record_id in (row["request"], row["answer"]["record_id"]):
                code, _, err = await doxedge(
                    "evidence",
                    "build",
                    record_id,
                    "--out",
                    f"{record_id}.evidence",
                    "--node",
                    f"{tmp_path}/node.sock",
                )
                assert code == 0, err
        await ledger.close()
        code, out, err = await doxedge(
            "gateway", "samples", "export", row["request"], "--config", "gateway.toml", "--out", "day.samples"
        )
        assert code == 0, err
        # Nothing runs any more: what follows is the regulator's laptop.
        check = ["evidence", "samples", "day.samples", "--channel", name, "--output", "json", "--evidence"]
        files = [f"{row['request']}.evidence", f"{row['answer']['record_id']}.evidence"]
        code, out, err = await doxedge(*check, *files)
        assert code == 0, out + err
        found = json.loads(out)
        assert (found["verdict"], found["request_proved"], found["answer_proved"]) == (
            "proved", True, row["answer"]["record_id"],
        )  # fmt: skip
        assert (found["content_hash"], found["samples"]) == (
            row["answer"]["content_hash"], row["answer"]["samples"],
        )  # fmt: skip
        (hour,) = found["hours"]
        if hour["state"] == "produced":  # A busy machine may have left the hour without a valid average.
            assert hour["samples"] == hour["samples_stated"] > 0
            assert {"alpha-1.analyser", "alpha-1.flow", "alpha-1.meter"} <= set(hour["devices"])
        data = bytearray((tmp_path / "day.samples").read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / "day.samples").write_bytes(data)
        code, out, _ = await doxedge(*check, *files)
        assert (code, json.loads(out)["verdict"]) == (6, "refused")
