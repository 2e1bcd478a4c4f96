"""Modbus RTU frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from doxedge.analysers.dialects import modbus_rtu
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.dialects.modbus_rtu import MAX_BYTES, RtuFrame


def test_the_check_value_of_the_crc_catalogue_is_met() -> None:
    assert modbus_rtu.crc16(b"123456789") == 0x4B37


@given(st.binary(max_size=100))
def test_the_check_sum_is_that_of_another_library(data: bytes) -> None:
    assert modbus_rtu.crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(st.integers(0, 255), st.binary(min_size=1, max_size=253))
def test_what_is_encoded_is_parsed_again(unit: int, pdu: bytes) -> None:
    frame = RtuFrame(unit, pdu)
    assert modbus_rtu.parse(modbus_rtu.encode(frame)) == frame


def test_a_request_says_address_and_count() -> None:
    frame, address, count = modbus_rtu.parse_request(bytes.fromhex("0104001e000c9009"))
    assert (frame.unit, frame.function, address, count) == (1, 4, 30, 12)


def test_an_exception_has_a_code_and_no_data() -> None:
    frame, data = modbus_rtu.parse_response(bytes.fromhex("018402c2c1"))
    assert (frame.exception, data) == (2, b"")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "0 bytes"),
        (b"\x01\x04\x00", "3 bytes"),
        (b"\x01" * (MAX_BYTES + 1), "257 bytes"),
        (bytes.fromhex("018402c2c0"), "check sum"),
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        modbus_rtu.parse(frame)


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        ("0404000000", "4 bytes announced, 3 sent"),
        ("06", "is no answer"),
        ("060001", "is no answer"),
        ("8402ff", "is no answer"),
    ],
)
def test_an_answer_of_another_shape_is_refused(pdu: str, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        modbus_rtu.parse_response(modbus_rtu.encode(RtuFrame(1, bytes.fromhex(pdu))))


@pytest.mark.parametrize("pdu", ["0401", "060001000c", "0400000001ff"])
def test_a_request_of_another_shape_is_refused(pdu: str) -> None:
    with pytest.raises(FrameError, match="no request to read"):
        modbus_rtu.parse_request(modbus_rtu.encode(RtuFrame(1, bytes.fromhex(pdu))))


@pytest.mark.parametrize(
    "pdu", ["050014ff00", "0600010002", "1000010001", "10000100010200ff", "0f0001000801ff"]
)
def test_a_write_and_its_answer_have_their_lengths(pdu: str) -> None:
    frame = RtuFrame(1, bytes.fromhex(pdu))
    assert modbus_rtu.is_write(frame.function)
    assert modbus_rtu.parse_write(modbus_rtu.encode(frame)) == frame
    for other in (pdu + "00", pdu[:-2]):
        with pytest.raises(FrameError, match="is no write"):
            modbus_rtu.parse_write(modbus_rtu.encode(RtuFrame(1, bytes.fromhex(other))))


@pytest.mark.parametrize(("unit", "pdu"), [(256, b"\x04"), (-1, b"\x04"), (1, b""), (1, bytes(254))])
def test_what_does_not_fit_is_not_sent(unit: int, pdu: bytes) -> None:
    with pytest.raises(FrameError):
        modbus_rtu.encode(RtuFrame(unit, pdu))


@pytest.mark.parametrize("pdu", ["0400000001", "0600010002", "10000100020400010002"])
def test_a_server_finds_the_requests_in_its_stream(pdu: str) -> None:
    frame = RtuFrame(7, bytes.fromhex(pdu))
    reader = modbus_rtu.request_reader()
    assert reader.feed(b"\x00\x99" + modbus_rtu.encode(frame) * 2) == [frame, frame]
