"""The events that tell the regulator of another setup of a unit."""

from __future__ import annotations

from doxedge.gateway.record_desk import Happening
from doxedge.gateway.unit_setup import SetupChange

CODES = ("profile.changed", "rules.changed")
"""In the order of a setup's hashes."""


def change_words(told: tuple[bytes, bytes], change: SetupChange) -> list[Happening]:
    """What of the hashes is not what was last told; each under a key that a second telling would have too."""
    words = []
    for code, before, now in zip(CODES, told, change.setup.hashes, strict=True):
        if before != now:
            text = f"{before.hex()} was replaced by {now.hex()}{change.words}"
            words.append(Happening(code, change.from_ms, text, key=f"{change.from_ms}/{now.hex()}"))
    return words
