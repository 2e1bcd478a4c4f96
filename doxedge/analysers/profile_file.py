"""A register map as a person writes it: TOML, every key known by name, every mistake reported with its place.

The models below are the schema, `profile_build` makes a `Profile` of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from doxedge.analysers.configuration import ConfigError, parse_toml, table_path
from doxedge.analysers.profile import Order, RawType, Severity, Verified
from doxedge.analysers.profile_choices import WORD_PATTERN, SettingValue, choose

MAX_TEXT_CHARACTERS: Final = 256 * 1024
"""The longest real map we know has 400 points and 40 kB."""
MAX_ENTRIES: Final = 4_096
"""Points, status bits and groups each."""


def _number(value: object) -> object:
    """Whole numbers, decimals and decimal strings; a binary float would already have lost its digits."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueErrors
            'a number is wanted, such as 0.5 or "0.5"'
        )
    return value


Number = Annotated[Decimal, BeforeValidator(_number)]
Whole = Annotated[int, Field(strict=True)]
Text = Annotated[str, Field(strict=True, max_length=1_000)]
Name = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Flag = Annotated[bool, Field(strict=True)]
Address = Annotated[int, Field(strict=True, ge=0, le=65_536)]
Register = Annotated[int, Field(strict=True, ge=0, le=65_535)]
"""What one register can hold."""
Word = Annotated[str, Field(strict=True, pattern=f"^{WORD_PATTERN.pattern}$")]
FunctionName = Literal["coil", "discrete", "holding", "input"]


class Strict(BaseModel):
    """Unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingReference(Strict):
    """`{ setting = "full_scale" }`: the site says the number."""

    setting: Name


Settable = Number | SettingReference


class IdentityTable(Strict):
    """`[identity]`"""

    maker: Text
    model: Text
    version: Text
    source: Text
    verified: Verified
    firmware: Text = ""
    doubts: Annotated[list[Text], Field(max_length=64)] = []
    """What is to be tried on a real instrument before anybody rests on this map; told by `doxedge gateway probe`."""


class LineTable(Strict):
    """What every `[transport]` says; numbers without a source are design defaults."""

    kind: str
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    unit_id: Annotated[int, Field(strict=True, ge=0, le=255)] = 1
    timeout_ms: Annotated[int, Field(strict=True, ge=10, le=60_000)] = 1_000
    connect_timeout_ms: Annotated[int, Field(strict=True, ge=10, le=60_000)] = 3_000
    pause_ms: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0
    baud: Annotated[int, Field(strict=True, ge=300, le=921_600)] = 9_600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Annotated[int, Field(strict=True, ge=1, le=2)] = 1
    data_bits: Annotated[int, Field(strict=True, ge=7, le=8)] = 8


class TransportTable(LineTable):
    """`[transport]` of a register map."""

    kind: Literal["modbus-tcp", "modbus-rtu"]
    """What the device speaks as it comes; the site may reach it otherwise (`serial`, `framing`)."""
    address_base: Annotated[int, Field(strict=True, ge=0, le=1)]
    """0 when the manual's addresses are those on the wire, 1 when it counts from one. Stated once, here."""
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)] = 502
    data_bits: Literal[8] = 8
    """An RTU frame has bytes of eight bits (Modbus over Serial Line V1.02, 2.5.1)."""


class HoleTable(Strict):
    """`{ function, first, last }`: addresses that must not be read, even in passing."""

    function: FunctionName
    first: Address
    last: Address


class BatchingTable(Strict):
    """`[batching]`"""

    max_gap: Annotated[int, Field(strict=True, ge=0, le=2_000)] = 0
    max_registers: Annotated[int, Field(strict=True, ge=4, le=125)] = 125
    max_bits: Annotated[int, Field(strict=True, ge=1, le=2_000)] = 2_000
    forbidden_gaps: Annotated[list[HoleTable], Field(max_length=MAX_ENTRIES)] = []


class SettingTable(Strict):
    """`[settings.<name>]`: a number that only the site knows, or one of some words."""

    about: Text
    default: Number | None = None
    low: Number | None = None
    high: Number | None = None
    choices: Annotated[list[Word], Field(max_length=64)] = []
    """Instead of a number. There is no default: what nobody knows must not be guessed."""


class GroupTable(Strict):
    """`[[groups]]`"""

    name: Name
    period_ms: Annotated[int, Field(strict=True, ge=10, le=86_400_000)]
    atomic: Flag


class LinearTable(Strict):
    """`linear = { ... }`"""

    raw_low: Number
    raw_high: Number
    low: Settable
    high: Settable
    bad_below: Number | None = None
    bad_above: Number | None = None


class QualityTable(Strict):
    """`[[points.quality]]`: a register that says whether this one value can be believed."""

    function: FunctionName | None = None
    """None = the point's own."""
    address: Address
    type: Literal[RawType.U16, RawType.U32] = RawType.U16
    """Two registers have the high word first."""
    mask: Annotated[int, Field(strict=True, ge=1, le=0xFFFF_FFFF)] | None = None
    """Bits that are looked at, all of them when it is left out; the meanings below are of what is left."""
    good: Annotated[list[Settable], Field(min_length=1, max_length=64)]
    uncertain: Annotated[list[Settable], Field(max_length=64)] = []
    """The value stands, the flag `warning` goes with it. Whatever is in neither list is bad."""
    about: Text


