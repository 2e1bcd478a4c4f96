"""What can go wrong on a line. All of it may pass: whoever polls tries again later."""

from __future__ import annotations

import os

from doxedge.measurement.sample import Reason


class LineError(Exception):
    """An exchange brought nothing that can be trusted. `reason` goes to the sample, `detail` to the operator."""

    def __init__(self, detail: str, *, reason: Reason = Reason.COMMS) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NoConnection(LineError):
    """The endpoint could not be reached."""


class ConnectionLost(LineError):
    """The connection ended in the middle of an exchange."""


class NoAnswer(LineError):
    """The whole answer was not there when its time was up."""


class NotBound(LineError):
    """Bytes came that are not the answer to this question. They are never a value, however well they look."""


def words_of(error: OSError | ValueError) -> str:
    """What the operating system says; asyncio and pyserial put their own words and addresses in the place of it."""
    if isinstance(error, OSError) and error.errno is not None:
        # The numbers of getaddrinfo(3) are below zero, and it has its own words.
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error)
