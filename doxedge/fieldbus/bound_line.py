"""A line on which only content binds an answer to its question: serial ports, and converters and analysers on TCP.

A late answer looks like the answer to the next question; only silence tells them apart. So each exchange keeps to this
recipe, whatever is spoken:

  (1) the line has been quiet for the guard time: 3.5 characters, or what the device wants (Modbus over Serial Line
      V1.02, 2.5.1.1)
      after an answer that this question would take for its own, TWIN_S more: a double of it that a converter sends late
      has the right unit, function and length; the time is what the answer left of its time-out
  (2) what lies in the inbox is thrown away, and the question is sent
  (3) only a frame that the question allows is taken, at any place among noise and echo; two such frames are none
  (4) nothing may follow it within the excess time
      an order that is never answered is followed by the silence of (5), so that whatever comes belongs to nobody
  (5) after a time-out, an oddity or a cancelled exchange nobody asks anything for as long as the device's slowest
      answer may take, and what arrives meanwhile is drained
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from doxedge.analysers.question import Answer, Asked, DeviceException
from doxedge.fieldbus.byte_link import ByteLink
from doxedge.fieldbus.errors import ConnectionLost, NoAnswer, NotBound

FAST_GAP_S: Final = 0.00175
"""Above 19,200 Bd the gap between frames is 1.75 ms whatever the speed (V1.02, 2.5.1.1)."""
FAST_BAUD_CHARACTER_S: Final = 11 / 19_200
EXCESS_S: Final = 0.004
"""A doubled answer follows the first at once; this is a timer tick of a slow machine."""
TWIN_S: Final = 0.1
"""A double is seldom later; a read of another length needs no such wait, which is why few reads ever do."""
RECENT_MAX: Final = 8
"""More answers than come within that time on any line."""
QUARANTINE_FACTOR: Final = 1.25
"""Of the time-out: the slowest answer that a device gives, and some."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What answers a question, and how many bytes of the line came before and after it."""

    outcome: Answer | DeviceException
    before: int
    after: int


class Speech(Protocol):
    """What is spoken on a line."""

    @property
    def name(self) -> str:
        """For messages: `modbus-rtu`."""
        ...

    @property
    def line_bytes_max(self) -> int:
        """What one exchange looks through at most."""
        ...

    def question(self, request: Asked) -> bytes:
        """The bytes to send."""
        ...

    def is_answered(self, request: Asked) -> bool:
        """Whether the device says anything to it: some dialects have orders that it takes in silence."""
        ...

    def is_repeated(self, request: Asked) -> bool:
        """Whether the answer may be the question itself, so that an echo looks like it."""
        ...

    def find(self, request: Asked, line: bytes) -> Heard | None:
        """The answer in what the line brought since the question; None while it is not there.

        `line` may begin with noise and with the echo of the question. NotBound when two frames could be the answer.
        """
        ...


@dataclass(slots=True)
class LineCounters:
    """What happened on this line since it was made."""

    exchanges: int = 0
    answers: int = 0
    exceptions: int = 0
    quarantines: int = 0
    drained_bytes: int = 0
    """Bytes thrown away because they came when nobody was to speak."""
    noise_bytes: int = 0
    """Bytes passed over before a good answer."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question that was answered, and how."""

    request: Asked
    frame: bytes
    twin_until_s: float
    """Loop time until which a double of the answer is waited for."""


