"""What to ask an instrument, and the sample that its answers make.

A driver does no I/O and holds no state that shows: `requests(group)` are values, `sample(...)` is a function of the
outcomes. Most instruments need no code at all: `RegisterDriver` is made from a profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from doxedge.analysers.batches import Span, plan_reads
from doxedge.analysers.decoding import block_decoder, decoder, raw_value
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile import Point, Profile, QualityRegister, Severity, StatusBit
from doxedge.analysers.question import (
    Answer,
    DeviceException,
    Outcome,
    Read,
    ReadBits,
    Request,
    Unanswered,
    pack_evidence,
)
from doxedge.measurement.sample import Reason, Sample

REASON_OF_FLAG: Final[Mapping[str, Reason]] = {
    "fault": Reason.DEVICE_FAULT,
    "invalid": Reason.DEVICE_FAULT,
    "out_of_service": Reason.OUT_OF_SERVICE,
    "held": Reason.HELD,
    "zero": Reason.ZERO,
    "span": Reason.SPAN,
    "maintenance": Reason.MAINTENANCE,
    "warning": Reason.WARNING,
    "out_of_range": Reason.ABOVE_RANGE,
    "door": Reason.MAINTENANCE,
    "battery": Reason.WARNING,
}


class Driver(Protocol):
    """One device of one site."""

    @property
    def device(self) -> str:
        """The device's name in the configuration."""
        ...

    @property
    def profile(self) -> AnyProfile:
        """The map it follows."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """What can be polled."""
        ...

    def requests(self, group: str) -> Sequence[Request]:
        """The questions of one poll, in the order in which they are to be asked. KeyError for an unknown group."""
        ...

    def sample(self, group: str, outcomes: Sequence[Outcome], *, at_ms: int, monotonic_ns: int) -> Sample:
        """The sample of one poll. `outcomes` are those of `requests(group)`, in that order; ValueError otherwise."""
        ...

    def identity_requests(self) -> Sequence[Request]:
        """Questions whose answers tell this kind of instrument from another; often none."""
        ...

    def check_identity(self, outcomes: Sequence[Outcome]) -> str | None:
        """What contradicts the profile, in words for the operator; None when nothing does."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a span lies in the outcomes of a poll."""

    outcome: int
    first: int
    """Offset in bytes (registers) or in bits (coils, discrete inputs) of the answer's data."""
    bytes: int
    """Length in bytes; 0 for a bit."""


@dataclass(frozen=True, slots=True)
class _PlacedPoint:
    """A value: how it is decoded, and the places of all the registers that it is made from."""

    quantity: str
    decode: Callable[[bytes, bytes], Decimal | Reason]
    value: _Place
    quality: tuple[tuple[QualityRegister, _Place], ...]
    power: _Place | None
    is_plain: bool
    """Made from its own registers alone, as most are."""
    outcome: int
    first: int
    end: int
    """The value's place once more, in bytes, where a poll with a hundred values finds it fastest."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """One group, worked out once."""

    requests: tuple[Read, ...]
    points: tuple[_PlacedPoint, ...]
    status: tuple[tuple[StatusBit, _Place], ...]
    block: Callable[[bytes], list[Decimal]] | None
    """All values at once, where one answer holds all of them and nothing can be wrong with a single one."""
    quantities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What the answers of a poll mean. The next poll has the same when the instrument answers the same bytes: it is
    often asked more often than it measures."""

    answered: list[bytes | None]
    """The data of each outcome; None where there was no answer."""
    values: Mapping[str, Decimal | None]
    flags: frozenset[str]
    failures: Mapping[str, Reason]


