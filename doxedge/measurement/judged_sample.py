"""A sample as it was judged: a sequence of readings, of which each is made when somebody wants it.

An instrument of a hundred values may be polled a hundred times a second, and of most of its values nobody wants more
than the last reading now and then.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import overload

from doxedge.measurement.reading import FINE, Judgement, Reading
from doxedge.measurement.sample import Quality

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What stands in every sample of a group. One object for each group, so that what is worked out for it is kept."""

    device: str
    names: tuple[str, ...]
    """The quantities in the sample's order, as they are called in the unit."""
    places: Mapping[str, int]
    """Name to its place among them."""
    pair: tuple[int, ...]
    """The places of what must agree, where the sample holds all of it."""


def layout_of(device: str, names: Iterable[str], *, pair: tuple[int, ...] = ()) -> Layout:
    """The layout of a group."""
    given = tuple(names)
    return Layout(device, given, {name: place for place, name in enumerate(given)}, pair)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedValues:
    """The values of a sample, and of each its judgement; both in the order of the layout. The same object for polls
    that bring nothing new."""

    layout: Layout
    decoded: Sequence[Decimal | None]
    judgements: Sequence[Judgement]

    @property
    def bad(self) -> tuple[int, ...]:
        """The places of those that are bad."""
        if self.judgements.count(FINE) == len(self.judgements):
            return ()
        return tuple(place for place, (quality, _) in enumerate(self.judgements) if quality is Quality.BAD)


class JudgedSample(Sequence[Reading]):
    """The readings of one sample, in its order."""

    __slots__ = ("at_ms", "values")

    def __init__(self, at_ms: int, values: JudgedValues) -> None:
        """Nothing is made yet."""
        self.at_ms, self.values = at_ms, values

    @property
    def layout(self) -> Layout:
        """What stands in it, and where."""
        return self.values.layout

    @override
    def __len__(self) -> int:
        return len(self.values.judgements)

    @overload
    def __getitem__(self, place: int) -> Reading: ...

    @overload
    def __getitem__(self, place: slice) -> list[Reading]: ...

    @override
    def __getitem__(self, place: int | slice) -> Reading | list[Reading]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        values = self.values
        quality, reason = values.judgements[place]
        layout = values.layout
        return Reading(layout.device, layout.names[place], self.at_ms, values.decoded[place], quality, reason)

    @override
    def __iter__(self) -> Iterator[Reading]:
        return map(self.__getitem__, range(len(self)))

    def of(self, names: Iterable[str]) -> list[Reading]:
        """The readings of these quantities, of which it may have none, in its own order."""
        places = self.values.layout.places
        return [self[place] for place in sorted(places[name] for name in names if name in places)]

    @property
    def bad(self) -> list[Reading]:
        """Those that are bad."""
        return [self[place] for place in self.values.bad]

    def judged_anew(self, readings: Mapping[str, Reading]) -> JudgedSample:
        """The same with what these readings, by name, say of their values."""
        values = self.values
        judgements = list(values.judgements)
        for name, reading in readings.items():
            judgements[values.layout.places[name]] = (reading.quality, reading.reason)
        return JudgedSample(self.at_ms, replace(values, judgements=judgements))


class LatestReadings:
    """The last reading of every quantity: of each group the last sample, until somebody asks."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._samples: dict[Layout, JudgedSample] = {}

    def note(self, sample: JudgedSample) -> None:
        """A sample that came behind all others."""
        layout = sample.values.layout
        # The last one stands last: where two groups have one quantity, the later reading counts.
        self._samples.pop(layout, None)
        self._samples[layout] = sample

    def readings(self) -> dict[str, Reading]:
        """By quantity."""
        return {
            name: sample[place]
            for layout, sample in self._samples.items()
            for name, place in layout.places.items()
        }

    def forget_others(self, names: Container[str]) -> None:
        """Only these quantities are of interest from now on."""
        kept: dict[Layout, JudgedSample] = {}
        for name, reading in self.readings().items():
            if name in names:
                layout = layout_of(reading.device, (name,))
                judged = JudgedValues(layout, (reading.decoded,), ((reading.quality, reading.reason),))
                kept[layout] = JudgedSample(reading.at_ms, judged)
        self._samples = kept
