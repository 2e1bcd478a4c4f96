"""Ports of this machine that belong to one process of tests for as long as it lives.

A port that was free a moment ago is nobody's: the kernel may give it to a client, even to the one that is trying to
reach it, which then talks to itself; and another worker, or another run of the tests, may have looked at the same
moment. So ports come from below those that the kernel gives away by itself, and each process has a block of its own,
which it holds by a name that the kernel lets only one have.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
LOWEST: Final = 10_000
BLOCK: Final = 256
"""Ports of one process; more than its tests ask for."""
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def server_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port for a server that must know its own before it starts, or must come back to it.

    No other process of tests gets it, no other call in this one gets it soon, and no client gets it by chance.
    """
    for number in itertools.islice(_numbers(os.getpid()), BLOCK):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((HOST, number))
            except OSError:
                continue
        return number
    raise OSError("no port of this process's block is free")


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is taken and at which nobody listens: who connects is refused while the block runs."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        port: int = holder.getsockname()[1]
        yield port


@functools.cache
def _numbers(_pid: int) -> Iterator[int]:
    """The ports of this process's block, round and round."""
    first = LOWEST + BLOCK * _own_block((_end() - LOWEST) // BLOCK)
    return itertools.cycle(range(first, first + BLOCK))


def _own_block(count: int) -> int:
    """The number of a block that no other process has. The kernel takes the name back when the process ends."""
    start = random.SystemRandom().randrange(count)
    for number in (*range(start, count), *range(start)):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0doxedge-tests-ports-{number}")
        except OSError as error:
            holder.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        holder.detach()  # open as long as the process is
        return int(number)
    raise OSError("all blocks of ports are taken by other tests")


def _end() -> int:
    """Where the kernel's own range begins; 32768 where it does not say."""
    try:
        return max(LOWEST + 1_000, int(_RANGE.read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, IndexError):
        return 32_768
