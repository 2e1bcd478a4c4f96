"""A real gateway before a simulated plant, asked and told by real commands beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli import gateway_status
from doxedge.cli.main import main
from tests.cli.plant_box import REPOSITORY, process
from tests.cli.test_demo_end import AS_ON_A_TERMINAL
from tests.gateway.key_files import write_key
from tests.gateway.waiting import until
from tests.integration.simulated_site import SimulatedSite, simulated_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 90.0


async def doxedge(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doxedge", "gateway", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


async def watched_on_a_terminal(*where: str) -> int:
    """Look at the live table until the alarm is there, leave with Ctrl-C; the exit code."""
    ours, theirs = pty.openpty()
    try:
        child = await asyncio.create_subprocess_exec(
            *AS_ON_A_TERMINAL, sys.executable, "-m", "doxedge", "gateway", "status", *where,
            stdout=theirs, stderr=theirs, cwd=REPOSITORY, env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        )  # fmt: skip
    finally:
        os.close(theirs)
    is_there = asyncio.Event()
    loop = asyncio.get_running_loop()
    reading = asyncio.create_task(
        asyncio.to_thread(_read_all, ours, lambda: loop.call_soon_threadsafe(is_there.set)), name="terminal"
    )
    try:
        async with asyncio.timeout(60):
            await is_there.wait()
            child.send_signal(signal.SIGINT)
            return await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        await reading
        os.close(ours)


def _read_all(terminal: int, tell: Callable[[], object]) -> None:
    """Read until nobody has the terminal open any more: then a read fails (pty(7))."""
    seen = b""
    with contextlib.suppress(OSError):
        while more := os.read(terminal, 65_536):
            seen += more
            if b"device.away" in seen:
                tell()


def write_settings(site: SimulatedSite, folder: Path) -> Path:
    """The gateway's file. There is no node: what is measured waits."""
    key = write_key(folder / "device.pem", "alpha device")
    text = site.settings(folder / "state", key=key, channel=b"c" * 32, source=b"s" * 16)
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def status(config: Path) -> dict[str, Any]:
    """The status; {} while nobody answers."""
    code, out, _ = await doxedge("status", "--config", str(config), "--output", "json")
    return {} if code else json.loads(out)


async def test_a_running_gateway_tells_how_it_is_and_takes_an_acknowledgement(tmp_path: Path) -> None:
    async with simulated_site(faults=["analyser:silence@0+864000"]) as site:
        config = write_settings(site, tmp_path)
        where = ("--config", str(config))
        async with process(
            "doxedge", "gateway", "run", *where, environment=site.environment, log=tmp_path / "gateway.log"
        ):

            async def is_away() -> bool:
                told = await status(config)
                return any(alarm["code"] == "device.away" for alarm in told.get("alarms", []))

            await until(is_away, within_s=PATIENCE_S, what="the alarm of the silent analyser")
            told = await status(config)
            (unit,) = told["units"]
            up = {device["device"]: device["up"] for device in unit["devices"]}
            assert up["alpha-1.analyser"] is False
            assert up["alpha-1.flow"] is True
            values = {value["quantity"]: value for value in unit["values"]}
            assert (values["nox_ppb"]["value"], values["nox_ppb"]["reason"]) == (None, "comms")
            assert values["flow_m3_per_h"]["quality"] in ("good", "uncertain")
            assert unit["signature"]["numbered"] is False
            assert told["clock"]["state"] == "simulated"

            code, table, _ = await doxedge("status", *where)
            assert code == 0
            assert "alpha-1.analyser  AWAY" in table
            assert "waits for the node to say the next number" in table

            assert await watched_on_a_terminal(*where) == 0

            (alarm,) = [one for one in told["alarms"] if one["code"] == "device.away"]
            number, name, reason = str(alarm["alarm"]), "A. Person", "pump is being changed"
            words = ("--name", name, "--reason", reason, *where)
            code, _, error = await doxedge("acknowledge", "999999", *words)
            assert (code, "there is no alarm 999999" in error) == (2, True)
            code, out, _ = await doxedge("acknowledge", number, *words)
            assert (code, "still stands" in out) == (0, True)
            code, _, error = await doxedge("acknowledge", number, *words)
            assert (code, name in error and reason in error) == (1, True)
            code, _, _ = await doxedge("acknowledge", number, "--name", " ", "--reason", "b", *where)
            assert code == 2
        # It has stopped: nobody answers, and what is on record is still there for whoever looks.
        code, _, error = await doxedge("status", *where)
        assert (code, "is it running" in error) == (3, True)
        code, _, _ = await doxedge("acknowledge", number, *words)
        assert code == 3
        code, out, _ = await doxedge("alarms", *where, "--output", "json")
        assert code == 0
        (kept,) = [one for one in json.loads(out)["alarms"] if one["alarm"] == int(number)]
        assert (kept["acknowledged"]["name"], kept["acknowledged"]["reason"]) == (name, reason)


