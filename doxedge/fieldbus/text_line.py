"""Text dialects on a bound line: serial ports, and analysers or converters on TCP."""

from __future__ import annotations

from dataclasses import dataclass

from doxedge.analysers.dialects import codec, orders
from doxedge.analysers.question import Answer, Asked, DeviceException, Order, Phrase
from doxedge.fieldbus.bound_line import BoundLine, Heard
from doxedge.fieldbus.byte_link import ByteLink
from doxedge.fieldbus.errors import NotBound


@dataclass(frozen=True, slots=True)
class DialectSpeech:
    """Frames of one dialect."""

    dialect: str

    @property
    def name(self) -> str:
        """The dialect's."""
        return self.dialect

    @property
    def line_bytes_max(self) -> int:
        """Four frames of the longest kind."""
        return 4 * codec.codec_of(self.dialect).max_bytes

    def question(self, request: Asked) -> bytes:
        """The frame of the question."""
        return _said(self._ours(request))

    def is_answered(self, request: Asked) -> bool:
        """Every question, and most orders."""
        return not isinstance(request, Order) or orders.is_answered(request)

    def is_repeated(self, request: Asked) -> bool:
        """Some orders."""
        return isinstance(request, Order) and orders.is_repeated(request)

    def find(self, request: Asked, line: bytes) -> Heard | None:
        """As in the port."""
        phrase = self._ours(request)
        try:
            found = (
                orders.find_answer(phrase, line)
                if isinstance(phrase, Order)
                else codec.find_answer(phrase, line)
            )
        except codec.Ambiguous as error:
            raise NotBound(str(error)) from None
        if found is None:
            return None
        question = _said(phrase)
        if found.refusal is not None:
            declined = DeviceException(phrase, 0, question, found.frame, found.refusal)
            return Heard(declined, found.before, found.after)
        return Heard(Answer(phrase, found.frame, question, found.frame), found.before, found.after)

    def _ours(self, request: Asked) -> Phrase | Order:
        if not isinstance(request, Phrase | Order) or request.dialect != self.dialect:
            raise TypeError(f"this line carries {self.dialect}, not {request}")
        return request


def _said(phrase: Phrase | Order) -> bytes:
    return orders.encode(phrase) if isinstance(phrase, Order) else codec.encode(phrase)


def text_line(
    link: ByteLink,
    dialect: str,
    *,
    timeout_ms: int = 1_000,
    pause_ms: int = 0,
    quarantine_ms: int | None = None,
) -> BoundLine:
    """The master of a line on which a dialect is spoken. KeyError for one that is not there."""
    codec.codec_of(dialect)
    return BoundLine(
        link, DialectSpeech(dialect), timeout_ms=timeout_ms, pause_ms=pause_ms, quarantine_ms=quarantine_ms
    )
