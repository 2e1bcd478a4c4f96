"""The dumb twin of the rules: everything that stands is recomputed from the list of what was accepted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Accepted:
    """One accepted record."""

    kind: str
    body: list[Any]
    device: str | None
    """The device that said it."""


@dataclass
class DumbLedger:
    """Accepted records in final order, and what the owners of accounts were told."""

    accepted: list[Accepted] = field(default_factory=list)
    told: dict[tuple[str, int], str] = field(default_factory=dict)
    """Per (account, year) the last word: warning, exceeded, recovered."""

    def issued_g(self, vintage: int) -> int:
        """All that came into being of a vintage."""
        return sum(grams for _, year, grams in self._issues() if year == vintage)

    def held_g(self, account: str, vintage: int) -> int:
        """Issued and received, less given."""
        held = sum(grams for owner, year, grams in self._issues() if (owner, year) == (account, vintage))
        for record in self.accepted:
            if record.kind == "transfer":
                giver, taker, _, year, (_, grams), _ = record.body
                if year == vintage:
                    held += grams * ((taker == account) - (giver == account))
        return held

    def emitted_g(self, unit: str, year: int) -> int:
        """The latest mass of the unit's counted hours that began in the year."""
        return sum(
            mass
            for (own, start_ms), (mass, counts) in self.hours().items()
            if own == unit and counts and dt.datetime.fromtimestamp(start_ms // 1000, dt.UTC).year == year
        )

    def hours(self) -> dict[tuple[str, int], tuple[int, bool]]:
        """(unit, start) to the latest mass and whether it counts."""
        counts_from_ms: dict[str, int] = {}
        found: dict[tuple[str, int], tuple[int, bool]] = {}
        for record in self.accepted:
            if record.kind == "device.commission":
                counts_from_ms[record.body[0]] = max(start_ms for start_ms, _ in record.body[2]) + HOUR_MS
            elif record.kind == "hour" and record.device is not None:
                start_ms = record.body[1]
                counts = record.device in counts_from_ms and start_ms >= counts_from_ms[record.device]
                found[record.body[0], start_ms] = (record.body[4], counts)
            elif record.kind == "hour.revise":
                unit, start_ms, _, _, mass, *_ = record.body[2]
                found[unit, start_ms] = (mass, found[unit, start_ms][1])
        return found

    def headroom_g(self, account: str, unit: str | None, year: int) -> int:
        """Held less emitted; nothing is reserved before there is a market."""
        return self.held_g(account, year) - (0 if unit is None else self.emitted_g(unit, year))

    def due(self, account: str, unit: str, year: int, *, percent: int) -> str | None:
        """What must be told now that the account was looked at, or None where it was told; remembers it."""
        held, headroom = self.held_g(account, year), self.headroom_g(account, unit, year)
        if headroom < 0:
            word = "headroom.exceeded"
        elif 100 * headroom < percent * held:
            word = "headroom.warning"
        else:
            word = "headroom.recovered"
        before = self.told.get((account, year), "headroom.recovered")
        self.told[account, year] = word
        return None if word == before else word

    def _issues(self) -> list[tuple[str, int, int]]:
        """(account, vintage, grams) of every issue."""
        return [(r.body[0], r.body[2], r.body[3][1]) for r in self.accepted if r.kind == "vintage.issue"]