class RegisterDriver:
    """A driver made from a register map. What it remembers of the last poll saves work and changes no sample."""

    __slots__ = ("_identity", "_last", "_plans", "device", "profile", "unit_id")

    def __init__(self, profile: Profile, *, device: str, unit_id: int | None = None) -> None:
        if profile.transport is None:
            raise ValueError(f"{profile.source} describes a constant; a ConstantDriver states it")
        self.profile = profile
        self.device = device
        self.unit_id = profile.transport.unit_id if unit_id is None else unit_id
        self._plans = {group.name: self._plan(group.name) for group in profile.groups}
        self._last: dict[str, _Decoded] = {}
        self._identity = tuple(self._reads([check.span for check in profile.identity_check]))

    @property
    def groups(self) -> tuple[str, ...]:
        """What can be polled."""
        return tuple(self._plans)

    def requests(self, group: str) -> list[Read]:
        """Values first, status last: a calibration that begins between the two is then seen.

        One that ends between them was seen by the poll before, and settling time covers it.
        """
        return list(self._plans[group].requests)

    def sample(self, group: str, outcomes: Sequence[Outcome], *, at_ms: int, monotonic_ns: int) -> Sample:
        """The sample of one poll; the rules are those of measurement.md 9, rules 1 to 4."""
        plan = self._plans[group]
        require_same(plan.requests, outcomes)
        answered = [outcome.data if isinstance(outcome, Answer) else None for outcome in outcomes]
        last = self._last.get(group)
        if last is None or None in answered or answered != last.answered:
            last = self._last[group] = self._decode(plan, outcomes, answered)
        return Sample(
            device=self.device,
            at_ms=at_ms,
            monotonic_ns=monotonic_ns,
            values=last.values,
            flags=last.flags,
            failures=last.failures,
            raw=pack_evidence(outcomes),
        )

    def _decode(self, plan: _Plan, outcomes: Sequence[Outcome], answered: list[bytes | None]) -> _Decoded:
        flags, verdict = _status(plan, outcomes)
        if plan.block is not None and verdict is None and isinstance(outcomes[0], Answer):
            decoded = dict(zip(plan.quantities, plan.block(outcomes[0].data), strict=True))
            return _Decoded(answered, decoded, flags, {})
        values: dict[str, Decimal | None] = {}
        failures: dict[str, Reason] = {}
        for placed in plan.points:
            quantity, outcome = placed.quantity, outcomes[placed.outcome]
            found: Decimal | Reason
            if not isinstance(outcome, Answer):
                found = reason_of(outcome)
            elif verdict is not None:
                found = verdict
            elif placed.is_plain:
                found = placed.decode(outcome.data[placed.first : placed.end], b"")
            else:
                found = _qualified(placed, outcomes)
            if isinstance(found, Reason):
                values[quantity] = None
                failures[quantity] = found
                continue
            values[quantity] = found
            if placed.quality and _is_uncertain(placed, outcomes):
                flags |= {"warning"}
        return _Decoded(answered, values, flags, failures)

    def identity_requests(self) -> list[Read]:
        """The reads for the profile's identity checks."""
        return list(self._identity)

    def check_identity(self, outcomes: Sequence[Outcome]) -> str | None:
        """The first register that holds something else than the profile says."""
        require_same(self._identity, outcomes)
        for check in self.profile.identity_check:
            place = _place(check.span, self._identity)
            outcome = outcomes[place.outcome]
            if not isinstance(outcome, Answer):
                return f"{check.about}: register {check.span.first} could not be read ({reason_of(outcome)})"
            found = raw_value(_read(outcomes, place), check.type, check.order)
            if found is None or not check.low <= found <= check.high:
                wanted = f"{check.low}" if check.low == check.high else f"{check.low} to {check.high}"
                return f"{check.about}: register {check.span.first} holds {found}, not {wanted}"
        return None

    def _plan(self, group: str) -> _Plan:
        points = [point for point in self.profile.points if point.group == group]
        status = [bit for bit in self.profile.status if group in bit.groups]
        # Apart, so that a status register far away never stretches the read of an atomic group.
        requests = (*self._value_reads(points), *self._reads([s.span for s in status]))
        placed = tuple(_placed(point, requests) for point in points)
        is_one_answer = bool(placed) and all(one.is_plain and one.outcome == 0 for one in placed)
        return _Plan(
            requests,
            placed,
            tuple((bit, _place(bit.span, requests)) for bit in status),
            block_decoder([(one.first, point) for one, point in zip(placed, points, strict=True)])
            if is_one_answer
            else None,
            tuple(point.quantity for point in points),
        )

    def _value_reads(self, points: Sequence[Point]) -> list[Read]:
        """Reads that bring values come before those that bring only their quality, so that a fault is not overtaken."""
        reads = self._reads([span for point in points for span in point.spans])
        values = [point.span for point in points]
        return sorted(reads, key=lambda read: not any(_holds(read, span) for span in values))

    def _reads(self, spans: Sequence[Span]) -> list[Read]:
        return plan_reads(spans, unit_id=self.unit_id, limits=self.profile.batching)


class ConstantDriver:
    """Values that the site states and nobody measures: usable, and never better than uncertain."""

    __slots__ = ("device", "profile")

    def __init__(self, profile: Profile, *, device: str) -> None:
        if not profile.constants:
            raise ValueError(f"{profile.source} describes an instrument; a RegisterDriver reads it")
        self.profile = profile
        self.device = device

    @property
    def groups(self) -> tuple[str, ...]:
        """One group, which asks nothing."""
        return ("constants",)

    def requests(self, group: str) -> list[Request]:
        """There is nobody to ask."""
        if group != "constants":
            raise KeyError(f"{self.profile.source} has one group, constants, not {group!r}")
        return []

    def sample(self, group: str, outcomes: Sequence[Outcome], *, at_ms: int, monotonic_ns: int) -> Sample:
        """The stated values, each with Reason.DEFAULT (measurement.md 9, rule 18)."""
        require_same(self.requests(group), outcomes)
        return Sample(
            device=self.device,
            at_ms=at_ms,
            monotonic_ns=monotonic_ns,
            values={constant.quantity: constant.value for constant in self.profile.constants},
            failures={constant.quantity: Reason.DEFAULT for constant in self.profile.constants},
        )

    def identity_requests(self) -> list[Request]:
        """A constant cannot be mistaken for another instrument."""
        return []

    def check_identity(self, outcomes: Sequence[Outcome]) -> str | None:
        """Nothing to contradict."""
        require_same((), outcomes)
        return None


