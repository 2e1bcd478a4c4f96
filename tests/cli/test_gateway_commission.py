"""From trial hours to hours that count: prepared beside the gateway, checked off-line and by hand, then signed."""

from __future__ import annotations

import asyncio
import csv
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.ledger.transaction import open_transaction
from doxedge.quantity import HOUR_MS
from tests.gateway.commission_bench import DEVICE, HOURS, Site, site
from tests.gateway.key_files import write_key
from tests.ledger.channels import START_MS
from tests.web.small_node import served

Captured = pytest.CaptureFixture[str]


async def run(at: Site, *arguments: str) -> int:
    """A command beside the served node."""
    async with served(at.node, at.folder):
        return await asyncio.to_thread(main, ["gateway", "commission", *arguments])


async def prepare(at: Site, *more: str, name: str = "alpha-1.commission") -> int:
    arguments = ["prepare", "--config", str(at.config), "--out", str(at.folder / name)]
    return await run(at, *arguments, *(more or ("--count", str(HOURS))))


def check(at: Site, *more: str, name: str = "alpha-1.commission") -> int:
    """Off-line: nothing is served."""
    return main(["gateway", "commission", "check", str(at.folder / name), *more])


def by_hand(folder: Path) -> list[int]:
    """Grams of each hour, worked out from the sheet of minutes by the formula of the chain, dry times dry."""
    text = (folder / "alpha-1.commission.minutes.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    masses = []
    for first in range(0, len(rows), 60):
        grams = seconds = covered = Decimal(0)
        for row in rows[first : first + 60]:
            seconds += Decimal(row["operating_s"])
            if not row["g"]:
                continue
            covered += Decimal(row["operating_s"])
            flow = Decimal(row["flow_m3_per_h"]) * Decimal("273.15") * Decimal(row["stack_pressure_kpa"])
            flow /= (Decimal("273.15") + Decimal(row["stack_temperature_c"])) * Decimal("101.325")
            flow *= (100 - Decimal(row["moisture_percent"])) / 100
            rate = Decimal(row["nox_ppb"]) / 1_000 * Decimal("2.0525") * flow / 1_000
            grams += rate * Decimal(row["operating_s"]) / 3_600
        masses.append(int((grams * seconds / covered).quantize(Decimal(1), rounding=ROUND_HALF_UP)))
    return masses


def fill_in(at: Site, masses: list[int], name: str = "hand.csv") -> str:
    """The list that was written for the work by hand, with its figures."""
    lines = (at.folder / "alpha-1.commission.hand.csv").read_text().splitlines()
    filled = [lines[0], *(f"{line}{grams}" for line, grams in zip(lines[1:], masses, strict=True))]
    path = at.folder / name
    path.write_text("\n".join(filled) + "\n")
    return str(path)


async def standing(at: Site, capsys: Captured) -> Any:
    """What `readings status` says of the device."""
    capsys.readouterr()
    async with served(at.node, at.folder) as addresses:
        command = ["readings", "status", "--output", "json", "--node", str(addresses.socket_path)]
        assert await asyncio.to_thread(main, command) == 0
    (channel,) = json.loads(capsys.readouterr().out)["channels"]
    return next(row for row in channel["devices"] if row["device"] == DEVICE)


async def sign(at: Site, hand: str, *more: str, name: str = "commission") -> int:
    key = write_key(at.folder / "verifier.pem", "verifier officer")
    return await run(
        at, "sign", str(at.folder / "alpha-1.commission"), "--hand", hand, "--key", key,
        "--out", str(at.folder / f"{name}.envelope"), "--node", str(at.folder / "node.sock"), *more,
    )  # fmt: skip


async def test_the_whole_road(tmp_path: Path, capsys: Captured) -> None:
    async with site(tmp_path) as at:
        await at.bench.measure(60 * 4 + 5)
        await at.post()
        assert (await standing(at, capsys))["commissioning"] == "trial"
        assert await prepare(at) == 0
        assert capsys.readouterr().out == f"{tmp_path}/alpha-1.commission\n"
        channel = at.ledger.channel.hex()
        assert check(at, "--channel", channel, "--sheets", "--output", "json") == 0
        shown = json.loads(capsys.readouterr().out)
        starts = [hour["start_ms"] for hour in shown["hours"] if hour["witnessed"]]
        assert starts == [START_MS + number * HOUR_MS for number in (1, 2, 3)]
        assert shown["channel_pinned"] is True
        assert shown["device"] == DEVICE
        masses = by_hand(tmp_path)
        assert masses == [hour["nox_g"] for hour in shown["hours"]]
        hand = fill_in(at, masses)
        assert check(at, "--hand", hand, "--tolerance-g", "0") == 0
        page = capsys.readouterr().out
        assert f"{masses[0]} g by hand" in page
        assert "which channel it is" in page
        assert await sign(at, hand) == 0
        assert "accepted" in capsys.readouterr().out
        record = open_transaction((tmp_path / "commission.envelope").read_bytes(), at.ledger.channel).record
        assert record.body[0] == DEVICE
        assert record.body[2] == [list(pair) for pair in zip(starts, masses, strict=True)]
        assert bytes.fromhex(shown["statement_hash"]) == record.body[3]
        row = await standing(at, capsys)
        assert (row["commissioning"], row["counts_from_ms"]) == ("commissioned", START_MS + 4 * HOUR_MS)
        assert await prepare(at, name="again") == 1
        assert "is commissioned already with this register map" in capsys.readouterr().err


async def commissioned(at: Site, folder: Path) -> None:
    """The first three hours are witnessed."""
    await at.bench.measure(60 * 3 + 5)
    await at.post()
    assert await prepare(at) == 0
    assert check(at, "--sheets") == 0
    assert await sign(at, fill_in(at, by_hand(folder))) == 0
    for name in ("", ".minutes.csv", ".chain.txt", ".hand.csv"):
        (folder / f"alpha-1.commission{name}").unlink()


async def test_a_changed_register_map_is_commissioned_anew(tmp_path: Path, capsys: Captured) -> None:
    async with site(tmp_path) as first:
        await commissioned(first, tmp_path)
    async with site(tmp_path, before=first, flow_high="600000") as at:
        assert await prepare(at, name="early") == 1
        assert (
            "no hour is on the ledger yet that device alpha-gw-2 read with its new" in capsys.readouterr().err
        )
        await at.bench.measure(60 * 4)
        await at.post()
        assert (await standing(at, capsys))["commissioning"] == "reopened"
        assert await prepare(at) == 0
        assert check(at, "--sheets") == 0
        assert await sign(at, fill_in(at, by_hand(tmp_path)), name="anew") == 0
        row = await standing(at, capsys)
        assert row["commissioning"] == "commissioned"
        assert row["counts_from_ms"] == START_MS + 7 * HOUR_MS


async def test_a_device_that_measures_with_another_map_than_the_registered_one_is_not_prepared(
    tmp_path: Path, capsys: Captured
) -> None:
    async with site(tmp_path) as first:
        pass
    async with site(tmp_path, before=first, flow_high="600000") as at:
        await at.bench.measure(60 * 4)
        await at.post()
        assert await prepare(at) == 1
        assert "register a device with the map that is in use" in capsys.readouterr().err


async def test_hours_that_cannot_be_witnessed_are_named_with_the_reason(
    tmp_path: Path, capsys: Captured
) -> None:
    async with site(tmp_path) as at:
        await at.bench.measure(60 * 2)
        await at.bench.measure(60, power_w=0)
        await at.bench.measure(62)
        await at.post()
        await at.bench.measure(60)
        assert await prepare(at, "--count", "5") == 1
        told = capsys.readouterr().err
        assert "3 hours can be witnessed, and 5 are wanted" in told
        assert "hour 2026-01-01 02:00:00 UTC: the unit did not run" in told
        assert "hour 2026-01-01 04:00:00 UTC: its latest statement is pending" in told
        assert await prepare(at, "--hours", "2026-01-01T02:00") == 1
        assert "the unit did not run" in capsys.readouterr().err
        assert await prepare(at, "--hours", "2026-01-01T04:00") == 1
        assert await prepare(at, "--hours", "2026-01-01T07:00") == 1
        assert "hour 2026-01-01 07:00:00 UTC: not signed here" in capsys.readouterr().err
        assert await prepare(at, "--hours", "2026-01-01T01:00", "2026-01-01T03:00") == 0
        capsys.readouterr()
        assert check(at, "--output", "json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert [hour["start_ms"] for hour in shown["hours"]] == [START_MS + HOUR_MS, START_MS + 3 * HOUR_MS]


def test_the_list_by_hand_is_read_strictly(tmp_path: Path, capsys: Captured) -> None:
    refused = {
        "start;nox_g\n": "the first line is start,nox_g",
        "start,nox_g\n2026-01-01T00:00Z,\n": "is not filled in",
        "start,nox_g\n2026-01-01T00:00Z,12.5\n": "no number of whole grams",
        "start,nox_g\n2026-01-01T00:00Z,-1\n": "no number of whole grams",
        "start,nox_g\n2026-01-01T00:00Z,1,250\n": "grams have no separators",
        "start,nox_g\n2026-01-01T00:30Z,1\n": "no start of an hour",
        "start,nox_g\nnoon,1\n": "is no time",
        "start,nox_g\n2026-01-01T00:00Z,1\n2026-01-01T00:00,1\n": "stands there twice",
        "start,nox_g\n" + "\n" * 70_000: "longer than",
    }
    file = tmp_path / "any"
    file.write_bytes(b"")
    for text, reason in refused.items():
        hand = tmp_path / "hand.csv"
        hand.write_text(text)
        assert main(["gateway", "commission", "check", str(file), "--hand", str(hand)]) == 2
        assert reason in capsys.readouterr().err
    assert main(["gateway", "commission", "check", str(file), "--hand", str(tmp_path / "none")]) == 7


async def test_figures_that_differ_are_refused_and_nothing_is_signed(
    tmp_path: Path, capsys: Captured
) -> None:
    async with site(tmp_path) as at:
        await at.bench.measure(60 * 3 + 5)
        await at.post()
        assert await prepare(at) == 0
        assert check(at, "--sheets") == 0
        masses = by_hand(tmp_path)
        near = fill_in(at, [masses[0] + 1, *masses[1:]])
        assert check(at, "--hand", near) == 0
        capsys.readouterr()
        assert check(at, "--hand", near, "--tolerance-g", "0", "--output", "json") == 6
        refused = json.loads(capsys.readouterr().out)
        assert (refused["verdict"], refused["exit"]) == ("refused", 6)
        far = fill_in(at, [masses[0] + 2, *masses[1:]], "far.csv")
        assert await sign(at, far) == 6
        assert f"{masses[0] + 2} g by hand, {masses[0]} g stated; allowed are 1 g" in capsys.readouterr().err
        assert not (tmp_path / "commission.envelope").exists()
        short = tmp_path / "short.csv"
        short.write_text((tmp_path / "hand.csv").read_text().rpartition("2026")[0])
        assert check(at, "--hand", str(short)) == 6
        assert "were not worked out by hand" in capsys.readouterr().err
        assert check(at, "--channel", "00" * 32) == 6
        assert await sign(at, near, "--hold") == 0
        assert (await standing(at, capsys))["commissioning"] == "trial"
        assert await sign(at, near) == 2, "the envelope is never written over"
