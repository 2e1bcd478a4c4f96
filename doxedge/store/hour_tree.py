"""The Merkle tree over the samples of one hour of one unit, folded from the rows on the disk."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from doxedge.signing.merkle import Frontier
from doxedge.store import sample_rows
from doxedge.store.rows import HourRoot, StoredSample

ROWS_A_STEP: Final = 2_000


@dataclass(slots=True)
class Fold:
    """A root in the making. Steps run in the reader's thread; the writer notices rows that come late."""

    unit: str
    devices: tuple[str, ...]
    start_ms: int
    revision: int
    frontier: Frontier = field(default_factory=Frontier)
    last_id: int = 0
    disturbed: bool = False
    """A sample of this hour was written since the start, perhaps behind the place where the fold is."""

    def restart(self, _: sqlite3.Connection | None = None) -> None:
        """Begin again."""
        self.frontier, self.last_id, self.disturbed = Frontier(), 0, False

    def notice(self, device: str, at_ms: int) -> None:
        """The writer is about to add a sample."""
        if self.start_ms <= at_ms < self.start_ms + HOUR_MS and device in self.devices:
            self.disturbed = True

    def step(self, connection: sqlite3.Connection) -> bool:
        """Hash the next rows; False when there were no more."""
        rows = sample_rows.read(
            connection,
            from_ms=self.start_ms,
            to_ms=self.start_ms + HOUR_MS,
            devices=self.devices,
            after=self.last_id,
            limit=ROWS_A_STEP,
            revision_max=self.revision,
        )
        for row in rows:
            self.frontier.append(leaf(row))
            self.last_id = row.row_id
        return len(rows) == ROWS_A_STEP


@dataclass(frozen=True, slots=True)
class StoredRoot:
    """A root and the devices whose samples are under it."""

    root: HourRoot
    devices: tuple[str, ...]


def leaf(sample: StoredSample) -> bytes:
    """Canonical `[device, at_ms, raw]`."""
    return canonical.encode([sample.device, sample.at_ms, sample.raw])


def stored_root(
    connection: sqlite3.Connection, *, unit: str, start_ms: int, revision: int
) -> StoredRoot | None:
    """A root that was computed before."""
    row = connection.execute(
        "SELECT devices, samples, root FROM hour_root WHERE start_ms = ? AND unit = ? AND revision = ?",
        (start_ms, unit, revision),
    ).fetchone()
    if row is None:
        return None
    devices = canonical.decode(row[0])
    names = tuple(str(name) for name in devices) if isinstance(devices, list) else ()
    return StoredRoot(HourRoot(unit, start_ms, revision, row[1], row[2]), names)


def stored_roots(connection: sqlite3.Connection, *, unit: str, start_ms: int) -> list[HourRoot]:
    """The roots of an hour that were computed, one for each revision."""
    rows = connection.execute(
        "SELECT revision, samples, root FROM hour_root WHERE start_ms = ? AND unit = ? ORDER BY revision",
        (start_ms, unit),
    )
    return [HourRoot(unit, start_ms, revision, samples, root) for revision, samples, root in rows]


def seal(connection: sqlite3.Connection, *, fold: Fold) -> HourRoot:
    """Keep the root: whatever is written from now on belongs to a later revision."""
    earlier = stored_root(connection, unit=fold.unit, start_ms=fold.start_ms, revision=fold.revision)
    if earlier is not None:
        return earlier.root
    if fold.disturbed:
        fold.restart()
    while fold.step(connection):
        pass
    root = HourRoot(fold.unit, fold.start_ms, fold.revision, fold.frontier.size, fold.frontier.root())
    connection.execute(
        "INSERT INTO hour_root (unit, start_ms, revision, devices, samples, root) VALUES (?, ?, ?, ?, ?, ?)",
        (root.unit, root.start_ms, root.revision, canonical.encode([*fold.devices]), root.samples, root.root),
    )
    return root


def leaves(
    connection: sqlite3.Connection, *, unit: str, start_ms: int, revision: int, after: int, limit: int
) -> list[StoredSample]:
    """The samples under a root."""
    stored = stored_root(connection, unit=unit, start_ms=start_ms, revision=revision)
    if stored is None:
        return []
    return sample_rows.read(
        connection,
        from_ms=start_ms,
        to_ms=start_ms + HOUR_MS,
        devices=stored.devices,
        after=after,
        limit=limit,
        revision_max=revision,
    )
