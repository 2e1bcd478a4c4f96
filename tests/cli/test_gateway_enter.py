"""Two persons enter an hour from the command line, through the real door."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.gateway.manual_office import AskConfirm, AskEntries, AskPropose
from doxedge.gateway.operator_door import Answers, OperatorDoor
from tests.gateway.manual_hours import entered, office, with_a_gap
from tests.gateway.waiting import until

Captured = pytest.CaptureFixture[str]


async def run(folder: Path, *arguments: str) -> int:
    command = ["gateway", "enter", *arguments, "--state", str(folder)]
    return await asyncio.to_thread(main, command)


async def test_an_hour_is_proposed_listed_and_confirmed(tmp_path: Path, capsys: Captured) -> None:
    folder, document = tmp_path / "gateway", tmp_path / "protocol.pdf"
    folder.mkdir()
    document.write_bytes(b"a portable analyser")
    propose = [
        "propose", "--unit", "alpha-1", "--hour", "2026-01-01T01:00", "--nox-g", "12000", "--name", "A. Person",
        "--reason", "portable analyser", "--document", str(document),
    ]  # fmt: skip
    async with office(folder) as (unit, made):
        await with_a_gap(unit)
        answers = Answers()
        answers.add(AskPropose, made.propose)
        answers.add(AskConfirm, made.confirm)
        answers.add(AskEntries, made.listed)
        door = OperatorDoor(folder / "gateway.sock", answers, now_ms=unit.clock.now_ms)
        serving = asyncio.create_task(door.serve(), name="door")
        try:
            await until(door.path.exists, what="the door")
            assert await run(tmp_path, "list") == 0
            assert "nothing was entered by hand" in capsys.readouterr().out
            assert await run(tmp_path, *propose) == 0
            assert "entry 1 waits for another person" in capsys.readouterr().out
            assert await run(tmp_path, *propose, "--hour", "2026-01-01T00:00") == 1
            assert "is never replaced by hand" in capsys.readouterr().err
            assert await run(tmp_path, "confirm", "1", "--name", "B. Person") == 1
            assert "confirm from another account, or say why" in capsys.readouterr().err
            shared = ["--same-account", "one account on this box", "--output", "json"]
            assert await run(tmp_path, "confirm", "1", "--name", "B. Person", *shared) == 0
            assert json.loads(capsys.readouterr().out)["signed"] is True
            assert await run(tmp_path, "list") == 0
            assert "B. Person" in capsys.readouterr().out
            assert len(await entered(unit)) == 1
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
