"""The stored samples of hours that are not closed, heard once more: duty (3) of a unit's pipeline.

Those of the hour before are heard as well, and make no hour. A restart must not change what is measured: an instrument
that had test gas until the border is settling after it, a value stands still since then, a slow quantity stands from
there.
"""

from __future__ import annotations

from doxedge.gateway import meter_exchange, sample_rows
from doxedge.gateway.exchange_book import ExchangeBook
from doxedge.gateway.unit_setup import UnitJudge
from doxedge.measurement.hour_sequence import HourSequence
from doxedge.measurement.quality import ClockState
from doxedge.quantity import HOUR_MS
from doxedge.store.rows import StoredSample
from doxedge.store.samples import SampleStore


class SamplesAgain:
    """Of one unit."""

    def __init__(self, unit: str, *, judge: UnitJudge, samples: SampleStore, exchanges: ExchangeBook) -> None:
        """Each sample is judged by what was in force at its time."""
        self._unit, self._judge, self._samples, self._exchanges = unit, judge, samples, exchanges

    async def feed(self, hours: HourSequence, *, now_ms: int, clock: ClockState) -> int:
        """What is stored since the first open hour; how many. Those of one restart fit in memory: they did before."""
        again = 0
        open_ms = hours.carry.next_start_ms
        for from_ms, to_ms, setup in self._judge.setups(open_ms - HOUR_MS, now_ms + HOUR_MS):
            after = 0
            while rows := await self._samples.between(
                from_ms, to_ms, devices=setup.devices, after=after, limit=sample_rows.AGAIN_AT_ONCE
            ):
                for row in rows:
                    self._feed_row(hours, row, clock, open_ms)
                    after = row.row_id
                again += sum(row.at_ms >= open_ms for row in rows)
        return again

    def _feed_row(self, hours: HourSequence, row: StoredSample, clock: ClockState, open_ms: int) -> None:
        """A sample, or the exchange of a meter that was told among them."""
        if not meter_exchange.is_exchange(row.device):
            readings = self._judge.judge(sample_rows.unpack(row.device, row.at_ms, row.raw), clock=clock)
            if row.at_ms < open_ms:
                hours.recall(readings)
            else:
                hours.add(readings)
            return
        if row.at_ms < open_ms:
            return
        said = meter_exchange.from_row(row.device, row.at_ms, row.raw)
        if said.unit == self._unit:
            self._exchanges.found(said, hours)
