"""Checks of the doctor over sockets: the node, its peers, the brokers, the analysers."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from doxedge.analysers.question import Answer, DeviceException, Outcome
from doxedge.backends.http_client import NodeAddress, NodeClient
from doxedge.backends.port import LedgerError, Unauthorised
from doxedge.cli.doctor_report import Finding, Site, error, ok, skipped, warning
from doxedge.cli.outcome import Exit
from doxedge.fieldbus.errors import LineError
from doxedge.gateway.endpoints import Tenant, make_endpoint, make_link
from doxedge.gateway.instruments import Instrument
from doxedge.gossip.session import BrokerSession, BrokerSettings, State, StateChange, TlsFiles
from doxedge.node.settings import BrokerTable
from doxedge.quantity import MINUTE_MS
from doxedge.store.examine import holder

PEER_SILENT_MS: Final = 10 * MINUTE_MS
"""Heads are gossiped at least every minute; ten missed ones are no accident."""
BEHIND_BLOCKS_MAX: Final = 10
"""What a node may lack while a block is on its way to it."""
BROKER_S: Final = 5.0
"""For TCP, TLS and CONNECT together."""


def check_node(site: Site) -> Iterator[Finding]:
    """The socket, the node's own opinion of itself, its channels and their other nodes; fills `site.devices`."""
    address = _address(site)
    if address is None:
        return
    check = f"node {address.text}"
    socket = address.socket_path
    if socket is not None and not socket.is_socket():
        what = "is no socket" if socket.exists() else "is not there"
        yield error(check, f"{socket} {what}: no node runs", _start(site), code=Exit.UNREACHABLE)
        return
    client = NodeClient(address)
    try:
        yield from _ask_node(site, check, client)
    except Unauthorised as cause:
        advice = "name the node's own token file in listen.token_file and node.token_file"
        yield error(check, str(cause), advice, code=Exit.UNAUTHORISED)
    except (LedgerError, ValueError, KeyError, TypeError) as cause:
        yield error(check, f"does not answer as a node does: {cause}", _start(site), code=Exit.UNREACHABLE)
    finally:
        client.close()


def _address(site: Site) -> NodeAddress | None:
    if site.gateway is not None:
        return NodeAddress.parse(site.gateway.node.url, token_file=site.gateway.node.token_file)
    if site.node is not None and site.node.listen.socket is not None:
        return NodeAddress(socket_path=site.node.listen.socket)
    if site.node is not None and site.node.listen.port:
        listen = site.node.listen
        return NodeAddress(host="127.0.0.1", port=listen.port or 0, token_file=listen.token_file)
    return None


def _start(site: Site) -> str:
    return f"systemctl start doxedge-node, or: doxedge node run --config {site.node_file or '/etc/doxedge/node.toml'}"


def _ask_node(site: Site, check: str, client: NodeClient) -> Iterator[Finding]:
    ready = _json(client, "/readyz")
    channels = _json(client, "/v1/channels")
    reasons = [str(reason) for reason in ready["reasons"]]
    if reasons:
        yield from (
            warning(check, reason, "the text says what to do; doxedge node status shows more")
            for reason in reasons
        )
    else:
        yield ok(check, f"answers, {len(channels)} channels in step")
    for channel in channels:
        path = f"/v1/channels/{channel['channel']}"
        site.devices[str(channel["channel"])] = _json(client, path + "/devices")
        yield _height(channel)
        yield from _peers(site, channel, _json(client, path + "/peers"))
    for wanted, genesis in site.genesis.items():
        if wanted.hex() not in {channel["channel"] for channel in channels}:
            text = f"the running node does not keep channel {genesis.name}"
            yield warning(
                f"channel {genesis.name}", text, "restart the node: its file was changed since it started"
            )


def _json(client: NodeClient, path: str) -> Any:
    """Raises LedgerError, and ValueError for what is no JSON of ours."""
    answer = client.request("GET", path)
    if answer.status in (401, 403):
        raise Unauthorised("the node does not know this token", status=answer.status)
    return json.loads(answer.body)


def _height(channel: dict[str, Any]) -> Finding:
    check = f"channel {channel['name']}"
    height, best = int(channel["height"]), int(channel["best_height"])
    if best - height > BEHIND_BLOCKS_MAX:
        text = f"height {height}, others have shown {best}"
        return warning(
            check, text, "it catches up by itself; if it does not, look at the broker and the node's log"
        )
    return ok(check, f"height {height}, {channel['pool_transactions']} transactions wait")


