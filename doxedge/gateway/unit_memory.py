"""What one run of the gateway leaves for the next, one small file for each unit.

The file is written when a unit is measured for the first time and after every hour that is signed. It is only a
shortcut: without it the hours that are in the outbox stay what they are, and the unit begins anew with the present one.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from doxedge.measurement.hour import Carry
from doxedge.store import durable_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnitMemory:
    """Where the hours stand, and by which configuration they were made."""

    carry: Carry
    profile_hash: bytes
    rules_hash: bytes


def read_memory(path: Path) -> UnitMemory | None:
    """What the last run left, or None. A damaged file is set aside, loudly."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return UnitMemory(
            Carry.from_dict(stored["carry"]),
            bytes.fromhex(stored["profile_hash"]),
            bytes.fromhex(stored["rules_hash"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = path.with_suffix(".damaged")
        log.error("%s cannot be read (%s); it is kept as %s and the unit begins anew", path, error, aside)
        path.replace(aside)
        return None


def write_memory(path: Path, memory: UnitMemory) -> None:
    """Replace the file atomically and durably. Raises OSError."""
    stored = {
        "carry": memory.carry.as_dict(),
        "profile_hash": memory.profile_hash.hex(),
        "rules_hash": memory.rules_hash.hex(),
    }
    durable_file.replace_text(path, json.dumps(stored, sort_keys=True))
