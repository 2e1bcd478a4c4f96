"""The broker as a process: how others start it, find it, and end it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.broker.__main__ import main
from tests.ports import HOST
from tests.simulators.broker.paho_client import WAIT_S, PahoClient
from tests.simulators.broker.processes import ROOT, start_ours


def test_it_says_where_it_listens_and_ends_in_good_order(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready"
    broker = start_ours("--ready-file", str(ready_file))
    assert ready_file.read_text() == f"{HOST}:{broker.port}\n"
    assert list(tmp_path.iterdir()) == [ready_file]
    with PahoClient(broker.port, "x") as client:
        assert broker.stop() == 0
        assert client.lost.wait(WAIT_S)


def test_a_killed_broker_can_be_started_again_on_its_port() -> None:
    broker = start_ours()
    broker.kill()
    broker.restart()
    with PahoClient(broker.port, "x") as client:
        client.publish("t", b"x")
    assert broker.stop() == 0


def test_faults_can_be_given_as_flags() -> None:
    broker = start_ours(
        "--fault", "topic=lost,drop=1", "--partition", "a,b", "--partition", "c", "--seed", "7"
    )
    with (
        PahoClient(broker.port, "b") as b,
        PahoClient(broker.port, "c") as c,
        PahoClient(broker.port, "z") as z,
    ):
        for client in (b, c):
            client.subscribe("#")
        z.publish("lost", b"1")
        b.publish("t", b"2")
        z.publish("t", b"end")
        assert [m.payload for m in b.receive_until(b"end")] == [b"2"]
        assert c.receive_until(b"end") == []
    assert broker.stop() == 0


@pytest.mark.parametrize("flag", ["--take-over-every", "--disconnect-every"])
def test_it_can_throw_everyone_out_now_and_then(flag: str) -> None:
    broker = start_ours(flag, "0.3")
    with PahoClient(broker.port, "x") as client:
        assert client.lost.wait(WAIT_S)
    assert broker.stop() == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--port", "70000"], "70000 is not a port"),
        (["--fault", "dorp=1"], "write name=value"),
        (["--take-over-every", "0"], "not between"),
        (["--packet-bytes-max", "0"], "not at least 1"),
        (["--tls-cert", "missing.pem"], "--tls-cert"),
        (["--protocols", "4"], "invalid choice"),
    ],
)
def test_a_wrong_flag_is_explained(flags: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(flags)
    assert stop.value.code == 2
    assert says in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 7
    assert f"cannot listen at {HOST}:{port}" in capsys.readouterr().err


def test_the_help_teaches_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("drop", "take_over", "--partition", "delay_ms", "examples"))


def test_only_a_signal_ends_it_not_the_end_of_its_input() -> None:
    command = [sys.executable, "-m", "simulators.broker"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        for name in ("x", "y"):
            with PahoClient(port, name) as client:
                client.publish("t", b"x")
        process.terminate()
        assert process.wait(60) == 0
