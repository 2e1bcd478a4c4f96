"""By what the samples of a unit become signed hours, and who judges them: one setup after the other, each for its time.

A setup holds from the border of an hour on. A sample is judged by the setup that was in force at its own instant, also
when it comes after the border; an hour names the hashes of the setup that made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from doxedge.gateway.bodies import Provenance, firmware_text
from doxedge.gateway.clock_state import boot_id
from doxedge.gateway.gap_causes import GapCauses
from doxedge.gateway.missing_data_settings import NO_SUBSTITUTES, MissingDataPlan
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.emission import HourGap
from doxedge.measurement.emission_limit import EmissionLimit
from doxedge.measurement.hour import HourSettings
from doxedge.measurement.judged_sample import JudgedSample, LatestReadings
from doxedge.measurement.operating import OperatingSettings
from doxedge.measurement.quality import AssessmentSettings, Assessor, ClockState
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Sample
from doxedge.measurement.shared_stack import RunningUnits

ALWAYS: Final = 0
"""From when on the first setup holds."""


class QualityAssurance(Protocol):
    """Who knows which monitors are in control (`qa_desk`)."""

    def standing(self, judged: JudgedSample) -> JudgedSample:
        """The sample, readings out of control made bad."""
        ...

    def see(self, judged: JudgedSample) -> None:
        """A new sample of this moment."""
        ...


@dataclass(frozen=True, slots=True)
class UnitSetup:
    """Everything about a unit that stands behind its hours."""

    hour: HourSettings
    assessment: AssessmentSettings
    provenance: Provenance
    devices: tuple[str, ...]
    """Whose samples are under the root of an hour, and what a person has said among them; of a shared stack those of
    all units on it."""
    missing_data: MissingDataPlan = NO_SUBSTITUTES
    """What stands for an hour that is not measured."""
    emission_limits: tuple[EmissionLimit, ...] = ()
    """What the averages of its stacks are held against."""

    @property
    def hashes(self) -> tuple[bytes, bytes]:
        """(profile hash, rules hash)."""
        return self.provenance.profile_hash, self.provenance.rules_hash


@dataclass(frozen=True, slots=True)
class SetupChange:
    """Another setup takes over at the border of an hour."""

    setup: UnitSetup
    from_ms: int
    kept: frozenset[str] = frozenset()
    """Devices that stay as they are."""
    words: str = ""
    """Who approved it, and why: for the signed event."""


def setup_of(planned: PlannedUnit) -> UnitSetup:
    """The setup of a unit on this machine."""
    made_by = Provenance(planned.profile_hash, planned.rules_hash, boot_id(), firmware_text())
    return UnitSetup(
        planned.hour,
        planned.assessment,
        made_by,
        planned.sampled,
        planned.missing_data,
        planned.emission_limits,
    )


@dataclass(slots=True)
class _Reign:
    """One setup with what works by it."""

    from_ms: int
    setup: UnitSetup
    assessor: Assessor
    causes: GapCauses
    change: SetupChange | None
    signals: Mapping[str, OperatingSettings]
    """Unit to its operating signal."""
    followed: frozenset[str]
    """The quantities of these signals."""


class UnitJudge:
    """From samples to readings, by the setup of their time; and what is known of the unit at this moment."""

    def __init__(self, setup: UnitSetup, *, quality: QualityAssurance | None = None) -> None:
        """`quality` None: nothing is checked with gas."""
        self._latest = LatestReadings()
        self.flags: dict[tuple[str, str], frozenset[str]] = {}
        """By device and the first value of the group: groups are polled apart."""
        self.quality = quality
        self._running = RunningUnits()
        self._unit = setup.hour.unit
        self._reigns = [_reign(ALWAYS, setup)]

    @property
    def latest(self) -> dict[str, Reading]:
        """The last reading of every quantity of the unit's own instruments."""
        return self._latest.readings()

    @property
    def running(self) -> bool:
        """Whether the unit runs, or any that shares its stack, by the operating signals; true where nobody can say."""
        return self._running.any_of(self._reigns[0].signals or (self._unit,))

    @property
    def unit_runs(self) -> bool:
        """Whether the unit itself runs."""
        return self._running.runs(self._unit)

    def begin_with(self, before: UnitSetup, change: SetupChange) -> None:
        """The first setup is that of a change, of which the time before it is still of interest."""
        self._reigns = [_reign(ALWAYS, before)]
        self.change(change)
        self._reigns[-1].change = None

    def change(self, change: SetupChange) -> None:
        """To come; told before its border."""
        reign = _reign(change.from_ms, change.setup, change=change)
        reign.assessor = Assessor(change.setup.assessment, before=self._reigns[-1].assessor, kept=change.kept)
        self._reigns.append(reign)

    def take_back(self) -> None:
        """The last change is not to come."""
        self._reigns.pop()

    def setup_at(self, at_ms: int) -> UnitSetup:
        """The one in force at an instant."""
        return self._reign_at(at_ms).setup

    def setups(self, from_ms: int, to_ms: int) -> Iterator[tuple[int, int, UnitSetup]]:
        """(from, to, setup) for a stretch of time, in order."""
        ends = [reign.from_ms for reign in self._reigns[1:]]
        for reign, end_ms in zip(self._reigns, [*ends, to_ms], strict=True):
            begin_ms, until_ms = max(from_ms, reign.from_ms), min(end_ms, to_ms)
            if begin_ms < until_ms:
                yield begin_ms, until_ms, reign.setup

    def settle(self, now_ms: int) -> SetupChange | None:
        """The first change whose border is over, once: what belonged to the setup before is no news any more."""
        reign = next((one for one in self._reigns if one.change is not None and one.from_ms <= now_ms), None)
        if reign is None:
            return None
        change, reign.change = reign.change, None
        quantities = set(reign.setup.hour.devices)
        self._latest.forget_others(quantities)
        self.flags = {key: flags for key, flags in self.flags.items() if key[0] in reign.setup.devices}
        if reign.setup.hour.operating is None:
            self._running.forget()
        return change

    def forget_before(self, at_ms: int) -> None:
        """No sample from before that instant is taken any more."""
        while len(self._reigns) > 1 and self._reigns[1].from_ms <= at_ms and self._reigns[1].change is None:
            self._reigns.pop(0)
            self._reigns[0].assessor.forget_before()

    def judge(self, sample: Sample, *, clock: ClockState) -> JudgedSample:
        """Every value with its quality and reason."""
        reign = self._reigns[0] if len(self._reigns) == 1 else self._reign_at(sample.at_ms)
        hour = reign.setup.hour
        # Most units are alone on their stack, and this is asked for every sample.
        alone = hour.shared is None
        running = (
            self._running.runs(self._unit) if alone else self._running.any_of(hour.runs_with(sample.device))
        )
        judged = reign.assessor.judge(sample, clock=clock, running=running)
        if self.quality is not None:
            judged = self.quality.standing(judged)
        if alone or sample.device.startswith(f"{self._unit}."):
            self._latest.note(judged)
        for reading in judged.bad:
            reign.causes.note(reading)
        if reign.signals:
            self._running.note(judged.of(reign.followed), reign.signals)
        return judged

    def gap_cause(self, gap: HourGap) -> str:
        """Why an hour has no mass."""
        return self._reign_at(gap.from_ms).causes.cause(gap)

    def _reign_at(self, at_ms: int) -> _Reign:
        for reign in reversed(self._reigns):
            if at_ms >= reign.from_ms:
                return reign
        return self._reigns[0]


def _reign(from_ms: int, setup: UnitSetup, *, change: SetupChange | None = None) -> _Reign:
    causes, signals = GapCauses(setup.hour.needed), setup.hour.signals
    followed = frozenset(signal.quantity for signal in signals.values())
    return _Reign(from_ms, setup, Assessor(setup.assessment), causes, change, signals, followed)
