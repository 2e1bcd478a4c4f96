"""What the text dialects have in common for whoever asks in them: encode, bind, and read values out of an answer.

Only questions are encoded: whoever writes an `ask` cannot send an instrument to zero gas with it (that is `orders`).

A *place* says where in an answer a value or a word of bits lies; each dialect has its own places, listed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from doxedge.analysers.dialects import ak, bayern_hessen, clink, eco_physics, horiba, serinus_advanced
from doxedge.analysers.dialects.framing import Cutter, Found, FrameError
from doxedge.analysers.question import Phrase

PLACE_DIGITS_MAX: Final = 4


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


@dataclass(frozen=True, slots=True)
class Reading:
    """A number in an answer, with the unit if the answer says one."""

    value: Decimal | None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Codec:
    """One dialect."""

    places: str
    """What a place may be, for the message to whoever writes a map."""
    encode: Callable[[Phrase], bytes]
    cut: Cutter[Any]
    max_bytes: int
    judge: Callable[[Phrase, Any], str | None]
    """`` for an answer, a text for a refusal, None for a frame that does not answer this phrase."""
    value: Callable[[Phrase, Any, str], Reading]
    bits: Callable[[Phrase, Any, str], int]
    words: Callable[[Phrase, Any], tuple[str, ...]]
    """What the answer says between blanks or commas."""
    is_place: Callable[[str], bool]
    """Whether a value can lie there."""
    is_bits: Callable[[str], bool]
    """Whether a word of bits, or a whole number, can lie there."""


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


def _index(values: tuple[Decimal | None, ...], place: str) -> Reading:
    number = _number(place)
    if number >= len(values):
        raise FrameError(f"the answer has {len(values)} values, and none at {number}")
    return Reading(values[number])


def _is_number(place: str) -> bool:
    return place.isascii() and place.isdecimal() and len(place) <= PLACE_DIGITS_MAX


def _number(place: str) -> int:
    if not _is_number(place):
        raise FrameError(f"{place} is not where a value is counted to")
    return int(place)


def _no_bits(phrase: Phrase, _: Any, place: str) -> int:
    raise FrameError(f"{phrase.dialect} has no word of bits at {place}")


# AK


def _ak_encode(phrase: Phrase) -> bytes:
    code, _, rest = phrase.text.partition(" ")
    channel, _, data = rest.partition(" ")
    if len(channel) != 2 or channel[0] != "K" or channel[1] not in "0123456789":
        raise FrameError(f"{phrase.text!r} is not CODE K0, with data behind it if any")
    if code[:1] != ak.QUERY and code.isupper():
        raise FrameError(f"{code} is an order, and no question: those begin with {ak.QUERY}")
    return ak.encode(ak.AkRequest(code, int(channel[1]), data))


def _ak_judge(phrase: Phrase, frame: ak.AkRequest | ak.AkReply) -> str | None:
    if not isinstance(frame, ak.AkReply):
        return None
    if frame.code == "????":
        return "not understood"
    return (frame.refusal or "") if frame.code == phrase.text[:4] else None


def _ak_bits(_: Phrase, frame: ak.AkReply, place: str) -> int:
    if place == "errors":
        return frame.errors
    number = _number(place)
    if number >= len(frame.words) or not frame.words[number].isdecimal():
        raise FrameError(f"the answer has no whole number at {number}")
    return int(frame.words[number])


# Bayern-Hessen


def _bh_encode(phrase: Phrase, ending: bayern_hessen.Ending) -> bytes:
    if not bayern_hessen.is_query(phrase.text):
        raise FrameError(f"{phrase.text!r} is no query: DA, or DA and three digits")
    return bayern_hessen.encode(phrase.text, ending)


def _bh_judge(phrase: Phrase, text: str) -> str | None:
    try:
        channels = [said.channel for said in bayern_hessen.measurements(text)]
    except FrameError:
        return None
    wanted = phrase.text.removeprefix("DA")
    return "" if not wanted or int(wanted) in channels else None


def _bh_channel(text: str, channel: str) -> bayern_hessen.Measurement:
    number = _number(channel)
    for said in bayern_hessen.measurements(text):
        if said.channel == number:
            return said
    raise FrameError(f"the answer has no channel {channel}")


def _bh_bits(_: Phrase, text: str, place: str) -> int:
    channel, dot, word = place.partition(".")
    if not dot:
        raise FrameError(f"{place} is a value; its words of bits are {place}.status and {place}.error")
    said = _bh_channel(text, channel)
    return said.status if word == "status" else said.error


def _bh_place(place: str) -> bool:
    return _is_number(place) and len(place) <= 3


def _bh_bits_place(place: str) -> bool:
    channel, _, word = place.partition(".")
    return _bh_place(channel) and word in ("status", "error")


# C-Link


def _clink_encode(phrase: Phrase) -> bytes:
    if phrase.text.split(" ")[0] in clink.ORDERS:
        raise FrameError(f"{phrase.text!r} is an order, and no question")
    return clink.encode(phrase.text, instrument=phrase.unit_id)


def _clink_judge(phrase: Phrase, line: clink.ClinkAnswer) -> str | None:
    if line.instrument not in (None, phrase.unit_id):
        return None
    if line.is_refusal:
        return clink.UNKNOWN
    return None if line.of(phrase.text) in (None, "") else ""


def _clink_value(phrase: Phrase, line: clink.ClinkAnswer, _: str) -> Reading:
    number, unit = clink.value_of(line.of(phrase.text) or "")
    return Reading(number, unit)


# Serinus Advanced


def _serinus_encode(phrase: Phrase) -> bytes:
    words = phrase.text.split(" ")
    if not all(word.isdecimal() for word in words):
        raise FrameError(f"{phrase.text!r} is not parameters between blanks")
    return serinus_advanced.encode(
        serinus_advanced.read_request(phrase.unit_id, [int(word) for word in words])
    )


def _serinus_judge(phrase: Phrase, frame: serinus_advanced.SerinusFrame) -> str | None:
    if frame.instrument != phrase.unit_id:
        return None
    if frame.refusal is not None:
        return frame.refusal
    try:
        said = list(serinus_advanced.values(frame))
    except FrameError:
        return None
    return "" if said == [int(word) for word in phrase.text.split(" ")] else None


def _serinus_value(_: Phrase, frame: serinus_advanced.SerinusFrame, place: str) -> Reading:
    found = serinus_advanced.values(frame)
    parameter = _number(place)
    if parameter not in found:
        raise FrameError(f"the answer has no parameter {place}")
    return Reading(found[parameter])


def _serinus_bits(phrase: Phrase, frame: serinus_advanced.SerinusFrame, place: str) -> int:
    value = _serinus_value(phrase, frame, place).value
    if value is None or value != int(value):
        raise FrameError(f"parameter {place} is {value}, and no whole number")
    return int(value)


# Horiba


def _horiba_encode(phrase: Phrase) -> bytes:
    if phrase.text.startswith(horiba.ORDER):
        raise FrameError(f"{phrase.text} is an order, and no question")
    return horiba.encode(horiba.HoribaFrame(phrase.unit_id, phrase.unit_id, phrase.text))


def _horiba_judge(phrase: Phrase, frame: horiba.HoribaFrame) -> str | None:
    # A reply echoes the command and brings data; a question heard again has none.
    return "" if frame.command == phrase.text and frame.data and frame.sender == phrase.unit_id else None


def _horiba_value(_: Phrase, frame: horiba.HoribaFrame, place: str) -> Reading:
    return _index(tuple(map(horiba.value_of, frame.fields)), place)


def _horiba_bits(_: Phrase, frame: horiba.HoribaFrame, place: str) -> int:
    if place == "alarms":
        return horiba.bits_of("".join(frame.fields[horiba.OPERATION + 1 :]))
    number = _number(place)
    if number >= len(frame.fields):
        raise FrameError(f"the answer has {len(frame.fields)} fields, and none at {number}")
    return horiba.bits_of(frame.fields[number])


# Eco Physics


def _eco_encode(phrase: Phrase) -> bytes:
    if not phrase.text.startswith(eco_physics.QUERY):
        raise FrameError(f"{phrase.text!r} is no query: those begin with {eco_physics.QUERY}")
    return eco_physics.encode(eco_physics.EcoFrame(phrase.unit_id, phrase.text))


def _eco_judge(phrase: Phrase, frame: eco_physics.EcoFrame) -> str | None:
    answers = frame.instrument == phrase.unit_id and bool(frame.values) and None not in frame.values
    return "" if answers else None


def _bayern_hessen(ending: bayern_hessen.Ending) -> Codec:
    return Codec(
        places="the channel, as 000; with .status or .error for its words of bits",
        encode=partial(_bh_encode, ending=ending),
        cut=partial(bayern_hessen.cut, ending=ending),
        max_bytes=bayern_hessen.MAX_BYTES,
        judge=_bh_judge,
        value=lambda _, text, place: Reading(_bh_channel(text, place).value),
        bits=_bh_bits,
        words=lambda _, text: tuple(text.split()),
        is_place=_bh_place,
        is_bits=_bh_bits_place,
    )


CODECS: Final[Mapping[str, Codec]] = {
    "ak": Codec(
        places="0, 1, 2 ... for the words of the answer; `errors` for its status digit",
        encode=_ak_encode,
        cut=ak.cut,
        max_bytes=ak.MAX_BYTES,
        judge=_ak_judge,
        value=lambda _, frame, place: _index(frame.values, place),
        bits=_ak_bits,
        words=lambda _, frame: frame.words,
        is_place=_is_number,
        is_bits=lambda place: _is_number(place) or place == "errors",
    ),
    "bayern_hessen": _bayern_hessen(bayern_hessen.Ending.BCC),
    "bayern_hessen_cr": _bayern_hessen(bayern_hessen.Ending.CR),
    "clink": Codec(
        places="`value` for the number, `flags` for the eight digits of the command flags",
        encode=_clink_encode,
        cut=clink.cut,
        max_bytes=clink.MAX_BYTES,
        judge=_clink_judge,
        value=_clink_value,
        bits=lambda phrase, line, _: clink.flags_of(line.of(phrase.text) or ""),
        words=lambda phrase, line: tuple((line.of(phrase.text) or "").split()),
        is_place=lambda place: place == "value",
        is_bits=lambda place: place == "flags",
    ),
    "serinus_advanced": Codec(
        places="the number of a parameter",
        encode=_serinus_encode,
        cut=serinus_advanced.cut,
        max_bytes=serinus_advanced.MAX_BYTES,
        judge=_serinus_judge,
        value=_serinus_value,
        bits=_serinus_bits,
        words=lambda _, frame: tuple(str(value) for value in serinus_advanced.values(frame).values()),
        is_place=_is_number,
        is_bits=_is_number,
    ),
    "horiba": Codec(
        places="0, 1, 2 ... for the fields of the answer; a field of digits 0 and 1 is a word, its n-th digit bit n; "
        "`alarms` for all rows of digits behind field 5",
        encode=_horiba_encode,
        cut=horiba.cut,
        max_bytes=horiba.MAX_BYTES,
        judge=_horiba_judge,
        value=_horiba_value,
        bits=_horiba_bits,
        words=lambda _, frame: frame.fields,
        is_place=_is_number,
        is_bits=lambda place: _is_number(place) or place == "alarms",
    ),
    "eco_physics": Codec(
        places="0, 1, 2 ... for the values of the list",
        encode=_eco_encode,
        cut=eco_physics.cut,
        max_bytes=eco_physics.MAX_BYTES,
        judge=_eco_judge,
        value=lambda _, frame, place: _index(frame.values, place),
        bits=_no_bits,
        words=lambda _, frame: tuple(frame.text.replace(",", " ").split()),
        is_place=_is_number,
        is_bits=lambda _: False,
    ),
}
"""By the name that a map gives in `dialect`."""
