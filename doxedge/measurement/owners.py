"""Which device a quantity of a unit is taken from, and what of a sample goes into its hours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from doxedge.measurement.hour_settings import HourSettings
from doxedge.measurement.judged_sample import JudgedSample, Layout
from doxedge.measurement.reading import Reading


@dataclass(frozen=True, slots=True)
class _Choice:
    """What of the samples of a group goes into hours."""

    places: tuple[int, ...]
    foreign: int
    """How many values of each belong to another device."""


class Owners:
    """A quantity that the settings do not name is taken from the first device that sends it."""

    __slots__ = ("_choices", "_devices", "_wanted", "foreign")

    def __init__(self, settings: HourSettings) -> None:
        """As the settings say."""
        self.foreign = 0
        """Readings so far that came from a device that is not the owner."""
        self._devices: dict[str, str] = dict(settings.devices)
        self._wanted = settings.averaged | {signal.quantity for signal in settings.signals.values()}
        if settings.energy is not None:
            self._wanted |= {settings.energy.quantity}
        self._choices: dict[Layout, _Choice] = {}

    def ours(self, readings: Iterable[Reading]) -> list[Reading]:
        """Readings from the device that owns their quantity.

        Of a judged sample only those that anything is made of, behind the first of ours, by which it is counted.
        """
        if isinstance(readings, JudgedSample):
            return self._wanted_of(readings)
        owner_of, came = self._devices.setdefault, tuple(readings)
        ours = [reading for reading in came if owner_of(reading.quantity, reading.device) == reading.device]
        self.foreign += len(came) - len(ours)
        return ours

    def _wanted_of(self, sample: JudgedSample) -> list[Reading]:
        choice = self._choices.get(sample.layout)
        if choice is None:
            choice = self._choices[sample.layout] = self._choose(sample.layout)
        self.foreign += choice.foreign
        return [sample[place] for place in choice.places]

    def _choose(self, layout: Layout) -> _Choice:
        """Settled with the first sample of a group, as owners are."""
        owner_of: Mapping[str, str] = {
            name: self._devices.setdefault(name, layout.device) for name in layout.names
        }
        ours = [place for place, name in enumerate(layout.names) if owner_of[name] == layout.device]
        places = tuple(place for place in ours if place == ours[0] or layout.names[place] in self._wanted)
        return _Choice(places, len(layout.names) - len(ours))
