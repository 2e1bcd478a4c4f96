"""Hours that two persons enter by hand, where nothing was measured: one proposes, another confirms.

    (1) a proposal is on the disk before it has a number
    (2) a confirmation is on the disk before the hour is handed to the desk that signs
    (3) after a restart what is confirmed is handed in again, under the same key: it is signed once

An entry fills a gap, or stands for a substituted hour that is settled. It never replaces what was measured; what is
measured of the hour later replaces the entry, as a revision.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from doxedge.evidence.content import time_text
from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.substitute_desk import Substituted, first_key, is_substitute
from doxedge.measurement.emission import BY_HAND, HourRecord
from doxedge.measurement.energy import EnergyQuality
from doxedge.quantity import HOUR_MS, Grams, WattHours
from doxedge.signing import envelope
from doxedge.signing.record import decode_payload
from doxedge.store import durable_file, look

FILE: Final = "manual-hours.json"
"""In the gateway's folder."""
METHOD: Final = "55"
"""Method of determination code: other substitute data that the authority approved (40 CFR 75.57, Table 4a)."""
CLAUSE: Final = "entered by hand"
KEPT_MAX: Final = 1_000


class NotEntered(Exception):
    """It cannot be entered so; the text says why."""

    def __init__(self, code: str, text: str) -> None:
        """`code` is for programs."""
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Said:
    """A person said so."""

    name: str
    user: str
    """The account of the machine, as the kernel knows it."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One hour, proposed and perhaps confirmed."""

    number: int
    unit: str
    start_ms: int
    nox_g: int
    energy_wh: int
    operating_percent: int
    reason: str
    document: str
    """SHA-256 of what the figures rest on."""
    proposed: Said
    confirmed: Said | None = None
    same_account: str = ""
    """Why one account of the machine did both, where it did."""

    @property
    def words(self) -> list[str]:
        """What the signed hour says of it, in its recipe."""
        confirmed = self.confirmed
        said = [f"{CLAUSE}: {self.reason}", f"document: {self.document}"]
        said.append(f"proposed by: {self.proposed.name} (account {self.proposed.user})")
        if confirmed is not None:
            said.append(f"confirmed by: {confirmed.name} (account {confirmed.user})")
        if self.same_account:
            said.append(f"one account: {self.same_account}")
        return said


@dataclass(frozen=True, slots=True)
class Statement:
    """What the outbox says of an hour last."""

    first_record: bytes | None
    """None for a gap."""
    is_measured: bool
    entered: frozenset[tuple[str, ...]] = frozenset()
    """The words of entries that were signed of it."""


class ManualEntries:
    """The entries of one gateway, in one small file."""

    def __init__(self, path: Path, entries: Iterable[Entry] = ()) -> None:
        """For `open`."""
        self._path = path
        self._entries = {entry.number: entry for entry in entries}
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> ManualEntries:
        """With what earlier runs left; a damaged file is set aside, loudly: measuring goes on."""
        return cls(path, await asyncio.to_thread(_read, path))

    def all(self) -> list[Entry]:
        """Oldest first."""
        return [self._entries[number] for number in sorted(self._entries)]

    async def propose(self, entry: Entry) -> Entry:
        """Duty (1); the entry with its number. Raises NotEntered, OSError."""
        async with self._writing:
            for other in self._entries.values():
                if (other.unit, other.start_ms) == (entry.unit, entry.start_ms) and other.confirmed is None:
                    raise NotEntered("proposed", f"entry {other.number} is proposed for this hour already")
            numbered = replace(entry, number=max(self._entries, default=0) + 1)
            await self._keep(numbered)
            return numbered

    async def confirm(self, number: int, said: Said, *, same_account: str) -> Entry:
        """Duty (2). Raises NotEntered, OSError."""
        async with self._writing:
            entry = self._entries.get(number)
            if entry is None:
                raise NotEntered("unknown_entry", f"there is no entry {number}")
            if entry.confirmed is not None:
                raise NotEntered("confirmed", f"entry {number} was confirmed by {entry.confirmed.name}")
            if entry.proposed.name.casefold() == said.name.casefold():
                raise NotEntered("one_person", f"{said.name} has proposed it: another person confirms")
            one_account = entry.proposed.user == said.user
            if one_account and not same_account:
                raise NotEntered(
                    "one_account",
                    f"account {said.user} has proposed it: confirm from another account, or say why one did both",
                )
            flag = same_account if one_account else ""
            confirmed = replace(entry, confirmed=said, same_account=flag)
            await self._keep(confirmed)
            return confirmed

    async def _keep(self, entry: Entry) -> None:
        entries = {**self._entries, entry.number: entry}
        done = sorted(number for number, one in entries.items() if one.confirmed is not None)
        for number in done[: max(0, len(entries) - KEPT_MAX)]:
            del entries[number]
        if len(entries) > KEPT_MAX:
            raise NotEntered("too_many", f"{KEPT_MAX} entries wait for a second person")
        await asyncio.to_thread(_write, self._path, list(entries.values()))
        self._entries = entries


