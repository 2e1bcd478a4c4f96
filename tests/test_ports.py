"""A closed port refuses, and a server's port is not one that the kernel gives away."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.ports import HOST, closed_port, server_port


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
