"""Who stands beside a running gateway may ask how it is and acknowledge alarms; nonsense is refused in words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.alarm_desk import AlarmDesk, AskAcknowledge
from doxedge.gateway.operator_door import QUESTION_BYTES_MAX, SOCKET_MODE, Answers, Caller, OperatorDoor
from doxedge.gateway.status import AskStatus
from doxedge.measurement.alarms import Sighting
from doxedge.store.alarms import AlarmStore
from tests.gateway.waiting import until

NOW_MS = 3_600_000


@asynccontextmanager
async def door(folder: Path) -> AsyncIterator[tuple[OperatorDoor, AlarmDesk]]:
    """An open door before a desk with one alarm."""
    async with await AlarmStore.open(folder / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=lambda subject, happening: None)
        await desk.look([Sighting("device.away", "alpha-1.flow", True, "comms: no answer")], now_ms=NOW_MS)

        async def status(asked: AskStatus, caller: Caller) -> dict[str, object]:
            return {asked.ask: {"alarms": len(await desk.wanting())}}

        answers = Answers()
        answers.add(AskStatus, status)
        answers.add(AskAcknowledge, desk.answer)
        opened = OperatorDoor(folder / "gateway.sock", answers, now_ms=lambda: NOW_MS)
        serving = asyncio.create_task(opened.serve(), name="door")
        try:
            await until(opened.path.exists, what="the door")
            yield opened, desk
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def ask(path: Path, line: bytes) -> Any:
    """What is answered; None when the connection just ends."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line)
        await writer.drain()
        async with asyncio.timeout(60):
            answer = await reader.readline()
        return json.loads(answer) if answer else None
    finally:
        writer.close()


def question(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


async def test_the_status_is_told(tmp_path: Path) -> None:
    async with door(tmp_path) as (opened, _):
        assert await ask(opened.path, question(ask="status")) == {"ok": True, "status": {"alarms": 1}}


async def test_an_alarm_is_acknowledged_by_name_and_by_the_account_that_the_kernel_saw(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as (opened, desk):
        asked = question(ask="acknowledge", alarm=1, name=" A. Person ", reason="cable was loose")
        answer = await ask(opened.path, asked)
        assert answer["ok"] is True
        (alarm,) = await desk.wanting()
        assert alarm.acknowledged is not None
        assert (alarm.acknowledged.name, alarm.acknowledged.reason) == ("A. Person", "cable was loose")
        assert alarm.acknowledged.user == pwd.getpwuid(os.getuid()).pw_name
        assert answer["alarm"]["acknowledged"]["at_ms"] == NOW_MS
        again = await ask(opened.path, asked)
        assert (again["ok"], again["code"]) == (False, "acknowledged")
        assert "A. Person" in again["reason"]


REFUSED = {
    "no JSON": (b"hello\n", "bad_question"),
    "another question": (question(ask="everything"), "bad_question"),
    "no question": (question(), "bad_question"),
    "too much": (question(ask="status", loud=True), "bad_question"),
    "an alarm that is not there": (
        question(ask="acknowledge", alarm=7, name="A", reason="B"),
        "unknown_alarm",
    ),
    "no name": (question(ask="acknowledge", alarm=1, name="  ", reason="B"), "bad_question"),
    "no reason": (question(ask="acknowledge", alarm=1, name="A", reason=""), "bad_question"),
    "a number in words": (question(ask="acknowledge", alarm="1", name="A", reason="B"), "bad_question"),
    "a name beyond bearing": (
        question(ask="acknowledge", alarm=1, name="A" * 501, reason="B"),
        "bad_question",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_in_words_is(case: str, tmp_path: Path) -> None:
    line, code = REFUSED[case]
    async with door(tmp_path) as (opened, desk):
        answer = await ask(opened.path, line)
        assert (answer["ok"], answer["code"]) == (False, code)
        assert answer["reason"]
        (alarm,) = await desk.wanting()
        assert alarm.acknowledged is None
        assert (await ask(opened.path, question(ask="status")))["ok"] is True


async def test_a_flood_is_cut_off_and_the_next_is_answered(tmp_path: Path) -> None:
    async with door(tmp_path) as (opened, _):
        with contextlib.suppress(ConnectionError):  # the other end may be faster than we
            assert await ask(opened.path, b"x" * (4 * QUESTION_BYTES_MAX) + b"\n") is None
        assert (await ask(opened.path, question(ask="status")))["ok"] is True


async def test_only_the_user_and_the_group_may_ask_and_the_file_goes_with_the_gateway(tmp_path: Path) -> None:
    async with door(tmp_path) as (opened, _):
        await until(
            lambda: stat.S_IMODE(opened.path.stat().st_mode) == SOCKET_MODE, what="the mode of the socket"
        )
    assert not opened.path.exists()


async def test_a_file_left_by_a_run_that_was_killed_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "gateway.sock").write_bytes(b"")
    async with door(tmp_path) as (opened, _):

        async def answers() -> bool:
            try:
                return bool(await ask(opened.path, question(ask="status")))
            except OSError:
                return False

        await until(answers, what="an answer")


async def test_a_socket_that_cannot_be_made_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def status(asked: AskStatus, caller: Caller) -> dict[str, object]:
        return {asked.ask: caller.user}

    answers = Answers()
    answers.add(AskStatus, status)
    nowhere = OperatorDoor(tmp_path / "missing" / "gateway.sock", answers, now_ms=lambda: 0)
    await asyncio.wait_for(nowhere.serve(), 60)
    assert "nobody can ask for the status" in caplog.text
