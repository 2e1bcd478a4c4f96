"""`doxedge transaction submit` hands in signed envelopes and says how far they are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.signing import limits
from simulators.broker.server import Broker
from tests.backends.odd_node import SILENCE, OddNode, http
from tests.ledger.channels import HOUR_MS, START_MS, hour
from tests.node.network import Network
from tests.web.small_node import SmallNode, served

Captured = pytest.CaptureFixture[str]


def hours(node: SmallNode, folder: Path, count: int) -> list[str]:
    """Files with an hour each."""
    device, files = node.ledger.channel_state.authors["alpha-1 device"], []
    for number in range(count):
        files.append(folder / f"hour-{number}.envelope")
        files[-1].write_bytes(device.say("hour", hour("alpha-1", START_MS + number * HOUR_MS)).raw)
    return [str(file) for file in files]


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["transaction", "submit", *arguments])


async def rows(capsys: Captured, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code = await run(*arguments, "--output", "json")
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return code, found


async def test_records_are_followed_until_final(tmp_path: Path, capsys: Captured) -> None:
    node = SmallNode.begin()
    files = hours(node, tmp_path, 2)
    async with served(node, tmp_path) as addresses:
        code, found = await rows(capsys, *files, "--node", str(addresses.socket_path))
        assert code == 0
        assert [(row["file"], row["state"], row["accepted"]) for row in found] == [
            (file, "final", True) for file in files
        ]
        assert await run(files[0], "--node", str(addresses.socket_path), "--wait", "stored") == 0
    assert f"{found[0]['record_id']}  final in block 2, accepted" in capsys.readouterr().out


@pytest.mark.parametrize(("wait", "code"), [("none", 0), ("stored", 0), ("seen", 5), ("final", 5)])
async def test_the_exit_code_says_whether_it_is_as_far_as_was_asked(
    tmp_path: Path, capsys: Captured, wait: str, code: int
) -> None:
    node = SmallNode.begin()
    node.slow = True
    files = hours(node, tmp_path, 1)
    async with served(node, tmp_path) as addresses:
        options = ["--node", str(addresses.socket_path), "--wait", wait, "--timeout-s", "1"]
        assert await run(*files, *options) == code
    assert capsys.readouterr().out.endswith("stored by this node only\n")


async def test_a_refusal_is_told_with_its_reason_unless_nobody_wants_to_know(
    tmp_path: Path, capsys: Captured
) -> None:
    node = SmallNode.begin()
    _, late = hours(node, tmp_path, 2)
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk")
    async with served(node, tmp_path) as addresses:
        to = ["--node", str(addresses.socket_path)]
        assert await run(late, *to) == 1
        assert "refused at admission: " in capsys.readouterr().out
        assert await run(str(junk), *to) == 1
        assert f"{junk}  no transaction: " in capsys.readouterr().out
        assert await run(late, str(junk), *to, "--wait", "none") == 0


async def test_over_a_broker_another_member_is_named(tmp_path: Path, capsys: Captured) -> None:
    async with Broker() as broker:
        network = Network(
            tmp_path, channels={"north": ("regulator", "alpha", "beta")}, broker_ports=[broker.port]
        )
        file = tmp_path / "config.envelope"
        file.write_bytes(network.hand("north").configs(1)[0].raw)
        async with network.running("alpha"), network.running("beta"):
            options = ["--node", str(network.socket("alpha")), "--wait", "seen", "--timeout-s", "60"]
            code, found = await rows(capsys, str(file), *options)
            assert (code, found[0]["state"], found[0]["seen_by"]) == (0, "seen", ["beta"])
            assert await run(str(file), *options) == 0
        assert capsys.readouterr().out.endswith("seen by beta\n")


async def test_errors_have_the_exit_codes_of_their_kind(tmp_path: Path) -> None:
    node = SmallNode.begin()
    (file,) = hours(node, tmp_path, 1)
    empty, large = tmp_path / "empty", tmp_path / "large"
    empty.write_bytes(b"")
    large.write_bytes(bytes(limits.ENVELOPE_BYTES + 1))
    async with served(node, tmp_path, tcp=True) as addresses:
        to = ["--node", str(addresses.socket_path)]
        assert await run(str(tmp_path / "missing"), *to) == 7
        assert await run(str(empty), *to) == 2
        assert await run(str(large), *to) == 2
        assert await run(*[file] * 65, *to) == 2
        assert await run(file, *to, "--channel", "atlantis") == 2
        assert await run(file, "--node", "nowhere") == 2
        assert await run(file, "--node", f"http://127.0.0.1:{addresses.port}") == 4
        node.full = True
        assert await run(file, *to) == 3
    assert await run(file, *to) == 3


async def test_an_answer_that_is_lost_leaves_the_outcome_open(tmp_path: Path) -> None:
    node = SmallNode.begin()
    (file,) = hours(node, tmp_path, 1)
    channels = http(json.dumps([{"channel": node.ledger.channel.hex(), "name": "north"}]).encode())
    async with OddNode(tmp_path, [channels, SILENCE[:0]], closes=True) as odd:
        assert await run(file, "--node", str(odd.address.socket_path)) == 5


@pytest.mark.parametrize("seconds", ["0", "61", "soon", "1.5", "-1", "٣", "9" * 5_000])
async def test_a_time_that_no_node_waits_is_a_mistake(seconds: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["transaction", "submit", "file", "--timeout-s", seconds])
    assert stop.value.code == 2
