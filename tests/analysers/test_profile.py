"""The hash of a profile: everything that decides what a value means, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.profile import _canonical, _plain, profile_hash
from doxedge.analysers.profile_build import parse_profile
from tests.analysers.profiles import BASE, changed


def hash_of(text: str, *, source: str = "m.toml") -> bytes:
    return profile_hash(parse_profile(text, source=source))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scale = 0.01", "scale = 0.010"),
        ("scale = 0.01", 'scale = "1e-2"'),
        ("address = 10\n", "address = 10 # as on page 7\n"),
        ('unit = "ppm"\nsentinels = [9999, -1]', 'sentinels = [9999, -1]\nunit = "ppm"'),
        ("atomic = true\n", "atomic = true\n\n\n"),
    ],
)
def test_how_a_map_is_written_does_not_change_its_hash(old: str, new: str) -> None:
    assert hash_of(changed(old, new)) == hash_of(BASE)


def test_where_a_map_lies_does_not_change_its_hash() -> None:
    assert hash_of(BASE, source="elsewhere.toml") == hash_of(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("address = 10", "address = 12"),
        ("scale = 0.01", "scale = 0.1"),
        ('"ABCD"', '"CDAB"'),
        ('unit = "ppm"', 'unit = "ppb"'),
        ("[9999, -1]", "[9999]"),
        ('flag = "span"', 'flag = "zero"'),
        ("address_base = 0", "address_base = 1"),
        ("[0, 50_000]", "[0, 50_001]"),
        ('version = "1"', 'version = "2"'),
        ("profile = 1", "profile = 1\nsettling_minutes = 4"),
    ],
)
def test_what_a_value_means_changes_the_hash(old: str, new: str) -> None:
    assert hash_of(changed(old, new)) != hash_of(BASE)


def test_the_hash_is_frozen() -> None:
    """It travels in signed records: a change here makes every profile unknown to the regulator."""
    assert hash_of(BASE).hex() == "8003ede35be7de99ce7f5af8c87320cc25d2b542bc11cc652c7e7b6d8694d5db"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (("1.5", "1.50", "15e-1"), "15e-1"),
        (("100", "1E+2", "1.00e2"), "1e2"),
        (("0", "0.00", "-0"), "0e0"),
        (("-0.001",), "-1e-3"),
    ],
)
def test_equal_numbers_have_one_form(numbers: tuple[str, ...], text: str) -> None:
    assert {_plain(Decimal(number)) for number in numbers} == {text}


def test_neighbours_cannot_be_shifted_into_each_other() -> None:
    assert _canonical(("ab", "c")) != _canonical(("a", "bc"))
    assert _canonical((("a",), "b")) != _canonical((("a", "b"),))
    assert _canonical(1) != _canonical("1") != _canonical(Decimal(1))


def test_what_has_no_canonical_form_is_a_bug() -> None:
    with pytest.raises(TypeError):
        _canonical(1.5)
    with pytest.raises(TypeError):
        _plain(Decimal("Infinity"))


def test_an_unknown_group_is_told_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="it has gas"):
        parse_profile(BASE, source="m.toml").group("dust")
