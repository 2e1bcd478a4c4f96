"""A device's registration that came too early is signed anew, and nothing else of a plant changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.fieldbus.clock import real_ms
from doxedge.gateway.settings import load_settings
from doxedge.quantity import DAY_MS
from tests.cli.doctor_bench import Ask
from tests.cli.plant_box import init, process, whole_plant
from tests.cli.test_init_to_hours import say
from tests.gateway.waiting import until
from tests.store.test_examine import filled


def submit(plant: Path, node: Path) -> int:
    return main(["transaction", "submit", str(plant / "alpha-1.registration"), "--node", str(node)])


async def fill(plant: Path, channel: str, source: str) -> None:
    """Records that were signed two days ago."""
    path = plant / "state" / "gateway" / "outbox.db"
    old_ms = real_ms() - 2 * DAY_MS
    await (
        await filled(path, now_ms=old_ms, channel=bytes.fromhex(channel), source=bytes.fromhex(source))
    ).close()


async def test_a_registration_that_was_refused_is_signed_anew_once_the_unit_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ask: Ask
) -> None:
    plant, regulator = whole_plant(tmp_path), tmp_path / "regulator"
    node = regulator / "node.sock"
    assert init(plant, "--socket", str(node)) == 0
    first = (plant / "alpha-1.registration").read_bytes()
    (plant / "alpha-1.registration.refused").write_bytes(b"an earlier one")
    before = load_settings(plant / "gateway.toml")

    async def again() -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(init, plant) == 0
        return capsys.readouterr().out

    async with process("doxedge", "node", "run", "--config", str(regulator / "node.toml")):
        await until(node.is_socket, within_s=60, what="the regulator's node")
        assert await asyncio.to_thread(submit, plant, node) == 1
        told = await again()
        assert "was refused (clause 4.6), and the channel has no unit alpha-1 yet" in told
        assert (plant / "alpha-1.registration").read_bytes() == first

        unit = ["unit=alpha-1", "party=alpha", "kind=boiler", "capacity_kw=200000", "zone=zone 1"]
        await asyncio.to_thread(say, regulator, "unit.register", *unit)
        told = await again()
        assert "was refused (clause 4.6) and is signed anew: restart the gateway" in told
        assert (plant / "alpha-1.registration.refused").read_bytes() == b"an earlier one"
        assert (plant / "alpha-1.registration.refused.2").read_bytes() == first
        assert await asyncio.to_thread(submit, plant, node) == 0
        assert "was refused" not in await again()
    # What was signed under the registration that was refused is no backlog, and is told.
    await fill(plant, before.unit[0].channel, before.unit[0].source)
    report = await asyncio.to_thread(ask, plant)
    old = report.of("records without a numbering")
    assert (old["verdict"], before.unit[0].source in old["text"]) == ("ok", True)
    assert "3 records wait under" in old["text"]
    assert report.of("outbox backlog")["text"] == "nothing waits"
    after = load_settings(plant / "gateway.toml")
    assert after.unit[0].source != before.unit[0].source
    assert after.model_copy(update={"unit": before.unit}) == before
    assert after.unit[0].model_copy(update={"source": before.unit[0].source}) == before.unit[0]


def test_a_regulator_has_no_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--role", "both", "--channel", "found", "--channel-name", "north", "--place", "here"]
    assert init(tmp_path / "box", *flags, "--company", "regulator", "--broker", "none") == 2
    assert "has no units: the role is node" in capsys.readouterr().err
