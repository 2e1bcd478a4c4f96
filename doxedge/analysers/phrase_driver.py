"""A driver for an instrument that speaks a text dialect, made from its map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from doxedge.analysers.dialects import codec
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.driver import REASON_OF_FLAG, reason_of, require_same
from doxedge.analysers.phrase_map import PhrasePoint, PhraseProfile, PhraseStatus
from doxedge.analysers.profile import Severity
from doxedge.analysers.question import Answer, Outcome, Phrase, pack_evidence
from doxedge.analysers.units import EXACT, conversion
from doxedge.measurement.sample import Reason, Sample


@dataclass(frozen=True, slots=True)
class _Plan:
    """One group, worked out once: its questions, and which of them answers for what."""

    requests: tuple[Phrase, ...]
    points: tuple[tuple[PhrasePoint, int], ...]
    status: tuple[tuple[PhraseStatus, int], ...]


class PhraseDriver:
    """A driver made from a map of phrases. ValueError when the dialect cannot say them to this instrument's number."""

    __slots__ = ("_identity", "_plans", "device", "profile", "unit_id")

    def __init__(self, profile: PhraseProfile, *, device: str, unit_id: int | None = None) -> None:
        self.profile = profile
        self.device = device
        self.unit_id = profile.transport.unit_id if unit_id is None else unit_id
        self._plans = {group.name: self._plan(group.name) for group in profile.groups}
        self._identity = tuple(self._phrases(check.ask for check in profile.identity_check))
        for phrase in (*self._identity, *(p for plan in self._plans.values() for p in plan.requests)):
            codec.encode(phrase)

    @property
    def groups(self) -> tuple[str, ...]:
        """What can be polled."""
        return tuple(self._plans)

    def requests(self, group: str) -> list[Phrase]:
        """Each question once; those that bring values first, those that bring only status last (see RegisterDriver)."""
        return list(self._plans[group].requests)

    def sample(self, group: str, outcomes: Sequence[Outcome], *, at_ms: int, monotonic_ns: int) -> Sample:
        """The sample of one poll; the rules are those of measurement.md 9, rules 1 to 4."""
        plan = self._plans[group]
        require_same(plan.requests, outcomes)
        flags, verdict = _status(plan, outcomes)
        values: dict[str, Decimal | None] = {}
        failures: dict[str, Reason] = {}
        for point, index in plan.points:
            outcome = outcomes[index]
            if not isinstance(outcome, Answer):
                found: Decimal | Reason = reason_of(outcome)
            else:
                found = _value(point, plan.requests[index], outcome) if verdict is None else verdict
            values[point.quantity] = None if isinstance(found, Reason) else found
            if isinstance(found, Reason):
                failures[point.quantity] = found
        return Sample(
            device=self.device,
            at_ms=at_ms,
            monotonic_ns=monotonic_ns,
            values=values,
            flags=flags,
            failures=failures,
            raw=pack_evidence(outcomes),
        )

    def identity_requests(self) -> list[Phrase]:
        """The questions of the map's identity checks."""
        return list(self._identity)

    def check_identity(self, outcomes: Sequence[Outcome]) -> str | None:
        """The first answer that does not hold what the map says."""
        require_same(self._identity, outcomes)
        for check in self.profile.identity_check:
            index = next(n for n, phrase in enumerate(self._identity) if phrase.text == check.ask)
            outcome = outcomes[index]
            if not isinstance(outcome, Answer):
                return f"{check.about}: {check.ask!r} was not answered ({reason_of(outcome)})"
            try:
                said = " ".join(codec.words_in(self._identity[index], outcome.data))
            except FrameError as error:
                return f"{check.about}: the answer to {check.ask!r} cannot be read: {error}"
            if check.contains not in said:
                return (
                    f"{check.about}: {check.ask!r} is answered with {said[:60]!r}, without {check.contains!r}"
                )
        return None

    def _plan(self, group: str) -> _Plan:
        points = [point for point in self.profile.points if point.group == group]
        status = [one for one in self.profile.status if group in one.groups]
        requests = self._phrases([*(point.ask for point in points), *(one.ask for one in status)])
        place = {phrase.text: index for index, phrase in enumerate(requests)}
        return _Plan(
            tuple(requests),
            tuple((point, place[point.ask]) for point in points),
            tuple((one, place[one.ask]) for one in status),
        )

    def _phrases(self, asks: Iterable[str]) -> list[Phrase]:
        """Each once, in the order in which it came up."""
        dialect = self.profile.transport.dialect
        return [Phrase(self.unit_id, dialect, ask) for ask in dict.fromkeys(asks)]


def _status(plan: _Plan, outcomes: Sequence[Outcome]) -> tuple[frozenset[str], Reason | None]:
    """The flags that are set, and the reason for which no value of this poll means anything.

    What could not be read might have said `span`: the values that it guards are not trusted.
    """
    flags: set[str] = set()
    verdict: Reason | None = None
    for one, index in plan.status:
        outcome = outcomes[index]
        found = (
            _is_so(one, plan.requests[index], outcome) if isinstance(outcome, Answer) else reason_of(outcome)
        )
        if isinstance(found, Reason):
            if one.severity is not Severity.NOTED and verdict is None:
                verdict = found
        elif found is one.active_when:
            flags.add(one.flag)
            if one.severity is Severity.BAD and verdict is None:
                verdict = REASON_OF_FLAG[one.flag]
    return frozenset(flags), verdict


def _is_so(one: PhraseStatus, phrase: Phrase, outcome: Answer) -> bool | Reason:
    """Whether the answer has the bit, the number or the word that is looked for."""
    try:
        if one.says:
            return not set(one.says).isdisjoint(codec.words_in(phrase, outcome.data))
        word = codec.bits_in(phrase, outcome.data, one.place)
    except FrameError:
        return Reason.EXCEPTION
    return word in one.equals if one.bit is None else bool(word >> one.bit & 1)


def _value(point: PhrasePoint, phrase: Phrase, outcome: Answer) -> Decimal | Reason:
    """The value in its canonical unit. The unit that the answer says goes before the map's."""
    try:
        reading = codec.value_in(phrase, outcome.data, point.place)
        if reading.value is None or reading.value in point.sentinels:
            return Reason.NAN
        convert = conversion(point.quantity, reading.unit or point.unit)
    except ValueError:
        # No number at its place, or a unit that does not convert: the instrument is set otherwise than the map says.
        return Reason.EXCEPTION
    return convert.apply(EXACT.multiply(reading.value, point.scale))
