"""What quality assurance needs of others: the hours of its unit, and a way to tell an instrument something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from doxedge.gateway.doubted_hours import Doubt
from doxedge.gateway.record_desk import Happening


class Hours(Protocol):
    """The unit whose hours these checks fall into."""

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        ...

    @property
    def open_from_ms(self) -> int:
        """The first hour that is not closed."""
        ...

    def calibration(self, at_ms: int, *, passed: bool, quantity: str) -> None:
        """A check of something that its mass needs, or of its backup, was judged."""
        ...

    def doubt(self, doubt: Doubt) -> None:
        """What a monitor that its mass needs measured in some hours that are over is invalid."""
        ...

    def hand_in(self, happenings: Iterable[Happening]) -> None:
        """To be signed."""
        ...


Command = Callable[[str, str], Awaitable[str | None]]
"""(device, command) to None when the instrument took it, or to what went wrong, in words."""