class PlausibleTable(Strict):
    """What is plausible for a value, in its canonical unit, and what it is of."""

    hard_range: tuple[Number, Number] | None = None
    soft_range: tuple[Number, Number] | None = None
    max_rate_per_min: Annotated[Number, Field(gt=0)] | None = None
    stuck_minutes: Annotated[int, Field(strict=True, ge=1, le=10_080)] | None = None
    resolution: Annotated[Number, Field(gt=0)] | None = None
    span: Annotated[Number, Field(gt=0)] | None = None
    o2_corrected: Flag = False
    """The instrument states the value at a reference oxygen, which no mass can be made of."""


class PointTable(PlausibleTable):
    """`[[points]]`"""

    quantity: Name
    group: Name
    function: FunctionName
    address: Address
    type: RawType
    order: Order | None = None
    unit: Text
    scale: Number | None = None
    offset: Number | None = None
    linear: LinearTable | None = None
    scale_power: Address | None = None
    """A register of the same function that holds the power of ten by which the value is multiplied."""
    quality: Annotated[list[QualityTable], Field(max_length=8)] = []
    """`[[points.quality]]`: all of them must be good."""
    sentinels: Annotated[list[Number], Field(max_length=64)] = []
    bit_view: Flag = False
    """The register also holds status bits or another reading of the same bits: overlaps are meant."""


class ConstantTable(Strict):
    """`[[constants]]`"""

    quantity: Name
    value: Settable


class FlagTable(Strict):
    """What every `[[status]]` says."""

    flag: Name
    severity: Severity | None = None
    active_when: Annotated[int, Field(strict=True, ge=0, le=1)] = 1
    groups: list[Name] | None = None
    """None = all groups."""
    about: Text


class StatusTable(FlagTable):
    """`[[status]]`"""

    function: FunctionName
    address: Address
    bit: Annotated[int, Field(strict=True, ge=0, le=15)] | None = None


class IdentityCheckTable(Strict):
    """`[[identity_check]]`"""

    function: FunctionName
    address: Address
    type: RawType
    order: Order | None = None
    equals: Number | None = None
    low: Number | None = None
    high: Number | None = None
    about: Text


CommandName = Literal["zero", "span", "measure"]
STEPS_MAX: Final = 8
"""The longest command that we know has two steps."""


class CoilTable(Strict):
    """`coils = [{ address, on }]`: one coil that is switched."""

    address: Address
    on: Flag


class CommandTable(Strict):
    """`[[commands]]`: what the instrument is told, step by step. A map has all three commands or none."""

    name: CommandName
    coils: Annotated[list[CoilTable], Field(min_length=1, max_length=STEPS_MAX)]
    about: Text


class SearchTable(Strict):
    """`[search]`: the block of registers has no fixed place; all addresses count from its first register."""

    kind: Literal["sunspec"]
    model: Register
    """The model's number, in its first register."""
    length: Register
    """Registers of the model after the two that hold its number and this length."""
    bases: Annotated[list[Register], Field(min_length=1, max_length=8)]
    """Where the marker may stand, in the order in which it is looked for."""


class MapFile(Strict):
    """What every file has."""

    profile: Literal[1]
    """Version of this schema."""
    settling_minutes: Annotated[int, Field(strict=True, ge=0, le=120)] = 3
    identity: IdentityTable
    settings: dict[Name, SettingTable] = {}
    groups: Annotated[list[GroupTable], Field(max_length=MAX_ENTRIES)] = []


class ProfileFile(MapFile):
    """The whole file of a register map, or of a constant."""

    kind: Literal["registers", "constant"] = "registers"
    transport: TransportTable | None = None
    search: SearchTable | None = None
    batching: BatchingTable = BatchingTable()
    points: Annotated[list[PointTable], Field(max_length=MAX_ENTRIES)] = []
    constants: Annotated[list[ConstantTable], Field(max_length=MAX_ENTRIES)] = []
    status: Annotated[list[StatusTable], Field(max_length=MAX_ENTRIES)] = []
    identity_check: Annotated[list[IdentityCheckTable], Field(max_length=64)] = []
    commands: Annotated[list[CommandTable], Field(max_length=3)] = []


File = TypeVar("File", bound=MapFile)


def read_tables(text: str, *, source: str) -> dict[str, Any]:
    """The tables of a TOML text, not looked at yet. ConfigError when it is none, or too long."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ConfigError(
            source=source,
            path="",
            reason=f"{len(text)} characters; a profile has at most {MAX_TEXT_CHARACTERS}",
        )
    return parse_toml(text, source=source, parse_float=Decimal)


def checked_file(
    schema: type[File], tables: dict[str, Any], *, source: str, settings: Mapping[str, SettingValue]
) -> tuple[File, dict[str, str]]:
    """The tables, each key known and of its type, and the words that the site chose among `choices`.

    ConfigError names `source`, table and key.
    """
    chosen = choose(tables, settings, source=source)
    try:
        return schema.model_validate(chosen.tables), chosen.words
    except ValidationError as error:
        raise _first_mistake(error, source) from None


def _first_mistake(error: ValidationError, source: str) -> ConfigError:
    mistakes = error.errors(include_url=False, include_context=False)
    first = mistakes[0]
    # The branch names that pydantic adds for `number or reference` are no keys of the file.
    location = [step for step in first["loc"] if isinstance(step, int) or step.isidentifier()]
    if first["type"] == "extra_forbidden":
        reason = "unknown key"
    elif first["type"] == "missing":
        reason = "this key is missing"
    else:
        reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}, not {first['input']!r:.80}"
    return ConfigError(source=source, path=table_path(location), reason=reason, more=len(mistakes) - 1)
