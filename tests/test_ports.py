"""A closed port refuses, and a server's port is not one that the kernel gives away."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import BLOCK, HOST, closed_port, server_port


def test_who_connects_to_a_closed_port_is_refused_and_nobody_else_gets_it() -> None:
    with closed_port() as port:
        for _ in range(3):
            with socket.socket() as client, pytest.raises(ConnectionRefusedError):
                client.connect((HOST, port))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((HOST, port))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_servers_port_is_below_those_of_clients_and_given_once(kind: socket.SocketKind) -> None:
    lowest_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [server_port(kind) for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(10_000 <= port < lowest_of_clients for port in ports)


def test_a_port_that_somebody_took_is_passed_over() -> None:
    first = server_port()
    with socket.socket() as stranger:
        stranger.bind((HOST, first + 1 if (first + 1) % BLOCK != 10_000 % BLOCK else first + 1 - BLOCK))
        assert server_port() != stranger.getsockname()[1]


def test_no_two_processes_have_a_port_in_common() -> None:
    script = f"from tests.ports import server_port; print(*(server_port() for _ in range({BLOCK}))); input()"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    blocks = [{server_port() for _ in range(BLOCK)}]
    for other in others:
        assert other.stdout is not None
        blocks.append({int(word) for word in other.stdout.readline().split()})
    for other in others:
        other.communicate("\n")
    assert len(set().union(*blocks)) == sum(len(block) for block in blocks)
