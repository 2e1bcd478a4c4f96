"""Where a unit's samples, hours and records are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doxedge.store.hours import HourStore
from doxedge.store.outbox import Outbox
from doxedge.store.samples import SampleStore


@dataclass(frozen=True, slots=True)
class UnitStores:
    """What a pipeline writes to."""

    outbox: Outbox
    samples: SampleStore
    hours: HourStore
    folder: Path
    """Where each unit's memory lies."""
