"""A recorded exchange: what a device was asked, what it answered, and the sample that this made, frame by frame.

A recording shows years later that a map still reads the same bytes as the same values. One of a real instrument
(`origin` is `instrument`) is worth more than one of a simulator, and lets a map say `verified = "recording"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.dialects import codec
from doxedge.analysers.driver import Driver
from doxedge.analysers.phrase_driver import PhraseDriver
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile import profile_hash
from doxedge.analysers.profile_choices import SettingValue, setting_value
from doxedge.analysers.question import (
    Answer,
    DeviceException,
    Outcome,
    Phrase,
    Request,
    Unanswered,
    pack_evidence,
    unpack_evidence,
)
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.errors import LineError, NotBound
from doxedge.fieldbus.identify import identify
from doxedge.fieldbus.modbus_pdu import bind, question_pdu
from doxedge.fieldbus.modbus_tcp import HEADER
from doxedge.fieldbus.rtu_frame import CRC_BYTES, crc
from doxedge.measurement.sample import Sample

SIMULATOR: Final = "simulator"
INSTRUMENT: Final = "instrument"
_MODBUS: Final = frozenset({"tcp", "rtu"})
"""Framings of Modbus; a dialect is recorded under its own name."""


class NotRecorded(Exception):
    """The line failed, or the device is not the one of the map: there is nothing to keep."""


class Recorder:
    """Records one device over one endpoint."""

    __slots__ = ("_driver", "_endpoint", "_found", "_identity")

    def __init__(self, driver: Driver, endpoint: Endpoint) -> None:
        self._driver = driver
        self._endpoint = endpoint
        self._found: Driver | None = None
        self._identity: list[Outcome] = []

    async def identify(self) -> None:
        """Ask who the device is, and keep the questions. NotRecorded when it is somebody else, or silent."""
        found = await identify(self._driver, self._ask)
        if isinstance(found, Unanswered):
            raise NotRecorded(found.detail)
        self._found = found

    async def polls(self, situation: str, *, at_ms: int) -> list[dict[str, object]]:
        """One poll of each group. NotRecorded when the line failed."""
        driver = self._found
        if driver is None:
            raise NotRecorded("the device was not identified")
        return [await self._poll(driver, group, situation, at_ms) for group in driver.groups]

    def document(
        self,
        *,
        profile: str,
        framing: str,
        origin: str,
        note: str,
        settings: Mapping[str, str],
        polls: Sequence[Mapping[str, object]],
    ) -> dict[str, object]:
        """The file's content."""
        driver = self._driver
        return {
            "profile": profile,
            "origin": origin,
            "note": note,
            "framing": framing,
            # In Modbus the frames say it.
            **({"unit_id": driver.unit_id} if isinstance(driver, PhraseDriver) else {}),
            "settings": dict(settings),
            "profile_hash": profile_hash(self._driver.profile).hex(),
            "identity": _frames(self._identity),
            "polls": list(polls),
        }

    async def _ask(self, requests: Sequence[Request]) -> list[Outcome]:
        outcomes = await self._exchange(requests)
        if self._found is None:
            self._identity += outcomes
        return outcomes

    async def _exchange(self, requests: Sequence[Request]) -> list[Outcome]:
        try:
            return [await self._endpoint.exchange(request) for request in requests]
        except LineError as error:
            raise NotRecorded(error.detail) from error

    async def _poll(self, driver: Driver, group: str, situation: str, at_ms: int) -> dict[str, object]:
        outcomes = await self._exchange(driver.requests(group))
        sample = driver.sample(group, outcomes, at_ms=at_ms, monotonic_ns=0)
        return {
            "situation": situation,
            "group": group,
            "exchanges": _frames(outcomes),
            **_said(sample),
        }


def recorded_settings(document: Mapping[str, Any]) -> dict[str, SettingValue]:
    """What the site said when the recording was made."""
    return {name: setting_value(text) for name, text in document["settings"].items()}


def contradictions(document: Mapping[str, Any], profile: AnyProfile) -> list[str]:
    """Where the recording and the map disagree, in words; empty when they agree.

    (1) the map with the recording's settings has the hash that it had
    (2) the identity questions are those of the recording, and their answers are of the device that the map describes
    (3) every poll asks what was asked, and makes of the answers the values, flags and failures that it made
    """
    found: list[str] = []
    if (now := profile_hash(profile).hex()) != document["profile_hash"]:
        found.append(f"the map has the hash {now}, and had {document['profile_hash']}")
    framing = document.get("framing", "tcp")
    try:
        driver = make_driver(profile, device="recorded", unit_id=_unit_id(document, framing))
        known = _identified(driver, document.get("identity", []), framing)
        for index, poll in enumerate(document["polls"]):
            outcomes = _outcomes(known.requests(poll["group"]), poll["exchanges"], framing)
            sample = known.sample(poll["group"], outcomes, at_ms=0, monotonic_ns=0)
            for key, value in _said(sample).items():
                if value != poll[key]:
                    found.append(
                        f"polls[{index}].{key}: the map reads {value}, the recording has {poll[key]}"
                    )
    except (ValueError, LineError) as error:
        found.append(str(error))
    return found


