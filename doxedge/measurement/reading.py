"""One judged value: what the assessment made of one value of one sample."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar, dataclass_transform

from doxedge.measurement.sample import Quality, Reason

Judgement = tuple[Quality, Reason]

FINE: Final[Judgement] = (Quality.GOOD, Reason.NONE)

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True)
def _held_by_the_type_checker(cls: type[_Class]) -> type[_Class]:
    """Nothing may change it, as mypy sees to. The run time does not see to it as well: that would cost five times as
    much, and a gateway makes one for each value of each poll."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


@_held_by_the_type_checker
class Reading:
    """A value with its quality. What was decoded is kept for the quality log, but only `value` may be used."""

    device: str
    quantity: str
    """Canonical quantity with its unit, as in `Sample.values`."""

    at_ms: int
    decoded: Decimal | None
    """What the device said, however bad; None when nothing could be decoded."""

    quality: Quality
    reason: Reason

    @property
    def usable(self) -> bool:
        """True when the value may enter an average."""
        return self.quality is not Quality.BAD and self.decoded is not None

    @property
    def value(self) -> Decimal | None:
        """The value to calculate with: None when it is bad, so that bad is never zero and never the last value."""
        return None if self.quality is Quality.BAD else self.decoded
