"""What the regulator is told of a unit's setup: with each start of the gateway, and when it becomes another one."""

from __future__ import annotations

from doxedge.gateway.record_desk import Happening
from doxedge.gateway.unit_setup import SetupChange, UnitSetup

CODES = ("profile.changed", "rules.changed")
"""In the order of a setup's hashes."""


class ToldSetup:
    """Of one unit: which hashes the regulator was told of last."""

    def __init__(self, setup: UnitSetup) -> None:
        """Of a unit that nothing is remembered of."""
        self.hashes = setup.hashes

    def start(
        self,
        setup: UnitSetup,
        *,
        now_ms: int,
        remembered: tuple[bytes, bytes] | None,
        change: SetupChange | None,
    ) -> list[Happening]:
        """What a regulator wants to know about a new run of the gateway; `remembered` are the hashes that it knows."""
        made_by = setup.provenance
        words = [Happening("gateway.start", now_ms, f"{made_by.firmware}, boot {made_by.boot_id.hex()}")]
        if remembered is not None:
            self.hashes = remembered
            # A change that an earlier run has told is told under the same key, and so not twice.
            words += self.change(change or SetupChange(setup, now_ms))
        return words

    def change(self, change: SetupChange) -> list[Happening]:
        """What of the hashes is not what was last told; each under a key that a second telling would have too."""
        words = []
        for code, before, now in zip(CODES, self.hashes, change.setup.hashes, strict=True):
            if before != now:
                text = f"{before.hex()} was replaced by {now.hex()}{change.words}"
                words.append(Happening(code, change.from_ms, text, key=f"{change.from_ms}/{now.hex()}"))
        self.hashes = change.setup.hashes
        return words
