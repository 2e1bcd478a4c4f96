"""The demo's own mosquitto: it has a port that is really its own, or says why it has none."""

from __future__ import annotations

import itertools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from doxedge.cli.demo_mosquitto import find_mosquitto, free_ports, start_mosquitto
from doxedge.cli.outcome import Exit, Failure


@pytest.fixture
def program() -> str:
    try:
        return find_mosquitto()
    except Failure as missing:
        pytest.skip(f"{missing}: only our own broker was tested")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody else listens, so that whoever connects is answered."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def is_mqtt(port: int) -> bool:
    """Whether an MQTT broker accepts us there."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x")
        return client.recv(4) == b"\x20\x02\x00\x00"


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_where_somebody_else_took_the_port_mosquitto_starts_at_another(
    program: str, taken: int, tmp_path: Path
) -> None:
    process, port = start_mosquitto(program, tmp_path, itertools.chain([taken], free_ports()))
    try:
        assert port != taken
        assert is_mqtt(port)
        assert process.poll() is None
    finally:
        end(process)


def test_where_every_port_is_taken_the_ports_are_told_and_what_to_do(
    program: str, taken: int, tmp_path: Path
) -> None:
    with pytest.raises(Failure, match=f"ports {taken}, {taken} taken; .* --broker HOST:PORT") as refused:
        start_mosquitto(program, tmp_path, [taken, taken])
    assert refused.value.code == Exit.LOCAL_IO


def test_another_failure_is_told_at_once_in_the_words_of_the_program(tmp_path: Path) -> None:
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho Error: Unable to open log file. >&2\nexit 3\n", encoding="ascii")
    broken.chmod(0o755)
    with pytest.raises(Failure, match=r"did not start; leave --broker out(.|\n)*Unable to open log file"):
        start_mosquitto(str(broken), tmp_path)