def hour_of(entry: Entry, *, rule_set: str, revised: bytes | None) -> Substituted:
    """The entry as it is signed."""
    hour = HourRecord(
        entry.unit,
        entry.start_ms,
        rule_set,
        entry.operating_percent,
        Grams(entry.nox_g),
        WattHours(entry.energy_wh),
        BY_HAND,
        CLAUSE,
        METHOD,
        minutes_valid=0,
        samples=0,
        energy_quality=EnergyQuality.UNMETERED.value,
    )
    key = first_key(entry.unit, entry.start_ms)
    if revised is not None:
        key = f"hour/{entry.unit}/{entry.start_ms}/m{entry.number}"
    return Substituted(hour, [*entry.words], key, revised, entry.reason, is_provisional=False)


def find_statement(outbox: Path, identity: UnitIdentity, start_ms: int) -> Statement | None:
    """What was signed of an hour last; None where nothing is kept of it. Raises StoreError."""
    found: Statement | None = None
    after = 0
    while records := look.records(outbox, ("hour", "hour.revise", "gap"), after=after):
        after = records[-1].row_id
        for kept in records:
            if kept.source == identity.source:
                record = decode_payload(envelope.decode(kept.envelope).payload)
                found = _following(
                    found, record.kind, record.body, record.record_id(identity.channel), start_ms
                )
    return found


def _following(
    before: Statement | None, kind: str, body: list[Any], record_id: bytes, start_ms: int
) -> Statement | None:
    if kind == "gap":
        return Statement(None, False) if body[1] <= start_ms < body[2] else before
    hour = body if kind == "hour" else body[2]
    if hour[1] != start_ms:
        return before
    first = record_id if before is None or before.first_record is None else before.first_record
    entered = frozenset() if before is None else before.entered
    if hour[6] == BY_HAND:
        entered |= {tuple(hour[18])}
    return Statement(first, not is_substitute(hour) and hour[6] != BY_HAND, entered)


def require_free(statement: Statement | None, start_ms: int) -> None:
    """Raises NotEntered unless the hour is a gap, substituted, or entered by hand."""
    if statement is None:
        text = (
            f"nothing signed of the hour {time_text(start_ms)} is kept here: it is not over, or too long ago"
        )
        raise NotEntered("not_a_gap", text)
    if statement.is_measured:
        raise NotEntered(
            "measured", f"the hour {time_text(start_ms)} was measured, and that is never replaced by hand"
        )


def checked_start(start_ms: int) -> int:
    """Raises NotEntered for what is no start of an hour."""
    if start_ms % HOUR_MS:
        raise NotEntered("bad_question", f"{start_ms} ms is no start of an hour")
    return start_ms


def shown(entry: Entry) -> dict[str, object]:
    """For the one who asked."""
    return asdict(entry)


def confirmed_in(path: Path) -> dict[tuple[str, int], Entry]:
    """By unit and hour what was confirmed last, from beside a gateway; a file that is not ours says nothing."""
    try:
        with path.open("rb") as file:
            rows = json.loads(file.read(durable_file.READ_BYTES_MAX))["entries"]
        entries = [_entry(row) for row in rows]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {(entry.unit, entry.start_ms): entry for entry in entries if entry.confirmed is not None}


def _read(path: Path) -> list[Entry]:
    def decode(stored: Any) -> list[Entry]:
        return [_entry(row) for row in stored["entries"]]

    return durable_file.read_json(path, decode, loss="what it held is to be entered anew") or []


def _entry(row: dict[str, Any]) -> Entry:
    confirmed = row["confirmed"]
    said = None if confirmed is None else Said(**confirmed)
    return Entry(**{**row, "proposed": Said(**row["proposed"]), "confirmed": said})


def _write(path: Path, entries: list[Entry]) -> None:
    """Replace the file atomically and durably."""
    durable_file.replace_text(path, json.dumps({"entries": [asdict(entry) for entry in entries]}))
