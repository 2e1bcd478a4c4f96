"""Emission for each unit of energy over a period: the sum of the mass over the sum of the energy.

It is not the mean of hourly ratios (measurement design, rule 23): an hour without energy has a mass that counts.
Where a rule leaves start-up and shut-down out, both mass and energy of such hours are left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, reported

PLACES: Final = 4
"""Of kg/MWh: a gas turbine has 0.0500."""


@dataclass(frozen=True, slots=True)
class StatedHour:
    """What counts of an hour."""

    nox_g: int | None
    """None where no mass is stated."""
    energy_wh: int
    is_start_stop: bool = False
    """Too little operation for a validated average."""


@dataclass(frozen=True, slots=True)
class SpecificEmission:
    """Of one unit over a period."""

    hours: int
    """That count."""
    without_mass: int
    """Hours of operation for which no mass is stated: neither they nor their energy count."""
    left_out: int
    """Hours of start-up or shut-down that a rule leaves out."""
    nox_g: int
    energy_wh: int

    @property
    def kg_per_mwh(self) -> Decimal | None:
        """None where nothing was generated."""
        if self.energy_wh <= 0:
            return None
        with localcontext(PRECISE):
            return reported(Decimal(1_000 * self.nox_g) / self.energy_wh, places=PLACES)


def specific_emission(hours: Iterable[StatedHour], *, without_start_stop: bool = False) -> SpecificEmission:
    """Over these hours."""
    counted = without_mass = left_out = nox_g = energy_wh = 0
    for hour in hours:
        if hour.nox_g is None:
            without_mass += 1
        elif without_start_stop and hour.is_start_stop:
            left_out += 1
        else:
            counted += 1
            nox_g += hour.nox_g
            energy_wh += hour.energy_wh
    return SpecificEmission(counted, without_mass, left_out, nox_g, energy_wh)
