"""Every dialect on a bad line: garbage, glued and split frames, its own echo, and any bytes at all."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.dialects import (
    ak,
    bayern_hessen,
    hj212,
    horiba,
    modbus_rtu,
    serinus_advanced,
)
from doxedge.analysers.dialects.framing import Found, FrameError, FrameReader, Junk


@dataclass(frozen=True)
class Dialect:
    name: str
    reader: Callable[[], FrameReader[Any]]
    cut: Callable[[bytes], Found[Any] | Junk | None]
    parse: Callable[[bytes], Any]
    question: bytes
    answers: tuple[bytes, ...]
    noise: bytes
    """Bytes that begin no frame of the dialect."""


RTU = modbus_rtu.RtuFrame(1, bytes.fromhex("0403e8000c"))
DIALECTS = [
    Dialect(
        "modbus_rtu",
        modbus_rtu.response_reader,
        modbus_rtu.cut_response,
        modbus_rtu.parse,
        modbus_rtu.encode(RTU),
        (
            modbus_rtu.encode(modbus_rtu.RtuFrame(1, bytes.fromhex("040447a28000"))),
            modbus_rtu.encode(modbus_rtu.RtuFrame(1, bytes.fromhex("8402"))),
        ),
        b"\x00\xff\x00",
    ),
    Dialect(
        "bayern_hessen",
        bayern_hessen.reader,
        bayern_hessen.cut,
        bayern_hessen.parse,
        bayern_hessen.encode("DA"),
        (
            bayern_hessen.encode("MD01 000 +5762+01 00 00 000 000000 "),
            bayern_hessen.encode("MD00"),
        ),
        b"\x00x\xff\x03",
    ),
    Dialect(
        "serinus_advanced",
        serinus_advanced.reader,
        serinus_advanced.cut,
        serinus_advanced.parse,
        serinus_advanced.encode(serinus_advanced.read_request(1, [50, 51])),
        (
            serinus_advanced.encode(serinus_advanced.SerinusFrame(1, 1, bytes.fromhex("3242667ae1"))),
            serinus_advanced.encode(serinus_advanced.SerinusFrame(1, 0, b"\x05")),
        ),
        b"\x00\x04\xff",
    ),
    Dialect(
        "horiba",
        horiba.reader,
        horiba.cut,
        horiba.parse,
        horiba.encode(horiba.HoribaFrame(1, 0, "R001")),
        (
            horiba.encode(horiba.HoribaFrame(0, 1, "R001", "00000, 57.6, 25.5, 83.1")),
            horiba.encode(horiba.HoribaFrame(0, 1, "A024", "2")),
        ),
        b"\x02\x03x",
    ),
    Dialect(
        "ak",
        ak.reader,
        ak.cut,
        ak.parse,
        ak.encode(ak.AkRequest("AKON")),
        (ak.encode(ak.AkReply("AKON", 0, "57.62")), ak.encode(ak.AkReply("ASTZ", 2, "SREM STBY"))),
        b"\x03\x00x",
    ),
    Dialect(
        "hj212",
        hj212.reader,
        hj212.cut,
        hj212.parse,
        hj212.encode(hj212.Hj212Frame("ST=91;CN=9013")),
        (
            hj212.encode(hj212.Hj212Frame("ST=32;CN=2011;CP=&&a21026-Rtd=57.6,a21026-Flag=N&&")),
            hj212.encode(hj212.Hj212Frame("")),
        ),
        b"\x00\r\n#x",
    ),
]
EACH = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def parsed(dialect: Dialect) -> list[Any]:
    return [dialect.parse(answer) for answer in dialect.answers]


@EACH
def test_two_frames_glued_together_are_two_frames(dialect: Dialect) -> None:
    reader = dialect.reader()
    assert reader.feed(b"".join(dialect.answers)) == parsed(dialect)
    assert reader.junk_bytes == 0


@EACH
def test_a_frame_split_at_any_place_is_one_frame(dialect: Dialect) -> None:
    answer = dialect.answers[0]
    for place in range(len(answer) + 1):
        reader = dialect.reader()
        assert reader.feed(answer[:place]) + reader.feed(answer[place:]) == parsed(dialect)[:1]


@EACH
def test_a_frame_byte_by_byte_is_one_frame(dialect: Dialect) -> None:
    reader = dialect.reader()
    found = [frame for byte in b"".join(dialect.answers) for frame in reader.feed(bytes([byte]))]
    assert found == parsed(dialect)


@EACH
def test_after_garbage_the_next_frame_is_found(dialect: Dialect) -> None:
    reader = dialect.reader()
    found = reader.feed(dialect.noise + dialect.answers[0] + dialect.noise) + reader.silence()
    assert found == parsed(dialect)[:1]
    assert reader.junk_bytes == 2 * len(dialect.noise)
    assert reader.last_error


@EACH
def test_a_frame_that_breaks_off_does_not_swallow_the_next(dialect: Dialect) -> None:
    for place in range(1, len(dialect.answers[0])):
        reader = dialect.reader()
        found = reader.feed(dialect.answers[0][:place] + dialect.answers[1]) + reader.silence()
        assert found[-1:] == parsed(dialect)[1:]


@EACH
@pytest.mark.parametrize("echoes", [True, False])
def test_the_lines_own_echo_is_no_answer_and_a_line_without_echo_works_too(
    dialect: Dialect, echoes: bool
) -> None:
    reader = dialect.reader()
    reader.sent(dialect.question)
    heard = (dialect.question if echoes else b"") + dialect.answers[0]
    found = [frame for byte in heard for frame in reader.feed(bytes([byte]))] + reader.silence()
    assert found == parsed(dialect)[:1]


@EACH
def test_an_answer_that_equals_the_question_counts_after_the_echo(dialect: Dialect) -> None:
    """Command replies of some instruments repeat the question byte for byte."""
    reader = dialect.reader()
    answer = dialect.answers[0]
    reader.sent(answer)
    assert reader.feed(answer) == []
    assert reader.feed(answer) == parsed(dialect)[:1]


@pytest.mark.parametrize(
    "dialect", [each for each in DIALECTS if each.name != "ak"], ids=lambda dialect: dialect.name
)
def test_every_change_of_one_bit_in_a_checked_frame_is_noticed(dialect: Dialect) -> None:
    """AK has no check sum, so it cannot."""
    answer = dialect.answers[0]
    for place in range(len(answer)):
        for bit in range(8):
            changed = bytearray(answer)
            changed[place] ^= 1 << bit
            with pytest.raises(FrameError):
                dialect.parse(bytes(changed))


@EACH
@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_frame_or_an_error_and_nothing_else(dialect: Dialect, data: bytes) -> None:
    with contextlib.suppress(FrameError):
        dialect.parse(data)
    if data:
        found = dialect.cut(data)
        assert found is None or 1 <= found.length <= len(data)


@EACH
@given(chunks=st.lists(st.binary(max_size=40), max_size=6))
def test_any_stream_ends_and_the_reader_still_hears_what_follows(
    dialect: Dialect, chunks: list[bytes]
) -> None:
    reader = dialect.reader()
    for chunk in chunks:
        reader.feed(chunk)
    reader.silence()
    assert reader.feed(dialect.answers[0]) == parsed(dialect)[:1]


@EACH
@given(seed=st.integers(0, 2**32))
def test_frames_among_pieces_of_frames_are_all_found(dialect: Dialect, seed: int) -> None:
    chance = random.Random(seed)
    whole = b"".join(dialect.answers) * 2
    reader = dialect.reader()
    cuts = sorted(chance.sample(range(len(whole)), 3))
    found = [
        frame
        for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        for frame in reader.feed(whole[a:b])
    ]
    assert found == parsed(dialect) * 2


@EACH
def test_an_endless_beginning_is_given_up(dialect: Dialect) -> None:
    reader = dialect.reader()
    start = dialect.answers[0][:1] * 30_000
    assert reader.feed(start) == []
    assert reader.junk_bytes > 0
    reader.silence()
    assert reader.junk_bytes == 30_000


def test_garbage_before_the_echo_goes_with_it() -> None:
    reader = bayern_hessen.reader()
    reader.sent(bayern_hessen.encode("DA"))
    assert reader.feed(b"\xff\xff" + bayern_hessen.encode("DA") + bayern_hessen.encode("MD00")) == ["MD00"]
    assert reader.junk_bytes == 2
