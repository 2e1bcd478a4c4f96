"""Who answers at the operators' door for hours entered by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from doxedge.gateway.manual_entries import (
    Entry,
    ManualEntries,
    NotEntered,
    Said,
    Statement,
    checked_start,
    find_statement,
    hour_of,
    require_free,
    shown,
)
from doxedge.gateway.meter_exchange import DocumentHash, signable
from doxedge.gateway.operator_door import Caller, Question, Refusal, Words
from doxedge.gateway.pipeline import UnitPipeline
from doxedge.quantity import MAX_AMOUNT_G
from doxedge.store.hours import HourStore

log = logging.getLogger(__name__)


class AskPropose(Question):
    """Enter an hour; it counts when another person has confirmed it."""

    ask: Literal["propose-hour"]
    unit: str = Field(max_length=64)
    start_ms: int = Field(ge=0, lt=2**43)
    nox_g: int = Field(ge=0, le=MAX_AMOUNT_G)
    energy_wh: int = Field(ge=0, le=10**13)
    operating_percent: int = Field(ge=0, le=100)
    name: Words
    reason: Words
    document: DocumentHash


class AskConfirm(Question):
    """Confirm what another person has proposed."""

    ask: Literal["confirm-hour"]
    entry: int = Field(ge=1, lt=2**31)
    name: Words
    same_account: Words | None = None
    """Why the account that proposed it confirms it as well."""


class AskEntries(Question):
    """Which hours were entered by hand."""

    ask: Literal["hour-entries"]


class ManualOffice:
    """Of all units of a gateway."""

    def __init__(
        self,
        entries: ManualEntries,
        *,
        pipelines: Callable[[], Mapping[str, UnitPipeline]],
        hours: HourStore,
        outbox: Path,
    ) -> None:
        """`pipelines` gives those of whoever measures now; `outbox` is the file of the signed records."""
        self._entries, self._pipelines, self._hours, self._outbox = entries, pipelines, hours, outbox

    async def hand_in_again(self) -> None:
        """Duty (3): what was confirmed, and perhaps not signed before the last run ended. Raises StoreError."""
        for entry in self._entries.all():
            pipeline = self._pipelines().get(entry.unit)
            if entry.confirmed is None or pipeline is None:
                continue
            statement = await self._statement(pipeline, entry.start_ms)
            if statement is None or statement.is_measured or tuple(entry.words) in statement.entered:
                continue
            self._hand_in(pipeline, entry, statement)

    async def propose(self, asked: AskPropose, caller: Caller) -> Mapping[str, object]:
        """{"entry": {...}}. Raises Refusal, StoreError."""
        try:
            pipeline = self._pipeline(asked.unit)
            require_free(await self._statement(pipeline, checked_start(asked.start_ms)), asked.start_ms)
            await self._require_settled(asked.unit, asked.start_ms)
            entry = Entry(
                0,
                asked.unit,
                asked.start_ms,
                asked.nox_g,
                asked.energy_wh,
                asked.operating_percent,
                signable(asked.reason, "reason"),
                asked.document,
                Said(signable(asked.name, "name"), caller.user, caller.at_ms),
            )
            return {"entry": shown(await self._entries.propose(entry))}
        except NotEntered as error:
            raise Refusal(error.code, str(error)) from error
        except OSError as error:
            raise Refusal("disk", f"it cannot be kept: {error}") from error

    async def confirm(self, asked: AskConfirm, caller: Caller) -> Mapping[str, object]:
        """{"entry": {...}, "signed": whether it is in the outbox}. Raises Refusal, StoreError."""
        entry = next((one for one in self._entries.all() if one.number == asked.entry), None)
        if entry is None:
            raise Refusal("unknown_entry", f"there is no entry {asked.entry}")
        try:
            pipeline = self._pipeline(entry.unit)
            statement = await self._statement(pipeline, entry.start_ms)
            require_free(statement, entry.start_ms)
            await self._require_settled(entry.unit, entry.start_ms)
            said = Said(signable(asked.name, "name"), caller.user, caller.at_ms)
            flag = "" if asked.same_account is None else signable(asked.same_account, "same_account")
            confirmed = await self._entries.confirm(asked.entry, said, same_account=flag)
        except NotEntered as error:
            raise Refusal(error.code, str(error)) from error
        except OSError as error:
            raise Refusal("disk", f"it cannot be kept: {error}") from error
        self._hand_in(pipeline, confirmed, statement)
        await pipeline.desk.sign()
        return {"entry": shown(confirmed), "signed": not pipeline.desk.waiting}

    async def listed(self, asked: AskEntries, caller: Caller) -> Mapping[str, object]:
        """{"entries": [...]}, oldest first; whoever is let in may see them."""
        log.debug("%s by %s", asked.ask, caller.user)
        return {"entries": [shown(entry) for entry in self._entries.all()]}

    def _hand_in(self, pipeline: UnitPipeline, entry: Entry, statement: Statement | None) -> None:
        revised = None if statement is None else statement.first_record
        pipeline.desk.hand_in(
            [hour_of(entry, rule_set=pipeline.rule_set_at(entry.start_ms), revised=revised)]
        )

    def _pipeline(self, unit: str) -> UnitPipeline:
        pipelines = self._pipelines()
        pipeline = pipelines.get(unit)
        if pipeline is None:
            there = ", ".join(pipelines)
            raise Refusal("unknown_unit", f"there is no unit {unit}; there are {there}")
        return pipeline

    async def _statement(self, pipeline: UnitPipeline, start_ms: int) -> Statement | None:
        return await asyncio.to_thread(find_statement, self._outbox, pipeline.identity, start_ms)

    async def _require_settled(self, unit: str, start_ms: int) -> None:
        """An hour whose substitute is provisional is stated again by the rules."""
        if any(one.known.start_ms == start_ms for one in await self._hours.open_hours(unit)):
            raise NotEntered(
                "not_settled", "the substitute of this hour is provisional: come back after the gap"
            )
