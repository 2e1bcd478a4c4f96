"""Where a person beside the running gateway asks how it is, and acknowledges alarms: a Unix socket in the state folder.

One question, one answer, each one line of JSON, then the connection ends:

    {"ask": "status"}                                              -> {"ok": true, "status": {...}}
    {"ask": "acknowledge", "alarm": 7, "name": "...", "reason": "..."} -> {"ok": true, "alarm": {...}}
    whatever cannot be done                                        -> {"ok": false, "code": "...", "reason": "..."}

The file's mode says who may: the service's user and group. Nothing that is asked here changes what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from doxedge.gateway.status import alarm_as_dict
from doxedge.measurement.alarms import Acknowledgement, Alarm
from doxedge.store.errors import Kind, StoreError

log = logging.getLogger(__name__)

SOCKET_NAME: Final = "gateway.sock"
SOCKET_MODE: Final = 0o660
QUESTION_BYTES_MAX: Final = 8 * 1024
"""A name and a reason; more is no question of ours."""
QUESTION_S_MAX: Final = 5.0
CALLERS_MAX: Final = 16
_CREDENTIALS: Final = struct.Struct("3i")
"""struct ucred: process, user, group (unix(7), SO_PEERCRED)."""

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AskStatus(_Question):
    """How is it?"""

    ask: Literal["status"]


class AskAcknowledge(_Question):
    """Somebody has seen an alarm."""

    ask: Literal["acknowledge"]
    alarm: int = Field(ge=1, lt=2**63)
    name: _Words
    reason: _Words


_QUESTIONS: Final[TypeAdapter[AskStatus | AskAcknowledge]] = TypeAdapter(
    Annotated[AskStatus | AskAcknowledge, Field(discriminator="ask")]
)


class OperatorDoor:
    """Answers at one socket."""

    def __init__(
        self,
        path: Path,
        *,
        status: Callable[[], Awaitable[Mapping[str, object]]],
        acknowledge: Callable[[int, Acknowledgement], Awaitable[Alarm | None]],
        now_ms: Callable[[], int],
    ) -> None:
        """`status` and `acknowledge` do what is asked for."""
        self.path = path
        self._status, self._acknowledge, self._now_ms = status, acknowledge, now_ms
        self._callers = 0

    async def serve(self) -> None:
        """Answer until cancelled. A socket that cannot be made is no reason to stop measuring: it is logged."""
        try:
            # Whoever holds the outbox's lock is alone here: a file that lies there was left by a run that was killed.
            self.path.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._answer, path=self.path, limit=QUESTION_BYTES_MAX)
            self.path.chmod(SOCKET_MODE)
        except OSError as error:
            log.error("nobody can ask for the status: %s: %s", self.path, error)
            return
        try:
            async with server:
                await server.serve_forever()
        finally:
            self.path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers += 1
        try:
            async with asyncio.timeout(QUESTION_S_MAX):
                if self._callers > CALLERS_MAX:
                    answer = _no("busy", f"more than {CALLERS_MAX} ask at once; ask again")
                else:
                    answer = await self._reply(await reader.readline(), _user_of(writer))
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError) as error:
            # ValueError: a line beyond the limit (StreamReader.readline).
            log.debug("a caller was not answered: %s", error)
        finally:
            self._callers -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _reply(self, line: bytes, user: str) -> dict[str, object]:
        try:
            question = _QUESTIONS.validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the question"
            return _no("bad_question", f"{where}: {first['msg']}")
        try:
            if isinstance(question, AskStatus):
                return {"ok": True, "status": dict(await self._status())}
            said = Acknowledgement(question.name, question.reason, self._now_ms(), user)
            alarm = await self._acknowledge(question.alarm, said)
        except StoreError as error:
            return _no("acknowledged" if error.kind is Kind.CONFLICT else "disk", str(error))
        if alarm is None:
            return _no("unknown_alarm", f"there is no alarm {question.alarm}")
        return {"ok": True, "alarm": alarm_as_dict(alarm)}


def _no(code: str, reason: str) -> dict[str, object]:
    return {"ok": False, "code": code, "reason": reason}


def _user_of(writer: asyncio.StreamWriter) -> str:
    """The account at the other end, as the kernel knows it."""
    line: socket.socket = writer.get_extra_info("socket")
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user_id, _ = _CREDENTIALS.unpack(credentials)
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"
