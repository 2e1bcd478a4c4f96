"""Series of operating hours out of the two hourly layouts."""

from decimal import Decimal

import pytest

from doxedge.measurement.hour_series import QUALITY_ASSURED_METHODS, hour_text, parse
from doxedge.measurement.table_file import TableError

CEM = "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,NOXRATE,OPTIME,GLOAD,SLOAD,HTINPUT,NOXRMEASURE"
ECMPS = "oris,location,date,hour,parameter,unadjusted,adjusted,modc"


def test_only_hours_of_operation_count_and_only_measured_ones_are_quality_assured() -> None:
    rows = [
        "7,1,070101,3,1,.5,1,50,-9,10,98",
        "7,1,070101,0,1,.1,1,50,-9,10,1",
        "7,1,070101,1,1,.2,.5,60,-9,10,2",
        "7,1,070101,2,-9,-9,0,-9,-9,-9,",
        "7,1,070101,4,1,.3,1,50,-9,10,3",
        "7,1,070101,5,1,.3,1,50,-9,10,4",
        "7,1,070101,6,1,-9,1,50,-9,10,1",
        "7,1,070101,7,1,.4,1,50,-9,10,",
    ]
    (series,) = parse([CEM, *rows])
    assert (series.plant, series.unit, series.parameter, series.load_unit) == ("7", "1", "NOXR", "MW")
    assert [hour.start_ms // 3_600_000 % 24 for hour in series.hours] == [0, 1, 3, 4, 5, 6, 7]
    assert [hour.quality_assured for hour in series.hours] == [True, True, False, False, False, False, True]
    assert series.quality_assured == 3
    assert series.reported[series.hours[3].start_ms].method == "3"
    assert series.hours[1].load == 60


def test_without_flags_every_rate_that_is_there_was_measured() -> None:
    header = CEM.replace(",NOXRMEASURE", "").replace(",SLOAD", "").replace(",GLOAD", "")
    (series,) = parse(["", header, "7,1,070101,0,1,.1,1,10", "7,1,070101,1,1,-9,1,10"])
    assert [hour.quality_assured for hour in series.hours] == [True, False]
    assert (series.load_unit, series.hours[0].load) == (None, None)


def test_a_plant_without_megawatts_has_its_steam() -> None:
    (series,) = parse([CEM, "7,1,070101,0,1,.1,1,-9,561,10,1"])
    assert (series.load_unit, series.hours[0].load) == ("1000 lb/h", Decimal(561))


def test_units_and_parameters_are_series_of_their_own() -> None:
    rows = ["7,1,070101,0,1,.1,1,50,-9,10,1", "7,2,070101,0,1,.1,1,50,-9,10,1"]
    assert [series.unit for series in parse([CEM, *rows])] == ["1", "2"]
    hours = ["7,1,2021-01-01,0,NOXR,.1,.1,01", "7,1,2021-01-01,0,FLOW,1000,1000,01"]
    assert [series.parameter for series in parse(["\ufeff" + ECMPS, *hours])] == ["NOXR", "FLOW"]


@pytest.mark.parametrize(
    ("values", "expected", "value"),
    [
        (".1,.2,01", True, ".2"),
        (".1,,01", True, ".1"),
        (",.2,08", False, ".2"),
        (".1,.2,14", True, ".2"),
        (",,01", False, None),
        (",.2,", True, ".2"),
        (",.2,55", False, ".2"),
    ],
)
def test_the_method_code_says_whether_an_hour_was_quality_assured(
    values: str, expected: bool, value: str | None
) -> None:
    (series,) = parse([ECMPS, f"7,1,2021-01-01,0,NOXR,{values}"])
    (hour,) = series.hours
    assert (hour.quality_assured, hour.value) == (expected, None if value is None else Decimal(value))


def test_no_substitute_of_the_table_counts_as_quality_assured() -> None:
    assert not QUALITY_ASSURED_METHODS & {f"{code:02d}" for code in range(5, 14)}


def test_an_hour_is_written_in_local_standard_time() -> None:
    (series,) = parse([ECMPS, "7,1,2020-02-29,23,NOXR,.1,.1,01"])
    assert hour_text(series.hours[0].start_ms) == "2020-02-29 23"


@pytest.mark.parametrize("lines", [(), ("",), ("a,b",), ("ORISID",), ("\x00" * 20,)])
def test_a_file_in_neither_layout_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(TableError):
        parse(lines)
