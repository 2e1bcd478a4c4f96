"""Orders in the text dialects: which there are, how they are said, and what says that they were taken.

Only what puts an instrument on zero gas, on span gas and back to measuring can be said here, with what has to come
before it. The order of Bayern-Hessen is not answered: that it was taken shows in the status alone.

    clink             set sample, set zero, set span, set mode remote, set mode local     answered: the order and `ok`
    ak                SREM SMAN SNGA SEGA SMGA Kn                                         answered: the code
    bayern_hessen     STkkk M, N, K for measure, zero, span of channel kkk                not answered
    horiba            line sample, line zero, line span (A024 with 0, 1, 2)               answered: A024
    serinus_advanced  mode measure, mode zero, mode span (command 4, parameter 85)        answered: command 4
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doxedge.analysers.dialects import ak, bayern_hessen, clink, horiba, serinus_advanced
from doxedge.analysers.dialects.codec import Bound, codec_of, search
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.question import Order

_OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class _Orders:
    """Those of one dialect."""

    pattern: re.Pattern[str]
    encode: Callable[[Order], bytes]
    judge: Callable[[Order, Any], str | None] | None
    """`` for an order that was taken, a text for a refusal, None for a frame that is about something else; no judge
    where nothing is answered."""
    repeats: bool = False
    """Whether the answer may be the order itself, byte for byte."""


def encode(order: Order) -> bytes:
    """The bytes of the order. Raises FrameError for one that there is not."""
    return _orders_of(order).encode(order)


def is_answered(order: Order) -> bool:
    """Whether the instrument says anything to it."""
    return _orders_of(order).judge is not None


def is_repeated(order: Order) -> bool:
    """Whether the answer may be the order itself."""
    return _orders_of(order).repeats


def find_answer(order: Order, line: bytes) -> Bound | None:
    """The answer among what the line brought since; None while it is not there. Raises codec.Ambiguous.

    Noise is passed over, and the echo of the order unless that may be the answer.
    """
    orders = _orders_of(order)
    judge = orders.judge
    if judge is None:
        return None
    said = orders.encode(order)
    start = line.find(said)
    # Where the answer repeats the order, a second one behind the first is the answer and the first an echo.
    is_echo = start >= 0 and (not orders.repeats or line.find(said, start + len(said)) >= 0)
    skipped = start + len(said) if is_echo else 0
    return search(codec_of(order.dialect), lambda frame: judge(order, frame), line, skipped=skipped)


def _orders_of(order: Order) -> _Orders:
    orders = _ORDERS.get(order.dialect)
    if orders is None:
        raise FrameError(f"{order.dialect} has no orders here; those have: {', '.join(_ORDERS)}")
    if not orders.pattern.fullmatch(order.text):
        raise FrameError(f"{order.text!r} is none of the orders {orders.pattern.pattern}")
    return orders


def _clink_judge(order: Order, line: clink.ClinkAnswer) -> str | None:
    if line.instrument not in (None, order.unit_id):
        return None
    if line.is_refusal:
        return clink.UNKNOWN
    said = line.of(order.text)
    if not said:
        return None
    return "" if said == _OK else said


def _ak_encode(order: Order) -> bytes:
    code, channel, data = [*order.text.split(" ", 2), ""][:3]
    return ak.encode(ak.AkRequest(code, int(channel[1]), data))


def _ak_judge(order: Order, frame: ak.AkRequest | ak.AkReply) -> str | None:
    if not isinstance(frame, ak.AkReply):
        return None
    if frame.code == "????":
        return "not understood"
    return (frame.refusal or "") if frame.code == order.text[:4] else None


def _bayern_hessen(ending: bayern_hessen.Ending) -> _Orders:
    return _Orders(
        re.compile(r"ST[0-9]{3} [MNK]"), lambda order: bayern_hessen.encode(order.text, ending), judge=None
    )


def _serinus_encode(order: Order) -> bytes:
    return serinus_advanced.encode(
        serinus_advanced.mode_request(order.unit_id, order.text.removeprefix("mode "))
    )


def _serinus_judge(order: Order, frame: serinus_advanced.SerinusFrame) -> str | None:
    if frame.instrument != order.unit_id:
        return None
    if frame.refusal is not None:
        return frame.refusal
    return "" if frame.command == serinus_advanced.SET else None


def _horiba_encode(order: Order) -> bytes:
    line = horiba.LINES[order.text.removeprefix("line ")]
    return horiba.encode(horiba.HoribaFrame(order.unit_id, order.unit_id, horiba.CHANGE_LINE, line))


def _horiba_judge(order: Order, frame: horiba.HoribaFrame) -> str | None:
    """Answers begin with a code; what is behind it in this one is in no source, so it is not looked at."""
    if frame.command != horiba.CHANGE_LINE or frame.sender != order.unit_id:
        return None
    code = frame.fields[0] if frame.fields else horiba.RIGHT
    return "" if code == horiba.RIGHT else f"answers with {code}"


_ORDERS: Final[Mapping[str, _Orders]] = {
    "clink": _Orders(
        re.compile(r"set (sample|zero|span|mode remote|mode local)"),
        lambda order: clink.encode(order.text, instrument=order.unit_id),
        _clink_judge,
    ),
    "ak": _Orders(re.compile(r"(SREM|SMAN|SNGA|SEGA|SMGA) K[0-9]( [!-~]{1,8})?"), _ak_encode, _ak_judge),
    "bayern_hessen": _bayern_hessen(bayern_hessen.Ending.BCC),
    "bayern_hessen_cr": _bayern_hessen(bayern_hessen.Ending.CR),
    "horiba": _Orders(re.compile(r"line (sample|zero|span)"), _horiba_encode, _horiba_judge),
    "serinus_advanced": _Orders(
        re.compile(r"mode (measure|zero|span)"), _serinus_encode, _serinus_judge, repeats=True
    ),
}
