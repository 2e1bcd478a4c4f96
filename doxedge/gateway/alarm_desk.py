"""Alarms are raised and cleared here, exactly once per outage, on the disk before anybody is told.

Order of duties:

    (1) the change is in `alarms.db`
    (2) an alarm that the regulator should know of is handed to the desks of the units it concerns, to be signed
    (3) a restart takes up the alarms that stand, and hands in again what the last days may have left unsigned:
        the event's key names the occurrence, so what is signed already is not signed twice

What the disk refuses is seen again at the next look: the course of a condition moves only after (1).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from pydantic import Field

from doxedge.gateway.alarm_rules import rule_of
from doxedge.gateway.operator_door import Caller, Question, Refusal, Words
from doxedge.gateway.record_desk import Happening
from doxedge.gateway.status import alarm_as_dict
from doxedge.measurement.alarms import QUIET, Acknowledgement, Alarm, Change, Course, Sighting, step
from doxedge.quantity import DAY_MS
from doxedge.store.alarms import AlarmStore
from doxedge.store.errors import Kind, StoreError

log = logging.getLogger(__name__)


class AskAcknowledge(Question):
    """Somebody has seen an alarm."""

    ask: Literal["acknowledge"]
    alarm: int = Field(ge=1, lt=2**63)
    name: Words
    reason: Words


HAND_IN_AGAIN_MS: Final = 7 * DAY_MS
"""How far back a restart looks for events that were not signed; the outbox remembers its keys for 35 days."""


class AlarmDesk:
    """The alarms of one gateway."""

    def __init__(self, store: AlarmStore, *, post: Callable[[str, Happening], None]) -> None:
        """`post` takes the subject of an alarm and the event to be signed for it."""
        self._store, self._post = store, post
        self._courses: dict[tuple[str, str], Course] = {}
        """Of conditions that are not quiet."""
        self._standing: dict[tuple[str, str], Alarm] = {}
        self._is_in_trouble = False

    async def restore(self, *, now_ms: int) -> None:
        """Take up what stands, and hand in again what may not have been signed. Raises StoreError."""
        for alarm in await self._store.wanting():
            if alarm.cleared_ms is None:
                key = (alarm.code, alarm.subject)
                self._courses[key], self._standing[key] = Course(raised=True), alarm
        for entry in await self._store.entries_since(now_ms - HAND_IN_AGAIN_MS):
            if entry.change is not Change.ACKNOWLEDGED:
                sighting = Sighting(entry.code, entry.subject, None, entry.text)
                self._have_signed(sighting, entry.change, at_ms=entry.at_ms, raised_ms=entry.raised_ms)

    async def look(self, sightings: Iterable[Sighting], *, now_ms: int) -> None:
        """Judge one look at every condition."""
        for sighting in sightings:
            key = (sighting.code, sighting.subject)
            course = self._courses.get(key, QUIET)
            if course is QUIET and not sighting.holds:
                continue  # As nearly always, of each of the values that a gateway has.
            moved, change = step(course, rule_of(sighting.code), holds=sighting.holds, now_ms=now_ms)
            if change is not None and not await self._kept(key, sighting, change, now_ms):
                continue
            if moved == QUIET:
                self._courses.pop(key, None)
            else:
                self._courses[key] = moved

    async def retire(self, is_watched: Callable[[str, str], bool], *, now_ms: int) -> None:
        """Clear what nobody looks at any more: the instrument or unit left the configuration. Raises StoreError."""
        for key in [key for key in self._standing if not is_watched(*key)]:
            gone = Sighting(*key, False, "no longer in the configuration")
            if await self._kept(key, gone, Change.CLEARED, now_ms):
                self._courses.pop(key, None)
                del self._standing[key]

    async def wanting(self) -> list[Alarm]:
        """The alarms that want a person's eye, oldest first. Raises StoreError."""
        return [alarm for alarm in await self._store.wanting() if alarm.is_listed(rule_of(alarm.code))]

    async def acknowledge(self, number: int, said: Acknowledgement) -> Alarm | None:
        """A person has seen it; None when there is no such alarm. Raises StoreError, CONFLICT when somebody had."""
        alarm = await self._store.acknowledge(number, said)
        if alarm is not None:
            log.info("alarm %d (%s) was acknowledged by %s: %s", number, alarm.code, said.name, said.reason)
        return alarm

    async def answer(self, asked: AskAcknowledge, caller: Caller) -> Mapping[str, object]:
        """At the operators' door: the acknowledged alarm. Raises Refusal, StoreError."""
        said = Acknowledgement(asked.name, asked.reason, caller.at_ms, caller.user)
        try:
            alarm = await self.acknowledge(asked.alarm, said)
        except StoreError as error:
            if error.kind is Kind.CONFLICT:
                raise Refusal("acknowledged", str(error)) from error
            raise
        if alarm is None:
            raise Refusal("unknown_alarm", f"there is no alarm {asked.alarm}")
        return {"alarm": alarm_as_dict(alarm)}

    async def _kept(self, key: tuple[str, str], sighting: Sighting, change: Change, now_ms: int) -> bool:
        """Duties (1) and (2). False when the disk has no room: the next look tries again."""
        try:
            if change is Change.RAISED:
                self._standing[key] = await self._store.raise_alarm(sighting, at_ms=now_ms)
            else:
                number = self._standing[key].number
                await self._store.clear_alarm(number, text=sighting.text, at_ms=now_ms)
        except StoreError as error:
            if error.kind not in (Kind.FULL, Kind.BUDGET):
                raise
            if not self._is_in_trouble:
                log.error("%s %s cannot be kept: %s", sighting.code, change, error)
            self._is_in_trouble = True
            return False
        self._is_in_trouble = False
        alarm = self._standing[key]
        tell = log.warning if change is Change.RAISED else log.info
        about = f" {alarm.subject}" if alarm.subject else ""
        tell("alarm %d %s: %s%s: %s", alarm.number, change, alarm.code, about, sighting.text)
        at_ms = alarm.raised_ms if change is Change.RAISED else now_ms
        self._have_signed(sighting, change, at_ms=at_ms, raised_ms=alarm.raised_ms)
        return True

    def _have_signed(self, sighting: Sighting, change: Change, *, at_ms: int, raised_ms: int) -> None:
        if not rule_of(sighting.code).signed:
            return
        about = f" {sighting.subject}" if sighting.subject else ""
        text = f"{sighting.code}{about}: {sighting.text}"
        key = f"{sighting.code}/{sighting.subject}/{raised_ms}"
        self._post(sighting.subject, Happening(f"alarm.{change}", at_ms, text, key=key))
