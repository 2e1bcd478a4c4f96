"""The grammar of the rules: names that can be seen, refusals that cite."""

from __future__ import annotations

import unicodedata

import pytest

from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Refused, Value, is_name, require, require_found


@pytest.mark.parametrize(
    "name", ["a", "alpha-1", "Kraftwerk Süd, Block 2", "発電所", "x" * 64, "مصنع", "🏭", "a  b", "O'Neill"]
)
def test_a_name_is_what_a_reader_can_see(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "point",
    [
        0x00, 0x09, 0x0A, 0x1F, 0x7F, 0x85, 0xA0, 0xAD, 0x34F, 0x61C, 0x115F, 0x1680, 0x180E, 0x2003, 0x200B, 0x200D,
        0x200E, 0x2028, 0x202E, 0x202F, 0x205F, 0x2060, 0x2066, 0x2800, 0x3000, 0x3164, 0xFE0F, 0xFEFF, 0xFFA0,
        0xFFF9, 0x1D173, 0xE0001, 0xE0061, 0xE01EF,
    ],
    ids=hex,
)  # fmt: skip
def test_a_code_point_that_nobody_sees_is_in_no_name(point: int) -> None:
    assert not is_name(f"al{chr(point)}pha")


def test_every_control_format_and_space_character_known_today_is_in_no_name() -> None:
    """Signs that are written with marks of their own (Arabic number signs, hieroglyphs) can be seen."""
    seen = {
        0x20,
        *range(0x600, 0x606),
        0x6DD,
        0x70F,
        0x890,
        0x891,
        0x8E2,
        0x110BD,
        0x110CD,
        *range(0x13430, 0x13456),
    }
    unseen = [
        hex(point)
        for point in range(0x110000)
        if unicodedata.category(chr(point)) in {"Cc", "Cf", "Zs", "Zl", "Zp"}
        and point not in seen
        and is_name(f"a{chr(point)}b")
    ]
    assert unseen == []


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "x" * 65])
def test_a_name_has_1_to_64_characters_without_a_space_at_either_end(name: str) -> None:
    assert not is_name(name)


def test_a_refusal_cites_its_clause_and_reason() -> None:
    require(True, "1.1", "never said")
    assert require_found(0, "1.1", "zero is found") == 0
    with pytest.raises(Refused) as refused:
        require(False, "1.2", "no")
    assert (refused.value.clause, refused.value.reason, str(refused.value)) == ("1.2", "no", "1.2: no")
    with pytest.raises(Refused, match=r"^1\.3: nothing$"):
        require_found(None, "1.3", "nothing")


ENTRIES: list[tuple[Value, bool]] = [
    ([1, "a", None], True), ([1, "a", b""], True), ([True, "a", None], False), ([1, "a"], False),
    ([1, "a", None, None], False), ([1, b"a", None], False), (None, False), (7, False), ("text", False),
]  # fmt: skip


@pytest.mark.parametrize(("value", "fits"), ENTRIES, ids=repr)
def test_an_entry_has_exactly_the_types_of_its_shape(value: Value, fits: bool) -> None:
    assert (fields_of(value, shape(int, str, (bytes, None))) is not None) is fits
