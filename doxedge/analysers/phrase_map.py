"""A map of an instrument that speaks a text dialect: what to ask it, and where in its answers the values lie.

The counterpart of `profile`, which is of registers. Values here are frozen, the site's settings are filled in.
`phrase_file` is the schema, `phrase_build` makes these values, `phrase_driver` makes a driver from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from doxedge.analysers.profile import (
    WHEN_SET,
    Constant,
    Group,
    Identity,
    MapCommand,
    PointLimits,
    Profile,
    Severity,
    Transport,
    group_named,
)


@dataclass(frozen=True, slots=True)
class PhrasePoint:
    """One value in an answer."""

    quantity: str
    group: str
    ask: str
    """The question, in the words of the dialect."""
    place: str
    """Where in its answer the value lies (`dialects.codecs`)."""
    unit: str
    """Of the value, where the answer itself says none."""
    scale: Decimal
    sentinels: tuple[Decimal, ...]
    """Numbers that mean `no value`."""
    limits: PointLimits
    o2_corrected: bool = field(default=False, metadata={"hashed": WHEN_SET})
    """The instrument states it at a reference oxygen: good for limits, and for no mass."""


@dataclass(frozen=True, slots=True)
class PhraseStatus:
    """Something that an instrument says about itself. Exactly one of `bit`, `equals` and `says` is looked for."""

    flag: str
    severity: Severity
    ask: str
    place: str
    """Of the word; empty for `says`, which looks at the whole answer."""
    bit: int | None
    """Within the word, 0 = least significant."""
    equals: tuple[int, ...]
    """The word is one of these."""
    says: tuple[str, ...]
    """One of the answer's words is one of these."""
    active_when: bool
    """False: the flag is set where that is not so."""
    groups: tuple[str, ...]
    """The groups whose values it guards; it is asked with each of them."""
    about: str


@dataclass(frozen=True, slots=True)
class PhraseIdentity:
    """A question whose answer tells this instrument from another."""

    ask: str
    contains: str
    about: str


@dataclass(frozen=True, slots=True)
class PhraseProfile:
    """One instrument's map with one site's settings."""

    source: str = field(metadata={"hashed": False})
    """The file it was read from, for messages."""
    identity: Identity
    transport: Transport
    settling_ms: int
    """After zero or span the sample line still holds test gas (measurement rule 4)."""
    settings: tuple[tuple[str, Decimal | str], ...]
    """What the site filled in, by name."""
    groups: tuple[Group, ...]
    points: tuple[PhrasePoint, ...]
    status: tuple[PhraseStatus, ...]
    identity_check: tuple[PhraseIdentity, ...]
    constants: tuple[Constant, ...] = ()
    """None ever: what nobody measures is a profile of its own."""
    commands: tuple[MapCommand, ...] = field(default=(), metadata={"hashed": False})

    def group(self, name: str) -> Group:
        """The group of that name. KeyError when there is none."""
        return group_named(self.groups, name, source=self.source)

    def limits(self) -> Mapping[str, PointLimits]:
        """What is plausible, by quantity."""
        return {point.quantity: point.limits for point in self.points}

    @property
    def o2_corrected(self) -> frozenset[str]:
        """The quantities that come at a reference oxygen."""
        return frozenset(point.quantity for point in self.points if point.o2_corrected)


AnyProfile: TypeAlias = Profile | PhraseProfile
"""A map of either kind."""
