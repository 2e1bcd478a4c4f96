"""Signed hours that a check which failed later takes away: they are substituted, as far as rules say by what.

Under Part 60 a failed validation makes invalid what was measured since the last one that passed (40 CFR 60.13(h)(2), as
read in the measurement design, 1.1 and rule 27). Hours that can still be judged anew from their samples are told by the
checks themselves; these are the others. A stated mass cannot be taken back by a gap (clause 8.14), so the regulator is
told of each by an event, and where a substitute follows it is a revision. Both are read off the signed hours, so what a
power cut leaves out is done by the next run, and nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from doxedge.gateway.history_rebuild import DOUBTFUL, Statement, signed_statements
from doxedge.gateway.missing_data import MissingData
from doxedge.gateway.record_desk import Happening, RecordDesk, UnitIdentity
from doxedge.measurement.bias_check import grams_in
from doxedge.measurement.emission import BACKUP_METHOD, CALIBRATION_FAILED
from doxedge.measurement.hour_settings import BACKUP
from doxedge.quantity import HOUR_MS

MEASURED: Final = frozenset({"valid", "extrapolated", "start_stop"})
"""Qualities of hours that rest on monitors; what a person entered does not."""
_METHOD_PLACE, _QUALITY_PLACE, _MINUTES_PLACE = 8, 6, 9


@dataclass(frozen=True, slots=True)
class Doubt:
    """What one monitor measured in some whole hours is invalid."""

    quantity: str
    from_ms: int
    to_ms: int
    failed_ms: int


class DoubtedHours:
    """Of one unit."""

    def __init__(self, identity: UnitIdentity, *, outbox: Path) -> None:
        """Nothing is in doubt yet."""
        self._unit, self._identity, self._outbox = identity.unit, identity, outbox
        self._doubts: list[Doubt] = []

    def put(self, doubt: Doubt) -> None:
        """To be followed when nothing waits at the desk."""
        self._doubts.append(doubt)

    async def follow(
        self, desk: RecordDesk, missing_data: MissingData, *, remembers: Callable[[int], bool]
    ) -> int:
        """Have signed what follows; how many records are new. Raises StoreError.

        `remembers`: whether an hour can be judged anew. A full disk leaves the rest for the next call.
        """
        new = 0
        while self._doubts:
            doubt = self._doubts[0]
            stated = await asyncio.to_thread(signed_statements, self._outbox, self._identity)
            gone = [
                start_ms
                for start_ms in range(doubt.from_ms, doubt.to_ms, HOUR_MS)
                if start_ms in stated
                and not remembers(start_ms)
                and _rests_on(stated[start_ms], doubt.quantity)
            ]
            desk.hand_in(self._event(start_ms, doubt) for start_ms in gone)
            new += await desk.sign()
            word = f"{doubt.quantity}:{CALIBRATION_FAILED}"
            if desk.waiting or not await missing_data.doubt(gone, word, desk):
                return new
            new += await missing_data.follow(desk)
            self._doubts.pop(0)
        return new

    def _event(self, start_ms: int, doubt: Doubt) -> Happening:
        what = f"a check of {doubt.quantity} that failed at {doubt.failed_ms}"
        text = f"{what} leaves the hour at {start_ms} without a mass"
        return Happening(
            DOUBTFUL, doubt.failed_ms, text, key=f"{start_ms}/{doubt.quantity}/{doubt.failed_ms}"
        )


def _rests_on(stated: Statement, quantity: str) -> bool:
    """Whether an hour was measured, and by this monitor for any of its minutes."""
    body: list[Any] = stated.body
    if body[_QUALITY_PLACE] not in MEASURED or not body[3]:
        return False
    by_backup = grams_in("backup_minutes", [word for word in body[18] or [] if isinstance(word, str)]) or 0
    if quantity.startswith(f"{BACKUP}."):
        return bool(by_backup)
    return bool(body[_METHOD_PLACE] != BACKUP_METHOD or by_backup < body[_MINUTES_PLACE])
