"""The minute means of one hour: of each quantity, and which of them stands for a minute.

A quantity that is read once a minute or less often stands for some minutes more, also from the hour before. Where a
quantity has a backup, the backup's mean counts in the minutes in which the first has none that is valid. Where the
rules want it a mean goes through the calibration function of its monitor; minimum and maximum stay as read.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from doxedge.measurement.averaging import MinuteBucket, MinuteMean
from doxedge.measurement.hour_settings import HourSettings, backup_name
from doxedge.measurement.monitor_checks import MonitorChecks
from doxedge.measurement.sample import Reason
from doxedge.measurement.tests_in_force import KnownTests
from doxedge.quantity import MINUTE_MS

MINUTES: Final = 60
"""Of an hour."""


class HourMinutes:
    """Of one hour. Quantities are named as in the unit."""

    __slots__ = ("_before", "_buckets", "_checks", "_settings", "_start_ms", "_tests")

    def __init__(
        self,
        start_ms: int,
        settings: HourSettings,
        checks: MonitorChecks,
        *,
        tests: KnownTests,
        before: "HourMinutes | None" = None,
    ) -> None:
        """`checks` are those of the hour, `tests` what tests gave; `before` is the hour before, if it is known."""
        self._tests = tests if settings.emission.calibrated else None
        self._start_ms, self._settings, self._checks = start_ms, settings, checks
        self._before = before
        self._buckets: dict[str, list[MinuteBucket | None]] = {}

    def bucket(self, quantity: str, minute: int) -> MinuteBucket:
        """What a quantity said in a minute (0 to 59); made when it is not there."""
        buckets = self._buckets.setdefault(quantity, [None] * MINUTES)
        bucket = buckets[minute]
        if bucket is None:
            bucket = buckets[minute] = MinuteBucket(self._start_ms + minute * MINUTE_MS)
        return bucket

    def forget_before(self) -> None:
        """Let the hour before go."""
        self._before = None

    def means(self, quantity: str) -> list[MinuteMean]:
        """The minute means of a quantity, for the minutes that have readings."""
        return [
            self._mean(bucket, quantity) for bucket in self._buckets.get(quantity, []) if bucket is not None
        ]

    def mean_at(self, quantity: str, minute: int) -> Decimal | None:
        """The mean that counts for a minute; None without a valid one."""
        mean, _ = self.counting(quantity, minute)
        return None if mean is None else mean.mean

    def counting(self, quantity: str, minute: int) -> tuple[MinuteMean | None, bool]:
        """The mean that counts for a minute, and whether it is the backup's."""
        mean = self._standing_mean(quantity, minute)
        if quantity not in self._settings.backups:
            return mean, False
        at_ms = self._start_ms + minute * MINUTE_MS
        if not self._checks.counts(quantity, at_ms):
            mean = None
        if mean is None or mean.mean is None:
            spare = backup_name(quantity)
            backup = self._standing_mean(spare, minute)
            if backup is not None and backup.mean is not None and self._checks.counts(spare, at_ms):
                return backup, True
        return mean, False

    def with_reason(self, quantity: str, reasons: frozenset[Reason]) -> Iterator[int]:
        """The minutes in which a reading of a quantity had one of these reasons."""
        for minute, bucket in enumerate(self._buckets.get(quantity, [])):
            if bucket is not None and bucket.has_reason(reasons):
                yield minute

    def _mean(self, bucket: MinuteBucket, quantity: str) -> MinuteMean:
        mean = bucket.mean(
            poll_period_ms=self._settings.period_ms(quantity),
            coverage_percent=self._settings.coverage_percent,
        )
        if self._tests is None or mean.mean is None:
            return mean
        function = self._tests.function(quantity, self._start_ms)
        return mean if function is None else replace(mean, mean=function.apply(mean.mean))

    def _standing_bucket(self, quantity: str, minute: int) -> MinuteBucket | None:
        """The bucket whose mean stands for a minute: its own, or for a slow quantity the last one before."""
        buckets = self._buckets.get(quantity, [])
        for earlier in range(minute, minute - self._settings.minutes_held(quantity) - 1, -1):
            if earlier < 0:
                before = self._before
                return before._standing_bucket(quantity, minute + MINUTES) if before is not None else None
            if earlier < len(buckets) and (bucket := buckets[earlier]) is not None:
                return bucket
        return None

    def _standing_mean(self, quantity: str, minute: int) -> MinuteMean | None:
        bucket = self._standing_bucket(quantity, minute)
        return None if bucket is None else self._mean(bucket, quantity)
