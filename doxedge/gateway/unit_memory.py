"""What one run of the gateway leaves for the next, one small file for each unit.

The file is written when a unit is measured for the first time and after every hour that is signed. It is only a
shortcut: without it the hours that are in the outbox stay what they are, and the unit begins anew with the present one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxedge.measurement.hour import Carry
from doxedge.store import durable_file


@dataclass(frozen=True, slots=True)
class UnitMemory:
    """Where the hours stand, and by which configuration they were made."""

    carry: Carry
    profile_hash: bytes
    rules_hash: bytes


def read_memory(path: Path) -> UnitMemory | None:
    """What the last run left, or None. A damaged file is set aside, loudly. Raises OSError."""

    def decode(stored: Any) -> UnitMemory:
        return UnitMemory(
            Carry.from_dict(stored["carry"]),
            bytes.fromhex(stored["profile_hash"]),
            bytes.fromhex(stored["rules_hash"]),
        )

    return durable_file.read_json(path, decode, loss="the unit begins anew")


def write_memory(path: Path, memory: UnitMemory) -> None:
    """Replace the file atomically and durably. Raises OSError."""
    stored = {
        "carry": memory.carry.as_dict(),
        "profile_hash": memory.profile_hash.hex(),
        "rules_hash": memory.rules_hash.hex(),
    }
    durable_file.replace_text(path, json.dumps(stored, sort_keys=True))
