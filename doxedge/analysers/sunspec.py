"""SunSpec devices: a marker, then blocks of registers one after the other, each with its number and its length.

Where the marker stands differs (40000, 50000 or 0), and so does what comes before the block that is wanted, so the
block is looked for at every start: bounded, one question at a time, and every answer checked. Found, it is read like
any other map (SunSpec Device Information Model Specification V1.1, 3 and 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from doxedge.analysers.batches import Span
from doxedge.analysers.driver import RegisterDriver
from doxedge.analysers.profile import Point, Profile, Search
from doxedge.analysers.question import LAST_ADDRESS, Answer, Function, Outcome, ReadRegisters, Request
from doxedge.measurement.sample import Sample

MARKER: Final = b"SunS"
END_MODEL: Final = 0xFFFF
HEAD_REGISTERS: Final = 2
"""A model's number and length; the marker has as many."""
MODELS_MAX: Final = 48
"""A chain longer than any real device's is one that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Found:
    """The block begins at this address."""

    address: int


@dataclass(frozen=True, slots=True)
class NotThere:
    """This is not the device of the map, or it lacks the block."""

    reason: str


def look(search: Search, told: Sequence[Outcome], *, unit_id: int) -> Request | Found | NotThere:
    """The next question, or where the search ended. `told` are the outcomes of the questions before, in their order.

    (1) the marker stands at one of the bases; an exception there means that it does not
    (2) from model to model by their lengths, none beyond the end of the map, at most MODELS_MAX of them
    (3) the model that is wanted has the length that the map was written for
    """
    rest = list(told)
    for base in search.bases:
        if not rest:
            return _head(base, unit_id)
        marker = rest.pop(0)
        if isinstance(marker, Answer) and marker.data == MARKER:
            return _walk(search, rest, base + HEAD_REGISTERS, unit_id)
    places = ", ".join(map(str, search.bases))
    return NotThere(f"no SunSpec device: the marker `SunS` is at none of {places}")


def _walk(search: Search, rest: list[Outcome], address: int, unit_id: int) -> Request | Found | NotThere:
    """(2), (3)"""
    seen: list[str] = []
    for _ in range(MODELS_MAX):
        if address + HEAD_REGISTERS - 1 > LAST_ADDRESS:
            return NotThere(f"the chain of models leaves the map at {address}")
        if not rest:
            return _head(address, unit_id)
        head = rest.pop(0)
        if not isinstance(head, Answer):
            return NotThere(f"the head of a model at {address} cannot be read; before it: {_listed(seen)}")
        model, length = (int.from_bytes(head.data[place : place + 2], "big") for place in (0, 2))
        if model == END_MODEL:
            return NotThere(f"this device has no model {search.model}; it has {_listed(seen)}")
        if model == search.model:
            if length != search.length:
                return NotThere(f"model {model} is {length} registers long, not {search.length}")
            if address + HEAD_REGISTERS + length - 1 > LAST_ADDRESS:
                return NotThere(f"model {model} at {address} leaves the map")
            return Found(address)
        seen.append(str(model))
        address += HEAD_REGISTERS + length
    return NotThere(f"no end after {MODELS_MAX} models: {_listed(seen)}")


class SunSpecDriver:
    """A driver that does not know yet where its registers are.

    `search` tells: it is a function of the answers so far, and ends with the driver for this very device. Until then
    nothing is read for a value; `requests` only say how many questions a poll will have.
    """

    __slots__ = ("_search", "_unplaced", "device", "profile", "unit_id")

    def __init__(self, profile: Profile, *, device: str, unit_id: int | None = None) -> None:
        if profile.search is None:
            raise ValueError(f"{profile.source} has no [search]; a RegisterDriver reads it")
        self.profile = profile
        self.device = device
        self._search = profile.search
        self._unplaced = RegisterDriver(profile, device=device, unit_id=unit_id)
        self.unit_id = self._unplaced.unit_id

    @property
    def groups(self) -> tuple[str, ...]:
        """What can be polled."""
        return self._unplaced.groups

    def search(self, told: Sequence[Outcome]) -> Request | RegisterDriver | str:
        """The next question; or the driver of the device that was found; or in words why it is not there."""
        step = look(self._search, told, unit_id=self.unit_id)
        if isinstance(step, Found):
            placed = moved(self.profile, step.address)
            return RegisterDriver(placed, device=self.device, unit_id=self.unit_id)
        return step.reason if isinstance(step, NotThere) else step

    def requests(self, group: str) -> Sequence[Request]:
        """As many and as long as those of the driver that the search finds."""
        return self._unplaced.requests(group)

    def sample(self, group: str, outcomes: Sequence[Outcome], *, at_ms: int, monotonic_ns: int) -> Sample:
        """The sample of a poll before the device was found: what was not asked has no value."""
        if any(isinstance(outcome, Answer) for outcome in outcomes):
            raise ValueError("answers from an unknown place are no values: search first")
        return self._unplaced.sample(group, outcomes, at_ms=at_ms, monotonic_ns=monotonic_ns)

    def identity_requests(self) -> Sequence[Request]:
        """Whether there is a marker at all; the whole search is `search`."""
        return [_head(base, self.unit_id) for base in self._search.bases]

    def check_identity(self, outcomes: Sequence[Outcome]) -> str | None:
        """The marker stands at one of the bases."""
        if [outcome.request for outcome in outcomes] != self.identity_requests():
            raise ValueError("these are not the outcomes of the identity requests, in their order")
        if any(isinstance(outcome, Answer) and outcome.data == MARKER for outcome in outcomes):
            return None
        return f"no SunSpec device: the marker `SunS` is at none of {', '.join(map(str, self._search.bases))}"


def moved(profile: Profile, by: int) -> Profile:
    """The same map with every address raised by `by`, and nothing left to search."""

    def shifted(span: Span) -> Span:
        return Span(span.function, span.first + by, span.count)

    def point(one: Point) -> Point:
        return replace(
            one,
            span=shifted(one.span),
            power=None if one.power is None else shifted(one.power),
            quality=tuple(replace(binding, span=shifted(binding.span)) for binding in one.quality),
        )

    return replace(
        profile,
        points=tuple(point(one) for one in profile.points),
        status=tuple(replace(bit, span=shifted(bit.span)) for bit in profile.status),
        identity_check=tuple(replace(check, span=shifted(check.span)) for check in profile.identity_check),
        batching=replace(profile.batching, forbidden=tuple(map(shifted, profile.batching.forbidden))),
        search=None,
    )


def _head(address: int, unit_id: int) -> ReadRegisters:
    return ReadRegisters(unit_id, Function.HOLDING_REGISTERS, address, HEAD_REGISTERS)


def _listed(models: Sequence[str]) -> str:
    return ", ".join(models) or "none"
