"""The ECMPS layout of hourly values."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.hourly_values import parse
from doxedge.measurement.parameters import Kind, fixed
from doxedge.measurement.table_file import TableError

HEADER = "oris,location,date,hour,parameter,unadjusted,adjusted,modc,percent_available"
ROW = "6138,1,2021-10-01,2,NOXR,0.183,0.1860,1,99.6"


def test_a_row_is_read_as_it_stands() -> None:
    (value,) = parse([HEADER, ROW])
    assert value.series == ("6138", "1", "NOXR")
    assert (value.unadjusted, value.adjusted) == (Decimal("0.183"), Decimal("0.186"))
    assert (value.method, value.percent_available, value.kind) == ("01", Decimal("99.6"), Kind.RATE)
    assert value.start_ms % 86_400_000 == 2 * 3_600_000


def test_blank_and_null_are_no_value_and_codes_may_be_absent() -> None:
    (value,) = parse([HEADER, "6138,1,2021-10-01,2,NOXR,,NULL,,"])
    assert (value.unadjusted, value.adjusted, value.method, value.percent_available) == (None,) * 4
    short = ",".join(HEADER.split(",")[:7])
    (value,) = parse([short, "6138,1,2021-10-01,2,FLOW,1000,2000"])
    assert (value.adjusted, value.method) == (Decimal(2000), None)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (ROW.replace("NOXR", "DUST"), "parameter"),
        (ROW.replace("2021-10-01", "2021-02-30"), "date"),
        (ROW.replace(",2,", ",24,"), "hour"),
        (ROW.replace("0.183", "x"), "unadjusted"),
        (ROW.replace(",1,99", ",1A,99"), "modc"),
        (ROW.replace(",1,99", ",100,99"), "modc"),
        (ROW.replace("99.6", "all"), "percent_available"),
        (ROW, "hour"),
    ],
)
def test_a_row_that_is_none_is_refused_where_it_is_wrong(row: str, column: str) -> None:
    with pytest.raises(TableError) as refused:
        parse([HEADER, ROW, row])
    assert (refused.value.line, refused.value.column) == (3, column)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(TableError):
        parse([HEADER, *lines])


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [("11813500", -3, "11814000"), ("0.0005", 3, "0.001"), ("-0.0004", 3, "0.000"), ("7", 1, "7.0")],
)
def test_values_are_shown_without_exponent_and_without_minus_zero(value: str, places: int, text: str) -> None:
    assert fixed(Decimal(value), places) == text