def _placed(point: Point, requests: Sequence[Read]) -> _PlacedPoint:
    place = _place(point.span, requests)
    return _PlacedPoint(
        point.quantity,
        decoder(point),
        place,
        tuple((binding, _place(binding.span, requests)) for binding in point.quality),
        None if point.power is None else _place(point.power, requests),
        is_plain=not point.quality and point.power is None,
        outcome=place.outcome,
        first=place.first,
        end=place.first + place.bytes,
    )


def _qualified(placed: _PlacedPoint, outcomes: Sequence[Outcome]) -> Decimal | Reason:
    """The value, or why there is none: a register that it needs was not read, or its own quality says bad."""
    needed = [place for _, place in placed.quality] + ([] if placed.power is None else [placed.power])
    for place in needed:
        outcome = outcomes[place.outcome]
        if not isinstance(outcome, Answer):
            return reason_of(outcome)
    for binding, place in placed.quality:
        word = int.from_bytes(_read(outcomes, place), "big") & binding.mask
        if word not in binding.good and word not in binding.uncertain:
            return Reason.DEVICE_FAULT
    power = b"" if placed.power is None else _read(outcomes, placed.power)
    return placed.decode(_read(outcomes, placed.value), power)


def _is_uncertain(placed: _PlacedPoint, outcomes: Sequence[Outcome]) -> bool:
    """Whether the quality of a value that was read says: with care."""
    return any(
        int.from_bytes(_read(outcomes, place), "big") & binding.mask in binding.uncertain
        for binding, place in placed.quality
    )


def _read(outcomes: Sequence[Outcome], place: _Place) -> bytes:
    """The registers at a place; none where the read failed."""
    outcome = outcomes[place.outcome]
    return outcome.data[place.first : place.first + place.bytes] if isinstance(outcome, Answer) else b""


def _status(plan: _Plan, outcomes: Sequence[Outcome]) -> tuple[frozenset[str], Reason | None]:
    """The flags that are set, and the reason for which no value of this poll means anything.

    A bit that could not be read might have been set: the values it guards are not trusted (a span gas would otherwise
    become an emission when the status read alone fails).
    """
    flags: set[str] = set()
    verdict: Reason | None = None
    for bit, place in plan.status:
        outcome = outcomes[place.outcome]
        if not isinstance(outcome, Answer):
            if bit.severity is not Severity.NOTED and verdict is None:
                verdict = reason_of(outcome)
            continue
        if _bit(outcome, bit, place) != bit.active_when:
            continue
        flags.add(bit.flag)
        if bit.severity is Severity.BAD and verdict is None:
            verdict = REASON_OF_FLAG[bit.flag]
    return frozenset(flags), verdict


def _bit(outcome: Answer, bit: StatusBit, place: _Place) -> bool:
    if bit.bit is None:
        return bool(outcome.data[place.first // 8] >> (place.first % 8) & 1)
    register = int.from_bytes(outcome.data[place.first : place.first + 2], "big")
    return bool(register >> bit.bit & 1)


def reason_of(outcome: DeviceException | Unanswered) -> Reason:
    """Why a question that was not answered has no value."""
    if isinstance(outcome, Unanswered):
        return outcome.reason
    return Reason.COMMS if outcome.means_silence else Reason.EXCEPTION


def _place(span: Span, requests: Sequence[Read]) -> _Place:
    for index, request in enumerate(requests):
        if _holds(request, span):
            offset = span.first - request.address
            if isinstance(request, ReadBits):
                return _Place(index, offset, 0)
            return _Place(index, 2 * offset, 2 * span.count)
    raise ValueError(f"no read fetches {span}")


def _holds(request: Read, span: Span) -> bool:
    whole = Span(request.function, request.address, request.count)
    return whole.function == span.function and whole.first <= span.first and span.last <= whole.last


def require_same(requests: Sequence[Request], outcomes: Sequence[Outcome]) -> None:
    """An outcome holds its question: the wrong one here is a bug of the caller, and would be a wrong value."""
    if [outcome.request for outcome in outcomes] != list(requests):
        raise ValueError("these are not the outcomes of this group's requests, in their order")
