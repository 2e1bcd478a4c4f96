"""`doxedge demo --replay`: the hours of a real unit's file take the road from the outbox to final blocks."""

from __future__ import annotations

import asyncio
import functools
import os
import random
from pathlib import Path
from typing import Any, Final

from doxedge.cli.audit_input import read_table
from doxedge.cli.demo_officer import Node, Numbering
from doxedge.cli.demo_site import Stage, until_served
from doxedge.cli.demo_view import DemoView
from doxedge.cli.outcome import Exit, Failure
from doxedge.contracts.emissions import calendar_year
from doxedge.contracts.hours import GAP_HOURS_MAX
from doxedge.evidence import check as evidence
from doxedge.fieldbus.clock import VARIABLE, RealClock
from doxedge.gateway.bodies import firmware_text
from doxedge.gateway.poster import Poster
from doxedge.measurement.hourly_file import HourlyRow, parse
from doxedge.quantity import HOUR_MS, round_half_away
from doxedge.signing import envelope
from doxedge.signing.algorithms import ED25519
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer
from doxedge.signing.tags import hash_tagged
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Draft

UNIT: Final = "replayed"
PARTIES: Final = ("regulator", "operator")
DRAFTS_AT_ONCE: Final = 512
PATIENCE_S: Final = 600.0
WITNESSED: Final = 1
"""The hour before the file, by which the device is commissioned."""


async def replay(stage: Stage, view: DemoView, broker: str, file: Path) -> dict[str, Any]:
    """Sign and commit every hour of the file; compare the ledger's grams with the file's."""
    rows = await asyncio.to_thread(_read, file)
    first_ms = rows[0].start_ms()
    (stage.folder / "keys").mkdir(exist_ok=True)
    # A device states no hour that ended before it was registered, so the channel begins in the file's own time.
    now_ms = RealClock().now_ms()
    stage.environment = {**os.environ, VARIABLE: f"{now_ms},{first_ms - 2 * HOUR_MS},1"}
    stage.start_broker(broker)
    channel, path = stage.genesis("replay", f"the place of {file.stem}", ["operator"], commission_hours_min=1)
    nodes = await _start_nodes(stage, path)
    view.step(f"Two nodes keep one channel; {len(rows)} hours of {file.name} are read.")
    device = stage.key("operator-device")
    regulator = Numbering(nodes["regulator"], channel, stage.key("regulator-officer"))
    await regulator.must("unit.register", [UNIT, "operator", "boiler", 500_000, "zone 1"])
    await regulator.must("account.open", [UNIT, "operator", UNIT])
    operator = Numbering(nodes["regulator"], channel, stage.key("operator-officer"))
    body: list[Value] = [f"{UNIT}-gw", UNIT, ED25519, device.public_key, bytes(32), firmware_text()]
    registered = await operator.must("device.register", body)
    source = Numbering(nodes["operator"], channel, device, registered.record_ids[0]).source
    await nodes["operator"].until(
        f"/v1/channels/{channel.hex()}/units",
        lambda units: any(u["device"] for u in units),
        what="the registration",
    )
    await asyncio.to_thread(stage.stop, *(f"{party}-node" for party in PARTIES))
    # Real time from here on, by a clock that is said to be simulated: nobody asks a time server whether it leapt.
    now_ms = RealClock().now_ms()
    stage.environment[VARIABLE] = f"{now_ms},{now_ms},1"
    nodes = await _start_nodes(stage, path)
    regulator.node = nodes["regulator"]
    outbox = await Outbox.open(stage.folder / "operator" / "gateway" / "outbox.db", now_ms=RealClock().now_ms)
    try:
        await outbox.begin(channel, source)
        poster = Poster(
            channel=channel, source=source, outbox=outbox, ledger=nodes["operator"].ledger, signer=device,
            clock=RealClock(), chance=random.random,
        )  # fmt: skip
        posting = asyncio.create_task(poster.run(), name="poster")
        try:
            await _trial(nodes["operator"], regulator, outbox, poster, channel, source, device, first_ms)
            result = await _post(rows, view, outbox, poster, channel, source, device, nodes, posting)
        finally:
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
    finally:
        await outbox.close()
    proof = await _prove(stage, nodes["regulator"], channel, result.pop("last"))
    return {**result, "evidence": proof}


async def _start_nodes(stage: Stage, genesis: Path) -> dict[str, Node]:
    for party in PARTIES:
        stage.start_node(party, [genesis])
    for party in PARTIES:
        await until_served(stage.socket(party), stage)
    return {party: Node(stage.socket(party)) for party in PARTIES}


