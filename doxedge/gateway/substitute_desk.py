"""What stands for an hour that was not measured, as it is to be signed, and what the signed records say of it.

An hour has its first statement under the key `hour/<unit>/<start>/0`, whoever made it; each later substitute has a
number of its own. A draft that is made twice, because power failed between its signing and our note of it, meets the
record that stands, and what that record says is noted: never what we would have said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from doxedge.gateway.bodies import revision_body
from doxedge.measurement.apportioning import StackHour, UnitShare, remarks_of
from doxedge.measurement.emission import NO_DATA, SUBSTITUTED, HourGap, HourRecord
from doxedge.measurement.energy import EnergyQuality
from doxedge.measurement.hour_history import KnownHour, grams, kept_remarks
from doxedge.measurement.hour_series import QUALITY_ASSURED_METHODS
from doxedge.measurement.missing_data_rules import Rules
from doxedge.measurement.substitute_recipe import RECIPE_BYTES_MAX, canonical_recipe
from doxedge.measurement.substitution import Substitute
from doxedge.quantity import HOUR_MS, Grams, WattHours
from doxedge.signing import canonical, envelope
from doxedge.signing.canonical import Value
from doxedge.signing.record import decode_payload
from doxedge.store.hour_rows import HourStatement, StoredHour
from doxedge.store.rows import Draft, Entry

GAP_ENDED: Final = "gap ended"
NOT_ASSURED: Final = "not quality-assured"
"""Reasons of revisions."""
INITIAL_CLAUSE: Final = "40 CFR 75.31"
CLAUSE: Final = "40 CFR 75.33"
BACKFILLED: Final = "hour:backfilled"
"""Remark on a measured hour that was stated as a gap before."""
ASSUMED: Final = "operating_percent:assumed"
_QUALITY_PLACE: Final = 6
_LOAD_KNOWN: Final = frozenset({EnergyQuality.METERED.value, EnergyQuality.DISPUTED.value})


@dataclass(frozen=True, slots=True)
class Substituted:
    """An hour to be signed that was not measured."""

    hour: HourRecord
    recipe: list[Value]
    key: str
    revised: bytes | None
    """The hour's first statement; None when this is it."""
    reason: str
    is_provisional: bool

    @property
    def statement(self) -> HourStatement:
        """What it says."""
        return HourStatement(self.hour.nox_g, self.hour.method_code, canonical.encode(self.recipe))

    def draft(self, body: list[Value]) -> Draft:
        """Around the body of the hour."""
        if self.revised is None:
            return Draft("hour", body, self.key)
        return Draft("hour.revise", revision_body(self.revised, self.reason, body), self.key)


def first_key(unit: str, start_ms: int) -> str:
    """Of the first statement of an hour."""
    return f"hour/{unit}/{start_ms}/0"


def known_hours(closed: HourRecord | HourGap) -> list[KnownHour]:
    """What a closed hour, or each hour of a closed gap, adds to the history."""
    if closed.stack is not None:
        return _known_of_stack(closed, closed.stack)
    is_load_known = closed.energy_quality in _LOAD_KNOWN
    if isinstance(closed, HourRecord):
        assured = bool(closed.operating_percent) and closed.method_code in QUALITY_ASSURED_METHODS
        return [
            KnownHour(
                closed.start_ms,
                closed.operating_percent,
                closed.nox_g,
                closed.energy_wh,
                is_load_known,
                closed.method_code,
                assured,
                closed.minutes_valid,
                kept_remarks(closed.quality, closed.remarks),
            )
        ]
    starts, remarks = range(closed.from_ms, closed.to_ms, HOUR_MS), _remarks_of_gap(closed)
    return [
        KnownHour(
            start_ms,
            closed.operating_percent,
            None,
            # The energy of a longer gap is known as a whole only: its first hour carries it.
            closed.energy_wh if start_ms == closed.from_ms else 0,
            is_load_known and len(starts) == 1,
            "",
            quality_assured=False,
            minutes_valid=closed.minutes_valid,
            remarks=remarks,
        )
        for start_ms in starts
    ]


