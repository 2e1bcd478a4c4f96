"""`doxedge node status` shows heights, and how far the credits of each account reach."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.signing.canonical import Value
from tests.ledger.channels import HOUR_MS, START_MS, hour
from tests.web.small_node import SmallNode, served


async def node_that_warned() -> SmallNode:
    """Alpha has emitted 9 of 10 kg in its only counted hour; beta has emitted and holds nothing."""
    node = SmallNode.begin()
    channel = node.ledger.channel_state
    regulator, verifier = channel.officer("regulator"), channel.officer("verifier")
    channel.now_ms = START_MS + 2 * HOUR_MS
    for party, grams in (("alpha", 9_000), ("beta", 1)):
        device = channel.authors[f"{party}-1 device"]
        said = [
            device.say("hour", hour(f"{party}-1", START_MS, 700)),
            verifier.say("device.commission", [f"{party}-gw", bytes(32), [[START_MS, 700]], bytes(32)]),
        ]
        if party == "alpha":
            body: list[Value] = ["alpha-1", node.ledger.channel, 2026, [0, 10_000], bytes(32)]
            said.append(regulator.say("vintage.issue", body))
        said.append(device.say("hour", hour(f"{party}-1", START_MS + HOUR_MS, grams)))
        await node.ledger.submit(node.ledger.channel, [each.raw for each in said])
    node.ledger.build_block()
    return node


async def test_the_lines_show_headroom_the_forecast_and_what_was_exceeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(await node_that_warned(), tmp_path) as addresses:
        command = ["node", "status", "--node", str(addresses.socket_path)]
        assert await asyncio.to_thread(main, command) == 0
    page = capsys.readouterr().out
    assert "north                height        2  in step  waiting 0" in page
    # 9 kg in the hour that ended at 02:00, and 1 kg is left: 6 min 40 s.
    assert (
        "  alpha-1 of 2026: held 10.000 kg, emitted 9.000 kg, headroom 1.000 kg, WARNED, "
        "runs out 2026-01-01 02:06 UTC at the present rate\n" in page
    )
    assert "  beta-1 of 2026: held 0.000 kg, emitted 0.001 kg, headroom -0.001 kg, EXCEEDED\n" in page


async def test_json_holds_the_accounts_of_each_channel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(await node_that_warned(), tmp_path) as addresses:
        command = ["node", "status", "--node", f"unix://{addresses.socket_path}", "--output", "json"]
        assert await asyncio.to_thread(main, command) == 0
    (channel,) = json.loads(capsys.readouterr().out)
    assert (channel["name"], channel["height"]) == ("north", 2)
    standings = {row["account"]: row["standing"] for row in channel["accounts"]}
    assert standings == {"alpha-1": "warned", "beta-1": "exceeded"}


async def test_errors_have_the_exit_codes_of_their_kind(tmp_path: Path) -> None:
    async with served(await node_that_warned(), tmp_path, tcp=True) as addresses:
        command = ["node", "status", "--node", f"http://127.0.0.1:{addresses.port}"]
        assert await asyncio.to_thread(main, command) == 4
        assert await asyncio.to_thread(main, [*command, "--token-file", str(tmp_path / "token")]) == 0
    assert await asyncio.to_thread(main, ["node", "status", "--node", str(tmp_path / "nowhere.sock")]) == 3
    assert await asyncio.to_thread(main, ["node", "status", "--node", "ftp://somewhere"]) == 2


async def test_a_socket_is_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with served(SmallNode.begin(), tmp_path) as addresses:
        name = str(addresses.socket_path).removeprefix(f"{tmp_path}/")
        assert await asyncio.to_thread(main, ["node", "status", "--node", name]) == 0
    assert await asyncio.to_thread(main, ["node", "status", "--node", "nonsense"]) == 2
    assert "give the path of its socket" in capsys.readouterr().err
