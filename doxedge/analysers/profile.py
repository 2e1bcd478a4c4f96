"""A register map, read and checked: everything a driver needs to know about one kind of instrument.

Values here are frozen and already in wire terms: addresses are 0-based, units are converted, the site's settings are
filled in. `profile_file` makes them from TOML, `driver` makes a driver from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Final, Protocol

from doxedge.analysers.batches import BatchLimits, Span
from doxedge.analysers.units import EXACT, Conversion

_HASH_TAG: Final = b"doxedge/profile/1\0"
WHEN_SET: Final = "when set"
"""A field that came later counts only where a map uses it, so that the hashes of older maps stay what they are."""


class Verified(StrEnum):
    """On what the addresses of a map rest, weakest first."""

    DOCUMENT = "document"
    """Read in the maker's manual."""
    LOGGER_CODE = "logger-code"
    """Read in the source of a logger that is in use."""
    RECORDING = "recording"
    """Agrees with a recorded exchange of a real instrument."""
    BENCH = "bench"
    """Tried on a bench with reference gas or a reference signal."""


class RawType(StrEnum):
    """How a value lies in registers."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"

    @property
    def registers(self) -> int:
        """Registers of 16 bits that one value fills."""
        return int(self.value[1:]) // 16


class Order(StrEnum):
    """Order of bytes in a value, first on the wire first; A is the most significant byte.

    For values of four registers the pattern holds for their words: CDAB = lowest word first, each high byte first.
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class Severity(StrEnum):
    """What a set status bit does to the values read with it."""

    BAD = "bad"
    """The values mean nothing: they become None with the flag's reason."""
    EXCLUDED = "excluded"
    """The values are real but not stack gas (zero, span, maintenance): kept for the QA log, out of every mean."""
    NOTED = "noted"
    """The values stand; the flag travels with them."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which instrument this is, and how far the map can be believed."""

    maker: str
    model: str
    version: str
    """Of this map, not of the instrument."""
    source: str
    """The document or code the addresses come from."""
    verified: Verified
    firmware: str
    """Firmware the map is for, as the maker writes it; empty for any."""
    doubts: tuple[str, ...] = field(default=(), metadata={"hashed": False})
    """What is still to be tried on a real instrument, in words for whoever stands before one."""


@dataclass(frozen=True, slots=True)
class Transport:
    """How such a device is reached unless the site says otherwise."""

    kind: str
    port: int
    unit_id: int
    timeout_ms: int
    """For a whole exchange, from the question to the last byte of the answer."""
    connect_timeout_ms: int
    pause_ms: int
    """Silence that the device needs between two questions."""
    baud: int = field(default=9_600, metadata={"hashed": False})
    """With parity and stop bits as the device leaves the factory, for lines that are serial."""
    parity: str = field(default="N", metadata={"hashed": False})
    """N, E or O."""
    stop_bits: int = field(default=1, metadata={"hashed": False})
    data_bits: int = field(default=8, metadata={"hashed": False})
    dialect: str = field(default="", metadata={"hashed": WHEN_SET})
    """What an instrument of `kind` text speaks."""
    network: str = field(default="tcp", metadata={"hashed": False})
    """`tcp` or `udp`, for an instrument that speaks its dialect over a network."""


@dataclass(frozen=True, slots=True)
class Group:
    """Values that are polled together."""

    name: str
    period_ms: int
    atomic: bool
    """All values of the group come from one read, so that NO, NO2 and NOx are of one instant."""


@dataclass(frozen=True, slots=True)
class PointLimits:
    """What is plausible for a quantity, in its canonical unit; None = not judged."""

    hard_low: Decimal | None = None
    hard_high: Decimal | None = None
    soft_low: Decimal | None = None
    soft_high: Decimal | None = None
    max_rate_per_min: Decimal | None = None
    stuck_minutes: int | None = None
    resolution: Decimal | None = None
    """Smallest step of the value; half of it is the tolerance of the stuck check (measurement rule 5)."""
    span: Decimal | None = None
    """Upper end of the measuring range; negative values are borne down to -2 % of it (rule 6)."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A straight line through two points: `raw_low` reads `low`, `raw_high` reads `high`, in the register's unit.

    Raw values under `bad_below` or over `bad_above` are a broken loop, not a measurement (NAMUR NE 43: below 3.6 mA or
    above 21 mA).
    """

    raw_low: Decimal
    raw_high: Decimal
    low: Decimal
    high: Decimal
    bad_below: Decimal | None = None
    bad_above: Decimal | None = None

    def apply(self, raw: Decimal) -> Decimal:
        """The value for a raw reading."""
        rise = EXACT.multiply(EXACT.subtract(raw, self.raw_low), EXACT.subtract(self.high, self.low))
        return EXACT.add(self.low, EXACT.divide(rise, EXACT.subtract(self.raw_high, self.raw_low)))


@dataclass(frozen=True, slots=True)
class QualityRegister:
    """A register that says whether one value can be believed."""

    span: Span
    mask: int
    good: tuple[int, ...]
    uncertain: tuple[int, ...]
    """The value stands, with the flag `warning`. What is in neither list is a device fault."""
    about: str


