"""Where a person beside the running gateway asks how it is, and says what a person must say: a Unix socket in the state
folder.

One question, one answer, each one line of JSON, then the connection ends:

    {"ask": "status"}        -> {"ok": true, "status": {...}}
    whatever cannot be done  -> {"ok": false, "code": "...", "reason": "..."}

Which questions there are says the daemon: each is a model of its own with who answers it. The file's mode says who may
ask: the service's user and group.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from doxedge.gateway.accounts import account_name
from doxedge.store.errors import StoreError

log = logging.getLogger(__name__)

SOCKET_NAME: Final = "gateway.sock"
SOCKET_MODE: Final = 0o660
QUESTION_BYTES_MAX: Final = 128 * 1024
"""A name, a reason, and the file of a test (`qa_tests`); more is no question of ours."""
QUESTION_S_MAX: Final = 5.0
CALLERS_MAX: Final = 16
_CREDENTIALS: Final = struct.Struct("3i")
"""struct ucred: process, user, group (unix(7), SO_PEERCRED)."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
"""A name or a reason, as a person types it."""


class Question(BaseModel):
    """One kind of question: its field `ask` is a literal that no other kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Name(BaseModel):
    """Only what is asked."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    ask: str = Field(max_length=64)


class Refusal(Exception):
    """What was asked cannot be done."""

    def __init__(self, code: str, reason: str) -> None:
        """`code` is for programs, `reason` says to a person what to do."""
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and when."""

    user: str
    """The account at the other end, as the kernel knows it."""
    at_ms: int


Q = TypeVar("Q", bound=Question)


_Answerer = Callable[[Any, Caller], Awaitable[Mapping[str, object]]]


class Answers:
    """What may be asked, and who answers."""

    def __init__(self) -> None:
        """Nothing may be asked yet."""
        self._kinds: dict[str, type[Question]] = {}
        self._by_kind: dict[type[Question], _Answerer] = {}

    def add(self, kind: type[Q], answerer: Callable[[Q, Caller], Awaitable[Mapping[str, object]]]) -> None:
        """`answerer` returns what is put beside `ok`, or raises Refusal."""
        (name,) = get_args(kind.model_fields["ask"].annotation)
        self._kinds[name] = kind
        # Only what was read as this kind is given to it.
        self._by_kind[kind] = cast("_Answerer", answerer)

    def read(self, line: bytes) -> Question:
        """One question. Raises pydantic's ValidationError, or Refusal for one that nobody answers."""
        name = _Name.model_validate_json(line).ask
        kind = self._kinds.get(name)
        if kind is None:
            raise Refusal("bad_question", f"ask: nobody answers {name!r}; there are {', '.join(self._kinds)}")
        return kind.model_validate_json(line)

    async def answer(self, question: Question, caller: Caller) -> Mapping[str, object]:
        """Ask whoever answers this kind. Raises Refusal."""
        return await self._by_kind[type(question)](question, caller)


class OperatorDoor:
    """Answers at one socket."""

    def __init__(self, path: Path, answers: Answers, *, now_ms: Callable[[], int]) -> None:
        """`answers` says what may be asked."""
        self.path = path
        self._answers, self._now_ms = answers, now_ms
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
            question = self._answers.read(line)
            return {"ok": True, **await self._answers.answer(question, Caller(user, self._now_ms()))}
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the question"
            return _no("bad_question", f"{where}: {first['msg']}")
        except Refusal as refusal:
            return _no(refusal.code, refusal.reason)
        except StoreError as error:
            return _no("disk", str(error))


def _no(code: str, reason: str) -> dict[str, object]:
    return {"ok": False, "code": code, "reason": reason}


def _user_of(writer: asyncio.StreamWriter) -> str:
    """The account at the other end, as the kernel knows it."""
    line: socket.socket = writer.get_extra_info("socket")
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user_id, _ = _CREDENTIALS.unpack(credentials)
    return account_name(user_id)
