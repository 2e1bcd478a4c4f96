"""The story of the demo: from two genesis files to refused abuses, a killed node and a proof."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from doxedge.backends.port import TransactionStatus
from doxedge.cli.demo_cast import Cast
from doxedge.cli.demo_commission import commission_body_of
from doxedge.cli.demo_officer import Node, Numbering
from doxedge.cli.demo_site import Stage, gateway_config, until_served
from doxedge.cli.demo_view import DemoView
from doxedge.cli.demo_watch import watched
from doxedge.cli.outcome import Exit, Failure
from doxedge.evidence import check as evidence
from doxedge.gateway.bodies import firmware_text
from doxedge.signing.algorithms import ED25519
from doxedge.signing.canonical import Value
from doxedge.store.outbox import Outbox
from doxedge.store.rows import SourceHead as StoredHead

UNITS: Final = {"alpha-1": ("alpha", "north"), "beta-1": ("beta", "north"), "beta-2": ("beta", "south")}
"""Unit to company and channel: beta is in both channels with one gateway and one node."""
ISSUED_G: Final = {"alpha-1": 5_000_000, "beta-1": 1_000_000, "beta-2": 2_000_000}
COUNTED_HOURS: Final = 2


async def tell(stage: Stage, view: DemoView, broker: str) -> dict[str, Any]:
    """Play it. Returns what `--output json` prints (wire.md 8)."""
    cast = Cast()
    async with watched(view, cast):
        await _set_up(stage, view, cast, broker)
        await _register(stage, view, cast)
        await _measure(stage, view, cast)
        await _kill_and_return(stage, view, cast)
        await _refuse(stage, view, cast)
        lost, doubled, record_id = await _finish(stage, view, cast)
        proof = await _prove(stage, view, cast, record_id)
        result: dict[str, Any] = {
            "channels": {name: await _channel_json(cast, name) for name in cast.channels},
            "refusals": cast.refusals,
            "evidence": proof,
            "lost": lost,
            "doubled": doubled,
        }
    view.step(f"Done in {view.elapsed_s:.0f} s: {lost} records lost, {doubled} doubled.")
    return result


async def _set_up(stage: Stage, view: DemoView, cast: Cast, broker: str) -> None:
    stage.set_clock()
    cast.year = dt.datetime.fromtimestamp(stage.plant_origin_ms // 1_000, dt.UTC).year
    (stage.folder / "keys").mkdir(exist_ok=True)
    named = stage.start_broker(broker)
    paths: dict[str, Path] = {}
    for channel, companies in (("north", ["alpha", "beta"]), ("south", ["beta"])):
        cast.channels[channel], paths[channel] = stage.genesis(
            channel, f"the {channel} geofence", companies, bilateral_transfers=1, commission_hours_min=1
        )
    for party in ("regulator", "alpha", "beta"):
        mine = [paths[channel] for channel in cast.channels if party in cast.members(channel)]
        stage.start_node(party, mine)
    for party in ("regulator", "alpha", "beta"):
        await until_served(stage.socket(party), stage)
        cast.nodes[party] = Node(stage.socket(party))
    view.step(f"Three nodes keep two channels over {named}: north (alpha, beta) and south (beta).")


async def _register(stage: Stage, view: DemoView, cast: Cast) -> None:
    """The regulator enters units and accounts; the companies their devices, whose gateways start to measure."""
    plants = {unit["name"]: unit for unit in await asyncio.to_thread(stage.start_plants, list(UNITS))}
    for channel, name in cast.channels.items():
        regulator = Numbering(cast.nodes["regulator"], name, stage.key("regulator-officer"))
        cast.numberings[f"regulator {channel}"] = regulator
    for party in ("alpha", "beta"):
        mine = [unit for unit, (owner, _) in UNITS.items() if owner == party]
        measured = []
        for unit in mine:
            source = await _register_unit(stage, cast, unit, plants[unit])
            measured.append((plants[unit], cast.channels[UNITS[unit][1]], source))
        config = gateway_config(stage, party, measured)
        stage.start(f"{party}-gateway", ["-m", "doxedge", "gateway", "run", "--config", str(config)])
    view.step(
        "Three units, accounts and devices are registered; two gateways poll nine simulated instruments."
    )


async def _register_unit(stage: Stage, cast: Cast, unit: str, plant: dict[str, Any]) -> bytes:
    party, channel = UNITS[unit]
    regulator = cast.numberings[f"regulator {channel}"]
    node, name, officer = cast.nodes[party], cast.channels[channel], stage.key(f"{party}-officer")
    await regulator.must("unit.register", [unit, party, "boiler", 200_000, "zone 1"])
    opened = await regulator.must("account.open", [unit, party, unit])
    account = Numbering(node, name, officer, opened.record_ids[0])
    company = cast.numberings.setdefault(f"{party} {channel}", Numbering(node, name, officer))
    cast.numberings[f"{unit} account"] = account
    await node.until(
        cast.path(channel, "units"), lambda rows: any(row["account"] == unit for row in rows), what=unit
    )
    device = stage.key(f"{party}-device")
    profile_hash = await asyncio.to_thread(_profile_hash, stage, party, plant, name)
    registered = await company.must(
        "device.register", [f"{unit}-gw", unit, ED25519, device.public_key, profile_hash, firmware_text()]
    )
    cast.numberings[f"{unit} device"] = Numbering(node, name, device, registered.record_ids[0])
    return cast.numberings[f"{unit} device"].source


def _profile_hash(stage: Stage, party: str, plant: dict[str, Any], channel: bytes) -> bytes:
    """What the gateway will measure with: the plan of its configuration says it, whatever the source is."""
    from doxedge.fieldbus.clock import from_environment
    from doxedge.gateway.plant import plan_units
    from doxedge.gateway.settings import load_settings

    config = gateway_config(stage, party, [(plant, channel, bytes(16))])
    units = plan_units(load_settings(config), source=str(config), clock=from_environment(stage.environment))
    return units[0].profile_hash


async def _measure(stage: Stage, view: DemoView, cast: Cast) -> None:
    """The first full hour is trial; the regulator compares it by hand, commissions, and issues the year's credits."""
    for unit, (party, channel) in UNITS.items():
        await cast.nodes["regulator"].until(
            cast.path(channel, "units"),
            _has_hours(unit, "hours", 1),
            what=f"the first hour of {unit}; --dir DIR keeps {party}-gateway.log, which tells more",
            seconds=stage.patience_s(2),
        )
        cast.first_hours[unit] = await _first_hour(cast, unit, channel)
    view.step("The first signed hours are final on every node, as trial hours.")
    for unit, (_, channel) in UNITS.items():
        regulator = cast.numberings[f"regulator {channel}"]
        body = await commission_body_of(stage, cast, unit, UNITS[unit][0], cast.channels[channel])
        await regulator.must("device.commission", body)
        amount: list[Value] = [0, ISSUED_G[unit]]
        await regulator.must("vintage.issue", [unit, cast.channels[channel], cast.year, amount, bytes(32)])
    view.step(
        f"Devices are commissioned, and the credits of {cast.year} are issued: from here on hours count."
    )