def _read(file: Path) -> tuple[HourlyRow, ...]:
    rows = read_table(file, parse)
    units = {(row.plant, row.unit) for row in rows}
    if len(units) != 1:
        raise Failure(Exit.USAGE, f"{file} holds {len(units)} units; replay takes a file of one")
    last = max(rows, key=lambda row: row.start_ms())
    if last.start_ms() + HOUR_MS > RealClock().now_ms():
        raise Failure(
            Exit.UNVERIFIED,
            f"{file}: line {last.line}: this hour has not ended yet; a ledger takes hours of the past",
        )
    return tuple(sorted(rows, key=lambda row: row.start_ms()))


async def _trial(
    node: Node, regulator: Numbering, outbox: Outbox, poster: Poster, channel: bytes, source: bytes, device: Signer,
    first_ms: int,
) -> None:  # fmt: skip
    """One hour before the file is stated as standing still, witnessed, and commissions the device."""
    start_ms = first_ms - HOUR_MS
    draft = Draft(
        "hour", _body(start_ms, operating=0, nox_g=0, energy_wh=0, code="01"), f"hour/{UNIT}/{start_ms}/0"
    )
    await outbox.append(
        channel, source, [draft], seal=functools.partial(_seal, channel=channel, signer=device)
    )
    poster.wake.set()
    path = f"/v1/channels/{channel.hex()}/units"
    await node.until(path, lambda units: any(unit["hours"] for unit in units), what="the witnessed hour")
    await regulator.must("device.commission", [f"{UNIT}-gw", bytes(32), [[start_ms, 0]], bytes(32)])


async def _post(
    rows: tuple[HourlyRow, ...], view: DemoView, outbox: Outbox, poster: Poster, channel: bytes, source: bytes,
    device: Signer, nodes: dict[str, Node], posting: asyncio.Task[None],
) -> dict[str, Any]:  # fmt: skip
    drafts = list(_drafts(rows))
    seal = functools.partial(_seal, channel=channel, signer=device)
    acknowledged: list[bytes] = []
    for start in range(0, len(drafts), DRAFTS_AT_ONCE):
        done = await outbox.append(channel, source, drafts[start : start + DRAFTS_AT_ONCE], seal=seal)
        acknowledged += [record.record_id for record in done]
        poster.wake.set()
    view.step(
        f"{len(drafts)} records are signed and durable in the outbox; they are posted in batches of 64."
    )
    waited_s = 0.0
    while (pending := (await outbox.counts()).pending) and waited_s < PATIENCE_S:
        if posting.done():
            posting.result()
        view.table({UNIT: f"{len(drafts) - pending} of {len(drafts)} records final"})
        await asyncio.sleep(0.25)
        waited_s += 0.25
    return await _compare(rows, view, acknowledged, channel, source, nodes)


async def _compare(
    rows: tuple[HourlyRow, ...], view: DemoView, acknowledged: list[bytes], channel: bytes, source: bytes,
    nodes: dict[str, Node],
) -> dict[str, Any]:  # fmt: skip
    lost = await _count_lost(nodes["operator"], channel, source, acknowledged)
    file_g = sum(row.grams or 0 for row in rows)
    base = f"/v1/channels/{channel.hex()}"
    units, accounts = [], []
    for year in sorted({_year(row) for row in rows}):
        units += await nodes["regulator"].get(f"{base}/units?year={year}")
        accounts += await nodes["regulator"].get(f"{base}/accounts?year={year}")
    grams = sum(unit["emitted_g"] for unit in units)
    hours = sum(unit["counted_hours"] for unit in units)
    goal = (await nodes["regulator"].get(f"{base}/head"))["height"]
    heads = {}
    for party, node in nodes.items():
        heads[party] = await node.until(f"{base}/head", lambda head: head["height"] >= goal, what=party)
    view.step(
        f"{grams} g on the ledger, {file_g} g in the file; {hours} hours and {units[0]['gap_hours']} gap hours."
    )
    if grams != file_g:
        raise Failure(Exit.UNVERIFIED, f"the ledger has {grams} g, the file {file_g} g")
    # The chain of the source numbers every record once: whatever it counts beyond what was acknowledged came twice.
    head = await nodes["regulator"].ledger.source_head(channel, source)
    doubled = 0 if head is None else max(0, head.seq - WITNESSED - len(acknowledged))
    view.step(
        f"Done in {view.elapsed_s:.0f} s: {lost} of {len(acknowledged)} records lost, {doubled} doubled."
    )
    state = {
        "heights": {party: head["height"] for party, head in heads.items()},
        "state_roots": {party: head["state_root"] for party, head in heads.items()},
        "hours": {UNIT: hours},
        "grams": {UNIT: grams},
        "headroom_g": {UNIT: sum(account["headroom_g"] for account in accounts)},
    }
    return {
        "channels": {"replay": state}, "refusals": [], "lost": lost, "doubled": doubled, "grams": grams,
        "last": acknowledged[-1],
    }  # fmt: skip


