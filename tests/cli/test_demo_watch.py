"""The live table shows every node and every unit, and nothing is asked where nobody sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from doxedge.cli.demo_cast import Cast
from doxedge.cli.demo_officer import Node
from doxedge.cli.demo_view import DemoView
from doxedge.cli.demo_watch import unit_text, watched
from tests.gateway.waiting import until
from tests.ledger.channels import START_MS, hour
from tests.web.small_node import SmallNode, served


async def test_on_a_terminal_the_table_follows_the_nodes_also_when_one_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    node, said = SmallNode.begin(), [""]

    def shows(text: str) -> bool:
        said[0] += capsys.readouterr().out
        return text in said[0]

    async with served(node, tmp_path) as addresses:
        assert addresses.socket_path is not None
        dead = Node(tmp_path / "nowhere.sock")
        cast = Cast(nodes={"regulator": Node(addresses.socket_path), "alpha": dead}, year=2026)
        with DemoView(json_output=False, steps=9) as view:
            assert view.is_live
            async with watched(view, cast):
                cast.channels["north"] = node.ledger.channel
                await until(lambda: shows("height: regulator 1, alpha –, beta –"))
                device = node.ledger.channel_state.authors["alpha-1 device"]
                await node.ledger.submit(
                    node.ledger.channel, [device.say("hour", hour("alpha-1", START_MS)).raw]
                )
                node.ledger.build_block()
                await until(lambda: shows("1 trial hours, 0 counted, 0.000 kg emitted, headroom 0.000 kg"))
                assert shows("height: regulator 2")
            view.step("It is told.")
        assert shows("It is told.")


async def test_where_the_output_is_piped_no_node_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    cast = Cast(channels={"north": bytes(32)}, nodes={})
    with DemoView(json_output=False, steps=9) as view:
        assert not view.is_live
        async with watched(view, cast):
            assert len(asyncio.all_tasks()) == 1
        view.step("It is told.")
    assert capsys.readouterr().out == "It is told.\n"


def test_a_unit_without_an_account_shows_its_hours_only() -> None:
    assert (
        unit_text({"trial_hours": 1, "counted_hours": 2, "emitted_g": 3}, None) == "1 trial hours, 2 counted"
    )
