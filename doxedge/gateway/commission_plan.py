"""The plan of a unit as a commissioning file carries it: settings and register maps in, plan out, on any machine."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from doxedge.analysers.catalogue import PROFILE_NAME
from doxedge.analysers.configuration import ConfigError
from doxedge.evidence.check import NotProved
from doxedge.evidence.commission_file import Head
from doxedge.fieldbus.clock import CompressedClock
from doxedge.fieldbus.profile_folders import read_profile_text, search_path
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.settings import GatewaySettings

_OF_THE_MACHINE: Final = {"state_dir", "key", "profiles", "node", "samples", "group_commit_ms"}
"""Where things lie on the gateway says nothing about how an hour is made."""


def settings_bytes(settings: GatewaySettings) -> bytes:
    """The settings from which a plan is made, without those of the machine."""
    return settings.model_dump_json(exclude=_OF_THE_MACHINE).encode()


def map_texts(settings: GatewaySettings) -> tuple[tuple[str, bytes], ...]:
    """The text of every register map that the settings name. Raises ConfigError."""
    folders = search_path(settings.profiles)
    names = sorted({instrument.profile for unit in settings.unit for instrument in unit.instrument})
    return tuple((name, read_profile_text(name, folders).text.encode()) for name in names)


def plan_of(head: Head) -> PlannedUnit:
    """The plan that the settings and maps of a file make. Raises NotProved(3)."""
    try:
        with tempfile.TemporaryDirectory(prefix="doxedge-maps-") as folder:
            units = _units_of(head, Path(folder))
    except (ConfigError, ValidationError, OSError, ValueError, TypeError, RecursionError) as error:
        raise NotProved(3, f"the settings of the file make no plan: {error}") from error
    for unit in units:
        if unit.table.name == head.unit:
            return unit
    raise NotProved(3, f"the settings of the file have no unit {head.unit}")


def _units_of(head: Head, folder: Path) -> tuple[PlannedUnit, ...]:
    for name, text in head.maps:
        if not PROFILE_NAME.fullmatch(name):
            raise NotProved(3, f"{name!r:.80} is no name of a register map")
        (folder / f"{name}.toml").write_bytes(text)
    tables = {**json.loads(head.settings), "key": "none", "profiles": folder}
    settings = GatewaySettings.model_validate(tables)
    standing = CompressedClock(
        real_origin_ms=1, plant_origin_ms=0, speed=float(head.clock_speed), real=lambda: 1
    )
    return plan_units(settings, source="the settings of the file", clock=standing)
