"""Text dialects on a real serial line: the answer to this question, or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from doxedge.analysers.question import Answer, DeviceException, Function, Phrase, ReadRegisters
from doxedge.fieldbus.errors import LineError, NoAnswer, NotBound
from doxedge.fieldbus.modbus_rtu import modbus_rtu
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.text_line import text_line
from tests.fieldbus.hostile_text import ANSWERS, OTHERS, PHRASES, REFUSALS, TextInstrument, text_instrument

TIMEOUT_MS = 60
PATIENT_MS = 60_000


def saying(data: bytes) -> Callable[[TextInstrument, bytes], None]:
    return lambda instrument, _: instrument.say(data)


@pytest.mark.parametrize("dialect", PHRASES)
@pytest.mark.parametrize("before", ["nothing", "echo", "noise"])
async def test_the_answer_is_found_behind_echo_and_noise(dialect: str, before: str) -> None:
    phrase = PHRASES[dialect]

    def behave(instrument: TextInstrument, question: bytes) -> None:
        prefix = {"nothing": b"", "echo": question, "noise": b"\x00\x01"}[before]
        instrument.say(prefix + ANSWERS[dialect])

    async with text_instrument(phrase, behave) as (instrument, link):
        line = text_line(link, dialect, timeout_ms=PATIENT_MS)
        found = await line.exchange(phrase)
        assert isinstance(found, Answer)
        assert found.data == found.answer_frame == ANSWERS[dialect]
        assert found.question_frame == instrument.heard[0]


def wrong_answers(dialect: str) -> dict[str, tuple[bytes, type[LineError]]]:
    good = ANSWERS[dialect]
    return {
        "nothing": (b"", NoAnswer),
        "the answer to another question": (OTHERS[dialect], NoAnswer),
        "half of it": (good[: len(good) // 2], NoAnswer),
        "the answer twice": (good + good, NotBound),
        "something behind it": (good + b"\x00", NotBound),
        "garbage": (bytes(range(0x80, 0xC0)), NoAnswer),
        "far too much": (b"\x80" * 20_000, LineError),
    }


@pytest.mark.parametrize("dialect", PHRASES)
@pytest.mark.parametrize("name", wrong_answers("ak"))
async def test_what_does_not_answer_is_never_a_value(dialect: str, name: str) -> None:
    data, error = wrong_answers(dialect)[name]
    phrase = PHRASES[dialect]
    async with text_instrument(phrase, saying(data)) as (_, link):
        patience_ms = PATIENT_MS if error is NotBound else TIMEOUT_MS
        line = text_line(link, dialect, timeout_ms=patience_ms, quarantine_ms=20)
        with pytest.raises(LineError) as refused:
            await line.exchange(phrase)
        assert isinstance(refused.value, error), refused.value
        assert line.counters.quarantines == 1


@pytest.mark.parametrize("dialect", [dialect for dialect in PHRASES if dialect not in ("ak", "clink")])
async def test_a_flipped_bit_is_never_a_value(dialect: str) -> None:
    """Where there is a check sum: AK has none, and C-Link only in format 01."""
    good = ANSWERS[dialect]
    flipped = good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 0x02]) + good[len(good) // 2 + 1 :]
    async with text_instrument(PHRASES[dialect], saying(flipped)) as (_, link):
        line = text_line(link, dialect, timeout_ms=TIMEOUT_MS, quarantine_ms=20)
        with pytest.raises(NoAnswer):
            await line.exchange(PHRASES[dialect])


@pytest.mark.parametrize("dialect", REFUSALS)
async def test_a_refusal_is_an_answer_in_words(dialect: str) -> None:
    data, word = REFUSALS[dialect]
    async with text_instrument(PHRASES[dialect], saying(data)) as (_, link):
        found = await text_line(link, dialect, timeout_ms=PATIENT_MS).exchange(PHRASES[dialect])
        assert isinstance(found, DeviceException)
        assert (found.text, found.answer_frame, found.means_silence) == (word, data, False)


async def test_a_question_of_another_kind_is_a_bug_and_not_sent() -> None:
    phrase = PHRASES["ak"]
    register = ReadRegisters(1, Function.INPUT_REGISTERS, 0, 1)
    async with text_instrument(phrase, saying(b"")) as (instrument, link):
        line = text_line(link, "ak", timeout_ms=TIMEOUT_MS)
        for wrong in (register, Phrase(0, "clink", "nox")):
            with pytest.raises(TypeError, match="this line carries ak"):
                await line.exchange(wrong)
        with pytest.raises(TypeError, match="carries Modbus"):
            await modbus_rtu(link).exchange(phrase)
        with pytest.raises(TypeError, match="carries Modbus"):
            await ModbusTcp("127.0.0.1", 1).exchange(phrase)
        assert instrument.heard == []
    with pytest.raises(KeyError):
        text_line(link, "klingon")
