"""The ledger behind the HTTP interface of the local node.

One worker thread, one connection, one request at a time: that is all a gateway needs. Cancelling a caller does not
tear the exchange apart; it runs to its end or its time-out in the thread, and the next request comes after it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

from doxedge.backends.http_client import (
    ANSWER_BYTES_MAX,
    ANSWER_TIMEOUT_MS,
    CONNECT_TIMEOUT_MS,
    Answer,
    NodeAddress,
    NodeClient,
)
from doxedge.backends.port import (
    PROOFS_OF_ONE_REQUEST,
    STATES,
    SUBMISSION_ENVELOPES,
    Head,
    LedgerError,
    OpenRequest,
    RecordStatus,
    Rejected,
    SourceHead,
    TransactionStatus,
    Unauthorised,
    Unreachable,
    Wait,
)
from doxedge.signing import canonical

_CBOR: Final = "application/cbor"
_JSON: Final = "application/json"
_NOT_NOW: Final = {408, 425, 429}
"""Client errors that mean `later`; so do all of 500 to 599."""


class RemoteLedger:
    """Implements `backends.port.Ledger` over HTTP."""

    def __init__(
        self,
        address: NodeAddress,
        *,
        connect_timeout_ms: int = CONNECT_TIMEOUT_MS,
        answer_timeout_ms: int = ANSWER_TIMEOUT_MS,
    ) -> None:
        """Remember the address; the first request connects."""
        self._client = NodeClient(
            address, connect_timeout_ms=connect_timeout_ms, answer_timeout_ms=answer_timeout_ms
        )
        self._answer_timeout_ms = answer_timeout_ms
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="remote-ledger")

    async def submit(
        self,
        channel: bytes,
        envelopes: Sequence[bytes],
        *,
        wait: Wait = "stored",
        timeout_ms: int | None = None,
    ) -> list[TransactionStatus]:
        """POST the envelopes. The node is given `timeout_ms` to wait, the connection a little more."""
        if not 0 < len(envelopes) <= SUBMISSION_ENVELOPES:
            raise ValueError(f"a submission has 1 to {SUBMISSION_ENVELOPES} envelopes, not {len(envelopes)}")
        wait_ms = self._answer_timeout_ms if timeout_ms is None else timeout_ms
        answer = await self._request(
            "POST",
            f"/v1/channels/{channel.hex()}/transactions?wait={wait}&timeout_s={_seconds_text(wait_ms)}",
            body=canonical.encode(list(envelopes)),
            content_type=_CBOR,
            timeout_ms=wait_ms + self._answer_timeout_ms,
        )
        statuses = [_transaction_status(item) for item in _list(_json(answer))]
        if len(statuses) != len(envelopes):
            raise _nonsense(f"{len(statuses)} answers for {len(envelopes)} envelopes")
        for status, envelope in zip(statuses, envelopes, strict=True):
            if status.wire_id != hashlib.sha256(envelope).digest():
                raise _nonsense("the answer to another envelope")
        return statuses

    async def record_status(self, channel: bytes, record_id: bytes) -> RecordStatus | None:
        """GET one record."""
        answer = await self._request(
            "GET", f"/v1/channels/{channel.hex()}/records/{record_id.hex()}", missing="unknown_record"
        )
        if answer.status == 404:
            return None
        status = _record_status(_json(answer))
        if status.record_id != record_id:
            raise _nonsense("the state of another record")
        return status

    async def proofs(self, channel: bytes, record_ids: Sequence[bytes]) -> list[bytes | None]:
        """POST the ids, get the evidence files."""
        if not 0 < len(record_ids) <= PROOFS_OF_ONE_REQUEST:
            raise ValueError(f"1 to {PROOFS_OF_ONE_REQUEST} proofs are asked at once, not {len(record_ids)}")
        answer = await self._request(
            "POST",
            f"/v1/channels/{channel.hex()}/proofs",
            body=canonical.encode(list(record_ids)),
            content_type=_CBOR,
        )
        try:
            value = canonical.decode(answer.body, limit=ANSWER_BYTES_MAX)
        except canonical.NonCanonical as error:
            raise _nonsense(f"proofs that are not CBOR: {error}") from error
        if not isinstance(value, list) or len(value) != len(record_ids):
            raise _nonsense("proofs that do not match the question")
        proofs: list[bytes | None] = []
        for item in value:
            if item is not None and not isinstance(item, bytes):
                raise _nonsense("a proof that is no byte string")
            proofs.append(item)
        return proofs

    async def source_head(self, channel: bytes, source: bytes) -> SourceHead | None:
        """GET where a numbering stands."""
        answer = await self._request(
            "GET", f"/v1/channels/{channel.hex()}/sources/{source.hex()}", missing="unknown_source"
        )
        if answer.status == 404:
            return None
        item = _object(_json(answer))
        return SourceHead(
            seq=_int(item, "seq"),
            prev=_id(item, "prev"),
            suspended=item.get("suspended") is True,
            holder=_id(item, "holder"),
        )

    async def head(self, channel: bytes) -> Head:
        """GET the newest final block."""
        item = _object(_json(await self._request("GET", f"/v1/channels/{channel.hex()}/head")))
        return Head(
            height=_int(item, "height"),
            block_id=_id(item, "block_id"),
            state_root=_id(item, "state_root"),
            time_ms=_int(item, "time_ms"),
            clock_ms=_int(item, "clock_ms"),
            catching_up=item.get("catching_up") is True,
        )

    async def open_requests(self, channel: bytes, unit: str) -> list[OpenRequest]:
        """GET what waits for an answer."""
        path = f"/v1/channels/{channel.hex()}/requests/open?unit={quote(unit, safe='')}"
        found = [_open_request(item) for item in _list(_json(await self._request("GET", path)))]
        if any(request.unit != unit for request in found):
            raise _nonsense("a request to another unit")
        return found

    async def put_live(self, unit: str, live: Mapping[str, object]) -> None:
        """PUT what the status page shows as not signed."""
        await self._request(
            "PUT",
            f"/v1/live/{quote(unit, safe='')}",
            body=json.dumps(dict(live)).encode(),
            content_type=_JSON,
        )

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._client.close)
        self._worker.shutdown(wait=False)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        content_type: str = "",
        timeout_ms: int | None = None,
        missing: str | None = None,
    ) -> Answer:
        """One exchange in the worker thread. A 404 with the code `missing` is an answer, other errors are raised."""
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(
            self._worker,
            lambda: self._client.request(
                method, path, body=body, content_type=content_type, timeout_ms=timeout_ms
            ),
        )
        if answer.status < 400:
            return answer
        error = error_of(answer)
        if missing is not None and isinstance(error, Rejected) and error.code == missing:
            return answer
        raise error


def error_of(answer: Answer) -> LedgerError:
    """The typed error that an answer of 400 and above stands for (problem details, RFC 9457)."""
    try:
        problem = json.loads(answer.body)
    except (ValueError, RecursionError):
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    text = str(problem.get("detail") or problem.get("title") or f"the node answered {answer.status}")
    code = problem.get("code")
    clause = problem.get("clause")
    if answer.status in _NOT_NOW or answer.status >= 500:
        return Unreachable(
            text,
            outcome_unknown=answer.status >= 500 and answer.status != 503,
            retry_after_s=answer.retry_after_s,
        )
    kind = Unauthorised if answer.status in (401, 403) else Rejected
    return kind(
        text,
        status=answer.status,
        code=code if isinstance(code, str) else None,
        clause=clause if isinstance(clause, str) else None,
    )


def _transaction_status(value: object) -> TransactionStatus:
    item = _object(value)
    return TransactionStatus(
        tx_id=None if item.get("tx_id") is None else _id(item, "tx_id"),
        wire_id=_id(item, "wire_id"),
        records=tuple(_record_status(record) for record in _list(item.get("records"))),
        code=_text_or_none(item, "code"),
        reason=_text_or_none(item, "reason"),
    )


def _open_request(value: object) -> OpenRequest:
    item = _object(value)
    hours = [_object(hour) for hour in _list(item.get("hours"))]
    return OpenRequest(
        record_id=_id(item, "request"),
        unit=_text_or_none(item, "unit") or "",
        from_ms=_int(item, "from_ms"),
        to_ms=_int(item, "to_ms"),
        due_ms=_int(item, "due_ms"),
        reason=_text_or_none(item, "reason") or "",
        hours=tuple(
            (_int(hour, "start_ms"), None if hour.get("record_id") is None else _id(hour, "record_id"))
            for hour in hours
        ),
    )


def _record_status(value: object) -> RecordStatus:
    item = _object(value)
    state = item.get("state")
    if state not in STATES:
        raise _nonsense(f"the state `{state}`")
    return RecordStatus(
        record_id=_id(item, "record_id"),
        state=state,
        outcome=None if item.get("outcome") is None else _int(item, "outcome"),
        clause=_text_or_none(item, "clause"),
        reason=_text_or_none(item, "reason"),
        height=None if item.get("height") is None else _int(item, "height"),
        code=_text_or_none(item, "code"),
        seen_by=_names(item, "seen_by"),
    )


def _nonsense(what: str) -> Unreachable:
    """An answer that a node of ours never gives: not the caller's fault, so it may be tried again."""
    return Unreachable(
        f"the node answered with {what}; is something else listening there?", outcome_unknown=True
    )


def _json(answer: Answer) -> object:
    try:
        value: object = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise _nonsense(f"text that is not JSON ({error})") from error
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _nonsense(f"{type(value).__name__} in place of an object")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _nonsense(f"{type(value).__name__} in place of a list")
    return value


def _int(item: Mapping[str, Any], key: str) -> int:
    value = item.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _nonsense(f"`{key}` = {value!r}")
    return value


def _id(item: Mapping[str, Any], key: str) -> bytes:
    value = item.get(key)
    try:
        return bytes.fromhex(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise _nonsense(f"`{key}` = {value!r}") from error


def _text_or_none(item: Mapping[str, Any], key: str) -> str | None:
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise _nonsense(f"`{key}` = {value!r}")
    return value


def _names(item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of names; a node that knows none may leave it out."""
    value = item.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _nonsense(f"`{key}` = {value!r}")
    return tuple(value)


def _seconds_text(milliseconds: int) -> str:
    seconds, rest = divmod(max(0, milliseconds), 1000)
    return f"{seconds}.{rest:03d}"
