"""A person says at the operators' door that a meter was exchanged; the answer comes when it is on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.gateway.measuring import Measuring
from doxedge.gateway.meter_exchange import AskMeterExchange
from doxedge.gateway.operator_door import Answers, OperatorDoor
from doxedge.gateway.plan import make_plan
from doxedge.gateway.settings import load_settings
from tests.gateway.commission_bench import Site, site
from tests.gateway.test_meter_exchange import OLD_WH, events, exchanged
from tests.gateway.waiting import until

Captured = pytest.CaptureFixture[str]


@asynccontextmanager
async def measured(folder: Path) -> AsyncIterator[Site]:
    """A unit whose meter was exchanged after half an hour, behind an open door."""
    async with site(folder) as at:
        await at.bench.measure(30)
        exchanged(at.bench)
        await at.bench.measure(5)
        plan = make_plan(load_settings(at.config), source="test", clock=at.bench.clock)
        measuring = Measuring(plan, clock=at.bench.clock, chance=lambda: 0.5)
        measuring.pipelines["alpha-1"] = at.bench.pipeline
        answers = Answers()
        answers.add(AskMeterExchange, measuring.exchange_meter)
        door = OperatorDoor(folder / "gateway" / "gateway.sock", answers, now_ms=at.bench.clock.now_ms)
        serving = asyncio.create_task(door.serve(), name="door")
        try:
            await until(door.path.exists, what="the door")
            yield at
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def tell(at: Site, *changes: str) -> int:
    document = at.folder / "protocol.pdf"
    document.write_bytes(b"old and new meter")
    return await asyncio.to_thread(
        main,
        [
            "gateway", "exchange-meter", "--config", str(at.config), "--unit", "alpha-1",
            "--at", "2026-01-01T00:29:59", "--old-wh", str(OLD_WH), "--new-wh", "0", "--name", "A. Person",
            "--reason", "calibration", "--document", str(document), *changes,
        ],
    )  # fmt: skip


async def test_an_exchange_is_on_record_with_name_account_and_document(
    tmp_path: Path, capsys: Captured
) -> None:
    async with measured(tmp_path) as at:
        assert await tell(at, "--output", "json") == 0
        told = json.loads(capsys.readouterr().out)["exchange"]
        assert told["document"] == hashlib.sha256(b"old and new meter").hexdigest()
        assert told["user"] == pwd.getpwuid(os.getuid()).pw_name
        ((unit, code, at_ms, text),) = await events(at.bench)
        assert (unit, code, at_ms) == ("alpha-1", "meter.exchanged", told["at_ms"])
        assert told["document"] in text
        assert "A. Person" in text
        assert await tell(at) == 0, "the same again is on record"
        assert await tell(at, "--at=2026-01-01T00:31") == 1
        assert "is on record for this hour already" in capsys.readouterr().err
        assert len(await events(at.bench)) == 1


REFUSED = {
    "another unit": (["--unit", "beta-1"], 2, "there is no unit beta-1"),
    "a counter that does not fit": (["--old-wh", "7"], 1, "cannot have shown 7 Wh"),
    "no number": (["--old-wh", "-7"], 2, "old_wh"),
    "a time to come": (["--at", "2027-01-01"], 2, "still to come"),
    "no document": (["--document", "nowhere.pdf"], 7, "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_in_words(case: str, tmp_path: Path, capsys: Captured) -> None:
    changes, code, reason = REFUSED[case]
    changes = [f"{changes[0]}={changes[1]}"]
    async with measured(tmp_path) as at:
        assert await tell(at, *changes) == code
        assert reason in capsys.readouterr().err
        assert await events(at.bench) == []
