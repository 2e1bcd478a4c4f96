"""Tables of others: what is read, and what is refused with line, column and value."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.table_file import MAX_LINE_CHARACTERS, Row, TableError, read


def row(**texts: str) -> Row:
    return Row(7, texts)


def refused(*lines: str) -> TableError:
    with pytest.raises(TableError) as caught:
        read(lines, required=["day", "value"])
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "day,value\n2021-01-31,1.5\n",
        "\ufeffDay,VALUE\r\n2021-01-31,1.5\r\n",
        '\n\nnote,value,day\n\n x ," 1.5 ",2021-01-31\n',
        "day,value\n2021-01-31,1.5,,\n",
        "day,value,\n2021-01-31,1.5\n",
        "day,value\n2021-01-31,1.5\n,\n , ,\n",
        ",,\nday,value\n2021-01-31,1.5\n",
    ],
    ids=[
        "plain",
        "spreadsheet",
        "other order, blanks and quotes",
        "blank fields at the end",
        "a blank name at the end",
        "lines of commas",
        "commas before the header",
    ],
)
def test_the_same_row_in_another_dress_is_the_same_row(text: str) -> None:
    (only,) = read(text.splitlines(keepends=True), required=["day", "value"], optional=["other"])
    assert (only.day("day"), only.number("value")) == ("2021-01-31", Decimal("1.5"))
    assert only.texts.keys() == {"day", "value"}


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ((), 1, "the file is empty"),
        (("day,value",), 1, "holds no row"),
        (("day", "2021-01-31"), 1, "value is not among them"),
        (("day,value,Value", "a,b,c"), 1, "named twice"),
        (("day,value", "", "a,b,c"), 3, "3 fields, but the first line names 2"),
        (("day,value", "2021-01-31"), 2, "1 fields, but the first line names 2"),
        (("day,value", '"a,b'), 2, "not comma-separated"),
        (("\x1f",), 1, "the file is empty"),
        (('"",""',), 1, "day, value is not among them"),
        (("day,value", "x" * (MAX_LINE_CHARACTERS + 1)), 2, "longer than"),
    ],
)
def test_a_file_of_another_shape_is_refused(lines: tuple[str, ...], line: int, reason: str) -> None:
    error = refused(*lines)
    assert (error.line, reason in str(error)) == (line, True)


@pytest.mark.parametrize(
    "text", ["", "x", "NaN", "Infinity", "1e5", "1_0", "--1", "1.2.3", ".", "٣", "1" * 19]
)
def test_a_number_that_is_none_is_refused_where_it_stands(text: str) -> None:
    with pytest.raises(TableError, match=r"line 7, column value: .*not a plain decimal number"):
        row(value=text).number("value")


@pytest.mark.parametrize(
    ("text", "value"), [("1", "1"), ("-.5", "-0.5"), ("+2.", "2"), ("007.10", "7.10"), ("0", "0")]
)
def test_a_plain_number_is_read_exactly(text: str, value: str) -> None:
    assert row(value=text).number("value") == Decimal(value)


@pytest.mark.parametrize("text", ["2021-02-29", "2021-13-01", "2021-1-1", "20210101", "", "0000-01-01"])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(TableError, match="column day"):
        row(day=text).day("day")


def test_a_day_is_milliseconds_since_1970() -> None:
    assert row(day="1970-01-02").day_ms("day") == 86_400_000
    assert row(day="2020-02-29").day("day") == "2020-02-29"
    assert row(hour="23").hour_ms("hour") == 23 * 3_600_000
    for text in ("24", "-1", "", "1.0", "001"):
        with pytest.raises(TableError, match="hours are 0 to 23"):
            row(hour=text).hour_ms("hour")


def test_null_and_blank_say_nothing() -> None:
    for texts in ({}, {"v": ""}, {"v": "NULL"}):
        assert not row(**texts).has("v")
        assert row(**texts).number_or_none("v") is None
    assert row(v="1").number_or_none("v") == 1


def test_words_and_texts_have_bounds() -> None:
    assert row(v="RUNUSED").one_of("v", ["RUNUSED", "NOTUSED"]) == "RUNUSED"
    with pytest.raises(TableError, match="must be one of RUNUSED, NOTUSED"):
        row(v="runused").one_of("v", ["RUNUSED", "NOTUSED"])
    assert row(v="7E,3A x").text("v") == "7E,3A x"
    for text in ("", " ", "\x1b[2J", "x" * 65, "ü"):
        with pytest.raises(TableError, match="printable"):
            row(v=text).text("v")
    assert row(v="0.1").positive("v") == Decimal("0.1")
    with pytest.raises(TableError, match="above zero"):
        row(v="0").positive("v")


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(TableError):
        read(lines, required=["day", "value"])
