"""A second ledger that is slow, plain, and shares nothing with the product: it predicts every outcome and balance.

It keeps dictionaries of numbers under the names of a story, knows nothing of bytes, keys, hashes or layers, and writes
the clauses down as the reading copy has them, lowest number first. Where the two differ, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

HOUR_MS = 3_600_000
MAX_G = 2**40 - 1
FIGURES = {
    "warning_percent": (20, 0, 100), "pending_max": (256, 1, 256), "bilateral_transfers": (0, 0, 1),
    "unregistered_maps": (1, 0, 1), "credit_unit_g": (1_000, 1, 1_000_000), "utc_offset_min": (0, -840, 840),
    "commission_hours_min": (9, 1, 64), "hours_before_registration": (0, 0, 1),
}  # fmt: skip
"""Default, lowest, highest."""
Verdict = str | None
"""The clause that refuses, or None."""


@dataclass
class Source:
    """Who numbers, and where he stands."""

    party: str
    device: str | None = None
    account: str | None = None
    unit: str | None = None
    seq: int = 0
    suspended: bool = False


@dataclass
class Hour:
    """One hour of one unit; grams are None in a gap."""

    grams: int | None
    names: set[bytes]
    counted: bool


@dataclass
class Holding:
    """Credits of one account and vintage."""

    folded: int = 0
    pending: list[int] = field(default_factory=list)

    @property
    def held(self) -> int:
        return self.folded + sum(self.pending)


@dataclass
class DumbLedger:
    """The whole state."""

    channel: bytes
    registered_ms: int
    counts_from_ms: dict[str, int]
    """Unit to the first hour that counts; a unit that is not here is on trial."""
    accounts: dict[str, tuple[str, str | None]]
    """Name to party and unit."""
    sources: dict[str, Source]
    clock_ms: int = 0
    figures: dict[str, int] = field(default_factory=lambda: {name: row[0] for name, row in FIGURES.items()})
    hours: dict[tuple[str, int], Hour] = field(default_factory=dict)
    holdings: dict[tuple[str, int], Holding] = field(default_factory=dict)
    issued: dict[tuple[str, int], int] = field(default_factory=dict)
    forks: set[tuple[str, int]] = field(default_factory=set)

    def record(
        self, author: str, kind: str, body: list[Any], name: bytes, accused: tuple[str, int] | None
    ) -> Verdict:
        """Judge one record that is admitted; it takes its number whatever comes of it."""
        source = self.sources[author]
        source.seq += 1
        if source.suspended:
            return "0.1"
        rules: dict[str, Callable[[], Verdict]] = {
            "hour": lambda: self.hour(source, body, name),
            "hour.revise": lambda: self.revise(source, body, name),
            "gap": lambda: self.gap(source, body, name),
            "event": lambda: self.event(source, body),
            "transfer": lambda: self.transfer(source, body),
            "account.fold": lambda: self.fold(source, body),
            "vintage.issue": lambda: self.issue(author, body),
            "config": lambda: self.config(author, body),
            "conflict": lambda: self.conflict(source, accused),
            "source.reinstate": lambda: self.reinstate(author, body, accused),
        }
        return rules[kind]()

    def emitted(self, unit: str | None, year: int) -> int:
        """All hours of the story lie in 2026."""
        if year != 2026:
            return 0
        return sum(h.grams or 0 for (u, _), h in self.hours.items() if u == unit and h.counted)

    # Hours.

    def _stating(self, source: Source, unit: str) -> Verdict:
        if source.device is None:
            return "8.1"
        return None if source.unit == unit else "8.2"

    def _plausible(self, body: list[Any]) -> Verdict:
        start_ms, share, grams, energy, minutes, samples = (
            body[1],
            body[3],
            body[4],
            body[5],
            body[9],
            body[10],
        )
        if start_ms % HOUR_MS or start_ms < 0:
            return "8.3"
        if start_ms + HOUR_MS > self.clock_ms + 300_000:
            return "8.4"
        if not 0 <= grams <= MAX_G or not 0 <= energy <= 10**13:
            return "8.5"
        return None if 0 <= share <= 100 and 0 <= minutes <= 60 and samples >= 0 else "8.6"

    def _of_device(self, start_ms: int, profile: bytes) -> Verdict:
        if start_ms + HOUR_MS <= self.registered_ms and not self.figures["hours_before_registration"]:
            return "8.8"
        return None if profile == bytes(32) or self.figures["unregistered_maps"] else "8.9"

    def hour(self, source: Source, body: list[Any], name: bytes) -> Verdict:
        unit, start_ms, grams, profile = body[0], body[1], body[4], body[12]
        if clause := self._stating(source, unit) or self._plausible(body):
            return clause
        known = self.hours.get((unit, start_ms))
        if known is not None and known.grams is not None:
            return "8.7"
        if clause := self._of_device(start_ms, profile):
            return clause
        counting = unit in self.counts_from_ms and start_ms >= self.counts_from_ms[unit]
        counted = counting and profile == bytes(32)
        self.hours[unit, start_ms] = Hour(grams, {name}, counted)
        return None

    def revise(self, source: Source, body: list[Any], name: bytes) -> Verdict:
        revised, reason, hour = body
        unit, start_ms, grams, profile = hour[0], hour[1], hour[4], hour[12]
        if (
            clause := self._stating(source, unit)
            or self._plausible(hour)
            or self._of_device(start_ms, profile)
        ):
            return clause
        known = self.hours.get((unit, start_ms))
        if known is None:
            return "8.10"
        if known.grams is None:
            return "8.11"
        if revised not in known.names:
            return "8.12"
        if not reason:
            return "8.14"
        known.grams = grams
        first = (
            min(known.names, key=lambda one: self._age[one])
            if len(known.names) > 1
            else next(iter(known.names))
        )
        self._age.setdefault(first, len(self._age))
        self._age[name] = len(self._age)
        known.names = {first, name}
        return None

    _age: dict[bytes, int] = field(default_factory=dict)
    """Which of an hour's statements came first: the first and the latest may be named by a revision."""

    def gap(self, source: Source, body: list[Any], name: bytes) -> Verdict:
        unit, from_ms, to_ms, cause = body
        if clause := self._stating(source, unit):
            return clause
        if from_ms % HOUR_MS or to_ms % HOUR_MS or not 0 <= from_ms < to_ms:
            return "8.15"
        if (to_ms - from_ms) // HOUR_MS > 744:
            return "8.16"
        if to_ms > self.clock_ms + 300_000:
            return "8.17"
        if from_ms + HOUR_MS <= self.registered_ms:
            return "8.18"
        starts = range(from_ms, to_ms, HOUR_MS)
        if any((unit, start_ms) in self.hours for start_ms in starts):
            return "8.19"
        if not cause:
            return "8.20"
        for start_ms in starts:
            self.hours[unit, start_ms] = Hour(None, {name}, False)
        return None

    def event(self, source: Source, body: list[Any]) -> Verdict:
        unit, code, _, _ = body
        if source.device is None:
            return "8.1"
        if unit is not None and unit != source.unit:
            return "8.2"
        return None if code else "8.21"

    # Credits.

    def holding(self, account: str, year: int) -> Holding:
        return self.holdings.setdefault((account, year), Holding())

    def transfer(self, source: Source, body: list[Any]) -> Verdict:
        giver, taker, asset, year, (_, grams), _ = body
        if source.account != giver:
            return "7.1"
        if taker not in self.accounts:
            return "7.2"
        if giver == taker:
            return "7.3"
        if asset != self.channel:
            return "7.4"
        if not 0 < grams <= MAX_G:
            return "7.5"
        if self.accounts[taker][0] != source.party and not self.figures["bilateral_transfers"]:
            return "7.6"
        if len(self.holding(taker, year).pending) >= self.figures["pending_max"]:
            return "7.7"
        own = self.holding(giver, year)
        if own.held < grams:
            return "7.8"
        if own.held - grams < self.emitted(self.accounts[giver][1], year):
            return "7.9"
        own.folded, own.pending = own.held - grams, []
        self.holding(taker, year).pending.append(grams)
        return None

    def fold(self, source: Source, body: list[Any]) -> Verdict:
        account, year = body
        if source.account != account:
            return "5.8"
        own = self.holding(account, year)
        if not own.pending:
            return "5.9"
        own.folded, own.pending = own.held, []
        return None

    def issue(self, author: str, body: list[Any]) -> Verdict:
        account, asset, year, (_, grams), _ = body
        if author != "regulator officer":
            return "6.1"
        if account not in self.accounts:
            return "6.2"
        if asset != self.channel:
            return "6.3"
        if not 1970 <= year <= 2200:
            return "6.4"
        if not 0 < grams <= MAX_G:
            return "6.5"
        if (account, year) in self.issued:
            return "6.6"
        if len(self.holding(account, year).pending) >= self.figures["pending_max"]:
            return "6.7"
        self.issued[account, year] = grams
        self.holding(account, year).pending.append(grams)
        return None

    # Figures, accusations.

    def config(self, author: str, body: list[Any]) -> Verdict:
        name, value, reason = body
        if author != "regulator officer":
            return "1.1"
        if name not in FIGURES:
            return "1.2"
        if name == "utc_offset_min":
            return "1.3"
        if not FIGURES[name][1] <= value <= FIGURES[name][2]:
            return "1.4"
        if not reason:
            return "1.5"
        self.figures[name] = value
        return None

    def conflict(self, source: Source, accused: tuple[str, int] | None) -> Verdict:
        """The story shows two validly signed records of the accused's own key and one number."""
        assert accused is not None
        if source.device is not None:
            return "3.1"
        author, number = accused
        if self.sources[author].seq < number:
            return "3.4"
        if accused in self.forks:
            return "3.7"
        self.forks.add(accused)
        if author != "regulator officer":
            self.sources[author].suspended = True
        return None

    def reinstate(self, author: str, body: list[Any], accused: tuple[str, int] | None) -> Verdict:
        assert accused is not None
        if author != "regulator officer":
            return "3.8"
        if not self.sources[accused[0]].suspended:
            return "3.10"
        if not body[1]:
            return "3.11"
        self.sources[accused[0]].suspended = False
        return None
