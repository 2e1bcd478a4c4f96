"""An energy meter was exchanged: what a person says of it, kept among the raw samples.

It lies in the sample store under a device name of its own, `<unit>.meter exchange`, that no instrument can have: so it
is on the disk before it is acknowledged, a restart meets it at its place in time, and it is a leaf under the Merkle
root of its hour, where a verifier and the regulator find it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal, Protocol

from pydantic import Field, StringConstraints

from doxedge.gateway import sample_rows
from doxedge.gateway.operator_door import Caller, Question, Refusal, Words
from doxedge.measurement.sample import Sample
from doxedge.signing import canonical
from doxedge.store.rows import SampleRow

SUFFIX: Final = "meter exchange"
"""With a space: the name of an instrument has none."""
CODE: Final = "meter.exchanged"
Counter = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]
DocumentHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class AskMeterExchange(Question):
    """The meter of a unit was exchanged."""

    ask: Literal["exchange-meter"]
    unit: str = Field(max_length=64)
    at_ms: int = Field(ge=0, lt=2**43)
    """When the new meter began to count."""
    old_wh: Counter
    """What the old one showed last."""
    new_wh: Counter
    """What the new one showed first."""
    name: Words
    reason: Words
    document: DocumentHash
    """SHA-256 of the protocol or photograph."""


class Counting(Protocol):
    """The hours of a unit: `HourAssembler`, `HourSequence`."""

    def meter_exchange(
        self, at_ms: int, *, old_wh: Decimal, new_wh: Decimal, only_check: bool = False
    ) -> None:
        """Raises ValueError when it does not fit what was read."""
        ...


class NotExchanged(Exception):
    """What was said does not fit what was measured; the text says what to look at."""


@dataclass(frozen=True, slots=True)
class MeterExchange:
    """What was said, by whom, and when."""

    unit: str
    at_ms: int
    old_wh: Decimal
    new_wh: Decimal
    name: str
    user: str
    """The account of the machine, as the kernel knows it."""
    reason: str
    document: str
    told_ms: int

    def row(self) -> SampleRow:
        """As it is kept."""
        said = {"name": self.name, "user": self.user, "reason": self.reason}
        said |= {"document": self.document, "told_ms": str(self.told_ms)}
        sample = Sample(
            device=device_of(self.unit),
            at_ms=self.at_ms,
            monotonic_ns=0,
            values={"old_wh": self.old_wh, "new_wh": self.new_wh},
            raw=json.dumps(said, sort_keys=True, ensure_ascii=False).encode(),
        )
        return SampleRow(sample.device, self.at_ms, sample_rows.pack(sample))

    @property
    def text(self) -> str:
        """As it is signed, in the event `CODE` of its own time."""
        return (
            f"old meter {self.old_wh} Wh, new meter {self.new_wh} Wh; {self.name} (account {self.user}): "
            f"{self.reason}; document {self.document}"
        )

    def is_same(self, other: MeterExchange) -> bool:
        """Whether both say the same of the meters, whoever said it."""
        return (self.at_ms, self.old_wh, self.new_wh) == (other.at_ms, other.old_wh, other.new_wh)

    def tell(self, hours: Counting, *, only_check: bool = False) -> None:
        """Let the counting go on with the new meter. Raises NotExchanged when it does not fit."""
        try:
            hours.meter_exchange(self.at_ms, old_wh=self.old_wh, new_wh=self.new_wh, only_check=only_check)
        except ValueError as error:
            raise NotExchanged(str(error)) from error


def device_of(unit: str) -> str:
    """The name under which exchanges of a unit lie in the sample store."""
    return f"{unit}.{SUFFIX}"


def stored_devices(unit: str, instruments: tuple[str, ...]) -> tuple[str, ...]:
    """Under which names the samples of a unit lie, and what is said among them."""
    return (*instruments, device_of(unit))


def is_exchange(device: str) -> bool:
    """Whether a stored sample is an exchange."""
    return device.partition(".")[2] == SUFFIX


def from_row(device: str, at_ms: int, raw: bytes) -> MeterExchange:
    """The exchange in a row. Raises ValueError for a row that is none."""
    sample = sample_rows.unpack(device, at_ms, raw)
    old_wh, new_wh = sample.values.get("old_wh"), sample.values.get("new_wh")
    said = json.loads(sample.raw)
    match said:
        case {"name": str(name), "user": str(user), "reason": str(reason), "document": str(document),
              "told_ms": str(told_ms)} if old_wh is not None and new_wh is not None:  # fmt: skip
            unit = device.partition(".")[0]
            return MeterExchange(unit, at_ms, old_wh, new_wh, name, user, reason, document, int(told_ms))
    raise ValueError(f"the stored exchange of {device} at {at_ms} has an unknown form")


def said_by(asked: AskMeterExchange, caller: Caller) -> MeterExchange:
    """What was asked, with who asked it. Raises Refusal for a time to come and for text that cannot be signed."""
    if asked.at_ms > caller.at_ms:
        raise Refusal("bad_time", "the exchange is still to come; tell of it when it is done")
    return MeterExchange(
        asked.unit,
        asked.at_ms,
        Decimal(asked.old_wh),
        Decimal(asked.new_wh),
        signable(asked.name, "name"),
        caller.user,
        signable(asked.reason, "reason"),
        asked.document,
        caller.at_ms,
    )


def signable(text: str, what: str) -> str:
    """The text in the one form that the wire has. Raises Refusal."""
    normal = unicodedata.normalize("NFC", text)
    try:
        canonical.encode(normal)
    except canonical.NonCanonical as error:
        raise Refusal("bad_text", f"{what} cannot be signed: {error}") from error
    return normal


def shown(said: MeterExchange) -> Mapping[str, object]:
    """For the one who asked."""
    return {
        "unit": said.unit,
        "at_ms": said.at_ms,
        "old_wh": str(said.old_wh),
        "new_wh": str(said.new_wh),
        "name": said.name,
        "user": said.user,
        "reason": said.reason,
        "document": said.document,
        "told_ms": said.told_ms,
    }
