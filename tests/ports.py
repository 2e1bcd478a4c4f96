"""Ports of this machine that belong to one test for as long as it needs them.

A port that was free a moment ago is nobody's: the kernel may give it to a client, even to the one that is trying to
reach it, which then talks to itself. So ports come from below those that the kernel gives away by itself.
"""

from __future__ import annotations

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
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_STRIDE: Final = 7
_numbers: Final = itertools.count(random.SystemRandom().randrange(1 << 20) + os.getpid(), _STRIDE)


def server_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port for a server that must know its own before it starts, or must come back to it.

    No other call in this process returns it again soon, and no client gets it by chance.
    """
    for number in itertools.islice(_numbers, 1_000):
        port = LOWEST + number % (_end() - LOWEST)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
    raise OSError("no port is free on this machine")


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is taken and at which nobody listens: who connects is refused while the block runs."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def _end() -> int:
    """Where the kernel's own range begins; 32768 where it does not say."""
    try:
        return max(LOWEST + 1_000, int(_RANGE.read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, IndexError):
        return 32_768
