"""A plant that comes from another system brings its history of hours: whether a file may be taken, and what is told.

Whoever imports hours can raise his availability, and so lower what stands for the next gap. So it is done once, in the
open, and before anything rests on it: the file's hash, its hours and who imported it are a signed event, nothing is
substituted until that event is durable, and every recipe that rests on the file names it. What was signed before stays.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from doxedge.gateway.history_rebuild import signed_hours
from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.settings import UnitTable
from doxedge.gateway.shared_stacks import max_power_w
from doxedge.measurement.imported_hours import TakenHours, Terms
from doxedge.quantity import HOUR_MS, MAX_AMOUNT_G
from doxedge.store.import_rows import FILES_IN_FORCE_MAX, FILES_MAX, ImportedFile

LOAD_TIMES_MAX: Final = 2
"""A load may be this many times the greatest that the meter is believed: units run above their rating, but a file in
kilowatts is a thousand times off."""
LOAD_W_MAX: Final = Decimal(10**13)
"""Where no greatest load is configured."""


class NotImported(Exception):
    """The file may be good, and still is not taken; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for."""

    called: str
    """What the file calls the unit: ORISID/BLRID."""
    utc_offset_hours: int
    name: str
    account: str
    """Of the machine."""
    reason: str
    replaces: bool
    """Files whose hours are in this one too count no longer."""
    prior_is_before: bool
    """The hours that `prior_operating_hours` counts lie before the file."""


def own_from_ms(folder: Path, identity: UnitIdentity, began_ms: int | None) -> int | None:
    """The first hour that the gateway itself recorded, or has open; None before it measured the unit.

    began_ms  of the history; it may have been lost, so the outbox and the unit's memory are asked too

    Raises StoreError.
    """
    found = [began_ms, _open_from_ms(folder / f"{identity.unit}.memory.json")]
    if (folder / "outbox.db").exists():
        found.append(min(signed_hours(folder / "outbox.db", identity), default=None))
    return min((at_ms for at_ms in found if at_ms is not None), default=None)


def terms_for(unit: UnitTable, wish: Wish, *, own_ms: int | None, now_ms: int) -> Terms:
    """What a file must fit. Raises NotImported where the unit can take none."""
    missing = unit.missing_data
    if missing.prior_operating_hours and not wish.prior_is_before:
        raise NotImported(
            f"the configuration counts {missing.prior_operating_hours} hours before the history "
            "(unit.missing_data.prior_operating_hours). If they are those of the file, set prior_operating_hours and "
            "prior_qa_hours to 0; if they lie before it, say --prior-is-before"
        )
    load_w = missing.max_load_w or max_power_w((unit,))
    return Terms(
        called=wish.called,
        utc_offset_hours=wish.utc_offset_hours,
        end_ms=now_ms if own_ms is None else min(own_ms, now_ms),
        end_reason="now"
        if own_ms is None or now_ms < own_ms
        else "the first hour of the gateway itself began",
        g_per_h_max=missing.maximum_g_per_h or MAX_AMOUNT_G,
        load_w_max=LOAD_W_MAX if load_w is None else LOAD_TIMES_MAX * load_w,
    )


def is_there(taken: TakenHours, files: Sequence[ImportedFile]) -> bool:
    """Whether exactly this was imported before, and still counts."""
    return any(file.source == taken.source for file in files if not file.is_replaced)


def replaced_by(taken: TakenHours, files: Sequence[ImportedFile], wish: Wish) -> tuple[ImportedFile, ...]:
    """Which files count no longer when this one is taken. Raises NotImported where they cannot stand beside each other.

    What is imported has no hole: whoever could leave hours out between two files could raise the availability.
    """
    in_force = [file for file in files if not file.is_replaced]
    common = tuple(file for file in in_force if file.first_ms < taken.end_ms and taken.first_ms < file.end_ms)
    if common and not wish.replaces:
        raise NotImported(
            f"hours of this file were imported already, from the file {common[0].source}; with --replace that one "
            "counts no longer, and the regulator is told so"
        )
    beside = [file for file in in_force if file not in common]
    if len(beside) >= FILES_IN_FORCE_MAX or len(files) >= FILES_MAX:
        raise NotImported(
            f"at most {FILES_IN_FORCE_MAX} files count for a unit, and {FILES_MAX} are kept with those that were "
            "replaced; put the hours into one file"
        )
    spans = sorted([(taken.first_ms, taken.end_ms), *((file.first_ms, file.end_ms) for file in beside)])
    for (_, end_ms), (next_ms, _) in itertools.pairwise(spans):
        if next_ms != end_ms:
            raise NotImported(
                f"{(next_ms - end_ms) // HOUR_MS} hours are missing between this file and one that was imported "
                "before; files follow each other without a hole"
            )
    return common


def words(taken: TakenHours, wish: Wish, *, own_ms: int | None, replaced: Sequence[ImportedFile] = ()) -> str:
    """What the regulator is told. Times in UTC ms, as in hours."""
    hole_h = 0 if own_ms is None else (own_ms - taken.end_ms) // HOUR_MS
    parts = [
        f"the history begins with hours of another system: file {taken.source}, in it {wish.called}",
        f"{len(taken.hours)} hours from {taken.first_ms} to {taken.end_ms}",
        f"{taken.operating} operated, {taken.quality_assured} of them quality-assured",
        *([f"nothing is known of the {hole_h} hours from there to the gateway's first"] if hole_h else []),
        *(f"it takes the place of the file {file.source}" for file in replaced),
        f"imported by {wish.name} (account {wish.account}): {wish.reason}",
    ]
    return "; ".join(parts)


def _open_from_ms(memory: Path) -> int | None:
    """The first hour that is not closed, by the unit's memory; None where there is none that can be read."""
    try:
        found = json.loads(memory.read_text(encoding="utf-8"))["carry"]["next_start_ms"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None
