"""The mass rate of a minute by the equations of Part 75, chosen by their codes.

    F-26A, F-26B   concentration times stack flow
    F-24A          NOx rate (19-1 to 19-9, F-5, F-6) times heat input (F-15 to F-18)

An equation takes its quantities on one basis only, and its name says which: what a unit measures on another basis is
refused when the choice is made, not converted. scf is taken at 20 degC and 101.325 kPa (68 degF, 760 mmHg).

Where the gas is nearly air, the diluent cap takes the place of the reading, in the rate and in the heat input alike
(so that it cancels where both come from one diluent, and no mass is lost); without a cap such a minute has no mass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final

from doxedge.measurement.conversion import PRECISE, STANDARD_K, ZERO_CELSIUS_K, Basis, BasisError
from doxedge.measurement.fuel_factors import PLAUSIBLE, require_plausible
from doxedge.measurement.part75 import (
    BY_CODE,
    CO2_CAP_PERCENT,
    DEFAULT_BWA,
    O2_AIR_PERCENT,
    O2_CAP_PERCENT,
    DiluentCapNeeded,
)

GRAMS_PER_POUND: Final = Decimal("453.59237")
M3_PER_CUBIC_FOOT: Final = Decimal("0.028316846592")
"""0.3048 m, cubed."""

CONCENTRATION_MASSES: Final = ("F-26A", "F-26B")
RATE_MASS: Final = "F-24A"
RATES: Final = ("19-1", "F-5", "19-2", "19-3", "19-4", "19-5", "19-6", "19-7", "F-6", "19-8", "19-9")
"""19-3D is not chosen: it is what the diluent cap makes of 19-3."""
HEAT_INPUTS: Final = ("F-15", "F-16", "F-17", "F-18")

MIN_DENOMINATOR_PERCENT: Final = Decimal("0.5")
"""Closer to air than this an equation multiplies the errors of its instruments (measurement rule 16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part75Formula:
    """Which equations make the mass. Raises ValueError for what does not fit together."""

    mass: str
    rate: str = ""
    """With F-24A."""
    heat_input: str = ""
    """With F-24A."""
    factors: Mapping[str, Decimal] = field(default_factory=dict)
    """`fd`, `fc`, `fw`, as far as the equations take them."""
    o2: str = "o2_percent"
    """The quantity that is the oxygen of the stack."""
    co2: str = "co2_percent"
    diluent_basis: Basis | None = None
    diluent_cap: str = ""
    """`boiler` or `turbine`; empty: a minute too close to air has no mass."""

    def __post_init__(self) -> None:
        if self.mass in CONCENTRATION_MASSES:
            if self.rate or self.heat_input:
                raise ValueError(
                    f"{self.mass} is concentration times flow and takes no rate and no heat_input"
                )
        elif self.mass != RATE_MASS:
            raise ValueError(f"mass: {self.mass!r} is not one of F-24A, F-26A, F-26B")
        elif self.rate not in RATES:
            raise ValueError(f"rate: F-24A takes one of {', '.join(RATES)}, not {self.rate!r}")
        elif self.heat_input not in HEAT_INPUTS:
            raise ValueError(
                f"heat_input: F-24A takes one of {', '.join(HEAT_INPUTS)}, not {self.heat_input!r}"
            )
        wanted = factors_wanted(*self.codes)
        if set(self.factors) != wanted:
            told = ", ".join(sorted(wanted)) or "no F factor"
            raise ValueError(
                f"{self.told} takes {told}, and was given {', '.join(sorted(self.factors)) or 'none'}"
            )
        for name, value in self.factors.items():
            require_plausible(name, value)
        self._require_diluent()

    def _require_diluent(self) -> None:
        wet, dry = self.inputs & {"o2_wet", "co2_wet"}, self.inputs & {"o2_dry", "co2_dry"}
        if wet and dry:
            raise BasisError(
                f"{self.rate} and {self.heat_input} take the diluent on two bases; choose a pair on one"
            )
        wanted = Basis.WET if wet else Basis.DRY if dry else None
        if wanted is not self.diluent_basis:
            said = f"stated as {self.diluent_basis}" if self.diluent_basis else "not stated"
            takes = f"takes a {wanted} diluent" if wanted else "takes no diluent"
            raise BasisError(f"{self.told} {takes}, and diluent_basis is {said}")
        if self.diluent_cap and self.diluent_cap not in O2_CAP_PERCENT:
            raise ValueError(f"diluent_cap: {self.diluent_cap!r} is not boiler or turbine")
        if self.diluent_cap and wanted is None:
            raise ValueError(f"diluent_cap: {self.mass} takes no diluent")

    @property
    def codes(self) -> tuple[str, ...]:
        """The equations in use."""
        return tuple(code for code in (self.mass, self.rate, self.heat_input) if code)

    @property
    def told(self) -> str:
        """The formula in one line."""
        return f"{self.mass} = {self.rate} x {self.heat_input}" if self.rate else self.mass

    @property
    def inputs(self) -> frozenset[str]:
        """What the equations take, by the names of `part75.EQUATIONS`."""
        made = {"rate", "heat_input", "bwa"}
        return frozenset(name for code in self.codes for name in BY_CODE[code].inputs) - made

    @property
    def concentration_basis(self) -> Basis:
        """The basis on which the concentration must be measured."""
        return Basis.WET if "ppm_wet" in self.inputs else Basis.DRY

    @property
    def diluents(self) -> frozenset[str]:
        """The quantities that are read of the diluents."""
        o2 = {self.o2} if self.inputs & {"o2_wet", "o2_dry"} else set()
        co2 = {self.co2} if self.inputs & {"co2_wet", "co2_dry"} else set()
        return frozenset(o2 | co2)

    @property
    def needs_moisture(self) -> bool:
        """Whether an equation takes the moisture of the gas."""
        return "moisture" in self.inputs

    def g_per_h(
        self, *, ppm: Decimal, normal_wet_m3_per_h: Decimal, values: Mapping[str, Decimal]
    ) -> tuple[Decimal, bool]:
        """Grams of NOx per hour, and whether the diluent cap was used.

        ppm                  concentration on `concentration_basis`
        normal_wet_m3_per_h  wet stack flow at 0 degC and 101.325 kPa
        values               the diluents by their quantities, and `moisture_percent` where it is needed

        Raises DiluentCapNeeded where the gas is too close to air and there is no cap.
        """
        basis = self.diluent_basis or Basis.DRY
        with localcontext(PRECISE):
            scfh = normal_wet_m3_per_h * STANDARD_K / ZERO_CELSIUS_K / M3_PER_CUBIC_FOOT
        inputs: dict[str, Decimal] = {"ppm_wet": ppm, "ppm_dry": ppm, "flow_scfh": scfh, **self.factors}
        for name, quantity in (("o2", self.o2), ("co2", self.co2), ("moisture", "moisture_percent")):
            if quantity in values:
                inputs[name if name == "moisture" else f"{name}_{basis}"] = values[quantity]
        if self.mass != RATE_MASS:
            return self._grams(_compute(self.mass, inputs)), False
        rate_inputs, rate_capped = self._guarded(self.rate, inputs)
        heat_inputs, heat_capped = self._guarded(self.heat_input, inputs)
        rate = _compute(self.rate, rate_inputs)
        heat_input = _compute(self.heat_input, heat_inputs)
        pounds = _compute(self.mass, {"rate": rate, "heat_input": heat_input})
        return self._grams(pounds), rate_capped or heat_capped

    def _grams(self, pounds: Decimal) -> Decimal:
        with localcontext(PRECISE):
            return pounds * GRAMS_PER_POUND

    def _guarded(self, code: str, inputs: Mapping[str, Decimal]) -> tuple[Mapping[str, Decimal], bool]:
        """The inputs with a diluent at its cap where it is beyond it, and whether it was."""
        if not self.diluent_cap:
            left = _denominator_percent(code, inputs)
            if left < MIN_DENOMINATOR_PERCENT:
                raise DiluentCapNeeded(f"{code}: {left} % is left of the denominator")
            return inputs, False
        for name in BY_CODE[code].inputs:
            if name.startswith("co2"):
                at_cap = CO2_CAP_PERCENT[self.diluent_cap]
                beyond = inputs[name] < at_cap
            elif name.startswith("o2"):
                at_cap = O2_CAP_PERCENT[self.diluent_cap] * _dry_share(code, name, inputs)
                beyond = inputs[name] > at_cap
            else:
                continue
            if beyond:
                return {**inputs, name: at_cap}, True
        return inputs, False


def factors_wanted(*codes: str) -> frozenset[str]:
    """Which of `fd`, `fc`, `fw` these equations take."""
    return frozenset(name for code in codes if code for name in BY_CODE[code].inputs) & PLAUSIBLE.keys()


def _compute(code: str, inputs: Mapping[str, Decimal]) -> Decimal:
    equation = BY_CODE[code]
    return equation.compute(**{name: inputs[name] for name in equation.inputs if name in inputs})


def _dry_share(code: str, name: str, inputs: Mapping[str, Decimal]) -> Decimal:
    """What a cap, which is of dry gas, is multiplied by for a wet reading: 19-3D and 19-5 with the cap.

    19-2 knows no moisture of the gas, and takes the cap as it is.
    """
    if name != "o2_wet" or code == "19-2":
        return Decimal(1)
    with localcontext(PRECISE):
        return (100 - inputs["moisture"]) / 100


def _denominator_percent(code: str, inputs: Mapping[str, Decimal]) -> Decimal:
    """How far the gas is from air (oxygen) or from no carbon dioxide, in percent, as the equation sees it."""
    with localcontext(PRECISE):
        match code, BY_CODE[code].inputs:
            case "19-2", _:
                return O2_AIR_PERCENT * (1 - DEFAULT_BWA) - inputs["o2_wet"]
            case "19-5", _:
                return O2_AIR_PERCENT - inputs["o2_wet"] * 100 / (100 - inputs["moisture"])
            case (("19-3" | "F-17"), _):
                return O2_AIR_PERCENT * (100 - inputs["moisture"]) / 100 - inputs["o2_wet"]
            case _, names if "o2_dry" in names:
                return O2_AIR_PERCENT - inputs["o2_dry"]
            case _, names:
                return next(inputs[name] for name in names if name.startswith("co2"))
