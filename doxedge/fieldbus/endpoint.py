"""The seam between a line and what carries its questions: Modbus TCP today, RTU and serial ASCII beside it."""

from __future__ import annotations

from typing import Protocol

from doxedge.analysers.question import Answer, Asked, DeviceException


class Endpoint(Protocol):
    """One connection or one serial port. It has one owner, the line, and at most one exchange under way."""

    @property
    def name(self) -> str:
        """For messages: `modbus-tcp 192.0.2.7:502`."""
        ...

    @property
    def timeout_ms(self) -> int:
        """The longest that one exchange may take, in real time, once connected."""
        ...

    @property
    def quarantine_ms(self) -> int:
        """How long nobody is asked anything after a question that brought nothing; 0 where nobody has to wait."""
        ...

    async def exchange(self, request: Asked) -> Answer | DeviceException:
        """Ask, and return the answer to exactly this question. LineError for anything else.

        When the caller is cancelled the endpoint makes sure that a late answer can never meet the next question.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection or port; the next exchange takes it up again."""
        ...