def _known_of_stack(closed: HourRecord | HourGap, stack: StackHour) -> list[KnownHour]:
    """The same where units share the stack: the hour is the stack's, and beside it stands what is the unit's."""
    if isinstance(closed, HourRecord):
        starts: Sequence[int] = (closed.start_ms,)
        remarks = kept_remarks(closed.quality, closed.remarks)
    else:
        starts, remarks = range(closed.from_ms, closed.to_ms, HOUR_MS), _remarks_of_gap(closed)
    method = closed.method_code if isinstance(closed, HourRecord) and stack.nox_g is not None else ""
    return [
        known_of_stack(
            start_ms,
            stack,
            method=method,
            minutes_valid=closed.minutes_valid,
            unit=closed.unit,
            operating_percent=closed.operating_percent,
            # The energy of a longer gap is known as a whole only: its first hour carries it.
            energy_wh=closed.energy_wh if start_ms == starts[0] else 0,
            remarks=remarks,
        )
        for start_ms in starts
    ]


def known_of_stack(
    start_ms: int,
    stack: StackHour,
    *,
    method: str,
    minutes_valid: int,
    unit: str,
    operating_percent: int,
    energy_wh: int,
    remarks: tuple[str, ...] = (),
) -> KnownHour:
    """An hour of a shared stack in the history of one unit; `operating_percent` and `energy_wh` are the unit's."""
    load_wh = stack.apportioning.load_wh
    return KnownHour(
        start_ms,
        stack.operating_percent,
        stack.nox_g,
        load_wh or 0,
        load_wh is not None,
        method,
        bool(stack.operating_percent) and method in QUALITY_ASSURED_METHODS,
        minutes_valid,
        remarks,
        UnitShare(unit, operating_percent, energy_wh, stack.apportioning),
    )


def _remarks_of_gap(gap: HourGap) -> tuple[str, ...]:
    remarks = {*gap.remarks, *([ASSUMED] if gap.cause == NO_DATA else [])}
    if gap.energy_quality != EnergyQuality.METERED:
        remarks.add(f"energy_wh:{gap.energy_quality}")
    return tuple(sorted(remarks))


def substituted(
    unit: str, rule_set: str, stored: StoredHour, one: Substitute, rules: Rules, *, first: Entry | None
) -> Substituted:
    """The substitute of one hour, as the next statement of it. `first` is the hour's first, where it is kept."""
    known = stored.known
    assert one.exact is not None  # noqa: S101 - rules for mass rates state a maximum
    assert one.value is not None  # noqa: S101
    stack_g, share = grams(one.value, known.operating_percent), known.share
    told: list[str] = []
    if share is not None:
        told = remarks_of(StackHour(known.operating_percent, stack_g, None, share.apportioning))
    recipe: list[Value] = [*canonical_recipe(one, rules, known.remarks, told)]
    if len(canonical.encode(recipe)) > RECIPE_BYTES_MAX:
        raise ValueError(
            f"the recipe of the hour at {known.start_ms} is longer than {RECIPE_BYTES_MAX} bytes"
        )
    hour = HourRecord(
        unit,
        known.start_ms,
        rule_set,
        known.operating_percent if share is None else share.operating_percent,
        Grams(known.own_g(stack_g)),
        WattHours(known.energy_wh if share is None else share.energy_wh),
        SUBSTITUTED,
        INITIAL_CLAUSE if one.method == rules.initial else CLAUSE,
        one.method.code,
        known.minutes_valid,
        samples=0,
    )
    revised = stored.first_record or (None if first is None else first.record_id)
    key = first_key(unit, known.start_ms)
    if revised is not None:
        key = f"hour/{unit}/{known.start_ms}/s{stored.statements}"
    reason = GAP_ENDED if stored.stated is not None else NOT_ASSURED
    return Substituted(hour, recipe, key, revised, reason, one.provisional)


def body_of(entry: Entry) -> list[Any]:
    """The body of an hour, from its record or its revision."""
    record = decode_payload(envelope.decode(entry.envelope).payload)
    body: list[Any] = list(record.body)
    return list(body[2]) if record.kind == "hour.revise" else body


def is_substitute(body: list[Any]) -> bool:
    """Whether the body of an hour is that of a substitute."""
    return bool(body[_QUALITY_PLACE] == SUBSTITUTED)


def statement_in(body: list[Any]) -> HourStatement:
    """What the body of a substituted hour says."""
    return HourStatement(body[4], body[8], canonical.encode(body[18]))
