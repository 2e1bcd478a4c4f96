"""Every kind of record that the code knows stands in the map of the package, with the body that the code takes."""

from __future__ import annotations

import re
from types import NoneType

from doxedge.ledger.admission import KINDS
from doxedge.ledger.bodies import SHAPES, Shape
from tests.house.tree import PACKAGE

ROW = re.compile(r"^\| `([a-z.]+)` \| `(\[.+?\])`[ :]", re.MULTILINE)
SECTION = (PACKAGE / "README.md").read_text(encoding="utf-8").split("## Kinds of record")[1].split("\n## ")[0]


def body_of(shape: Shape) -> str:
    """The fields in their order; one that may be null says so."""
    can_be = [set(types) for types in zip(*shape.types, strict=True)]
    names = shape.words.split(", ")
    fields = [
        f"{name}|null" if NoneType in types else name for name, types in zip(names, can_be, strict=True)
    ]
    return f"[{', '.join(fields)}]"


def test_every_kind_stands_there_once_and_no_other() -> None:
    assert sorted(kind for kind, _ in ROW.findall(SECTION)) == sorted(KINDS)


def test_every_body_is_what_the_code_takes() -> None:
    written = dict(ROW.findall(SECTION))
    assert {kind: written.get(kind) for kind in SHAPES} == {
        kind: body_of(shape) for kind, shape in SHAPES.items()
    }
