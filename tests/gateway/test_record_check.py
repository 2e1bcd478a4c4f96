"""What was removed or altered in the outbox is told, by source, in words for a person."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from doxedge.gateway.record_check import RecordCheck
from doxedge.signing.signer import Ed25519Signer
from doxedge.store.outbox import Outbox
from tests.store.records import CHANNEL, OTHER, SIGNER, SOURCE, START_MS, hours, seal

ALTER = "UPDATE entry SET envelope = CAST(substr(envelope, 1, length(envelope) - 1) || x'00' AS BLOB) WHERE seq = 3"
"""The last byte of the signature."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param("DELETE FROM entry WHERE seq = 2", "record 2: records 2 to 2 are missing", id="removed"),
        pytest.param(
            "DELETE FROM entry WHERE seq > 3", "record 4: the last record that was given", id="the end"
        ),
        pytest.param(ALTER, "record 3: the signature does not hold", id="altered"),
        pytest.param(
            "DELETE FROM entry WHERE seq IN (1, 4)",
            "record 1: records 1 to 1 are missing, and 1 more findings",
            id="two removed",
        ),
    ],
)
async def test_what_was_done_to_the_file_is_told(tmp_path: Path, change: str, told: str) -> None:
    path = tmp_path / "outbox.db"
    async with await Outbox.open(path, now_ms=lambda: START_MS) as outbox:
        for source in (SOURCE, OTHER):
            await outbox.begin(CHANNEL, source)
        await outbox.append(CHANNEL, SOURCE, hours(0, 5), seal=seal)
        check = RecordCheck(outbox, SIGNER)
        assert check.verdict(CHANNEL, SOURCE) is None
        await check.look()
        assert check.verdict(CHANNEL, SOURCE) == ""
        with closing(sqlite3.connect(path)) as connection, connection:
            assert connection.execute(change).rowcount > 0
        await check.look()
        assert (check.verdict(CHANNEL, SOURCE) or "").startswith(told)
        assert check.verdict(CHANNEL, OTHER) == ""


async def test_records_of_a_key_that_was_replaced_are_no_finding(tmp_path: Path) -> None:
    async with await Outbox.open(tmp_path / "outbox.db", now_ms=lambda: START_MS) as outbox:
        await outbox.begin(CHANNEL, SOURCE)
        await outbox.append(CHANNEL, SOURCE, hours(0, 5), seal=seal)
        check = RecordCheck(outbox, Ed25519Signer(bytes(32)))
        await check.look()
        assert check.verdict(CHANNEL, SOURCE) == ""
