"""A machine whose library decides signatures otherwise takes no part: neither its node nor its gateway starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nacl.bindings
import nacl.exceptions
import pytest

from doxedge.cli.daemons import run_until_signal
from doxedge.cli.outcome import Exit, Failure
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.daemon import Gateway
from doxedge.gateway.plan import make_plan
from doxedge.gateway.settings import parse_settings
from doxedge.signing.algorithms import UnfitLibrary
from tests.gateway.key_files import write_key
from tests.gateway.plant_settings import settings_text
from tests.node.network import Network


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """libsodium answers as it never should: no signature holds."""

    def refuse(signed: bytes, public_key: bytes) -> bytes:
        raise nacl.exceptions.BadSignatureError

    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", refuse)


@pytest.mark.usefixtures("unfit")
async def test_a_node_does_not_start_and_opens_no_ledger(tmp_path: Path) -> None:
    network = Network(tmp_path, channels={"north": ("regulator",)})
    with pytest.raises(UnfitLibrary, match="`plain signature` differently"):
        await asyncio.wait_for(network.node("regulator").run(), 60)
    assert not network.ledger_file("regulator", "north").exists()
    assert not network.socket("regulator").exists()


@pytest.mark.usefixtures("unfit")
async def test_a_gateway_does_not_start_and_the_operator_is_told_without_a_restart(tmp_path: Path) -> None:
    key = write_key(tmp_path / "device.pem", "alpha device")
    settings = parse_settings(
        settings_text(key=key, state_dir=str(tmp_path / "state")), source="gateway.toml"
    )
    gateway = Gateway(make_plan(settings, source="gateway.toml", clock=RealClock()), clock=RealClock())
    with pytest.raises(Failure, match="it must not vote: install the versions") as failure:
        await asyncio.wait_for(run_until_signal(gateway.run()), 60)
    # systemd's RestartPreventExitStatus: another start would find the same library.
    assert failure.value.code == Exit.USAGE
    assert not (tmp_path / "state").exists()
