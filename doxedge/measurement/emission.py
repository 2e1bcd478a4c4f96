"""Minutes to the mass of an hour, and the records that carry it.

Mass is the sum over minutes of concentration times flow, never the product of hourly means. Minutes without a mass
are filled by scaling with operating time over covered operating time, and the hour says `extrapolated`. An hour
that is not valid has no mass at all: it is an `HourGap`, and what stands for it is for the rules to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.apportioning import StackHour
from doxedge.measurement.averaging import MinuteMean
from doxedge.measurement.bias_factor import BiasFactor, require_ordered
from doxedge.measurement.conversion import (
    MG_PER_M3_PER_PPM_NO2,
    PLAUSIBLE_STACK,
    PRECISE,
    Basis,
    BasisError,
    Concentration,
    Flow,
    FlowBasis,
    StackGas,
    is_plausible,
    mass_rate_g_per_h,
    normal,
    require_actual_oxygen,
    stack_values_needed,
)
from doxedge.measurement.part75 import DiluentCapNeeded
from doxedge.measurement.part75_mass import Part75Formula
from doxedge.measurement.sample import Quality, Reason
from doxedge.quantity import HOUR_MS, Grams, WattHours, whole

PPB_PER_PPM: Final = Decimal(1_000)

VALID: Final = "valid"
EXTRAPOLATED: Final = "extrapolated"
BY_HAND: Final = "manual"
"""Quality of an hour that two persons entered: nothing was measured."""
SUBSTITUTED: Final = "substituted"
"""Quality of an hour that was not measured: computed by the rules for missing data, with a recipe."""
START_STOP: Final = "start_stop"
"""Quality of an hour with too little operation for a validated average: its mass counts, its average does not."""

PRIMARY_METHOD: Final = "01"
"""Method of determination code: primary monitoring system (40 CFR 75.57, Table 4a)."""

BACKUP_METHOD: Final = "02"
"""Method of determination code: backup monitoring system, in at least one minute."""

DILUENT_CAP: Final = "14"
"""Method of determination code: the diluent cap took the place of a reading close to air."""

NEGATIVE_REPLACED: Final = "21"
"""Method of determination code: negative value replaced by zero."""

NO_DATA: Final = "no_data"
TOO_FEW_POINTS: Final = "too_few_points"
CALIBRATION_FAILED: Final = "calibration_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionSettings:
    """Which quantities make the mass, and on what basis they are measured."""

    concentration: str = "nox_ppb"
    concentration_basis: Basis
    flow: str = "flow_m3_per_h"
    flow_basis: FlowBasis
    mg_per_m3_per_ppm: Decimal = MG_PER_M3_PER_PPM_NO2
    constants: Mapping[str, Decimal] = field(default_factory=dict)
    """Stack values that are configured and not measured; the hour remarks on each. They win over readings."""

    o2_corrected: bool = False
    """The concentration comes at a reference oxygen: refused, since the flow does not."""

    formula: Part75Formula | None = None
    """None: concentration times flow in metric units (`mg_per_m3_per_ppm`)."""

    bias: tuple[BiasFactor, ...] = ()
    """In the order of their times; empty: the mass is reported as it is measured."""

    bias_by_rata: bool = False
    """The last RATA that passed gives the factor, and `bias` only until there is one (`bias_in_force`)."""

    low_emitter_cap: bool = False
    """A low emitter by that RATA takes 1.111 instead of more."""

    calibrated: bool = False
    """Values go through the function of the last QAL2 of their monitor (`calibrated`)."""

    def __post_init__(self) -> None:
        require_actual_oxygen(Concentration(Decimal(0), self.concentration_basis, self.o2_corrected))
        require_ordered(self.bias)
        if self.formula is not None:
            self._require_bases(self.formula)
        for quantity, value in self.constants.items():
            if quantity not in PLAUSIBLE_STACK:
                raise ValueError(
                    f"constants: {quantity} is not a stack value; known are {', '.join(PLAUSIBLE_STACK)}"
                )
            if not is_plausible(quantity, value):
                low, high = PLAUSIBLE_STACK[quantity]
                raise ValueError(f"constants: {quantity} is {value}; it must be {low} to {high}")

    def _require_bases(self, formula: Part75Formula) -> None:
        if self.concentration_basis is not formula.concentration_basis:
            raise BasisError(
                f"{formula.told} takes a {formula.concentration_basis} concentration, and concentration_basis is"
                f" {self.concentration_basis}"
            )
        if self.flow_basis is FlowBasis.NORMAL_DRY:
            raise BasisError(f"{formula.told} takes wet stack flow, and flow_basis is {self.flow_basis}")

    @property
    def stack_values(self) -> frozenset[str]:
        """The stack values that the bases, or the equations, need."""
        if self.formula is None:
            return stack_values_needed(self.concentration_basis, self.flow_basis)
        moisture = {"moisture_percent"} if self.formula.needs_moisture else set()
        return stack_values_needed(Basis.WET, self.flow_basis) | moisture

    @property
    def measured(self) -> frozenset[str]:
        """The quantities that a minute must have measured to have a mass."""
        diluents = self.formula.diluents if self.formula else frozenset()
        return (
            frozenset({self.concentration, self.flow}) | diluents | self.stack_values - self.constants.keys()
        )

    def g_per_h(self, values: Mapping[str, Decimal]) -> tuple[Decimal, bool]:
        """The mass rate from the values of a minute, and whether the diluent cap was used.

        Raises DiluentCapNeeded where the gas is too close to air for the formula and there is no cap.
        """
        flow = Flow(values[self.flow], self.flow_basis)
        gas = StackGas(**{quantity: values[quantity] for quantity in self.stack_values})
        if self.formula is not None:
            return self.formula.g_per_h(
                ppm=PRECISE.divide(values[self.concentration], PPB_PER_PPM),
                normal_wet_m3_per_h=normal(flow, gas).m3_per_h,
                values=values,
            )
        concentration = Concentration(values[self.concentration], self.concentration_basis, self.o2_corrected)
        rate = mass_rate_g_per_h(concentration, flow, gas, mg_per_m3_per_ppm=self.mg_per_m3_per_ppm)
        return rate, False


@dataclass(frozen=True, slots=True)
class HourRecord:
    """The hour that is signed: the first eleven fields are the start of the `hour` body, in its order."""

    unit: str
    start_ms: int
    rule_set: str
    operating_percent: int
    """0 to 100, rounded to the nearest, but never 0 for an hour in which the unit ran."""

    nox_g: Grams
    """NOx counted as NO2."""

    energy_wh: WattHours
    quality: str
    """`valid`; `extrapolated` when minutes without a mass were filled by scaling; `start_stop` when the unit ran for
    too short a time to have a validated average (and then a remark says whether it was scaled)."""

    clause: str
    """What decided that the hour counts: a paragraph of the rule set, or `not operating`."""

    method_code: str
    minutes_valid: int
    """Minutes of operation with a mass of their own."""

    samples: int
    energy_quality: str = "metered"
    remarks: tuple[str, ...] = ()
    """What a reader should know, as `quantity:reason`, sorted: `moisture_percent:default`."""

    revision: int = 0
    """0 for the first record of the hour; each later one replaces those before it."""

    bias_factor: Decimal | None = None
    """What `nox_g` is adjusted by; None where no factor is in force."""

    unadjusted_g: Grams | None = None
    """As measured, where there is a factor."""

    bias_by: tuple[str, ...] = ()
    """Which tests gave the factor (`bias_in_force`); empty where the site states it."""

    stack: StackHour | None = None
    """What the unit's mass is a part of, where it shares its stack; the factor is then the stack's."""


@dataclass(frozen=True, slots=True)
class HourGap:
    """Time for which there is no mass, and why. Hours without any sample in a row are one gap."""

    unit: str
    from_ms: int
    to_ms: int
    cause: str
    """`no_data`, `too_few_points` or `calibration_failed`."""

    clause: str
    """The paragraph that an invalid hour failed; empty when there was nothing to judge."""

    operating_percent: int
    minutes_valid: int
    samples: int
    energy_wh: WattHours
    energy_quality: str
    remarks: tuple[str, ...] = ()
    revision: int = 0
    stack: StackHour | None = None
    """As in an `HourRecord`."""


@dataclass(frozen=True, slots=True)
class MinuteRate:
    """The mass rate of one minute."""

    g_per_h: Decimal
    remarks: frozenset[tuple[str, Reason]]
    """Quantities that were used although they were not simply good, and why."""

    at_diluent_cap: bool = False
    """The diluent cap took the place of a reading."""

    backups: frozenset[str] = frozenset()
    """Quantities, as the unit names them, in which a backup instrument stood in for one without a valid mean."""


@dataclass(frozen=True, slots=True)
class HourMass:
    """The mass of an hour, exactly and as it is reported."""

    exact_g: Decimal
    """As measured: negative when the mean was."""

    extrapolated: bool

    @property
    def nox_g(self) -> Grams:
        """Whole grams, ties away from zero; a negative mean is replaced by zero."""
        return Grams(max(0, whole(self.exact_g)))


def minute_rate(means: Mapping[str, MinuteMean], settings: EmissionSettings) -> MinuteRate | None:
    """The mass rate of a minute; None when a quantity it needs has no valid mean or an impossible one."""
    values: dict[str, Decimal] = {}
    remarks: set[tuple[str, Reason]] = set()
    for quantity in settings.measured:
        minute = means.get(quantity)
        if minute is None or minute.mean is None or not is_plausible(quantity, minute.mean):
            return None
        values[quantity] = minute.mean
        if minute.quality is Quality.UNCERTAIN:
            remarks |= {(quantity, reason) for reason in minute.reasons}
    for quantity in settings.stack_values & settings.constants.keys():
        values[quantity] = settings.constants[quantity]
        remarks.add((quantity, Reason.DEFAULT))
    try:
        g_per_h, at_cap = settings.g_per_h(values)
    except DiluentCapNeeded:
        return None
    return MinuteRate(g_per_h, frozenset(remarks), at_cap)


def method_code(mass: HourMass, rates: Iterable[MinuteRate]) -> str:
    """How the mass was determined: the code furthest from a plain measurement that any of its minutes asks for."""
    if mass.exact_g < 0:
        return NEGATIVE_REPLACED
    rates = tuple(rates)
    if any(rate.at_diluent_cap for rate in rates):
        return DILUENT_CAP
    if any(rate.backups for rate in rates):
        return BACKUP_METHOD
    return PRIMARY_METHOD


def hour_mass(rates_g_per_h: Mapping[int, Decimal], operating_ms: Sequence[int]) -> HourMass:
    """The mass of an hour from the rates of some of its minutes.

    rates_g_per_h  minute of the hour (0 to 59) to its mass rate
    operating_ms   for each of the 60 minutes, how long the unit ran (0 to 60,000)

    A minute counts for as long as the unit ran in it. The sum is scaled by operating time over covered operating
    time. Raises ValueError when the unit ran and no minute of its operation is covered: there is nothing to scale.
    """
    total_ms = sum(operating_ms)
    covered_ms = sum(operating_ms[minute] for minute in rates_g_per_h)
    if total_ms == 0:
        return HourMass(Decimal(0), extrapolated=False)
    if covered_ms == 0:
        raise ValueError("no minute of the unit's operation has a mass, so the hour has none")
    with localcontext(PRECISE):
        # In ascending order, so that the same minutes give the same last digit.
        gram_ms = sum((rates_g_per_h[m] * operating_ms[m] for m in sorted(rates_g_per_h)), Decimal(0))
        exact_g = gram_ms / HOUR_MS
        if covered_ms < total_ms:
            exact_g = exact_g * total_ms / covered_ms
    return HourMass(exact_g, extrapolated=covered_ms < total_ms)