def test_a_gateway_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    from doxedge.cli import gateway_folder

    monkeypatch.setattr(gateway_folder, "ANSWER_S_MAX", 0.05)
    (tmp_path / "gateway").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "gateway" / "gateway.sock"))
        silent.listen()
        where = ("--state", str(tmp_path))
        assert main(["gateway", "status", *where]) == 3
        # Whether it was acknowledged is not known: code 5 says to look first.
        assert main(["gateway", "acknowledge", "1", "--name", "A", "--reason", "B", *where]) == 5
    assert "look before you repeat" in capsys.readouterr().err


def told(**unit: Any) -> dict[str, Any]:
    """A status in the form that the door tells."""
    whole = {
        "unit": "alpha-1",
        "running": True,
        "hour": {
            "start_ms": 1_767_268_800_000,
            "minutes_elapsed": 40,
            "minutes_operating": 40,
            "minutes_valid": 22,
            "minutes_needed": 2,
            "quarters_lost": [1],
            "nox_g": 1_234,
        },
        "values": [
            {
                "quantity": "nox_ppb",
                "value": None,
                "decoded": "7.5",
                "quality": "bad",
                "reason": "stuck",
                "device": "alpha-1.analyser",
                "at_ms": 1_767_271_195_000,
            }
        ],
        "devices": [],
        "monitors": [],
        "availability": {
            "percent": "94.1",
            "qa_hours": 8_243,
            "operating_hours": 8_760,
            "initial": False,
            "next_gap_hour_g": 23_456,
            "next_gap_hour_method": "08",
        },
        "backlog": {"pending": 3, "oldest_seq": 4, "oldest_ms": 1_767_264_000_000, "last_error": None},
        "last_final_seq": 3,
        "signature": {"numbered": True, "unsigned": 0, "conflicts": 0, "proofs_refused": 0},
        **unit,
    }
    return {
        "at_ms": 1_767_271_200_000,
        "started_ms": 1_767_264_000_000,
        "firmware": "doxedge test",
        "key_id": "ab" * 16,
        "clock": {"state": "synchronised", "offset_ms": -3},
        "disk_free_bytes": None,
        "units": [whole],
        "alarms": [],
    }


def test_the_plain_lines_say_what_is_needed_and_never_show_a_bad_value_as_a_number() -> None:
    lines = gateway_status._lines(told())
    text = "\n".join(lines)
    assert "clock synchronised (-3 ms)" in lines[0]
    assert "22 of 40 min  2 more, lost quarter 1  1234 g      3, oldest 2 h" in text
    assert "(7.5)" in text
    assert "94.1 %" in text
    assert "23.456 kg by method 08" in text
    assert "no alarm" in lines
    doubtful = {"numbered": True, "unsigned": 2, "conflicts": 1, "proofs_refused": 0}
    assert "1 conflicts, 2 not signed yet" in "\n".join(gateway_status._lines(told(signature=doubtful)))


def test_an_hour_that_has_not_begun_shows_dashes() -> None:
    assert "–" in "\n".join(gateway_status._lines(told(hour=None)))
