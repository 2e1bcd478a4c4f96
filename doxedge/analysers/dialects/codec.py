"""What the text dialects have in common for whoever asks in them: encode, bind, and read values out of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from doxedge.analysers.dialects.codecs import CODECS
from doxedge.analysers.dialects.framing import Found, FrameError
from doxedge.analysers.dialects.port import Codec, Reading
from doxedge.analysers.question import Phrase


class Ambiguous(ValueError):
    """More than one frame could be the answer: one of them is stale, and nothing tells which."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The frame that answers a phrase."""

    frame: bytes
    refusal: str | None
    """What the instrument said instead of an answer; None when it answered."""
    before: int
    """Bytes of the line that came before the frame."""
    after: int
    """Bytes that came behind it."""


def codec_of(dialect: str) -> Codec:
    """The codec. KeyError for a dialect that is not there."""
    return CODECS[dialect]


def encode(phrase: Phrase) -> bytes:
    """The bytes of the question. FrameError when the dialect cannot say it."""
    return codec_of(phrase.dialect).encode(phrase)


def find_answer(phrase: Phrase, line: bytes) -> Bound | None:
    """The answer among what the line brought since the question; None while it is not there. Raises Ambiguous.

    Noise and the echo of the question are passed over.
    """
    codec = codec_of(phrase.dialect)
    skipped = _echo_end(line, codec.encode(phrase))
    return search(codec, lambda frame: codec.judge(phrase, frame), line, skipped=skipped)


def search(
    codec: Codec, judge: Callable[[Any], str | None], line: bytes, *, skipped: int = 0
) -> Bound | None:
    """The one frame of the line that `judge` takes, as in `Codec.judge`. Raises Ambiguous."""
    answers: list[Bound] = []
    place = skipped
    while place < len(line):
        cut = codec.cut(line[place : place + codec.max_bytes])
        if isinstance(cut, Found):
            verdict = judge(cut.value)
            end = place + cut.length
            if verdict is not None:
                answers.append(Bound(line[place:end], verdict or None, place, len(line) - end))
            place = end
        elif cut is None:
            # Not complete as it begins here; a whole frame may lie behind a start that is noise.
            place += 1
        else:
            place += cut.length
    if len(answers) > 1:
        raise Ambiguous(f"{len(answers)} frames could be the answer; one of them is stale")
    return answers[0] if answers else None


def value_in(phrase: Phrase, frame: bytes, place: str) -> Reading:
    """The number at a place of the answer. FrameError when there is none."""
    codec = codec_of(phrase.dialect)
    return codec.value(phrase, _parsed(codec, phrase, frame), place)


def bits_in(phrase: Phrase, frame: bytes, place: str) -> int:
    """The word of bits at a place of the answer. FrameError when there is none."""
    codec = codec_of(phrase.dialect)
    return codec.bits(phrase, _parsed(codec, phrase, frame), place)


def words_in(phrase: Phrase, frame: bytes) -> tuple[str, ...]:
    """The words of the answer, without the echo of the question. FrameError when the bytes are no frame."""
    codec = codec_of(phrase.dialect)
    return codec.words(phrase, _parsed(codec, phrase, frame))


def _parsed(codec: Codec, phrase: Phrase, frame: bytes) -> Any:
    cut = codec.cut(frame) if frame else None
    if not isinstance(cut, Found) or cut.length != len(frame):
        raise FrameError("these bytes are not one frame of the dialect")
    if codec.judge(phrase, cut.value) != "":
        raise FrameError(f"this frame does not answer {phrase.text!r}")
    return cut.value


def _echo_end(line: bytes, question: bytes) -> int:
    start = line.find(question)
    return start + len(question) if start >= 0 else 0
