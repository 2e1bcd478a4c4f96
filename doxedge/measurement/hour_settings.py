"""Everything that decides how the readings of a unit become an hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from doxedge.measurement.emission import EmissionSettings
from doxedge.measurement.energy import EnergySettings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.rule_sets import RULE_SETS, RuleSet
from doxedge.measurement.shared_stack import SharedStack
from doxedge.measurement.validity_eu import AVERAGING_MINUTES
from doxedge.quantity import MINUTE_MS

BACKUP: Final = "backup"


def backup_name(quantity: str) -> str:
    """What a quantity is called where it comes from a backup instrument."""
    return f"{BACKUP}.{quantity}"


@dataclass(frozen=True, slots=True)
class Stack:
    """One of the stacks through which a unit emits."""

    name: str = ""
    """Empty where there is only one."""

    names: Mapping[str, str] = field(default_factory=dict)
    """A quantity of the mass to what it is called in the unit, where the two differ: `east.nox_ppb`."""

    def name_of(self, quantity: str) -> str:
        """What a quantity of this stack is called in the unit."""
        return self.names.get(quantity, quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourSettings:
    """One unit. Raises ValueError, naming the field, for what cannot work."""

    unit: str
    emission: EmissionSettings
    operating: OperatingSettings | None = None
    """None: the unit always counts as running."""

    energy: EnergySettings | None = None
    """None: the unit has no energy counter, and its hours say `unmetered`."""

    poll_period_ms: Mapping[str, int] = field(default_factory=dict)
    """How often each quantity is read; `default_poll_period_ms` for those not named."""

    default_poll_period_ms: int = 5_000
    coverage_percent: int = 75
    """A minute is valid with this share of its readings: 45 s of 60 s."""

    grace_ms: int = 90_000
    """An hour closes so long after its end; what comes later makes a revision."""

    rule_set: str = "us60"
    averaging_minutes: int = 60
    """Of the rule set `eu`: 60, or 30 where both halves of the hour are judged. The others judge the hour."""

    keep_closed_hours: int = 2
    """Closed hours that late samples can still revise."""

    max_gap_hours: int = 31 * 24
    """A clock that passes more at once is not believed: an operator decides."""

    devices: Mapping[str, str] = field(default_factory=dict)
    """Quantity to the device that it is taken from; a quantity not named is taken from the first that sends it."""

    backups: frozenset[str] = frozenset()
    """The quantities of the mass that have a backup (`backup_name`): it counts in minutes in which the first has no
    valid mean."""

    stacks: tuple[Stack, ...] = (Stack(),)
    """The mass is the sum over these; each is measured as `emission` says."""

    beside: frozenset[str] = frozenset()
    """Quantities, as the unit names them, of which minute means are made beside those of the mass."""

    shared: SharedStack | None = None
    """Other units emit through the stack as well: what is measured is divided. `operating` and `energy` are the
    unit's own."""

    def __post_init__(self) -> None:
        if self.rule_set not in RULE_SETS:
            known = ", ".join(sorted(RULE_SETS))
            raise ValueError(f"rule_set: {self.rule_set!r} is not known; known are {known}")
        if self.averaging_minutes not in AVERAGING_MINUTES:
            raise ValueError(f"averaging_minutes: {self.averaging_minutes} is not 30 or 60")
        if self.averaging_minutes != 60 and self.rules.by_quadrants:
            raise ValueError(f"averaging_minutes: {self.rule_set} judges whole hours; leave it at 60")
        formula = self.emission.formula
        if formula is not None and formula.diluents:
            if self.rules.has_diluent_cap and not formula.diluent_cap:
                raise ValueError(
                    f"diluent_cap: {self.rule_set} wants `boiler` or `turbine` with {formula.told}"
                )
            if formula.diluent_cap and not self.rules.has_diluent_cap:
                raise ValueError(
                    f"diluent_cap: {self.rule_set} knows none; a minute too close to air is bad there"
                )
        self._require_stacks_of_factors()
        if not 1 <= self.coverage_percent <= 100:
            raise ValueError(f"coverage_percent: {self.coverage_percent} is not 1 to 100")
        if self.grace_ms < 0:
            raise ValueError(f"grace_ms: {self.grace_ms} ms is before the end of the hour")
        if self.keep_closed_hours < 1 or self.max_gap_hours < 1:
            raise ValueError("keep_closed_hours and max_gap_hours: at least one hour each")
        for quantity, period_ms in {**self.poll_period_ms, "default": self.default_poll_period_ms}.items():
            if period_ms <= 0:
                raise ValueError(f"poll_period_ms: {period_ms} ms for {quantity} is not a period")

    def _require_stacks_of_factors(self) -> None:
        stacks = {stack.name for stack in self.stacks}
        for factor in self.emission.bias:
            if factor.stack not in stacks:
                of = f"of {', '.join(sorted(stacks))}" if self.stacks[1:] else "no stack: the unit has one"
                raise ValueError(f"bias: a test is of the monitors of one stack; say `stack` {of}")

    @property
    def rules(self) -> RuleSet:
        """What decides whether an hour is valid."""
        return RULE_SETS[self.rule_set]

    @property
    def needed(self) -> frozenset[str]:
        """What a minute must have measured to have a mass, by the names in the unit."""
        return frozenset(stack.name_of(q) for stack in self.stacks for q in self.emission.measured)

    @property
    def averaged(self) -> frozenset[str]:
        """The quantities of which minute means are made."""
        power = {self.energy.power_quantity} if self.energy else set()
        return self.needed | self.beside | self.loads | power | {backup_name(q) for q in self.backups}

    @property
    def loads(self) -> frozenset[str]:
        """The loads by which the mass of a shared stack is divided."""
        return self.shared.loads if self.shared else frozenset()

    @property
    def signals(self) -> Mapping[str, OperatingSettings]:
        """Unit to its operating signal, of each whose signal is followed."""
        if self.shared is not None:
            return {one.unit: one.operating for one in self.shared.units}
        return {self.unit: self.operating} if self.operating is not None else {}

    def runs_with(self, device: str) -> tuple[str, ...]:
        """The units of which one must run for the values of a device to move: of a load meter its own, else any."""
        if self.shared is None:
            return (self.unit,)
        for one in self.shared.units:
            if device in (self.devices.get(one.operating.quantity), self.devices.get(one.power_quantity)):
                return (one.unit,)
        return tuple(one.unit for one in self.shared.units)

    def period_ms(self, quantity: str) -> int:
        """How often a quantity is read."""
        return self.poll_period_ms.get(quantity, self.default_poll_period_ms)

    def minutes_held(self, quantity: str) -> int:
        """For how many minutes a mean stands when no reading follows.

        Only for what is read once a minute or less often: two poll periods, so that one missed poll is bridged. A
        reading that is bad ends it at once.
        """
        period_ms = self.period_ms(quantity)
        return -(-2 * period_ms // MINUTE_MS) if period_ms >= MINUTE_MS else 0
