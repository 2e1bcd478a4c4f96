"""The text dialects in which instruments are asked, each as `dialects.port` wants it.

Only questions are encoded: whoever writes an `ask` cannot send an instrument to zero gas with it (that is `orders`).

A *place* says where in an answer a value or a word of bits lies; each dialect has its own places, listed with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from doxedge.analysers.dialects import ak, bayern_hessen, clink, eco_physics, horiba, serinus_advanced
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.dialects.port import Codec, Reading, index, is_number, no_bits, number_in
from doxedge.analysers.question import Phrase

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
    number = number_in(place)
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
    number = number_in(channel)
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
    return is_number(place) and len(place) <= 3


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
    parameter = number_in(place)
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
    return index(tuple(map(horiba.value_of, frame.fields)), place)


def _horiba_bits(_: Phrase, frame: horiba.HoribaFrame, place: str) -> int:
    if place == "alarms":
        return horiba.bits_of("".join(frame.fields[horiba.OPERATION + 1 :]))
    number = number_in(place)
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
        value=lambda _, frame, place: index(frame.values, place),
        bits=_ak_bits,
        words=lambda _, frame: frame.words,
        is_place=is_number,
        is_bits=lambda place: is_number(place) or place == "errors",
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
        is_place=is_number,
        is_bits=is_number,
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
        is_place=is_number,
        is_bits=lambda place: is_number(place) or place == "alarms",
    ),
    "eco_physics": Codec(
        places="0, 1, 2 ... for the values of the list",
        encode=_eco_encode,
        cut=eco_physics.cut,
        max_bytes=eco_physics.MAX_BYTES,
        judge=_eco_judge,
        value=lambda _, frame, place: index(frame.values, place),
        bits=no_bits,
        words=lambda _, frame: tuple(frame.text.replace(",", " ").split()),
        is_place=is_number,
        is_bits=lambda _: False,
    ),
}
"""By the name that a map gives in `dialect`."""
