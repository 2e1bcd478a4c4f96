"""The hourly layout: what is read, what is refused and how, and what it sums up to."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement import hourly_file, table_file
from doxedge.measurement.hourly_file import HourlyFileError, HourlyRow, parse, summary
from doxedge.measurement.table_file import MAX_LINE_CHARACTERS
from doxedge.quantity import HOUR_MS

HEADER = (
    "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,SO2MASS,NOXRATE,OPTIME,GLOAD,SLOAD,HTINPUT,"
    "HTINPUTMEASURE,SO2MEASURE,NOXMMEASURE,NOXRMEASURE,UNITFLOW"
)
FIELDS = HEADER.split(",")
ROW = "77,B-1,070101,0,100.5,-9,.201,1,50,-9,500,1,,2,1,-9"
OFF = "77,B-1,070101,1,-9,-9,-9,0,-9,-9,-9,,,,,-9"


def with_field(column: str, value: str, row: str = ROW) -> str:
    fields = row.split(",")
    fields[FIELDS.index(column)] = value
    return ",".join(fields)


def one(row: str) -> HourlyRow:
    (only,) = parse([HEADER, row])
    return only


def refusal(*lines: str) -> HourlyFileError:
    with pytest.raises(HourlyFileError) as refused:
        parse(lines)
    return refused.value


def attempt(row: str) -> HourlyFileError | None:
    try:
        parse([HEADER, row])
    except HourlyFileError as error:
        return error
    return None


def test_a_row_is_read_as_it_stands() -> None:
    row = one(ROW)
    assert (row.line, row.plant, row.unit, row.start_ms()) == (2, "77", "B-1", 1_167_609_600_000)
    assert (row.operating_h, row.nox_lb, row.gross_mw) == (Decimal(1), Decimal("100.5"), Decimal(50))
    assert (row.nox_rate_lb_per_mmbtu, row.heat_input_mmbtu) == (Decimal("0.201"), Decimal(500))
    assert row.flags == {"HTINPUTMEASURE": "1", "NOXMMEASURE": "2", "NOXRMEASURE": "1"}
    assert (row.operating, row.mismatches, row.grams) == (True, False, 45_586)


def test_minus_nine_and_blank_are_missing() -> None:
    row = one(OFF)
    assert (row.operating, row.nox_lb, row.grams, row.gross_mwh, row.flags) == (False, None, None, None, {})
    for value in ("-9", "-9.0", "-9.", "", "  "):
        assert one(with_field("NOXMASS", value)).nox_lb is None


def test_an_hour_begins_in_utc_by_its_offset() -> None:
    row = one(with_field("HOUR", "23"))
    assert row.start_ms(-5) - one(ROW).start_ms() == 28 * HOUR_MS


@pytest.mark.parametrize(
    ("day", "start_ms"),
    [("700101", 0), ("691231", 3_155_673_600_000), ("991231", 946_598_400_000), ("000229", 951_782_400_000)],
)
def test_two_digits_of_a_year_mean_1970_to_2069(day: str, start_ms: int) -> None:
    assert one(with_field("YYMMDD", day)).start_ms() == start_ms


@pytest.mark.parametrize(("pounds", "grams"), [("0", 0), (".001", 0), (".0011", 0), (".0012", 1), ("1", 454)])
def test_pounds_become_grams_by_the_hour(pounds: str, grams: int) -> None:
    assert one(with_field("NOXMASS", pounds)).grams == grams


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + "\n" + ROW + "\n",
        HEADER + "\r\n" + ROW + "\r\n",
        "\n\n" + HEADER + "\n   \n" + ROW + "\n\n",
        ",".join(f'"{name}"' for name in FIELDS) + "\n" + ",".join(f'"{f}"' for f in ROW.split(",")) + "\n",
        HEADER.lower() + "\n" + ROW,
        HEADER.replace(",", " , ") + "\n" + ROW.replace(",", " , "),
        "REMARK," + HEADER + ",NOTE\n" + '"a, b",' + ROW + ",anything\n",
        HEADER + ",\n" + ROW + ",,\n" + "," * 15 + "\n",
    ],
    ids=[
        "byte order mark",
        "CR LF",
        "blank lines",
        "quoted",
        "small letters",
        "blanks around",
        "more columns",
        "blank fields and lines of commas",
    ],
)
def test_the_same_row_in_another_dress_is_the_same_row(text: str) -> None:
    (row,) = parse(text.splitlines(keepends=True))
    plain = one(ROW)
    assert (row.nox_lb, row.local_start_ms, row.flags) == (plain.nox_lb, plain.local_start_ms, plain.flags)


@pytest.mark.parametrize("flag", ["", "-9"])
def test_a_flag_that_is_missing_is_no_flag(flag: str) -> None:
    assert "NOXMMEASURE" not in one(with_field("NOXMMEASURE", flag)).flags


def test_columns_may_come_in_any_order() -> None:
    turned = [",".join(reversed(line.split(","))) for line in (HEADER, ROW)]
    assert parse(turned) == parse([HEADER, ROW])


def test_load_and_flags_may_be_absent() -> None:
    keep = [n for n, name in enumerate(FIELDS) if name in hourly_file.REQUIRED]
    lines = [",".join(line.split(",")[n] for n in keep) for line in (HEADER, ROW)]
    result = summary(parse(lines))
    assert (result["gross_mwh"], result["flags"]) == (None, {})


@pytest.mark.parametrize("column", hourly_file.REQUIRED)
def test_a_missing_column_is_named(column: str) -> None:
    error = refusal(HEADER.replace(column + ",", "OTHER,", 1), ROW)
    assert f"{column} is not among them" in str(error)
    assert error.line == 1


def test_a_column_named_twice_is_refused() -> None:
    error = refusal(HEADER.replace("SO2MASS", "NOXMASS"), ROW)
    assert str(error) == "line 1, column NOXMASS: the column is named twice"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("NOXMASS", "abc", "not a plain decimal number"),
        ("NOXMASS", "NaN", "not a plain decimal number"),
        ("NOXMASS", "1e5", "not a plain decimal number"),
        ("NOXMASS", "1_000", "not a plain decimal number"),
        ("NOXMASS", "+1", "not a plain decimal number"),
        ("NOXMASS", "1.2.3", "not a plain decimal number"),
        ("NOXMASS", ".", "not a plain decimal number"),
        ("NOXMASS", "٣", "not a plain decimal number"),
        ("NOXMASS", "1" * 13, "not a plain decimal number"),
        ("NOXMASS", "-8", "must not be negative; -9 means missing"),
        ("NOXRATE", "-.1", "must not be negative"),
        ("HTINPUT", "x", "not a plain decimal number"),
        ("GLOAD", "x", "not a plain decimal number"),
        ("OPTIME", "1.01", "a share of the hour, 0 to 1"),
        ("HOUR", "24", "hours are 0 to 23"),
        ("HOUR", "-1", "hours are 0 to 23"),
        ("HOUR", "", "hours are 0 to 23"),
        ("HOUR", "1.0", "hours are 0 to 23"),
        ("YYMMDD", "20070101", "a day is six digits"),
        ("YYMMDD", "", "a day is six digits"),
        ("YYMMDD", "070229", "there is no such day"),
        ("YYMMDD", "071301", "there is no such day"),
        ("YYMMDD", "070100", "there is no such day"),
        ("ORISID", "", "must name the plant or unit"),
        ("BLRID", "\x1b[31m", "must name the plant or unit"),
        ("BLRID", "x" * 21, "must name the plant or unit"),
        ("NOXMMEASURE", "A", "a source flag is a whole number or blank"),
        ("NOXRMEASURE", "1000", "a source flag is a whole number or blank"),
    ],
)
def test_a_value_that_is_none_is_refused_with_line_column_and_value(
    column: str, value: str, reason: str
) -> None:
    error = refusal(HEADER, OFF, "", with_field(column, value))
    assert (error.line, error.column, error.value) == (4, column, value)
    assert reason in str(error)
    assert f"line 4, column {column}" in str(error)


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ((), 1, "the file is empty"),
        (("", "  "), 1, "the file is empty"),
        ((HEADER,), 1, "holds no hour"),
        ((HEADER, ROW + ",x"), 2, "17 fields, but the first line names 16"),
        ((HEADER, "77,B-1"), 2, "2 fields, but the first line names 16"),
        ((HEADER, '"77,B-1'), 2, "not comma-separated fields"),
        ((HEADER, '"77"x,B-1'), 2, "not comma-separated fields"),
        ((HEADER, "x" * (MAX_LINE_CHARACTERS + 1)), 2, "longer than 4096 characters"),
        ((HEADER, ROW, OFF, "", ROW), 5, "the same hour of the same unit is on line 2"),
    ],
)
def test_a_file_of_another_shape_is_refused(lines: tuple[str, ...], line: int, reason: str) -> None:
    error = refusal(*lines)
    assert error.line == line
    assert reason in str(error)


def test_the_same_hour_of_another_unit_is_no_repetition() -> None:
    assert len(parse([HEADER, ROW, with_field("BLRID", "B-2"), with_field("ORISID", "78")])) == 3


def test_a_file_without_end_is_refused_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "MAX_ROWS", 20)
    read = 0

    def endless() -> object:
        nonlocal read
        yield HEADER
        while True:
            day, hour = divmod(read, 24)
            read += 1
            yield with_field("YYMMDD", f"0701{day + 1:02}", with_field("HOUR", str(hour)))

    with pytest.raises(HourlyFileError, match="more than 20 rows"):
        parse(endless())  # type: ignore[arg-type]
    assert read == 21


@pytest.mark.parametrize(
    ("mass", "mismatches"),
    # 0.201 x 500 = 100.5; tolerance 0.0005 x 500 + 0.05 x 0.201 + 0.05 = 0.31005
    [("100.81005", False), ("100.81006", True), ("100.18995", False), ("100.18994", True)],
)
def test_the_tolerance_of_mass_against_rate_times_heat_is_exact(mass: str, mismatches: bool) -> None:
    assert one(with_field("NOXMASS", mass)).mismatches is mismatches


@pytest.mark.parametrize("column", ["NOXMASS", "NOXRATE", "HTINPUT"])
def test_an_hour_that_lacks_one_of_the_three_is_not_compared(column: str) -> None:
    assert not one(with_field(column, "-9", with_field("NOXMASS", "9999"))).mismatches or column == "NOXMASS"
    assert not one(with_field(column, "-9")).mismatches


def test_an_hour_that_did_not_operate_is_not_compared() -> None:
    assert not one(with_field("OPTIME", "0", with_field("NOXMASS", "9999"))).mismatches


def test_a_file_is_summed_up() -> None:
    partial = "77,B-1,070101,2,50.04,-9,.201,.25,40,-9,250,3,2,98,3,-9"
    missing = "77,B-1,070101,3,-9,-9,.201,1,-9,-9,250,1,,,3,-9"
    assert summary(parse([HEADER, ROW, OFF, partial, missing])) == {
        "rows": 4,
        "operating_hours": 3,
        "partial_hours": 1,
        "missing_nox_hours": 1,
        "nox_lb": "150.54",
        "nox_g": 45_586 + 22_698,
        "gross_mwh": "60",
        "mismatch_hours": 1,
        "flags": {
            "HTINPUTMEASURE": {"1": 2, "3": 1},
            "SO2MEASURE": {"2": 1},
            "NOXMMEASURE": {"2": 1, "98": 1},
            "NOXRMEASURE": {"1": 1, "3": 2},
        },
    }


def test_grams_are_summed_by_the_hour_and_not_from_the_pounds() -> None:
    hours = [with_field("NOXMASS", ".0012", with_field("HOUR", str(hour))) for hour in range(10)]
    result = summary(parse([HEADER, *hours]))
    assert (result["nox_lb"], result["nox_g"]) == ("0.012", 10)


@given(
    st.lists(st.tuples(st.decimals(0, 10**5, places=3), st.decimals(0, 1, places=2)), min_size=1, max_size=24)
)
def test_what_is_written_is_summed_up_exactly(hours: list[tuple[Decimal, Decimal]]) -> None:
    lines = [HEADER]
    for hour, (mass, share) in enumerate(hours):
        lines.append(f"1,2,070101,{hour},{mass:f},-9,-9,{share:f},10,-9,-9,1,1,1,1,-9")
    result = summary(parse(lines))
    assert Decimal(result["nox_lb"]) == sum(mass for mass, _ in hours)
    assert Decimal(result["gross_mwh"] or "x") == 10 * sum(share for _, share in hours)
    assert abs(result["nox_g"] - Decimal(result["nox_lb"]) * Decimal("453.59237")) <= Decimal("0.5") * len(
        hours
    )
    assert "E" not in result["nox_lb"]


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_text_is_read_or_refused_with_a_reason(lines: list[str]) -> None:
    with pytest.raises(HourlyFileError):
        parse(lines)
    assert all(
        told is None or told.line == 2 or told.reason.endswith("no hour") for told in map(attempt, lines)
    )


@given(st.sampled_from(FIELDS), st.text(max_size=20))
def test_any_field_is_read_or_refused_with_its_line(column: str, value: str) -> None:
    fields = ROW.split(",")
    fields[FIELDS.index(column)] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    told = attempt(text.getvalue())
    assert told is None or told.line == 2
