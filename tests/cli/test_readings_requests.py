"""An officer of the regulator asks for raw samples from the command line, and sees how each request stands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.ledger.transaction import open_transaction
from tests.gateway.key_files import write_key
from tests.ledger.channels import START_MS
from tests.web.small_node import SmallNode, served

Captured = pytest.CaptureFixture[str]
PERIOD = ["--from", "2026-01-01T00:00", "--to", "2026-01-01T03:00"]
DUE = ["--due", "2027-03-01"]
"""The small node's ledger is in February 2027."""


async def run(node: SmallNode, folder: Path, *arguments: str) -> int:
    async with served(node, folder) as addresses:
        return await asyncio.to_thread(main, ["readings", *arguments, "--node", str(addresses.socket_path)])


async def listed(node: SmallNode, folder: Path, capsys: Captured) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert await run(node, folder, "requests", "--output", "json") == 0
    (channel,) = json.loads(capsys.readouterr().out)["channels"]
    rows: list[dict[str, Any]] = channel["requests"]
    return rows


def ask(folder: Path, *changes: str, officer: str = "regulator officer", name: str = "ask") -> list[str]:
    key = write_key(folder / f"{name}.pem", officer)
    out = str(folder / f"{name}.envelope")
    return [
        "request",
        "alpha-1",
        *PERIOD,
        *DUE,
        "--reason",
        "spot check",
        "--key",
        key,
        "--out",
        out,
        *changes,
    ]


async def test_a_request_is_signed_handed_in_and_listed(tmp_path: Path, capsys: Captured) -> None:
    node = SmallNode.begin()
    assert await run(node, tmp_path, *ask(tmp_path)) == 0
    asked = open_transaction((tmp_path / "ask.envelope").read_bytes(), node.ledger.channel)
    assert f"{asked.record_ids[0].hex()}  final in block" in capsys.readouterr().out
    (row,) = await listed(node, tmp_path, capsys)
    assert (row["request"], row["status"], row["reason"]) == (asked.record_ids[0].hex(), "open", "spot check")
    assert (row["from_ms"], row["to_ms"]) == (START_MS, START_MS + 3 * 3_600_000)
    assert await run(node, tmp_path, "requests") == 0
    page = capsys.readouterr().out
    assert f"{row['request']}  OPEN" in page
    assert "alpha-1, 2026-01-01 00:00:00 UTC to 2026-01-01 03:00:00 UTC, due 2027-03-01" in page
    assert await run(node, tmp_path, "status") == 0
    assert "1 requests for raw samples wait for it" in capsys.readouterr().out


async def test_answers_and_what_is_overdue_are_shown(tmp_path: Path, capsys: Captured) -> None:
    node = SmallNode.begin()
    for name in ("one", "two"):
        assert await run(node, tmp_path, *ask(tmp_path, name=name)) == 0
    node.clock_ms += 366 * 86_400_000
    first, second = await listed(node, tmp_path, capsys)
    assert first["status"] == second["status"] == "overdue"
    device = node.ledger.channel_state.authors["alpha-1 device"]
    answer = device.say(
        "samples.answer", [bytes.fromhex(second["request"]), b"c" * 32, 7, "lost", "\x1bdisk"]
    )
    await node.ledger.submit(node.ledger.channel, [answer.raw])
    node.ledger.build_block()
    rows = {row["request"]: row for row in await listed(node, tmp_path, capsys)}
    assert rows[second["request"]]["status"] == "lost"
    assert rows[first["request"]]["status"] == "overdue"
    assert await run(node, tmp_path, "requests") == 0
    page = capsys.readouterr().out
    assert f"7 samples, content hash {'63' * 32}" in page
    assert "\x1b" not in page
    assert await run(node, tmp_path, "status", "--output", "json") == 0
    (channel,) = json.loads(capsys.readouterr().out)["channels"]
    assert [row["requests_overdue"] for row in channel["devices"] if row["device"] == "alpha-gw"] == [1]


async def test_who_is_not_the_regulator_is_refused_by_the_rule(tmp_path: Path, capsys: Captured) -> None:
    node = SmallNode.begin()
    assert await run(node, tmp_path, *ask(tmp_path, officer="beta officer")) == 1
    assert "refused under 10.1" in capsys.readouterr().out
    assert await listed(node, tmp_path, capsys) == []


async def test_an_envelope_is_never_written_over_another(tmp_path: Path, capsys: Captured) -> None:
    node = SmallNode.begin()
    assert await run(node, tmp_path, *ask(tmp_path)) == 0
    signed = (tmp_path / "ask.envelope").read_bytes()
    assert await run(node, tmp_path, *ask(tmp_path)) == 2
    assert (tmp_path / "ask.envelope").read_bytes() == signed
    assert len(await listed(node, tmp_path, capsys)) == 1


async def test_a_channel_without_requests_says_so(tmp_path: Path, capsys: Captured) -> None:
    assert await run(SmallNode.begin(), tmp_path, "requests") == 0
    assert capsys.readouterr().out == "north\nnothing was asked for\n"


def test_without_a_node_nothing_is_signed(tmp_path: Path) -> None:
    assert main(["readings", *ask(tmp_path), "--node", str(tmp_path / "node.sock")]) == 3
    assert not (tmp_path / "ask.envelope").exists()
