"""The node's HTTP interface: submit signed records, follow them, fetch proofs, look at the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doxedge.backends.port import (
    PROOFS_OF_ONE_REQUEST,
    SUBMISSION_ENVELOPES,
    WAITS,
    RecordStatus,
    TransactionStatus,
)
from doxedge.contracts.rule import Value
from doxedge.evidence import format as evidence_format
from doxedge.ledger import inquiry_desk, reception_desk
from doxedge.ledger.transaction import open_transaction
from doxedge.signing import canonical, limits
from doxedge.web import views
from doxedge.web.live import LIVE_BYTES_MAX, LiveBoard
from doxedge.web.node_port import NodePort
from doxedge.web.problem import Problem
from doxedge.web.request_body import CBOR, read_byte_strings, read_json
from doxedge.web.request_parts import (
    book_of,
    channel_of,
    hex_id,
    node_of,
    seconds,
    whole_number,
    year_of,
)

WAIT_S_DEFAULT: Final = 10.0
WAIT_S_MAX: Final = 60.0
EVENTS_DEFAULT: Final = 1_000
EVENTS_MAX: Final = 10_000


async def submit(request: Request) -> Response:
    """Hand in a CBOR array of envelopes; a status for each, after the wait if one is asked for."""
    node, channel = node_of(request), channel_of(request)
    asked = request.query_params.get("wait", "stored")
    wait = next((known for known in WAITS if known == asked), None)
    if wait is None:
        raise Problem(400, "bad_wait", "wait is `none`, `stored`, `seen` or `final`")
    timeout_s = seconds(request, "timeout_s", default_s=WAIT_S_DEFAULT, max_s=WAIT_S_MAX)
    envelopes = await read_byte_strings(
        request, what="envelopes", items_max=SUBMISSION_ENVELOPES, item_bytes_max=limits.ENVELOPE_BYTES
    )
    statuses = await node.submit(channel, envelopes, wait=wait, timeout_s=timeout_s)
    return JSONResponse([_transaction(status) for status in statuses], 202)


async def proofs(request: Request) -> Response:
    """Ask with a CBOR array of record ids; a CBOR array with the evidence file of each, null while it is not final."""
    node, channel = node_of(request), channel_of(request)
    ids = await read_byte_strings(
        request, what="record ids", items_max=PROOFS_OF_ONE_REQUEST, item_bytes_max=32, item_bytes=32
    )
    found: dict[bytes, bytes | None] = {}
    for record_id in ids:
        if record_id in found:
            continue
        data = await node.evidence(channel, record_id)
        found[record_id] = data
        if data is not None:
            # One file proves all records of a batch: it is built once, and given for each of them.
            opened = open_transaction(evidence_format.decode(data).transaction, channel)
            found.update((other, data) for other in opened.record_ids)
    answer: list[Value] = [found[record_id] for record_id in ids]
    return Response(canonical.encode(answer), media_type=CBOR)


async def evidence(request: Request) -> Response:
    """The evidence file of a record: CBOR to keep, and to check with `doxedge evidence check`."""
    record_id = hex_id(request.path_params["record_id"], 32)
    data = await node_of(request).evidence(channel_of(request), record_id)
    if data is None:
        raise Problem(404, "unknown_record", "no such record is final on this node; look again in a while")
    name = f"{record_id.hex()[:16]}.evidence"
    return Response(data, media_type=CBOR, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def record(request: Request) -> Response:
    """How far a record is."""
    record_id = hex_id(request.path_params["record_id"], 32)
    status = await node_of(request).record_status(channel_of(request), record_id)
    if status is None:
        raise Problem(404, "unknown_record", "this node has never seen the record; submit it")
    return JSONResponse(_record(status))


async def channels(request: Request) -> Response:
    """Every channel of this node."""
    return JSONResponse([views.channel_row(view) for view in node_of(request).channels()])


async def head(request: Request) -> Response:
    """The newest final block of a channel on this node."""
    channel = channel_of(request)
    view = next(view for view in node_of(request).channels() if view.channel == channel)
    return JSONResponse(views.channel_row(view))


async def source(request: Request) -> Response:
    """Where the numbering of a source stands in final blocks, and which key gives the next number."""
    found = node_of(request).source_head(channel_of(request), hex_id(request.path_params["source"], 16))
    if found is None:
        text = "the channel does not know this source; is the device or account registered?"
        raise Problem(404, "unknown_source", text)
    return JSONResponse(
        {
            "seq": found.seq,
            "prev": found.prev.hex(),
            "suspended": found.suspended,
            "holder": found.holder.hex(),
        }
    )


async def units(request: Request) -> Response:
    """Units with their hours and their emission of a year."""
    return JSONResponse(views.unit_rows(book_of(request, channel_of(request)), year_of(request)))


async def accounts(request: Request) -> Response:
    """Accounts with their position of a year: held, reserved, emitted, headroom, when the credits run out."""
    return JSONResponse(views.account_rows(book_of(request, channel_of(request)), year_of(request)))


async def devices(request: Request) -> Response:
    """Devices as they are registered."""
    return JSONResponse(views.device_rows(book_of(request, channel_of(request))))


async def readings(request: Request) -> Response:
    """The regulator's reception desk: one row for each device, with what arrived and what is missing."""
    rows = await desk(
        node_of(request),
        channel_of(request),
        from_ms=whole_number(request, "from_ms"),
        to_ms=whole_number(request, "to_ms"),
    )
    return JSONResponse([views.reading_row(row) for row in rows])


