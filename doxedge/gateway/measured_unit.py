"""Everything that works for one unit: the pipeline of its samples, the poster of its records, the clerk who answers."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from doxedge.gateway import numbering
from doxedge.gateway.equipment import Equipment
from doxedge.gateway.pipeline import UnitPipeline
from doxedge.gateway.plant import PlannedUnit
from doxedge.gateway.poster import Poster
from doxedge.gateway.qa_desk import QaDesk
from doxedge.gateway.qa_office import QaOffice, StandingOf
from doxedge.gateway.record_desk import UnitIdentity
from doxedge.gateway.sample_clerk import SampleClerk
from doxedge.gateway.together import Together
from doxedge.gateway.unit_setup import SetupChange, UnitSetup, setup_of
from doxedge.gateway.unit_stores import UnitStores
from doxedge.signing import envelope
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer

AGREE_EVERY_S: Final = 2.0
"""Real seconds between two questions where the numbering stands, while the node does not answer."""
EMPTY_EVERY_S: Final = 2.0
"""Real seconds between two looks whether an outbox that gets no more records is empty."""


@dataclass(frozen=True, slots=True)
class MeasuredUnit:
    """One unit at work."""

    pipeline: UnitPipeline
    poster: Poster
    clerk: SampleClerk
    checks: QaDesk | None
    """To begin when every unit is there that shares its stack."""


async def open_unit(
    planned: PlannedUnit,
    equipment: Equipment,
    *,
    quality: QaOffice,
    chance: Callable[[], float] = random.random,
    before: UnitSetup | None = None,
    change: SetupChange | None = None,
    together: Together | None = None,
) -> MeasuredUnit:
    """The unit goes on where its last run stopped. Raises StoreError.

    `before` made its hours until `change`, which brought what is planned. A unit that shares the stack of another is
    opened after it; `together` are those that do.
    """
    channel, source = bytes.fromhex(planned.table.channel), bytes.fromhex(planned.table.source)
    poster = make_poster(channel, source, equipment, chance=chance)
    checks = await quality.open_desk(planned, equipment.qa, equipment.hours)
    owner = planned.table.shares_stack_of
    pipeline = UnitPipeline(
        UnitIdentity(planned.table.name, channel, source),
        setup=setup_of(planned),
        stores=UnitStores(equipment.outbox, equipment.samples, equipment.hours, equipment.folder),
        seal=functools.partial(seal_record, channel=channel, signer=equipment.signer),
        clock=equipment.clock,
        read_clock=equipment.read_clock,
        on_stored=poster.wake.set,
        quality=checks if owner is None else StandingOf(quality, owner),
        together=together,
        tests=quality.in_force(owner or planned.table.name),
    )
    await pipeline.restore(before=before, change=change)
    clerk = SampleClerk(
        pipeline.desk,
        samples=equipment.samples,
        outbox=equipment.outbox,
        ledger=equipment.ledger,
        folder=equipment.folder,
    )
    return MeasuredUnit(pipeline, poster, clerk, checks)


def make_poster(
    channel: bytes, source: bytes, equipment: Equipment, *, chance: Callable[[], float] = random.random
) -> Poster:
    """Who posts the records of a source."""
    return Poster(
        channel=channel,
        source=source,
        outbox=equipment.outbox,
        ledger=equipment.ledger,
        signer=equipment.signer,
        clock=equipment.clock,
        chance=chance,
        reach=equipment.reach,
    )


async def number_and_post(pipeline: UnitPipeline, poster: Poster, equipment: Equipment) -> None:
    """First agree on the next number, then post for ever."""
    agree = functools.partial(
        numbering.agree, equipment.outbox, equipment.ledger, channel=poster.channel, source=poster.source,
        key_id=equipment.signer.key_id, on_conflict=poster.note_suspended, on_key=poster.note_key,
        warn=numbering.NewsOnly(),
    )  # fmt: skip
    while not await agree():
        await equipment.reach.wait(AGREE_EVERY_S)
    pipeline.desk.numbered = True
    await pipeline.close_hours()
    await poster.run()


async def until_posted(channel: bytes, source: bytes, equipment: Equipment) -> None:
    """Return when everything of a source is proved final. Raises StoreError."""
    while (await equipment.outbox.queue(channel, source)).pending:  # noqa: ASYNC110 - it is the disk that is asked
        await asyncio.sleep(EMPTY_EVERY_S)


def seal_record(record: Record, *, channel: bytes, signer: Signer) -> envelope.Envelope:
    """A record of this gateway, signed for its channel."""
    return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=signer)
