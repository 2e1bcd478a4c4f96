"""What is known and does not change: the classes of facts, entries and records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def fact(cls: type[_Class]) -> type[_Class]:
    """A dataclass that nothing may change, as the type checker sees to.

    The run time does not see to it as well: a class that it watches takes five times as long to fill, and every hour
    fills some of them on its way from the wire to the disk.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