def _has_hours(unit: str, kind: str, count: int) -> Callable[[Any], bool]:
    return lambda rows: any(row["unit"] == unit and row[kind] >= count for row in rows)


def _is_at(height: int) -> Callable[[Any], bool]:
    return lambda head: head["height"] >= height


async def _first_hour(cast: Cast, unit: str, channel: str) -> tuple[int, int]:
    for event in await cast.nodes["regulator"].get(cast.path(channel, "events?after=0")):
        match event["event"]:
            case ["hour.accepted", name, int(start_ms), int(nox_g), _] if name == unit:
                return start_ms, nox_g
    raise Failure(Exit.UNVERIFIED, f"{unit} has hours and no event of one")


async def _kill_and_return(stage: Stage, view: DemoView, cast: Cast) -> None:
    """Alpha's node dies, the others go on, and it comes back."""
    before = await cast.nodes["alpha"].get(cast.path("north", "head"))
    stage.kill("alpha-node")
    stage.socket("alpha").unlink(missing_ok=True)
    path = cast.path("north", "head")
    goal = before["height"] + 2
    await cast.nodes["regulator"].until(
        path, _is_at(goal), what="blocks without alpha", seconds=stage.patience_s(2)
    )
    stage.start_node("alpha", [])
    await until_served(stage.socket("alpha"), stage)
    await cast.nodes["alpha"].until(path, _is_at(goal), what="alpha to catch up")
    view.step(
        f"Alpha's node was killed at height {before['height']}; it came back and caught up with nothing lost."
    )


