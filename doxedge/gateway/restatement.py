"""Hours that are signed, and that a RATA which was handed in after them gives another factor: they are revised.

Each revision is computed from the latest statement of its hour in the outbox, which is kept for 35 days. What is older,
or was made by other rules than those of now, stays; the event of the test says from when on it holds. Whether an hour
has the factor in force is seen from the hour itself, so a restart goes on where the last run stopped, and nothing is
revised twice.

    (1) the revision is in the outbox
    (2) the history knows the other mass, and what was substituted beside it follows
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from doxedge.gateway.history_rebuild import Statement, measured, signed_statements
from doxedge.gateway.missing_data import MissingData
from doxedge.gateway.record_desk import RecordDesk, Restated, UnitIdentity
from doxedge.gateway.unit_setup import UnitSetup
from doxedge.measurement.bias_restated import SignedHour, restated
from doxedge.measurement.tests_in_force import KeptTests

REASON: Final = "bias factor of a RATA"
ROUNDS_MAX: Final = 3
"""In the second nothing is owed; a test that comes meanwhile makes one more."""


class Restatement:
    """Of one unit."""

    def __init__(
        self,
        identity: UnitIdentity,
        *,
        outbox: Path,
        tests: KeptTests,
        setup_at: Callable[[int], UnitSetup],
    ) -> None:
        """`setup_at` gives what is in force in an hour."""
        self._identity, self._outbox, self._tests, self._setup_at = identity, outbox, tests, setup_at
        self._seen = 0
        """The version of the tests that every signed hour has."""

    async def follow(self, desk: RecordDesk, missing_data: MissingData, *, open_from_ms: int) -> int:
        """Sign what is owed, when tests have come; how many records are new. Raises StoreError.

        `open_from_ms` is the first hour that is not closed. To be called when nothing waits at the desk, while nobody
        else signs hours. A full disk leaves the rest for the next call.
        """
        new = 0
        for _ in range(ROUNDS_MAX):
            version = self._tests.version
            if version == self._seen or not self._setup_at(open_from_ms).hour.emission.bias_by_rata:
                break
            stated = await asyncio.to_thread(signed_statements, self._outbox, self._identity)
            owed = [one for statement in stated.values() if (one := self._restated(statement)) is not None]
            desk.hand_in(owed)
            new += await desk.sign()  # duty (1)
            if desk.waiting:
                return new
            # Also what an earlier run has signed: power may have failed before the history knew.
            bodies = [one.body for one in owed] + [s.body for s in stated.values() if s.reason == REASON]
            if not await missing_data.correct([measured(body) for body in bodies], desk):  # duty (2)
                return new
            if not owed:
                self._seen = version
        return new

    def _restated(self, stated: Statement) -> Restated | None:
        """The revision that an hour wants; None for one that has the factor in force, and for a substitute."""
        body = stated.body
        if stated.is_substitute:
            return None
        unit, start_ms = body[0], body[1]
        remarks = [word for word in body[18] or [] if isinstance(word, str)]
        hour = SignedHour(unit, start_ms, body[4], body[9], remarks)
        setup = self._setup_at(start_ms)
        # By other rules it would be another mass for another reason than the test.
        again = restated(hour, setup.hour, self._tests) if body[13] == setup.provenance.rules_hash else None
        if again is None:
            return None
        body = [*body]
        body[4], body[18] = again
        # Named by what it follows, so that a test that is put right after another has a revision of its own.
        key = f"hour/{unit}/{start_ms}/after-{stated.record.hex()[:32]}"
        return Restated(key, stated.to_revise, REASON, body)
