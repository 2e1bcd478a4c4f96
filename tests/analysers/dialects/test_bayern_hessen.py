"""Bayern-Hessen frames and measurements."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects import bayern_hessen
from doxedge.analysers.dialects.bayern_hessen import Ending, encode, measurements, parse
from doxedge.analysers.dialects.framing import FrameError

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


@pytest.mark.parametrize(("text", "bcc"), [("DA097", "3A"), ("ST843 K", "52"), ("DA", "04")])
def test_the_check_sums_of_the_makers_manual_are_met(text: str, bcc: str) -> None:
    assert encode(text) == b"\x02" + text.encode() + b"\x03" + bcc.encode()


@given(PRINTABLE, st.sampled_from(Ending))
def test_what_is_encoded_is_parsed_again(text: str, ending: Ending) -> None:
    assert parse(encode(text, ending), ending) == text


def test_a_line_that_ends_with_cr_has_no_check_sum() -> None:
    assert encode("DA", Ending.CR) == b"\x02DA\x03\r"
    assert bayern_hessen.reader(Ending.CR).feed(b"x\x02DA\x03\r\x02MD00\x03\r") == ["DA", "MD00"]
    with pytest.raises(FrameError, match="must end with"):
        parse(b"\x02DA\x03\n", Ending.CR)


def test_questions_and_orders_are_written_as_in_the_manual() -> None:
    assert (bayern_hessen.query(), bayern_hessen.query(97)) == ("DA", "DA097")
    assert bayern_hessen.command(843, "K") == "ST843 K"
    with pytest.raises(FrameError):
        bayern_hessen.query(1000)
    with pytest.raises(FrameError, match="is no order"):
        bayern_hessen.command(1, "X")


def test_a_reply_gives_values_with_their_flags() -> None:
    first, second = measurements("MD02 000 +5762+01 45 02 aB7 000000 001 -2558-03 80 28 000 ABC123")
    assert (first.channel, first.value, first.serial) == (0, Decimal("57.62"), "aB7")
    assert first.flags == {"off", "zero", "volumetric_unit", "instrument"}
    assert (second.channel, second.value, second.extra) == (1, Decimal("-0.002558"), "ABC123")
    assert second.flags == {"background", "lamp", "cell_heater"}


def test_an_unknown_bit_is_not_lost() -> None:
    (only,) = measurements("MD01 000 +0000+00 10 04 000 000000")
    assert only.flags == {"status_4", "error_2"}


@given(st.integers(-9999, 9999), st.integers(-99, 99))
def test_every_mantissa_and_exponent_is_its_number(mantissa: int, exponent: int) -> None:
    (only,) = measurements(f"MD01 000 {mantissa:+05d}{exponent:+03d} 00 00 000 000000 ")
    assert only.value == Decimal(mantissa) * Decimal(10) ** (exponent - 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no reply"),
        ("DA", "no reply"),
        ("MD1 000", "no reply"),
        ("MD02 000 +5762+01 00 00 000 000000", "2 channels announced, 6 fields"),
        ("MD02 000 +5762+01 00 00 000000 001 +5762+01 00 00 000 000000", "2 channels announced, 11 fields"),
        ("MD01 000 +5762+01 00 00 0000000", "no measurement"),
        ("MD01 000 +5762+01 00 00 00 000000", "no measurement"),
        ("MD01 000 5762+01 00 00 000 000000", "no measurement"),
        ("MD01 000 +576+01 00 00 000 000000", "no measurement"),
        ("MD01 000 +5762+1 00 00 000 000000", "no measurement"),
        ("MD01 000 +5762+01 0G 00 000 000000", "no measurement"),
        ("MD01 00 +5762+01 00 00 000 000000", "no measurement"),
        ("MD01 000 +NaN0+01 00 00 000 000000", "no measurement"),
        ("MD00 ", None),
    ],
)
def test_a_reply_of_another_shape_is_refused(text: str, reason: str | None) -> None:
    if reason is None:
        assert measurements(text) == ()
        return
    with pytest.raises(FrameError, match=reason):
        measurements(text)


@given(PRINTABLE)
def test_any_text_is_measurements_or_an_error(text: str) -> None:
    with contextlib.suppress(FrameError):
        measurements(text)


@pytest.mark.parametrize("text", ["a\x02b", "ä", "x" * 5000])
def test_what_no_frame_can_hold_is_not_sent(text: str) -> None:
    with pytest.raises(FrameError):
        encode(text)


def test_a_frame_that_begins_anew_is_heard_from_there() -> None:
    assert bayern_hessen.reader().feed(b"\x02DA0" + encode("DA")) == ["DA"]


def test_a_serinus_40_of_an_older_version_leaves_out_a_field() -> None:
    said = measurements("MD02 097 +5762+01 44 00 00000000 098 +8320+01 40 02 00000000 ")
    assert [(one.channel, one.value, one.status, one.error, one.serial, one.extra) for one in said] == [
        (97, Decimal("57.62"), 0x44, 0, "", "00000000"),
        (98, Decimal("83.2"), 0x40, 2, "", "00000000"),
    ]
