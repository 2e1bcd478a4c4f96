"""From a closed hour to the body that is signed (wire.md 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from doxedge.gateway.clock_state import ClockReading
from doxedge.measurement.apportioning import remarks_of
from doxedge.measurement.bias_factor import factor_text
from doxedge.measurement.emission import HourGap, HourRecord
from doxedge.measurement.energy import EnergyQuality
from doxedge.signing.canonical import Value


@dataclass(frozen=True, slots=True)
class Provenance:
    """What an hour says of the machine that made it; the same for all hours of one run."""

    profile_hash: bytes
    """Over the register maps of all instruments of the unit, with their site settings."""
    rules_hash: bytes
    """Over the settings that turn samples into hours."""
    boot_id: bytes
    firmware: str


@cache
def firmware_text() -> str:
    """The software that made a record: `doxedge 0.1.0`."""
    try:
        return f"doxedge {version('doxedge')}"
    except PackageNotFoundError:
        return "doxedge (not installed)"


def hour_body(
    hour: HourRecord,
    *,
    samples: int,
    samples_root: bytes,
    provenance: Provenance,
    clock: ClockReading,
    recipe: list[Value] | None = None,
) -> list[Value]:
    """The 19 fields of an `hour`. `samples` counts the leaves under `samples_root`.

    The recipe of a substitute is given. That of a measured hour names what the hour rests on, as `quantity:reason`:
    values that were not simply good, and energy that is not the counter's from border to border; and the bias factor
    with the mass before it, `baf:1.052` and `unadjusted_g:12345`, and by which tests (`measurement.bias_in_force`). Of
    a shared stack it says how its mass was divided (`measurement.apportioning`). None when there is nothing to say.
    """
    if recipe is None:
        recipe = _remarks(hour)
    return [
        hour.unit,
        hour.start_ms,
        hour.rule_set,
        hour.operating_percent,
        hour.nox_g,
        hour.energy_wh,
        hour.quality,
        hour.clause,
        hour.method_code,
        hour.minutes_valid,
        samples,
        samples_root,
        provenance.profile_hash,
        provenance.rules_hash,
        clock.state,
        clock.offset_ms,
        provenance.boot_id,
        provenance.firmware,
        recipe,
    ]


def _remarks(hour: HourRecord) -> list[Value] | None:
    said = set(hour.remarks)
    if hour.energy_quality != EnergyQuality.METERED:
        said.add(f"energy_wh:{hour.energy_quality}")
    if hour.bias_factor is not None:
        said.add(f"baf:{factor_text(hour.bias_factor)}")
    if hour.unadjusted_g is not None:
        said.add(f"unadjusted_g:{hour.unadjusted_g}")
    said |= {*hour.bias_by}
    if hour.stack is not None:
        said |= {*remarks_of(hour.stack)}
    return [*sorted(said)] if said else None


def revision_body(original: bytes, reason: str, body: list[Value]) -> list[Value]:
    """An `hour.revise`: which record it replaces, why, and the hour as it is now known."""
    return [original, reason, body]


def gap_body(gap: HourGap, *, cause: str) -> list[Value]:
    """A `gap`: no mass is stated, and why."""
    return [gap.unit, gap.from_ms, gap.to_ms, cause]


def answer_body(request: bytes, content_hash: bytes, samples: int, outcome: str, text: str) -> list[Value]:
    """A `samples.answer`: which file answers a request, and whether all that was asked for is in it."""
    return [request, content_hash, samples, outcome, text]


def event_body(unit: str | None, code: str, at_ms: int, text: str) -> list[Value]:
    """An `event`: something happened that a regulator wants to know."""
    return [unit, code, at_ms, text]