async def desk(
    node: NodePort, channel: bytes, *, from_ms: int | None = None, to_ms: int | None = None
) -> list[reception_desk.DeviceRow]:
    """The rows of the reception desk. A year of one device takes some ms, so the loop turns between devices."""
    rows = []
    answers = inquiry_desk.unfit_answers(node.book(channel))
    for device in reception_desk.device_names(node.book(channel)):
        row = reception_desk.look_at(
            node.book(channel),
            device,
            now_ms=node.now_ms(),
            from_ms=from_ms,
            to_ms=to_ms,
            answers=answers,
        )
        if row is not None:
            rows.append(row)
        await asyncio.sleep(0)
    return rows


async def requests(request: Request) -> Response:
    """Requests for raw samples with their answers, newest first, at most 1000."""
    node, book = node_of(request), book_of(request, channel_of(request))
    return JSONResponse([views.request_row(row) for row in inquiry_desk.rows(book, now_ms=node.now_ms())])


async def open_requests(request: Request) -> Response:
    """The open requests for raw samples of one unit, at most 16, each with the records of its hours."""
    node, book = node_of(request), book_of(request, channel_of(request))
    unit = request.query_params.get("unit")
    if not unit:
        raise Problem(400, "no_unit", "name the unit: ?unit=NAME")
    rows = inquiry_desk.open_rows(book, unit, now_ms=node.now_ms())
    return JSONResponse(
        [views.open_request_row(row, inquiry_desk.wanted_hours(book, row.request)) for row in rows]
    )


async def events(request: Request) -> Response:
    """Events of the blocks above a height, whole blocks only; the last height is where to go on."""
    after = whole_number(request, "after") or 0
    limit = whole_number(request, "limit") or EVENTS_DEFAULT
    if limit > EVENTS_MAX:
        raise Problem(400, "bad_number", f"limit is at most {EVENTS_MAX}")
    found = await node_of(request).events(channel_of(request), after=after, limit=limit)
    return JSONResponse(
        [
            {"height": e.height, "index": e.index, "number": e.number, "event": views.event_value(e.event)}
            for e in found
        ]
    )


async def refusals(request: Request) -> Response:
    """The last refusals, by a rule or at the door, newest last."""
    return JSONResponse([views.refusal_row(each) for each in node_of(request).refusals(channel_of(request))])


async def peers(request: Request) -> Response:
    """The nodes of a channel: height, when heard, up to where they cosigned."""
    return JSONResponse([views.peer_row(peer) for peer in node_of(request).peers(channel_of(request))])


async def put_live(request: Request) -> Response:
    """Show an unsigned live value on the status page; it is kept in memory only."""
    content = await read_json(request, bytes_max=LIVE_BYTES_MAX)
    board: LiveBoard = request.app.state.live
    board.put(request.path_params["unit"], content, now_ms=node_of(request).now_ms())
    return Response(status_code=204)


async def healthz(request: Request) -> Response:
    """Whether the process works: 200, or 503 with the reasons."""
    health = node_of(request).health()
    return JSONResponse({"alive": health.alive}, 200 if health.alive else 503)


async def readyz(request: Request) -> Response:
    """Whether every channel is in step: 200, or 503 with the reasons and what to do."""
    health = node_of(request).health()
    content = {"ready": health.ready, "reasons": list(health.reasons)}
    return JSONResponse(content, 200 if health.ready else 503)


async def metrics(request: Request) -> Response:
    """Figures for Prometheus, in its text format."""
    return Response(node_of(request).metrics(), media_type="text/plain; version=0.0.4")


def _transaction(status: TransactionStatus) -> views.Row:
    return {
        "tx_id": None if status.tx_id is None else status.tx_id.hex(),
        "wire_id": status.wire_id.hex(),
        "records": _records(status.records),
        "code": status.code,
        "reason": status.reason,
    }


def _records(statuses: Sequence[RecordStatus]) -> list[views.Row]:
    return [_record(status) for status in statuses]


def _record(status: RecordStatus) -> views.Row:
    return {
        "record_id": status.record_id.hex(),
        "state": status.state,
        "outcome": status.outcome,
        "clause": status.clause,
        "reason": status.reason,
        "height": status.height,
        "code": status.code,
        "seen_by": list(status.seen_by),
    }