async def _refuse(stage: Stage, view: DemoView, cast: Cast) -> None:
    """What must be refused is refused, with its clause."""
    for unit, (party, channel) in UNITS.items():
        await cast.nodes[party].until(
            cast.path(channel, "units"),
            _has_hours(unit, "counted_hours", COUNTED_HOURS),
            what=f"{COUNTED_HOURS} counted hours of {unit}",
            seconds=stage.patience_s(COUNTED_HOURS + 1),
        )
    north = cast.channels["north"]
    await cast.numberings["regulator south"].must("account.open", ["regulator-south", "regulator", None])
    beta, beta_south = cast.numberings["beta-1 account"], cast.numberings["beta-2 account"]
    held = ISSUED_G["beta-1"]
    await beta.must("transfer", ["beta-1", "alpha-1", north, cast.year, [0, 1_000], "one credit"])
    _, status = await beta.say("transfer", ["beta-1", "alpha-1", north, cast.year, [0, held], "an overdraft"])
    _note(cast, "an overdraft", "transfer", status.clause)
    rows = await cast.nodes["beta"].get(cast.path("north", f"accounts?year={cast.year}"))
    row = next(row for row in rows if row["account"] == "beta-1")
    more: list[Value] = [0, int(row["headroom_g"]) + 1]
    body: list[Value] = ["beta-1", "alpha-1", north, cast.year, more, "credits for what was emitted"]
    _, status = await beta.say("transfer", body)
    _note(cast, "a sale of credits that were already emitted", "transfer", status.clause)
    body = ["beta-2", "regulator-south", north, cast.year, [0, 1_000], "a credit of north"]
    _, status = await beta_south.say("transfer", body)
    _note(cast, "a credit of north offered in south", "transfer", status.clause)
    await _spend_twice(cast, beta, north)
    view.step(
        "Refused: " + "; ".join(f"{refusal['what']} ({refusal['clause']})" for refusal in cast.refusals) + "."
    )


async def _spend_twice(cast: Cast, beta: Numbering, north: bytes) -> None:
    """Two transfers with one number, one at each of two nodes: the second is turned away, the source suspended."""
    first = beta.sign("transfer", ["beta-1", "alpha-1", north, cast.year, [0, 2_000], "first"], keep=False)
    second = beta.sign("transfer", ["beta-1", "alpha-1", north, cast.year, [0, 3_000], "second"], keep=False)
    status: TransactionStatus = await beta.hand_in(first)
    if status.records[0].outcome != 0:
        raise Failure(Exit.REFUSED, f"the first of two transfers was not accepted: {status.records[0]}")
    answer = (await cast.nodes["regulator"].ledger.submit(north, [second.raw]))[0].records[0]
    if answer.state != "conflict":
        raise Failure(Exit.UNVERIFIED, f"a double spend was answered with {answer.state}")
    _note(cast, "a double spend: two transfers with one number", "transfer", answer.clause)
    source = cast.path("north", f"sources/{beta.source.hex()}")
    await cast.nodes["beta"].until(
        source, lambda head: head["suspended"], what="the proof of the double spend"
    )


async def _finish(stage: Stage, view: DemoView, cast: Cast) -> tuple[int, int, bytes]:
    """Stop measuring, let everything become final, and count what the gateways had acknowledged."""
    await asyncio.to_thread(stage.stop, "alpha-gateway", "beta-gateway")
    acknowledged = lost = 0
    last_hour = b""
    for party in ("alpha", "beta"):
        outbox = await Outbox.open(stage.folder / party / "gateway" / "outbox.db", now_ms=lambda: 0)
        for head in await outbox.sources():
            acknowledged += head.seq
            lost += await _count_lost(outbox, cast.nodes[party], head)
        await outbox.close()
    seen: dict[str, int] = {}
    for channel in cast.channels:
        for event in await cast.nodes["regulator"].get(cast.path(channel, "events?after=0")):
            if event["event"][0] == "hour.accepted":
                name = f"{event['event'][1]} {event['event'][2]}"
                seen[name] = seen.get(name, 0) + 1
    doubled = sum(count - 1 for count in seen.values())
    view.step(
        f"{acknowledged} acknowledged records: {lost} lost; {len(seen)} hours are on the ledgers, {doubled} twice."
    )
    last_hour = await _last_hour(cast)
    await _converge(cast)
    return lost, doubled, last_hour


