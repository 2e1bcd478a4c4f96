"""One decoder that is fuzzed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Errors = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What is called, the errors that it may raise, and some inputs that it accepts."""

    run: Callable[[bytes], object]
    may_raise: Errors
    seeds: Sequence[bytes]
    bytes_max: int = 4_096
