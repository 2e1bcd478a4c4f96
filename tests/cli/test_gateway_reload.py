"""`doxedge gateway reload` and SIGHUP on a real process before a simulated plant; and `kill -9` around the border."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from doxedge.gateway.configuration_file import Kept, read_kept
from doxedge.quantity import HOUR_MS
from tests.cli.plant_box import process
from tests.cli.test_gateway_status import PATIENCE_S, doxedge, status, write_settings
from tests.gateway.waiting import until
from tests.integration.reload_bench import stored, write_drop_in
from tests.integration.simulated_site import simulated_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def kept(folder: Path) -> Kept:
    found = read_kept(folder / "state" / "gateway" / "configuration.json")
    assert found is not None
    return found


async def is_there(config: Path) -> bool:
    return bool(await status(config))


async def test_a_person_reloads_by_name_and_a_mistake_is_told(tmp_path: Path) -> None:
    async with simulated_site() as site:
        config = write_settings(site, tmp_path)
        where = ("--config", str(config))
        run = ("doxedge", "gateway", "run", *where)
        async with process(*run, environment=site.environment, log=tmp_path / "gateway.log"):
            await until(lambda: is_there(config), within_s=PATIENCE_S, what="the gateway answers")
            words = ("--name", "A. Person", "--reason", "another coverage", *where)
            write_drop_in(tmp_path, "retries = 3")
            code, _, error = await doxedge("reload", *words)
            assert (code, "10-change.toml: retries: no such key" in error) == (1, True)
            write_drop_in(tmp_path, '[[unit]]\nname = "alpha-1"\ncoverage_percent = 80')
            code, out, error = await doxedge("reload", *words, "--output", "json")
            assert code == 0, error
            told = json.loads(out)
            assert (told["result"], told["units"][0]["change"]) == ("accepted", "changed")
            write_drop_in(tmp_path, "")
            code, out, _ = await doxedge("reload", *words)
            assert code == 0
            assert out.startswith(
                ("the change that was to come does not come", "accepted: it takes over at ")
            )
        code, _, _ = await doxedge("reload", *words)
        assert code == 3


async def test_a_signal_is_followed_told_to_systemd_and_finished_after_kill_9(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(address))

        def heard() -> list[str]:
            found = []
            while True:
                try:
                    found.append(manager.recv(4_096).decode().split("\n")[0])
                except BlockingIOError:
                    return found

        async with simulated_site() as site:
            config = write_settings(site, tmp_path)
            run = ("doxedge", "gateway", "run", "--config", str(config))
            environment = {**site.environment, "NOTIFY_SOCKET": str(address)}
            async with process(*run, environment=environment, log=tmp_path / "gateway.log") as child:
                await until(lambda: is_there(config), within_s=PATIENCE_S, what="the gateway answers")
                assert heard() == ["READY=1"]
                old = kept(tmp_path).in_force
                write_drop_in(tmp_path, '[[unit]]\nname = "alpha-1"\ncoverage_percent = 80')
                child.send_signal(signal.SIGHUP)
                await until(
                    lambda: kept(tmp_path).accepted is not None or kept(tmp_path).before is not None,
                    within_s=PATIENCE_S, what="the change is accepted",
                )  # fmt: skip
                child.kill()
                await child.wait()
            assert heard()[0] == "RELOADING=1"
            async with process(*run, environment=environment, log=tmp_path / "gateway.log"):
                await until(
                    lambda: kept(tmp_path).before is not None, within_s=PATIENCE_S, what="the change has come"
                )
                await until(lambda: is_there(config), within_s=PATIENCE_S, what="the gateway answers again")
                later_ms = site.clock.now_ms() + HOUR_MS // 2
                await until(lambda: site.clock.now_ms() > later_ms, within_s=PATIENCE_S, what="half an hour")
                now = kept(tmp_path)
                assert now.accepted is None
                assert now.before is not None
                assert now.before.hashes == old.hashes
                assert now.in_force.hashes != old.hashes
                assert now.in_force.approval.words == "; nobody gave a name (asked for by a signal)"
        counts = await stored(tmp_path)
        assert max(times for device in counts.values() for times in device.values()) == 1