async def _count_lost(node: Node, channel: bytes, source: bytes, acknowledged: list[bytes]) -> int:
    """How many acknowledged records are not accepted on the ledger.

    Each record names the one before it: where the ledger's chain of the source ends with the last one, none is missing,
    and what a rule has refused is told by the node. Only else is every record asked for.
    """
    head = await node.ledger.source_head(channel, source)
    told = await node.get(f"/v1/channels/{channel.hex()}/refusals")
    # What was only turned away at the door, as an envelope that came twice, has no height.
    refused = [refusal for refusal in told if refusal["height"] is not None]
    if head is not None and head.prev == acknowledged[-1] and not refused:
        return 0
    lost = 0
    for record_id in acknowledged:
        status = await node.ledger.record_status(channel, record_id)
        lost += status is None or status.state != "final" or status.outcome != 0
    return lost


async def _prove(stage: Stage, node: Node, channel: bytes, record_id: bytes) -> dict[str, Any]:
    data = (await node.ledger.proofs(channel, [record_id]))[0]
    if data is None:
        raise Failure(Exit.UNVERIFIED, "the last record is final and has no proof")
    proved = evidence.check(data, channel=channel)
    file = stage.folder / "evidence.cbor"
    await asyncio.to_thread(file.write_bytes, data)
    return {"file": str(file), "verdict": "proved", "cosigned_by": sorted(proved.cosigned_by)}


def _drafts(rows: tuple[HourlyRow, ...]) -> list[Draft]:
    """An hour record for each row with a mass or at a standstill; a gap for what the file leaves unknown.

    Unknown are hours without a mass unless the unit stood still, and hours that the file passes over. Rows are in
    the order of time.
    """
    drafts = []
    due_ms = rows[0].start_ms()
    for row in rows:
        start_ms = row.start_ms()
        for from_ms in range(due_ms, start_ms, GAP_HOURS_MAX * HOUR_MS):
            to_ms = min(start_ms, from_ms + GAP_HOURS_MAX * HOUR_MS)
            drafts.append(_gap(from_ms, to_ms, "not in the file"))
        due_ms = start_ms + HOUR_MS
        if row.grams is None and row.operating_h != 0:
            drafts.append(_gap(start_ms, due_ms, "missing in the file"))
        else:
            drafts.append(_hour(row))
    return drafts


def _gap(from_ms: int, to_ms: int, cause: str) -> Draft:
    return Draft("gap", [UNIT, from_ms, to_ms, cause], f"gap/{UNIT}/{from_ms}")


def _hour(row: HourlyRow) -> Draft:
    start_ms = row.start_ms()
    operating = round_half_away(int((row.operating_h or 0) * 10_000), 100)
    energy_wh = int((row.gross_mwh or 0) * 1_000_000)
    code = "01" if row.flags.get("NOXMMEASURE") != "3" else "15"
    body = _body(start_ms, operating=operating, nox_g=row.grams or 0, energy_wh=energy_wh, code=code)
    return Draft("hour", body, f"hour/{UNIT}/{start_ms}/0")


def _body(start_ms: int, *, operating: int, nox_g: int, energy_wh: int, code: str) -> list[Value]:
    """The 19 fields of an hour that was reported by others: no samples of ours stand behind it."""
    nothing = hash_tagged("samples")
    return [
        UNIT, start_ms, "us60", min(operating, 100), nox_g, energy_wh, "valid", "replayed file", code,
        min(60, operating * 60 // 100), 0, nothing, bytes(32), bytes(32), "replayed", 0, bytes(16),
        firmware_text(), None,
    ]  # fmt: skip


def _seal(record: Record, *, channel: bytes, signer: Signer) -> envelope.Envelope:
    return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=signer)


def _year(row: HourlyRow) -> int:
    return calendar_year(row.start_ms())
