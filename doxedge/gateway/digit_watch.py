"""What is remembered of the last digits of every value of a unit, over restarts, and what is to be seen in them.

The values are those of the live table, so a sample costs nothing more. The memory is one small file for each unit,
written every few hours and at an orderly stop; what a power cut takes is missing from the counts. Without the file, and
where another register map reads an instrument, the grid is learned again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from doxedge.analysers.profile import profile_hash
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.alarms import Sighting
from doxedge.measurement.digits import LastDigits, is_tested
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Reason
from doxedge.quantity import HOUR_MS
from doxedge.store import durable_file

log = logging.getLogger(__name__)

CODE: Final = "value.digits"
KEEP_EVERY_MS: Final = 6 * HOUR_MS
"""A file of ten values has some 200 kB at the end of a window: not worth more of a flash."""

Memory = dict[str, tuple[str, LastDigits]]
"""Quantity to the hash of the map it is read with, and its digits."""


class DigitWatch:
    """The last digits of the units of one gateway."""

    def __init__(self, folder: Path, *, now_ms: Callable[[], int]) -> None:
        """`folder` is where the units' memories lie."""
        self._folder, self._now_ms = folder, now_ms
        self._known: dict[str, Memory] = {}
        self._kept_ms = now_ms()
        self._maps: dict[str, tuple[PlannedUnit, dict[str, str]]] = {}

    def look(
        self, planned: PlannedUnit, latest: Mapping[str, Reading], *, running: bool
    ) -> Iterator[Sighting]:
        """One look at the values of a unit; those of a unit that stands still say nothing of a gas."""
        unit = planned.table.name
        maps = self._maps_of(planned)
        memory = self._memory(unit)
        for quantity, reading in sorted(latest.items()):
            read_by = maps.get(reading.device)
            if read_by is None or not is_tested(quantity):
                continue
            known = memory.get(quantity)
            if known is None or known[0] != read_by:
                known = memory[quantity] = (read_by, LastDigits())
            digits = known[1]
            value = reading.value
            if running and value is not None and reading.reason is not Reason.DEFAULT:
                digits.take(value, reading.at_ms)
            yield Sighting(CODE, f"{unit}.{quantity}", digits.uneven, digits.words)

    async def keep_if_due(self) -> None:
        """Write what was counted, every few hours."""
        if abs(self._now_ms() - self._kept_ms) >= KEEP_EVERY_MS:
            self._kept_ms = self._now_ms()
            await asyncio.to_thread(self._write, self._texts())

    def keep(self) -> None:
        """Write what was counted, at the end."""
        self._write(self._texts())

    def _texts(self) -> dict[str, str]:
        """The file of each unit."""
        return {
            unit: json.dumps(
                {name: {"map": by, "digits": digits.as_dict()} for name, (by, digits) in memory.items()},
                separators=(",", ":"),
            )
            for unit, memory in self._known.items()
        }

    def _write(self, texts: Mapping[str, str]) -> None:
        """A disk that refuses costs the counts of some hours, and nothing else."""
        for unit, text in texts.items():
            try:
                durable_file.replace_text(self._path(unit), text)
            except OSError as error:
                log.warning("unit %s: the counts of last digits are not kept: %s", unit, error)

    def _path(self, unit: str) -> Path:
        return self._folder / f"{unit}.digits.json"

    def _memory(self, unit: str) -> Memory:
        if unit not in self._known:
            self._known[unit] = _read(self._path(unit))
        return self._known[unit]

    def _maps_of(self, planned: PlannedUnit) -> dict[str, str]:
        """Device to the hash of its register map, worked out once for each plan."""
        unit = planned.table.name
        worked_out = self._maps.get(unit)
        if worked_out is None or worked_out[0] is not planned:
            maps = {one.device: profile_hash(one.profile).hex() for one in planned.instruments}
            worked_out = self._maps[unit] = (planned, maps)
            self._known[unit] = {
                name: kept for name, kept in self._memory(unit).items() if kept[0] in maps.values()
            }
        return worked_out[1]


def _read(path: Path) -> Memory:
    """What the last run left. A damaged file is set aside, loudly."""

    def decode(stored: Any) -> Memory:
        return {
            str(name): (str(one["map"]), LastDigits.from_dict(one["digits"])) for name, one in stored.items()
        }

    return durable_file.read_json(path, decode, loss="digits are learned anew") or {}
