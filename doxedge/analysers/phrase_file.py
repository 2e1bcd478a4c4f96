"""A map of an instrument that speaks a text dialect, as a person writes it: TOML, every key known by name.

What it shares with a register map stands in `profile_file`. In `ask` and `place` a number of the site's stands as
`{name}`, or as `{name:3}` where it is to have three digits.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from doxedge.analysers.profile_file import (
    MAX_ENTRIES,
    STEPS_MAX,
    CommandName,
    FlagTable,
    LineTable,
    MapFile,
    Name,
    Number,
    PlausibleTable,
    SettingReference,
    Strict,
    Text,
    Whole,
    Word,
)
from doxedge.analysers.question import MAX_PHRASE_CHARACTERS

Ask = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_PHRASE_CHARACTERS)]
Place = Annotated[str, Field(strict=True, min_length=1, max_length=64)]
WholeSettable = Whole | SettingReference


class PhraseTransportTable(LineTable):
    """`[transport]` of an instrument that speaks a dialect."""

    kind: Literal["text"]
    dialect: Literal[
        "ak", "bayern_hessen", "bayern_hessen_cr", "clink", "eco_physics", "horiba", "serinus_advanced"
    ]
    network: Literal["tcp", "udp"] = "tcp"
    """How the instrument itself listens on a network; behind a serial converter it is TCP."""
    unit_id: Annotated[int, Field(strict=True, ge=0, le=255)] = 0
    """The instrument's number, in dialects that have one."""


class PhrasePointTable(PlausibleTable):
    """`[[points]]`"""

    quantity: Name
    group: Name
    ask: Ask
    place: Place
    unit: Text
    """Of the number, where the answer says none."""
    scale: Number | None = None
    sentinels: Annotated[list[Number], Field(max_length=64)] = Field(default_factory=list)


class PhraseStatusTable(FlagTable):
    """`[[status]]`: `place` with `bit` or `equals`, or `says` alone."""

    ask: Ask
    place: Place | None = None
    bit: WholeSettable | None = None
    equals: Annotated[list[WholeSettable], Field(min_length=1, max_length=64)] | None = None
    says: Annotated[list[Text], Field(min_length=1, max_length=64)] | None = None


class PhraseIdentityTable(Strict):
    """`[[identity_check]]`"""

    ask: Ask
    contains: Annotated[str, Field(strict=True, min_length=1, max_length=64)]
    """The answer holds these characters."""
    about: Text


class OrdersTable(Strict):
    """`[[commands]]`: what the instrument is told, step by step. A map has all three commands or none."""

    name: CommandName
    orders: Annotated[list[Ask], Field(min_length=1, max_length=STEPS_MAX)]
    about: Text


class UnseenTestGasTable(Strict):
    """`[unseen_test_gas]`: nobody knows how the instrument tells zero and span gas, and the site keeps them out."""

    confirmed: Word
    """The site's own word, of a setting with `choices`."""


class PhraseFile(MapFile):
    """The whole file."""

    kind: Literal["dialect"]
    transport: PhraseTransportTable
    unseen_test_gas: UnseenTestGasTable | None = None
    points: Annotated[list[PhrasePointTable], Field(min_length=1, max_length=MAX_ENTRIES)]
    status: Annotated[list[PhraseStatusTable], Field(max_length=MAX_ENTRIES)] = Field(default_factory=list)
    identity_check: Annotated[list[PhraseIdentityTable], Field(max_length=64)] = Field(default_factory=list)
    commands: Annotated[list[OrdersTable], Field(max_length=3)] = Field(default_factory=list)
