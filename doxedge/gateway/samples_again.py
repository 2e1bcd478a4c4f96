"""The stored samples of hours that are not closed, heard once more: duty (3) of a unit's pipeline."""

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
        for from_ms, to_ms, setup in self._judge.setups(hours.carry.next_start_ms, now_ms + HOUR_MS):
            after = 0
            while rows := await self._samples.between(
                from_ms, to_ms, devices=setup.devices, after=after, limit=sample_rows.AGAIN_AT_ONCE
            ):
                for row in rows:
                    self._feed_row(hours, row, clock)
                    after = row.row_id
                again += len(rows)
        return again

    def _feed_row(self, hours: HourSequence, row: StoredSample, clock: ClockState) -> None:
        """A sample, or the exchange of a meter that was told among them."""
        if not meter_exchange.is_exchange(row.device):
            sample = sample_rows.unpack(row.device, row.at_ms, row.raw)
            hours.add(self._judge.judge(sample, clock=clock))
            return
        said = meter_exchange.from_row(row.device, row.at_ms, row.raw)
        if said.unit == self._unit:
            self._exchanges.found(said, hours)