async def _count_lost(outbox: Outbox, node: Node, head: StoredHead) -> int:
    """Hand in what is still pending, then compare the two ends of the chain: number and record id."""
    for entry in await outbox.pending(head.channel, head.source, limit=1_000):
        await node.ledger.submit(head.channel, [entry.envelope], wait="final", timeout_ms=20_000)
    final = await node.ledger.source_head(head.channel, head.source)
    if final is None:
        return head.seq
    if final.seq == head.seq and final.prev != head.prev:
        raise Failure(Exit.UNVERIFIED, f"source {head.source.hex()}: the ledger ends in another record")
    return head.seq - final.seq


async def _last_hour(cast: Cast) -> bytes:
    """The record id of the newest hour of beta-1: the ledger names it as the last of its source."""
    device = cast.numberings["beta-1 device"]
    final = await cast.nodes["regulator"].ledger.source_head(cast.channels["north"], device.source)
    if final is None:
        raise Failure(Exit.UNVERIFIED, "beta-1 has no records on the ledger")
    return final.prev


async def _converge(cast: Cast) -> None:
    """Every node of a channel shows the same head."""
    for channel in cast.channels:
        goal = await cast.nodes["regulator"].get(cast.path(channel, "head"))
        for party in cast.members(channel):
            await cast.nodes[party].until(
                cast.path(channel, "head"),
                _is_at(goal["height"]),
                what=f"{party} at height {goal['height']} of {channel}",
            )


async def _prove(stage: Stage, view: DemoView, cast: Cast, record_id: bytes) -> dict[str, Any]:
    """Build one evidence file and check it with the pure code that needs no node."""
    north = cast.channels["north"]
    data, parties = b"", set()
    for _ in range(50):
        built = (await cast.nodes["regulator"].ledger.proofs(north, [record_id]))[0]
        if built is not None:
            data, parties = built, set(evidence.check(built, channel=north).cosigned_by)
            if parties >= set(cast.members("north")):
                break
        await asyncio.sleep(0.1)
    file = stage.folder / "evidence.cbor"
    await asyncio.to_thread(file.write_bytes, data)
    proved = evidence.check(data, channel=north)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    try:
        evidence.check(bytes(flipped), channel=north)
    except evidence.NotProved:
        pass
    else:
        raise Failure(Exit.UNVERIFIED, "an evidence file with a flipped bit was accepted")
    signers = sorted(proved.cosigned_by)
    view.step(f"One hour is proved off-line by {len(data)} bytes, cosigned by {', '.join(signers)}.")
    return {"file": str(file), "verdict": "proved", "cosigned_by": signers}


async def _channel_json(cast: Cast, channel: str) -> dict[str, Any]:
    heads = {
        party: await cast.nodes[party].get(cast.path(channel, "head")) for party in cast.members(channel)
    }
    units = await cast.nodes["regulator"].get(cast.path(channel, f"units?year={cast.year}"))
    accounts = await cast.nodes["regulator"].get(cast.path(channel, f"accounts?year={cast.year}"))
    return {
        "heights": {party: head["height"] for party, head in heads.items()},
        "state_roots": {party: head["state_root"] for party, head in heads.items()},
        "hours": {row["unit"]: row["counted_hours"] for row in units},
        "grams": {row["unit"]: row["emitted_g"] for row in units},
        "headroom_g": {row["account"]: row["headroom_g"] for row in accounts},
    }


def _note(cast: Cast, what: str, kind: str, clause: str | None) -> None:
    if clause is None:
        raise Failure(Exit.UNVERIFIED, f"{what} was not refused by a clause")
    cast.refusals.append({"what": what, "kind": kind, "clause": clause})