class BoundLine:
    """The only master of one line, with one question outstanding."""

    def __init__(
        self,
        link: ByteLink,
        speech: Speech,
        *,
        timeout_ms: int = 500,
        pause_ms: int = 0,
        quarantine_ms: int | None = None,
    ) -> None:
        """`pause_ms` is silence that a device on the line wants between two questions."""
        if timeout_ms < 1 or pause_ms < 0:
            raise ValueError("time-outs are at least 1 ms, the pause at least 0 ms")
        self._link, self._speech = link, speech
        self._timeout_s = timeout_ms / 1_000
        slowest_s = QUARANTINE_FACTOR * self._timeout_s
        self._quarantine_s = slowest_s if quarantine_ms is None else quarantine_ms / 1_000
        self._guard_s = max(gap_s(link.character_s), pause_ms / 1_000)
        self._busy = asyncio.Lock()
        self._quiet_from_s = 0.0
        """Loop time before which nobody speaks."""
        self._recent: deque[_Answered] = deque(maxlen=RECENT_MAX)
        self.counters = LineCounters()

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self._speech.name} {self._link.name}"

    @property
    def timeout_ms(self) -> int:
        """The longest that one exchange may take: the guard, the answer's time, the wait for excess bytes."""
        return round(1_000 * (self._guard_s + self._timeout_s + self._excess_s))

    @property
    def quarantine_ms(self) -> int:
        """The silence of (5)."""
        return round(1_000 * self._quarantine_s)

    async def exchange(self, request: Asked) -> Answer | DeviceException:
        """Ask and wait for the one answer that fits. LineError otherwise; the line is then left alone for a while."""
        async with self._busy:
            question = self._speech.question(request)
            await self._link.open()
            self._wait_for_twins(request)
            try:
                await self._settle()
                self._link.flush()
                self.counters.exchanges += 1
                self._link.write(question)
                if not self._speech.is_answered(request):
                    self._rest(self._quarantine_s)
                    return Answer(request, b"", question, b"")
                asked_s = asyncio.get_running_loop().time()
                found = await self._answer(request, len(question))
                self._remember(request, found, asked_s)
                await self._require_silence()
            except BaseException:
                # Errors and cancellation alike: what may still be on its way must not meet the next question.
                self._quarantine()
                raise
            self._rest(self._guard_s)
        self.counters.noise_bytes += found.before
        if isinstance(found.outcome, Answer):
            self.counters.answers += 1
        else:
            self.counters.exceptions += 1
        return found.outcome

    async def close(self) -> None:
        """Let go of the port; the quarantine holds on, for the device does not know that we left."""
        self._link.close()

    @property
    def _excess_s(self) -> float:
        return max(EXCESS_S, gap_s(self._link.character_s))

    def _remember(self, request: Asked, found: Heard, asked_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        left_s = max(0.0, asked_s + self._timeout_s - now_s)
        self._recent.append(_Answered(request, found.outcome.answer_frame, now_s + min(TWIN_S, left_s)))

    def _wait_for_twins(self, request: Asked) -> None:
        """(1) Where a double of a recent answer would be taken for the answer to this question."""
        for past in self._recent:
            is_ahead = past.twin_until_s > self._quiet_from_s
            if is_ahead and past.request != request and self._is_twin(request, past.frame):
                self._quiet_from_s = past.twin_until_s

    def _is_twin(self, request: Asked, frame: bytes) -> bool:
        try:
            return self._speech.find(request, frame) is not None
        except NotBound:
            return True

    async def _settle(self) -> None:
        """(1) and (5): wait until the line may be used; bytes that come now belong to nobody."""
        loop = asyncio.get_running_loop()
        give_up_s = max(loop.time(), self._quiet_from_s) + self._quarantine_s
        while stray := await self._stray():
            if loop.time() > give_up_s:
                raise NotBound(f"{self.name} does not fall silent")
            self.counters.drained_bytes += len(stray)
            self._quiet_from_s = max(self._quiet_from_s, loop.time() + self._guard_s)

    async def _stray(self) -> bytes:
        """What comes before the line may be used. Who hung up since the last answer is taken up again, once."""
        try:
            return await self._link.receive(until_s=self._quiet_from_s)
        except ConnectionLost:
            await self._link.open()
            return await self._link.receive(until_s=self._quiet_from_s)

    async def _answer(self, request: Asked, question_bytes: int) -> Heard:
        """(3). Where an echo looks like the answer, the last frame that comes within the time is the answer."""
        loop = asyncio.get_running_loop()
        sent_s = question_bytes * self._link.character_s
        until_s = loop.time() + sent_s + self._timeout_s
        line, heard = bytearray(), None
        while True:
            data = await self._link.receive(until_s=until_s)
            if not data and heard is not None:
                return heard
            if not data:
                limit_ms = round(1_000 * self._timeout_s)
                raise NoAnswer(f"no answer that fits within {limit_ms} ms ({len(line)} bytes came)")
            line += data
            if len(line) > self._speech.line_bytes_max:
                raise NotBound(f"{len(line)} bytes came and no answer among them")
            found = self._speech.find(request, bytes(line))
            if found is not None:
                if found.after:
                    raise NotBound(f"{found.after} bytes follow the answer")
                heard = found
                if not self._speech.is_repeated(request) or isinstance(found.outcome, DeviceException):
                    return found

    async def _require_silence(self) -> None:
        """(4) Who hangs up behind the answer says no more, and the answer was whole."""
        try:
            excess = await self._link.receive(until_s=asyncio.get_running_loop().time() + self._excess_s)
        except ConnectionLost:
            return
        if excess:
            raise NotBound(f"{len(excess)} bytes follow the answer")

    def _quarantine(self) -> None:
        self.counters.quarantines += 1
        self._link.distrust()
        self._rest(self._quarantine_s)

    def _rest(self, seconds: float) -> None:
        self._quiet_from_s = asyncio.get_running_loop().time() + seconds


def gap_s(character_s: float) -> float:
    """The silence that ends a frame: 3.5 characters, and above 19,200 Bd the standard's fixed time."""
    return max(FAST_GAP_S, 3.5 * character_s) if character_s > FAST_BAUD_CHARACTER_S else FAST_GAP_S
