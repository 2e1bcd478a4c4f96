"""The verdicts of quality-assurance tests, in EPA's words."""

from collections.abc import Iterable
from typing import Final

PASSED: Final = "PASSED"
PASSED_ALTERNATIVE: Final = "PASSAPS"
"""Passed by the alternative limit for small emissions or spans."""

FAILED: Final = "FAILED"
INVALID: Final = "INVALID"
"""Not a test at all: too few runs, or nothing measured."""

_ORDER: Final = (PASSED, PASSED_ALTERNATIVE, FAILED)


def worst(verdicts: Iterable[str]) -> str:
    """The verdict of a whole test from those of its parts; passed when there are none."""
    return _ORDER[max((_ORDER.index(verdict) for verdict in verdicts), default=0)]
