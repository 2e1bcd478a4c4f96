"""The shape of what stands on the ledger: an entry is a list whose fields have exact types.

Asking for the types of all fields at once is several times quicker than field by field, and every hour asks often.
"""

from __future__ import annotations

from itertools import product
from types import NoneType
from typing import Any, TypeAlias

from doxedge.contracts.rule import Value

Shape: TypeAlias = frozenset[tuple[type, ...]]


def shape(*fields: type | tuple[type, None] | None) -> Shape:
    """The lists of types that an entry may have; `(str, None)` is a field that may be empty."""
    alternatives = [
        tuple(NoneType if one is None else one for one in (field if isinstance(field, tuple) else (field,)))
        for field in fields
    ]
    return frozenset(product(*alternatives))


def fields_of(value: Value, wanted: Shape) -> list[Any] | None:
    """The fields of an entry; None where nothing stands, or something of another shape."""
    return value if isinstance(value, list) and tuple(map(type, value)) in wanted else None