def _said(sample: Sample) -> dict[str, object]:
    return {
        "values": {name: None if value is None else str(value) for name, value in sample.values.items()},
        "flags": sorted(sample.flags),
        "failures": {name: reason.value for name, reason in sample.failures.items()},
    }


def _frames(outcomes: Sequence[Outcome]) -> list[list[str]]:
    return [[question.hex(), answer.hex()] for question, answer in unpack_evidence(pack_evidence(outcomes))]


def _identified(driver: Driver, exchanges: Sequence[Sequence[str]], framing: str) -> Driver:
    """(2) `identify`, with the recording in place of the line."""
    rest = list(exchanges)

    async def ask(requests: Sequence[Request]) -> list[Outcome]:
        mine = [rest.pop(0) for _ in requests if rest]
        return _outcomes(requests, mine, framing)

    # What `identify` awaits is only `ask`, which never waits: it runs to its end at the first push, without a loop.
    step = identify(driver, ask)
    try:
        step.send(None)
    except StopIteration as done:
        found: Driver | Unanswered = done.value
        if isinstance(found, Unanswered):
            raise NotBound(found.detail) from None
        if rest:
            raise ValueError(f"{len(rest)} identity questions were asked that the map does not ask") from None
        return found
    raise ValueError("a recording never waits")


def _outcomes(requests: Sequence[Request], exchanges: Sequence[Sequence[str]], framing: str) -> list[Outcome]:
    if len(requests) != len(exchanges):
        raise ValueError(f"the map asks {len(requests)} questions, the recording has {len(exchanges)}")
    return [
        _outcome(request, bytes.fromhex(question), bytes.fromhex(answer), framing)
        for request, (question, answer) in zip(requests, exchanges, strict=True)
    ]


def _outcome(request: Request, question: bytes, answer: bytes, framing: str) -> Outcome:
    """The answer to exactly this question. ValueError or NotBound when it is not."""
    if isinstance(request, Phrase):
        return _said_in_words(request, question, answer, framing)
    unit, asked = _opened(question, framing)
    answering, said = _opened(answer, framing)
    if (unit, asked) != (request.unit_id, question_pdu(request)):
        raise ValueError(f"the map asks {request}, the recording asked {question.hex()}")
    if answering != unit or (framing == "tcp" and answer[:2] != question[:2]):
        raise ValueError(f"{answer.hex()} does not answer {question.hex()}")
    found = bind(request, said)
    if isinstance(found, int):
        return DeviceException(request, found, question, answer)
    return Answer(request, found, question, answer)


def _said_in_words(request: Phrase, question: bytes, answer: bytes, framing: str) -> Outcome:
    if framing in _MODBUS:
        raise NotBound(f"{request.text!r} is said in {request.dialect}; this is a recording of Modbus")
    if question != codec.encode(request):
        raise ValueError(f"the map asks {request}, the recording asked {question.hex()}")
    found = codec.find_answer(request, answer)
    if found is None or found.frame != answer:
        raise ValueError(f"{answer.hex()} does not answer {question.hex()}")
    if found.refusal is not None:
        return DeviceException(request, 0, question, answer, found.refusal)
    return Answer(request, answer, question, answer)


def _opened(frame: bytes, framing: str) -> tuple[int, bytes]:
    """Unit and PDU of a frame."""
    if framing == "tcp":
        if len(frame) <= HEADER.size or int.from_bytes(frame[4:6], "big") != len(frame) - 6:
            raise ValueError(f"{frame.hex()} is no frame of Modbus TCP")
        return frame[HEADER.size - 1], frame[HEADER.size :]
    if len(frame) <= 1 + CRC_BYTES or crc(frame[:-CRC_BYTES]) != frame[-CRC_BYTES:]:
        raise ValueError(f"{frame.hex()} is no frame of Modbus RTU")
    return frame[0], frame[1:-CRC_BYTES]


def _unit_id(document: Mapping[str, Any], framing: str) -> int | None:
    """The unit that was asked; a real instrument may have another than its map's default."""
    if framing not in _MODBUS:
        unit_id: int | None = document.get("unit_id")
        return unit_id
    for poll in document["polls"]:
        for question, _ in poll["exchanges"]:
            return _opened(bytes.fromhex(question), framing)[0]
    return None
