"""What a daemon tells systemd, and nothing when no systemd asks: sd_notify(3) over one datagram socket."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Final, Self

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


def _status(text: str) -> str:
    """One line: an assignment ends at a line feed."""
    return "STATUS=" + " ".join(text.split())[:STATUS_CHARACTERS_MAX]
