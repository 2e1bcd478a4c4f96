"""A text of the operator's is read, or refused as his mistake: never a crash, whoever wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.configuration import ConfigError, parse_toml, table_path

NO_TOML: dict[str, str] = {
    "a key without a value": "a = ",
    "a key twice": "a = 1\na = 2",
    "arrays without end": "a = " + "[" * 20_000 + "]" * 20_000,
    "tables without end": "a = " + "{a=" * 20_000 + "1" + "}" * 20_000,
    "arrays that are never closed": "a = " + "[" * 20_000,
    "a number of 5,000 digits": "a = " + "9" * 5_000,
    "a day that there is not": "a = 2026-02-30",
    "a null byte": "a = '\x00'",
}


@pytest.mark.parametrize("name", NO_TOML)
def test_what_is_no_toml_is_the_operators_mistake(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.toml: not TOML"):
        parse_toml(NO_TOML[name], source="a.toml")


@given(st.text(st.sampled_from("a=[]{}\n\"'.,1e-+0 \\#"), max_size=60))
def test_any_text_is_read_or_refused_as_the_operators_mistake(text: str) -> None:
    try:
        assert isinstance(parse_toml(text, source="a.toml"), dict)
    except ConfigError as refusal:
        told = refusal.source
    else:
        told = "a.toml"
    assert told == "a.toml"


def test_a_path_is_written_as_in_the_file() -> None:
    assert table_path(("points", 2, "linear", "high")) == "points[2].linear.high"
