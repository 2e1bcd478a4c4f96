"""The exchanges of meters of the hours that are open: each is on the disk before it counts, and is signed once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from doxedge.gateway.meter_exchange import MeterExchange, NotExchanged
from doxedge.measurement.hour_sequence import HourSequence
from doxedge.quantity import HOUR_MS
from doxedge.store.rows import SampleRow

log = logging.getLogger(__name__)

LAST_WRITE_S: Final = 5.0
"""Who is cancelled waits so long for a write that has begun."""


class ExchangeBook:
    """Of one unit."""

    def __init__(self, sign: Callable[[MeterExchange], None]) -> None:
        """`sign` hands one to the desk; its time is its key, so it is signed once however often it is read."""
        self._sign = sign
        self._by_hour: dict[int, MeterExchange] = {}

    async def told(
        self,
        said: MeterExchange,
        hours: HourSequence,
        *,
        keep: Callable[[list[SampleRow]], Awaitable[None]],
    ) -> None:
        """A person says it; `keep` writes it. No hour may close meanwhile. Raises NotExchanged, StoreError."""
        if said.at_ms < hours.carry.next_start_ms:
            raise NotExchanged(
                "the hour of the exchange is closed; its energy says `incomplete`, and the counting has gone on with "
                "the new meter: nothing more is to be done"
            )
        if self._is_known(said):
            return
        said.tell(hours, only_check=True)
        writing = asyncio.ensure_future(keep([said.row()]))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=LAST_WRITE_S)
            raise
        finally:
            if writing.done() and not writing.cancelled() and writing.exception() is None:
                said.tell(hours)
                self._note(said, hours)

    def found(self, said: MeterExchange, hours: HourSequence) -> None:
        """It lies on the disk among the samples of an hour that is open."""
        try:
            said.tell(hours)
        except NotExchanged as error:
            log.error("unit %s: the exchange at %d is left out: %s", said.unit, said.at_ms, error)
        self._note(said, hours)

    def _is_known(self, said: MeterExchange) -> bool:
        """Whether the same was said before. Raises NotExchanged for a second exchange of one hour."""
        before = self._by_hour.get(said.at_ms // HOUR_MS)
        if before is not None and not before.is_same(said):
            raise NotExchanged(f"an exchange at {before.at_ms} ms is on record for this hour already")
        return before is not None

    def _note(self, said: MeterExchange, hours: HourSequence) -> None:
        open_from_ms = hours.carry.next_start_ms
        self._by_hour = {hour: one for hour, one in self._by_hour.items() if one.at_ms >= open_from_ms}
        self._by_hour[said.at_ms // HOUR_MS] = said
        self._sign(said)
