"""Monitor data availability: quality-assured hours over operating hours (40 CFR 75.32, equations 8 and 9).

    PMA = 100 x quality-assured hours / operating hours

over the last 8,760 operating hours, or over all of them while there are fewer. It is computed hourly and includes the
hour itself; a substituted hour operated and was not quality-assured. Reports round it to one decimal, and the
thresholds of the missing data procedures are held against the reported figure.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, reported

WINDOW_HOURS: Final = 8_760
"""Operating hours: a year of continuous operation."""


@dataclass(frozen=True, slots=True)
class Availability:
    """The figure of one hour, and the two counts it comes from."""

    qa_hours: int
    operating_hours: int

    @property
    def percent(self) -> Decimal:
        """With one decimal, as reported and as judged; 100.0 before the first hour."""
        if not self.operating_hours:
            return Decimal("100.0")
        with localcontext(PRECISE):
            return reported(Decimal(100 * self.qa_hours) / self.operating_hours, places=1)


class AvailabilityCounter:
    """Counts operating hours as they come."""

    __slots__ = ("_hours", "_qa")

    def __init__(self, *, prior_operating_hours: int = 0, prior_qa_hours: int = 0) -> None:
        """The hours before the first that is counted are known by number only.

        The quality-assured ones among them are taken to be the older, so that they leave the window first: the figure
        is then never better than it was. Raises ValueError for more quality-assured hours than hours.
        """
        if not 0 <= prior_qa_hours <= prior_operating_hours:
            raise ValueError(
                f"{prior_qa_hours} quality-assured hours cannot be among {prior_operating_hours} operating hours"
            )
        missing = min(WINDOW_HOURS, prior_operating_hours - prior_qa_hours)
        present = min(WINDOW_HOURS - missing, prior_qa_hours)
        self._hours = deque([True] * present + [False] * missing, maxlen=WINDOW_HOURS)
        self._qa = present

    def count(self, *, quality_assured: bool) -> Availability:
        """One more operating hour; the availability with it."""
        if len(self._hours) == WINDOW_HOURS:
            self._qa -= self._hours[0]
        self._hours.append(quality_assured)
        self._qa += quality_assured
        return Availability(self._qa, len(self._hours))