def _peers(site: Site, channel: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[Finding]:
    own = int(channel["height"])
    for row in rows:
        if row["is_self"]:
            continue
        check = f"peer {row['party']} on {channel['name']}"
        seen_ms, height = row["last_seen_ms"], row["height"]
        if seen_ms is None or site.now_ms - int(seen_ms) > PEER_SILENT_MS:
            since = (
                "since the node started"
                if seen_ms is None
                else f"for {(site.now_ms - seen_ms) // MINUTE_MS} minutes"
            )
            yield warning(
                check, f"was not heard {since}", "ask that member, or look at the broker between you"
            )
        elif height is not None and abs(int(height) - own) > BEHIND_BLOCKS_MAX:
            who = "it is behind" if int(height) < own else "this node is behind"
            yield warning(
                check, f"height {height}, here {own}: {who}", "wait; then look at the one that is behind"
            )
        else:
            yield ok(check, f"height {height if height is not None else 'unknown'}")


async def check_brokers(site: Site) -> AsyncIterator[Finding]:
    """TCP, TLS and MQTT CONNECT with a client id of our own, so that the node's session is not taken over."""
    if site.node is None:
        return
    if not site.node.broker:
        yield warning(
            "broker", "none is configured: this node is alone", f"add a [[broker]] to {site.node_file}"
        )
    for index, table in enumerate(site.node.broker):
        yield await _broker(table, place=f"broker[{index}] in {site.node_file}")


async def _broker(table: BrokerTable, *, place: str) -> Finding:
    check = f"broker {table.host}:{table.port}"
    told: list[StateChange] = []
    tls = None
    if table.ca_file is not None:
        tls = TlsFiles(ca_file=table.ca_file, cert_file=table.cert_file, key_file=table.key_file)
    try:
        settings = BrokerSettings(host=table.host, port=table.port, protocol=table.protocol, tls=tls)
        session = BrokerSession(
            settings,
            client_id=f"doxdoctor{secrets.token_hex(4)}",
            on_message=lambda _topic, _payload: None,
            on_state=told.append,
            jitter=random.random,
        )
    except (ValueError, OSError) as cause:
        return error(check, str(cause), f"mend {place}", code=Exit.USAGE)
    running = asyncio.create_task(session.run(), name=check)
    try:
        async with asyncio.timeout(BROKER_S):
            await _connected_or_refused(session, told)
    except TimeoutError:
        pass
    finally:
        protocol = session.protocol
        running.cancel()
        await asyncio.wait({running})
    if protocol is not None:
        return ok(check, f"takes us, MQTT {protocol}")
    last = next((one for one in reversed(told) if one.reason), None)
    text = f"{last.state.value}: {last.reason}" if last is not None else f"no answer within {BROKER_S:.0f} s"
    return error(check, text, f"start the broker, open the way to it, or mend {place}", code=Exit.UNREACHABLE)


async def _connected_or_refused(session: BrokerSession, told: list[StateChange]) -> None:
    """Until the broker has taken us, or one attempt has failed."""
    failed = {State.UNREACHABLE, State.REFUSED, State.DISCONNECTED, State.TAKEN_OVER}
    while not session.connected.is_set() and not any(change.state in failed for change in told):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def check_analysers(site: Site) -> AsyncIterator[Finding]:
    """One connection and the registers that tell the instrument from another; never beside a running gateway."""
    owner = None if site.outbox_file is None else holder(site.outbox_file)
    for unit in site.units:
        for instrument in unit.instruments:
            if instrument.profile.transport is None:
                continue
            check = f"analyser {instrument.device} {instrument.address.name}"
            if owner is not None:
                text = f"left alone: the gateway runs (process {owner}), and many instruments take one connection only"
                yield skipped(check, f"{text}; its log and the status page say how they are")
                continue
            yield await _analyser(check, instrument, Path(str(site.gateway_file)))


async def _analyser(check: str, instrument: Instrument, file: Path) -> Finding:
    transport = instrument.profile.transport
    if transport is None:
        raise ValueError("a constant is not reached over a line")
    table = instrument.table
    timeout_ms = table.timeout_ms or transport.timeout_ms
    tenant = Tenant(instrument.device, transport, timeout_ms, instrument.polls)
    requests = instrument.driver.identity_requests()
    outcomes: list[Outcome] = []
    try:
        if not requests and instrument.address.framing == "udp":
            return ok(check, "speaks UDP, which knows no connection; its map has no identity check to ask")
        if not requests:
            await _take_line(instrument, connect_timeout_ms=transport.connect_timeout_ms)
            return ok(check, "takes a connection; its register map has no identity check")
        endpoint = make_endpoint(instrument.address, [tenant])
        if endpoint is None:
            raise ValueError("an instrument that is polled has a line")
        try:
            for request in requests:
                found: Answer | DeviceException = await endpoint.exchange(request)
                outcomes.append(found)
        finally:
            await endpoint.close()
    except LineError as cause:
        advice = (
            f"look at its power, cable and protocol settings, or mend the address of {table.name} in {file}"
        )
        return error(check, cause.detail, advice, code=Exit.LOCAL_IO)
    contradiction = instrument.driver.check_identity(outcomes)
    if contradiction is not None:
        text = f"another instrument answers: {contradiction}"
        return error(check, text, f"mend profile or address of {table.name} in {file}", code=Exit.LOCAL_IO)
    return ok(
        check, f"answers, and is a {instrument.profile.identity.maker} {instrument.profile.identity.model}"
    )


async def _take_line(instrument: Instrument, *, connect_timeout_ms: int) -> None:
    """Open the connection or the serial port, ask nothing, let go of it. Raises LineError."""
    link = make_link(instrument.address, connect_timeout_ms=connect_timeout_ms)
    try:
        await link.open()
    finally:
        link.close()


def run_checks(check: Callable[[Site], AsyncIterator[Finding]], site: Site) -> list[Finding]:
    """All findings of a check that waits for sockets."""

    async def collect() -> list[Finding]:
        return [finding async for finding in check(site)]

    return asyncio.run(collect())
