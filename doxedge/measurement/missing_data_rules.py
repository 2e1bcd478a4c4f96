"""The table of 40 CFR 75.31 and 75.33: which statistic stands for a missing hour, by availability and gap length.

Thresholds, look-backs and maxima are data: another authority's table is another value of these types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Final

from doxedge.measurement.conversion import reported
from doxedge.measurement.parameters import PLACES, Kind
from doxedge.measurement.part75 import O2_CAP_PERCENT, rate_19_1


class Statistic(Enum):
    """What is made of the hours that are known."""

    MEAN = "mean of the look-back"
    PERCENTILE = "percentile of the look-back"
    MAXIMUM = "maximum of the look-back"
    NEIGHBOURS = "mean of the hours before and after the gap"
    POTENTIAL = "maximum potential value"
    EITHER_SIDE = "a low or a high value, which depends on the equation"
    """Of O2 and H2O: the equation decides which side overstates emissions (75.35, 75.37), and no file states it."""


class Reading(Enum):
    """Two readings of `the last 2,160 quality-assured hours in the same load range`."""

    IN_RANGE = "in-range"
    """2,160 hours that lie in the range."""

    AMONG_LAST = "among-last"
    """Those of the last 2,160 hours that lie in the range."""


@dataclass(frozen=True, slots=True)
class Method:
    """A statistic and the method of determination code it is reported under."""

    code: str
    statistic: Statistic
    percent: int = 0
    """Of a percentile."""

    or_neighbours: bool = False
    """The mean of the hours before and after the gap, where that is greater."""


@dataclass(frozen=True, slots=True)
class Tier:
    """What holds from an availability on, down to the next tier."""

    at_least_percent: Decimal
    long: Method
    short_gap_hours: int = 0
    """A gap of at most so many operating hours is short."""

    short: Method | None = None

    def method(self, gap_hours: int) -> Method:
        """By the length of the gap."""
        if self.short is not None and gap_hours <= self.short_gap_hours:
            return self.short
        return self.long

    def in_words(self, gap_hours: int) -> str:
        """Which line of the table this is."""
        if not self.at_least_percent:
            return "availability below every threshold"
        words = f"availability of at least {self.at_least_percent} %"
        if self.short is None:
            return words
        side = "at most" if gap_hours <= self.short_gap_hours else "more than"
        return f"{words}, gap of {side} {self.short_gap_hours} operating hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that decides the substitutes of one series."""

    tiers: tuple[Tier, ...]
    """In falling order; the last begins at 0."""

    initial: Method
    """Until `initial_hours` hours were quality-assured."""

    initial_hours: int
    look_back_hours: int
    by_load: bool
    places: int
    """Decimals of the substitute, as of any reported value of the parameter."""

    maximum: Decimal | None
    """MPC, MER or MPF of the unit; None where nobody states it and the rule has no default."""

    reading: Reading = Reading.IN_RANGE
    oldest_clock_hours: int = 26_280
    """Three years: nothing older is looked at, and the initial procedure ends."""

    load_ranges: int = 10
    max_load: Decimal | None = None
    """None: the greatest load of the series."""

    any_load: bool = False
    """Whether an hour whose load is not known is looked at with the hours of all loads, or only with its like."""

    prior_operating_hours: int = 0
    prior_qa_hours: int = 0
    """Hours since certification that lie before the series."""

    def tier(self, percent: Decimal) -> Tier:
        """The line of the table for an availability."""
        return next(tier for tier in self.tiers if percent >= tier.at_least_percent)


_MEAN: Final = Method("11", Statistic.MEAN)
_NEIGHBOURS: Final = Method("06", Statistic.NEIGHBOURS)


def _tiers(short: Method) -> tuple[Tier, ...]:
    return (
        Tier(Decimal(95), Method("08", Statistic.PERCENTILE, 90, or_neighbours=True), 24, short),
        Tier(Decimal(90), Method("09", Statistic.PERCENTILE, 95, or_neighbours=True), 8, short),
        Tier(Decimal(80), Method("10", Statistic.MAXIMUM)),
        Tier(Decimal(0), Method("12", Statistic.POTENTIAL)),
    )


DEFAULT_MPC_PPM: Final = Decimal("1600.0")
"""The highest default of the rule for coal-fired boilers (40 CFR 75, Appendix A, table 2-2)."""

DEFAULT_MER: Final = reported(
    rate_19_1(ppm_dry=DEFAULT_MPC_PPM, fd=Decimal(9_780), o2_dry=O2_CAP_PERCENT["boiler"]), places=3
)
"""5.659 lb/mmBtu: equation 19-1 with that concentration, the Fd of bituminous coal and the diluent cap of boilers."""

DEFAULT_MAXIMUM: Final[Mapping[str, Decimal]] = {
    "NOXR": DEFAULT_MER,
    "NOX": DEFAULT_MER,
    "NOXP": DEFAULT_MER,
    "NOXC": DEFAULT_MPC_PPM,
}
"""For other parameters the rule asks for the unit's own maximum, so there is no default."""

_LOAD_BASED: Final = Rules(
    tiers=_tiers(_MEAN),
    initial=Method("07", Statistic.MEAN),
    initial_hours=2_160,
    look_back_hours=2_160,
    by_load=True,
    places=3,
    maximum=None,
)
MASS_RATE: Final = replace(_LOAD_BASED, places=0, any_load=True)
"""For whole grams of NOx an hour, as a running gateway substitutes them. The maximum is the unit's own."""

_PLAIN: Final = replace(
    _LOAD_BASED,
    tiers=_tiers(_NEIGHBOURS),
    initial=Method("07", Statistic.NEIGHBOURS),
    initial_hours=720,
    look_back_hours=720,
    by_load=False,
)
_EITHER_SIDE: Final = replace(
    _PLAIN,
    tiers=tuple(
        replace(tier, long=Method(tier.long.code, Statistic.EITHER_SIDE)) for tier in _tiers(_NEIGHBOURS)
    ),
)
_PLAIN_PARAMETERS: Final = frozenset({"SO2C", "SO2", "CO2C", "CO2"})


def rules_for(parameter: str, kind: Kind) -> Rules:
    """The rules of a parameter as the regulation has them."""
    if parameter in _PLAIN_PARAMETERS:
        usual = _PLAIN
    elif kind in (Kind.DILUENT, Kind.MOISTURE):
        usual = _EITHER_SIDE
    else:
        usual = _LOAD_BASED
    return replace(usual, places=PLACES[kind], maximum=DEFAULT_MAXIMUM.get(parameter))
