"""When a device that does not answer is asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """Doubling pauses with full jitter, so that devices which failed together do not come back in step."""

    first_s: float = 1.0
    most_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.most_s:
            raise ValueError(
                f"pauses from {self.first_s} s to {self.most_s} s: the first is the shortest, above 0"
            )

    def delay_s(self, failures: int, chance: Callable[[], float]) -> float:
        """Plant seconds to wait after this many failures in a row; `chance()` is within 0 to 1.

        Never shorter than the first pause: jitter must not turn a dead device into a busy loop.
        """
        doublings = min(failures - 1, 30)
        ceiling_s = min(self.most_s, self.first_s * 2.0**doublings)
        return max(self.first_s, chance() * ceiling_s)
