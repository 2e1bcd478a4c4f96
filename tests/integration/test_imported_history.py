"""A plant changes its system: its hours are imported, an outage comes, and the substitutes rest on them.

Simulated plant, `doxedge gateway run`, `doxedge node run` and `doxedge gateway hours import` as real processes, an
instrument behind a cable that is cut. What is signed is compared with what the file says by arithmetic of this test.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.remote import RemoteLedger
from doxedge.evidence.check import check
from doxedge.measurement.substitute_recipe import sources_in
from doxedge.quantity import HOUR_MS
from doxedge.signing import envelope
from doxedge.signing.record import decode_payload
from doxedge.store import look
from doxedge.store.errors import StoreError
from doxedge.store.hour_rows import StoredHour
from tests.gateway.other_system import CALLED, UTC_OFFSET, Hour, text
from tests.gateway.registered_channel import RegisteredChannel, registered_channel
from tests.gateway.waiting import until
from tests.integration.cable import cable_to
from tests.integration.simulated_site import FIRST_HOUR_MS, SimulatedSite, simulated_site
from tests.integration.test_gateway_and_node import daemon, has_records, register, write_configuration

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 90.0
"""On a busy machine; nothing depends on it."""
UNIT = "alpha-1"
GOOD, BAD = 2_550, 450
"""85 % of availability: for a missing hour stands the maximum in its load range (40 CFR 75.33, from 80 % on)."""
RANGES = 10
MAXIMUM = 900_000
RULES = f"""
[unit.missing_data]
rules = "part75"
maximum_g_per_h = {MAXIMUM}
max_load_w = 100_000_000
load_ranges = {RANGES}
"""


def rate_of(load_range: int) -> int:
    """What the other system measured in each hour of a load range, g/h: more than this plant emits; 0: any range."""
    return 400_000 + 1_000 * (load_range or RANGES)


def imported_hours() -> Iterator[Hour]:
    """The bad ones first; then each load range in turn."""
    for n in range(BAD + GOOD):
        load_range = 1 + n % RANGES
        pounds = (Decimal(rate_of(load_range)) / Decimal("453.59237")).quantize(Decimal("0.0001"))
        yield Hour(pounds, load_mw=10 * load_range - 5, flag="3" if n < BAD else "1")


async def doxedge(site: SimulatedSite, *words: str) -> tuple[int, str, str]:
    """A command of the operator: exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doxedge", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=site.environment,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def known(folder: Path) -> list[StoredHour]:
    """The gateway's own hours, from beside it."""
    try:
        return look.hours(folder / "gateway" / "hours.db", UNIT)
    except StoreError:
        return []


def substituted(folder: Path) -> list[StoredHour]:
    return [hour for hour in known(folder) if hour.stated is not None]


def gap_is_over(folder: Path) -> bool:
    """Whether hours were measured again, and no substitute waits for it."""
    hours = known(folder)
    return bool(hours) and hours[-1].known.quality_assured and not any(hour.is_open for hour in hours)


async def proved(
    ledger: RemoteLedger, channel: RegisteredChannel, folder: Path
) -> list[tuple[str, list[Any]]]:
    """Kind and body of all that the device signed, in its order, out of the proofs that the node gives of it."""
    name, source = bytes(channel.chain.channel), bytes(channel.authors["alpha-1 device"].source)
    kept = look.records(
        folder / "gateway" / "outbox.db", ("event", "gap", "hour", "hour.revise"), source=source
    )
    signed = [decode_payload(envelope.decode(record.envelope).payload) for record in kept]
    wanted = [record.record_id(channel.chain.channel) for record in signed]
    await until(lambda: has_records(ledger, channel, kept[-1].seq), within_s=PATIENCE_S, what="all proofs")
    said: dict[bytes, tuple[str, list[Any]]] = {}
    for proof in await ledger.proofs(name, wanted):
        assert proof is not None
        for record in check(proof, channel=name).records:
            assert record.outcome == 0, record
            said[record.record_id] = (record.kind, list(record.body))
    return [said[record_id] for record_id in wanted]


