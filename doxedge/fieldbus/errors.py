"""What can go wrong on a line. All of it may pass: whoever polls tries again later."""

from __future__ import annotations

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
