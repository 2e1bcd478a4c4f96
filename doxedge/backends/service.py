"""What a daemon tells systemd, and nothing when no systemd asks: sd_notify(3) over one datagram socket."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import Final, Self

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

log = logging.getLogger(__name__)

STATUS_CHARACTERS_MAX: Final = 256
"""A status line is for `systemctl status`, one line on a terminal."""


class ServiceManager:
    """Tells the service manager how the daemon is. Every call is quick and never raises."""

    def __init__(self, address: str | None, *, watchdog_s: float | None = None) -> None:
        """`address` as in NOTIFY_SOCKET: a path, or `@name` in the abstract name space; None tells nobody."""
        self.watchdog_s = watchdog_s
        """Seconds between two signs of life: half of what systemd grants (sd_watchdog_enabled(3)). None: not asked."""
        self._address = None if address is None else address.encode()
        if self._address is not None and self._address.startswith(b"@"):
            self._address = b"\0" + self._address[1:]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The manager named by NOTIFY_SOCKET, with the pace that WATCHDOG_USEC asks of this process."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls(None)
        asked_us = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_s = int(asked_us) / 2_000_000 if is_ours and asked_us.isdecimal() and int(asked_us) else None
        return cls(address, watchdog_s=watchdog_s)

    def ready(self, text: str) -> None:
        """Start-up is done."""
        self._tell("READY=1", _status(text))

    def reloading(self) -> None:
        """A new configuration is being read; `ready` says that it is over (sd_notify(3), Type=notify-reload)."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def alive(self, text: str) -> None:
        """Everything makes progress; this feeds the watchdog."""
        self._tell("WATCHDOG=1", _status(text))

    def stopping(self, text: str = "stopping") -> None:
        """The daemon was asked to end and is cleaning up."""
        self._tell("STOPPING=1", _status(text))

    def _tell(self, *assignments: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            # A manager that does not listen is no reason to stop measuring.
            log.debug("the service manager was not told %s: %s", assignments[0], error)


class JointService:
    """Several daemons in one process: ready when all are, alive while all are, stopping with the first.

    Else the one that still turns would feed the watchdog for the one that hangs.
    """

    def __init__(self, manager: ServiceManager, *names: str) -> None:
        """`names` are those of the daemons; each gets its `part`."""
        self._manager, self._names = manager, frozenset(names)
        self._ready: dict[str, str] = {}
        self._alive: dict[str, str] = {}
        self._is_stopping = False

    def part(self, name: str) -> ServiceManager:
        """What the daemon of that name talks to. KeyError for a name that was not announced."""
        if name not in self._names:
            raise KeyError(name)
        return _Part(self, name, watchdog_s=self._manager.watchdog_s)

    def note_ready(self, name: str, text: str) -> None:
        """One daemon is ready; tell it when all are."""
        self._ready[name] = text
        if self._ready.keys() == self._names:
            self._manager.ready(_joined(self._ready))

    def note_reloading(self) -> None:
        """One daemon reads its configuration; the next `note_ready` ends it."""
        if self._ready.keys() == self._names:
            self._manager.reloading()

    def note_alive(self, name: str, text: str) -> None:
        """One daemon makes progress; tell it, and begin to count anew, when all have since the last time."""
        self._alive[name] = text
        if self._alive.keys() == self._names:
            self._manager.alive(_joined(self._alive))
            self._alive.clear()

    def note_stopping(self, text: str) -> None:
        """The first daemon that stops speaks for the process."""
        if not self._is_stopping:
            self._is_stopping = True
            self._manager.stopping(text)


class _Part(ServiceManager):
    """The share of one daemon."""

    def __init__(self, joint: JointService, name: str, *, watchdog_s: float | None) -> None:
        super().__init__(None, watchdog_s=watchdog_s)
        self._joint, self._name = joint, name

    @override
    def ready(self, text: str) -> None:
        """This daemon's start-up is done."""
        self._joint.note_ready(self._name, text)

    @override
    def reloading(self) -> None:
        """This daemon reads its configuration."""
        self._joint.note_reloading()

    @override
    def alive(self, text: str) -> None:
        """This daemon makes progress."""
        self._joint.note_alive(self._name, text)

    @override
    def stopping(self, text: str = "stopping") -> None:
        """This daemon is cleaning up."""
        self._joint.note_stopping(text)


def _joined(texts: Mapping[str, str]) -> str:
    return "; ".join(texts[name] for name in sorted(texts))


def _status(text: str) -> str:
    """One line: an assignment ends at a line feed."""
    return "STATUS=" + " ".join(text.split())[:STATUS_CHARACTERS_MAX]
