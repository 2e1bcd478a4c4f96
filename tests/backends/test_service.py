"""The words of sd_notify(3), over real datagram sockets."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from doxedge.backends.service import STATUS_CHARACTERS_MAX, JointService, ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening manager and its address."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(60)
        yield listening, address


def heard(listening: socket.socket) -> list[str]:
    return listening.recv(4_096).decode().split("\n")


def test_each_moment_of_a_life_is_told_with_its_status(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    service = ServiceManager.from_environment({"NOTIFY_SOCKET": address})
    service.ready("measuring 2 units")
    service.alive("2 units, 0 devices away")
    service.stopping()
    assert heard(listening) == ["READY=1", "STATUS=measuring 2 units"]
    assert heard(listening) == ["WATCHDOG=1", "STATUS=2 units, 0 devices away"]
    assert heard(listening) == ["STOPPING=1", "STATUS=stopping"]


def test_a_status_cannot_smuggle_a_second_assignment_in(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    ServiceManager(address).alive("fine\nMAINPID=1\n" + "x" * 1_000)
    told = heard(listening)
    assert told[0] == "WATCHDOG=1"
    assert len(told) == 2
    assert told[1].startswith("STATUS=fine MAINPID=1 x")
    assert len(told[1]) <= len("STATUS=") + STATUS_CHARACTERS_MAX


def test_an_address_in_the_abstract_name_space_is_reached() -> None:
    name = f"doxedge-test-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(60)
        ServiceManager.from_environment({"NOTIFY_SOCKET": f"@{name}"}).ready("here")
        assert heard(listening) == ["READY=1", "STATUS=here"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_an_address_that_is_known_nobody_is_told(environ: dict[str, str]) -> None:
    service = ServiceManager.from_environment(environ)
    service.ready("")
    assert service.watchdog_s is None


def test_a_manager_that_is_gone_does_not_stop_the_daemon(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "nobody")).alive("still measuring")
    ServiceManager("/" + "long" * 100).alive("still measuring")


def test_a_manager_that_does_not_read_does_not_block_the_daemon(manager: tuple[socket.socket, str]) -> None:
    _, address = manager
    service = ServiceManager(address)
    for _ in range(5_000):
        service.alive("x" * 200)


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_pace_of_the_watchdog_is_half_of_what_is_granted(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    service = ServiceManager.from_environment({"NOTIFY_SOCKET": "/run/notify", **environ})
    assert service.watchdog_s == watchdog_s


def test_two_daemons_in_one_process_are_ready_and_alive_together(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    joint = JointService(ServiceManager(address, watchdog_s=5.0), "gateway", "node")
    gateway, node = joint.part("gateway"), joint.part("node")
    assert (gateway.watchdog_s, node.watchdog_s) == (5.0, 5.0)
    node.ready("1 channels")
    gateway.ready("measuring 1 units")
    for _ in range(3):
        gateway.alive("1 units")  # three signs of one daemon are not one of both
    node.alive("north at 7")
    node.alive("north at 8")
    gateway.stopping()
    node.stopping()
    assert heard(listening) == ["READY=1", "STATUS=measuring 1 units; 1 channels"]
    assert heard(listening) == ["WATCHDOG=1", "STATUS=1 units; north at 7"]
    assert heard(listening) == ["STOPPING=1", "STATUS=stopping"]
    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.recv(1)


def test_a_daemon_that_was_not_announced_has_no_part() -> None:
    with pytest.raises(KeyError):
        JointService(ServiceManager(None), "node").part("gateway")


def test_a_reload_is_told_with_its_instant_on_the_clock_that_systemd_reads(
    manager: tuple[socket.socket, str],
) -> None:
    listening, address = manager
    begun_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    service = ServiceManager(address)
    service.reloading()
    service.ready("2 units")
    said, instant = heard(listening)
    assert said == "RELOADING=1"
    name, _, value = instant.partition("=")
    assert name == "MONOTONIC_USEC"
    assert begun_us <= int(value) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    assert heard(listening)[0] == "READY=1"


def test_one_of_two_daemons_reloads_when_both_are_ready(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    joint = JointService(ServiceManager(address), "gateway", "node")
    gateway, node = joint.part("gateway"), joint.part("node")
    gateway.reloading()  # nothing has started, so there is nothing to reload
    node.ready("serving")
    gateway.ready("measuring")
    assert heard(listening) == ["READY=1", "STATUS=measuring; serving"]
    gateway.reloading()
    gateway.ready("measuring more")
    assert heard(listening)[0] == "RELOADING=1"
    assert heard(listening) == ["READY=1", "STATUS=measuring more; serving"]