@dataclass(frozen=True, slots=True)
class Point:
    """One value in the map."""

    quantity: str
    group: str
    span: Span
    type: RawType
    order: Order
    scale: Decimal
    offset: Decimal
    """`raw * scale + offset` is in the register's unit."""
    linear: Linear | None
    """Instead of scale and offset."""
    conversion: Conversion
    sentinels: tuple[Decimal, ...]
    """Raw values that mean `no value`. NaN and infinities always do."""
    limits: PointLimits
    quality: tuple[QualityRegister, ...] = field(default=(), metadata={"hashed": WHEN_SET})
    power: Span | None = field(default=None, metadata={"hashed": WHEN_SET})
    """A register with the power of ten (-10 to 10) that `raw` is multiplied by, as SunSpec has it."""
    o2_corrected: bool = field(default=False, metadata={"hashed": WHEN_SET})
    """The instrument states it at a reference oxygen: good for limits, and for no mass."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """All registers that this value is made from."""
        power = () if self.power is None else (self.power,)
        return (self.span, *power, *(binding.span for binding in self.quality))


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that nobody measures: the site states it."""

    quantity: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class StatusBit:
    """One bit of the instrument's own opinion."""

    flag: str
    severity: Severity
    span: Span
    bit: int | None
    """Within a register, 0 = least significant; None when the bit has its own address."""
    active_when: bool
    groups: tuple[str, ...]
    """The groups whose values it guards; it is read with each of them."""
    about: str


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """A register whose content tells this instrument from another."""

    span: Span
    type: RawType
    order: Order
    low: Decimal
    high: Decimal
    about: str


@dataclass(frozen=True, slots=True)
class Coil:
    """One coil and how it is switched."""

    address: int
    on: bool


@dataclass(frozen=True, slots=True)
class MapCommand:
    """`zero`, `span` or `measure`: what an instrument is told, step by step. Of the two kinds of steps one is empty."""

    name: str
    coils: tuple[Coil, ...]
    orders: tuple[str, ...]
    """In the words of the dialect."""
    about: str


@dataclass(frozen=True, slots=True)
class Search:
    """A SunSpec block that is found by its marker; the map's addresses count from its first register."""

    model: int
    length: int
    bases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One instrument's map with one site's settings."""

    source: str = field(metadata={"hashed": False})
    """The file it was read from, for messages."""
    identity: Identity
    transport: Transport | None
    """None for a constant: there is no instrument."""
    batching: BatchLimits
    settling_ms: int
    """After zero or span the sample line still holds test gas (measurement rule 4)."""
    settings: tuple[tuple[str, Decimal | str], ...]
    """What the site filled in, by name: numbers, and words among those that the map offers."""
    groups: tuple[Group, ...]
    points: tuple[Point, ...]
    constants: tuple[Constant, ...]
    status: tuple[StatusBit, ...]
    identity_check: tuple[IdentityCheck, ...]
    search: Search | None = field(default=None, metadata={"hashed": WHEN_SET})
    commands: tuple[MapCommand, ...] = field(default=(), metadata={"hashed": False})
    """They decide no value; that a site uses them is in the hash of its rules."""

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


class Hashed(Protocol):
    """A map of any kind."""

    @property
    def source(self) -> str:
        """The file it was read from, for messages."""
        ...

    @property
    def identity(self) -> Identity:
        """Which instrument it is for."""
        ...


def group_named(groups: Sequence[Group], name: str, *, source: str) -> Group:
    """The group of that name. KeyError when there is none, with those that there are."""
    for group in groups:
        if group.name == name:
            return group
    raise KeyError(f"{source} has no group {name!r}; it has {', '.join(group.name for group in groups)}")


def profile_hash(profile: Hashed) -> bytes:
    """SHA-256 over everything that decides what a value means; it travels in every hour record.

    Comments, the order of keys and the place of the file do not count; the site's settings do.
    """
    return hashlib.sha256(_HASH_TAG + _canonical(profile)).digest()


def _canonical(value: object) -> bytes:
    """One unambiguous byte string per value: a type letter, a length, the content."""
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, Enum):
        return _canonical(value.value)
    if isinstance(value, int):
        return _counted(b"i", str(value).encode())
    if isinstance(value, str):
        return _counted(b"s", value.encode())
    if isinstance(value, Decimal):
        return _counted(b"d", _plain(value).encode())
    if isinstance(value, tuple):
        return b"l%d:" % len(value) + b"".join(_canonical(item) for item in value)
    if is_dataclass(value):
        hashed = sorted(f.name for f in fields(value) if _is_hashed(f, value))
        content = b"".join(_canonical(name) + _canonical(getattr(value, name)) for name in hashed)
        return b"o%d:" % len(hashed) + content
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _is_hashed(one: Field[Any], value: object) -> bool:
    rule = one.metadata.get("hashed", True)
    if rule == WHEN_SET:
        return bool(getattr(value, one.name) != one.default)
    return bool(rule)


def _counted(letter: bytes, content: bytes) -> bytes:
    return letter + b"%d:" % len(content) + content


def _plain(value: Decimal) -> str:
    """Equal numbers, equal text: `1.50`, `1.5` and `15e-1` are all `15e-1`."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise TypeError(f"{value} has no canonical form")
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    if not significant:
        return "0e0"
    return f"{'-' if sign else ''}{significant}e{exponent + len(text) - len(significant)}"
