"""Answer files end with their retention, and not while their answer is on its way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doxedge.gateway.answer_files import KEEP_DAYS_MIN, forget_old_answers
from doxedge.quantity import DAY_MS
from doxedge.store.outbox import OutboxSettings
from tests.gateway.test_sample_clerk import Desk, desk
from tests.ledger.channels import START_MS

LATER_MS = START_MS + 1_000 * DAY_MS


async def answered(at: Desk) -> Path:
    """A request, its answer signed and not posted; the file."""
    await at.bench.measure(65)
    await at.post()
    request = await at.ask(0, 1)
    assert await at.clerk.answer_open() == 1
    return at.file(request)


def written(path: Path, days_ago: int) -> None:
    """Give a file its age, and a millisecond more."""
    at_ns = (LATER_MS - days_ago * DAY_MS - 1) * 1_000_000
    os.utime(path, ns=(at_ns, at_ns))


async def forget(at: Desk, retention_days: int = 400) -> list[Path]:
    return await forget_old_answers(
        at.bench.folder, [at.clerk.identity], at.bench.outbox, now_ms=LATER_MS, retention_days=retention_days
    )


@pytest.mark.parametrize(("retention_days", "kept_days"), [(400, 400), (36, 36), (1, KEEP_DAYS_MIN)])
async def test_a_file_goes_when_it_is_older_than_its_retention(
    tmp_path: Path, retention_days: int, kept_days: int
) -> None:
    async with desk(tmp_path) as at:
        path = await answered(at)
        await at.post()
        written(path, kept_days - 1)
        assert await forget(at, retention_days) == []
        assert path.exists()
        written(path, kept_days)
        assert await forget(at, retention_days) == [path]
        assert not path.exists()
        assert await forget(at, retention_days) == []


async def test_a_file_stays_while_its_answer_is_not_proved_final(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        path = await answered(at)
        written(path, 5_000)
        assert await forget(at) == []
        assert path.exists()
        await at.post()
        assert await forget(at) == [path]


async def test_a_strange_file_is_left_to_whoever_put_it_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        path = await answered(at)
        await at.post()
        strange = path.with_name("copy for the hearing.samples")
        strange.write_bytes(path.read_bytes())
        other = path.with_name("notes.txt")
        other.write_text("mine")
        for one in (path, strange, other):
            written(one, 5_000)
        assert await forget(at) == [path]
        assert (strange.exists(), other.exists()) == (True, True)


async def test_without_any_answer_there_is_nothing_to_do(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await forget(at) == []


def test_no_file_goes_before_the_proof_of_its_answer() -> None:
    assert OutboxSettings().closed_keep_ms == KEEP_DAYS_MIN * DAY_MS