async def test_substitutes_of_a_real_gateway_rest_on_the_hours_of_the_system_before_it(
    tmp_path: Path,
) -> None:
    channel = registered_channel("north")
    ledger = RemoteLedger(NodeAddress.parse(f"unix:{tmp_path}/node.sock"))
    config = tmp_path / "gateway.toml"
    file = tmp_path / "hours.csv"
    file.write_text(text(imported_hours(), end_ms=FIRST_HOUR_MS - HOUR_MS))
    words = [
        "gateway",
        "hours",
        "import",
        str(file),
        "--config",
        str(config),
        "--unit",
        UNIT,
        "--called",
        CALLED,
    ]
    words += [
        "--utc-offset",
        str(UTC_OFFSET),
        "--name",
        "Ada",
        "--reason",
        "another system",
        "--output",
        "json",
    ]
    async with (
        simulated_site() as site,
        cable_to("127.0.0.1", site.ready["analyser"]["port"]) as (cable, port),
    ):
        site.ready["analyser"]["port"] = port
        write_configuration(tmp_path, site, channel)
        config.write_text(config.read_text() + RULES)
        async with daemon("node", tmp_path / "node.toml", site):
            await register(ledger, channel)
            async with daemon("gateway", config, site):
                await until(lambda: has_records(ledger, channel, 1), within_s=PATIENCE_S, what="a start")
                assert (await doxedge(site, *words, "--check"))[0] == 0
                code, out, err = await doxedge(site, *words)
                assert (code, out) == (1, "")
                assert "the gateway runs" in err
            code, out, err = await doxedge(site, *words)
            assert (code, json.loads(out)["outcome"]) == (0, "taken"), err
            cable.cut()
            async with daemon("gateway", config, site) as gateway:
                await until(lambda: bool(substituted(tmp_path)), within_s=PATIENCE_S, what="a substitute")
                gateway.kill()
                await gateway.wait()
            code, out, err = await doxedge(site, *words)
            assert (code, json.loads(out)["outcome"]) == (0, "there already"), err
            cable.mend()
            async with daemon("gateway", config, site) as gateway:
                await until(lambda: gap_is_over(tmp_path), within_s=PATIENCE_S, what="the end of the gap")
                assert gateway.returncode is None
                said = await proved(ledger, channel, tmp_path)
        await ledger.close()
        code, out, err = await doxedge(
            site, "gateway", "hours", "--config", str(config), "--verify", "--output", "json"
        )
    assert code == 0, (out, err)
    told = [hour for hour in json.loads(out)["hours"] if hour["what"] == "substituted"]
    assert {hour["verdict"] for hour in told} == {"proved"}, told
    source = f"{hashlib.sha256(file.read_bytes()).hexdigest()}:{UTC_OFFSET}"
    (event,) = [
        place for place, (kind, body) in enumerate(said) if kind == "event" and body[1] == "history.imported"
    ]
    assert source in said[event][1][3]
    resting = set()
    for place, (kind, body) in enumerate(said):
        hour = body if kind == "hour" else body[2]
        if not kind.startswith("hour") or hour[6] != "substituted":
            continue
        recipe = hour[18]
        if not sources_in(recipe):  # stated before the import, and so it stays
            assert (hour[8], hour[4]) == ("07", MAXIMUM)
            continue
        assert place > event, "nothing rests on what the regulator does not know"
        assert sources_in(recipe) == {source}
        load_range = 0
        if recipe[6] is not None:
            load_w, load_w_max, load_range, ranges = recipe[6]
            assert ranges == RANGES
            assert load_range - 1 <= load_w * RANGES / load_w_max <= load_range
        assert (hour[8], hour[4]) == ("10", rate_of(load_range))
        resting.add(hour[1])
    assert resting
    assert resting <= {hour["start_ms"] for hour in told}
