"""`doxedge readings status` shows the reception desk of every channel of a node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.signing.canonical import Value
from tests.ledger.channels import HOUR_MS, START_MS, hour
from tests.web.small_node import SmallNode, served


async def node_with_hours() -> SmallNode:
    node = SmallNode.begin()
    device = node.ledger.channel_state.authors["alpha-1 device"]
    bodies = [("hour", hour("alpha-1", START_MS + n * HOUR_MS)) for n in (0, 1, 4)]
    bodies.append(("event", ["alpha-1", "alarm.raised", START_MS, "value.stuck alpha-1.nox_ppb: 12.5"]))
    bodies.append(("event", ["alpha-1", "clock.step", START_MS, "by 5000 ms"]))
    bodies.append(("gap", ["alpha-1", START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, "test"]))
    await node.ledger.submit(node.ledger.channel, [device.batch(bodies).raw])
    node.ledger.build_block()
    node.clock_ms = START_MS + 6 * HOUR_MS
    return node


async def test_the_table_shows_what_arrived_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(await node_with_hours(), tmp_path) as addresses:
        assert (
            await asyncio.to_thread(main, ["readings", "status", "--node", str(addresses.socket_path)]) == 0
        )
    page = capsys.readouterr().out
    assert page.startswith("north, height 2\n")
    (line,) = [line for line in page.splitlines() if line.startswith("alpha-gw")]
    assert line.split()[:13] == [
        "alpha-gw",
        "alpha-1",
        "trial",
        "2026-01-01",
        "04:00",
        "60.0",
        "5",
        "3",
        "0",
        "1",
        "1",
        "0",
        "0",
    ]
    assert line.split()[13] == "0", "nothing was asked for"
    assert "not commissioned" in line
    assert "alpha-gw: value.stuck alpha-1.nox_ppb stands since 2026-01-01 00:00" in page
    assert "alpha-gw: event clock.step once 2026-01-01 00:00" in page
    assert "alpha-gw: declared gap from 2026-01-01 02:00 to 2026-01-01 03:00" in page
    assert "alpha-gw: silent from 2026-01-01 03:00 to 2026-01-01 04:00" in page


async def test_no_device_blinds_the_desk_or_steers_its_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a device says of itself is its own: times beyond every calendar, and signs that move a cursor."""
    node = SmallNode.begin()
    device = node.ledger.channel_state.authors["alpha-1 device"]
    escape = "\x1b[2J\x1b[31mall is well"
    bodies: list[tuple[str, list[Value]]] = [
        ("hour", hour("alpha-1", START_MS, clock_state=escape, firmware=escape)),
        ("event", ["alpha-1", "alarm.raised", 2**62, f"{escape}: x"]),
        ("event", ["alpha-1", escape, -(2**62), escape]),
        ("event", ["alpha-1", "far", 10**15, ""]),
    ]
    await node.ledger.submit(node.ledger.channel, [device.batch(bodies).raw])
    node.ledger.build_block()
    node.clock_ms = START_MS + 6 * HOUR_MS
    async with served(node, tmp_path) as addresses:
        command = ["readings", "status", "--node", str(addresses.socket_path)]
        assert await asyncio.to_thread(main, command) == 0
        page = capsys.readouterr().out
        assert await asyncio.to_thread(main, [*command, "--output", "json"]) == 0
    assert "\x1b" not in page
    assert f"stands since {2**62} ms" in page
    assert f"once {-(2**62)} ms" in page
    assert "says of itself" in page
    (channel,) = json.loads(capsys.readouterr().out)["channels"]
    assert any(row["alarms"] == [{"name": escape, "since_ms": 2**62}] for row in channel["devices"])


async def test_json_has_the_same_figures_and_takes_a_period(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(await node_with_hours(), tmp_path) as addresses:
        command = ["readings", "status", "--node", str(addresses.socket_path), "--output", "json"]
        period = ["--from", "2026-01-01T01:00", "--to", "2026-01-01T03:00", "--channel", "north"]
        assert await asyncio.to_thread(main, [*command, *period]) == 0
    (channel,) = json.loads(capsys.readouterr().out)["channels"]
    alpha = next(device for device in channel["devices"] if device["device"] == "alpha-gw")
    assert (alpha["hours_due"], alpha["hours_accepted"], alpha["hours_gap"]) == (2, 1, 1)
    assert alpha["hours_substituted"] == 0
    assert alpha["completeness_percent"] == "50.0"
    assert alpha["missing"] == [
        {"from_ms": START_MS + 2 * HOUR_MS, "to_ms": START_MS + 3 * HOUR_MS, "stated": True}
    ]


async def test_errors_have_the_exit_codes_of_their_kind(tmp_path: Path) -> None:
    node = await node_with_hours()
    async with served(node, tmp_path, tcp=True) as addresses:
        url = f"http://127.0.0.1:{addresses.port}"
        command = ["readings", "status", "--node", url]
        assert await asyncio.to_thread(main, command) == 4
        assert await asyncio.to_thread(main, [*command, "--token-file", str(tmp_path / "token")]) == 0
        assert await asyncio.to_thread(main, [*command, "--token-file", str(tmp_path / "none")]) == 4
        named = ["readings", "status", "--node", str(addresses.socket_path), "--channel", "atlantis"]
        assert await asyncio.to_thread(main, named) == 2
    assert main(["readings", "status", "--node", str(tmp_path / "gone.sock")]) == 3


@pytest.mark.parametrize("time", ["yesterday", "1969-12-31", "2026-13-01"])
def test_a_time_that_is_none_is_a_usage_error(time: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["readings", "status", "--from", time])
    assert caught.value.code == 2
