"""The ledger over HTTP: what a wrong, hostile or missing node makes of each call, and nothing else of the network."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from doxedge.backends.http_client import Answer, NodeAddress
from doxedge.backends.port import LedgerError, Rejected, Unauthorised, Unreachable
from doxedge.backends.remote import RemoteLedger, error_of
from doxedge.signing import canonical
from tests.backends.odd_node import SILENCE, OddNode, http
from tests.ledger.channels import START_MS, hour
from tests.node.network import until
from tests.web.small_node import SmallNode, served, tcp_address

CHANNEL, RECORD, SOURCE = bytes(32), bytes([1]) * 32, bytes(16)
ENVELOPE = b"an envelope"
SOON_MS = 300
Call = Callable[[RemoteLedger], Awaitable[object]]
CALLS: dict[str, Call] = {
    "submit": lambda ledger: ledger.submit(CHANNEL, [ENVELOPE]),
    "record_status": lambda ledger: ledger.record_status(CHANNEL, RECORD),
    "proofs": lambda ledger: ledger.proofs(CHANNEL, [RECORD]),
    "source_head": lambda ledger: ledger.source_head(CHANNEL, SOURCE),
    "head": lambda ledger: ledger.head(CHANNEL),
    "put_live": lambda ledger: ledger.put_live("alpha-1", {"at_ms": 1}),
}
EVERY_CALL = pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))
READING_CALLS = pytest.mark.parametrize(
    "call", [CALLS[name] for name in CALLS if name != "put_live"], ids=[n for n in CALLS if n != "put_live"]
)


async def ask(folder: Path, answer: bytes, call: Call, *, closes: bool = False) -> object:
    """One call to a node that answers with these bytes."""
    async with OddNode(folder, [answer], closes=closes) as odd:
        ledger = RemoteLedger(odd.address, answer_timeout_ms=SOON_MS)
        try:
            return await call(ledger)
        finally:
            await ledger.close()


@EVERY_CALL
async def test_where_no_node_listens_a_call_is_for_later(tmp_path: Path, call: Call) -> None:
    ledger = RemoteLedger(NodeAddress(socket_path=tmp_path / "missing.sock"))
    with pytest.raises(Unreachable) as away:
        await call(ledger)
    assert not away.value.outcome_unknown
    await ledger.close()


@EVERY_CALL
@pytest.mark.parametrize("token", [None, "a token of another node"], ids=["none", "wrong"])
async def test_over_tcp_a_call_needs_the_nodes_token(tmp_path: Path, call: Call, token: str | None) -> None:
    async with served(SmallNode.begin(), tmp_path, unix=False, tcp=True) as addresses:
        file = tmp_path / "mine"
        file.write_text(token or "", encoding="ascii")
        address = NodeAddress(
            host="127.0.0.1", port=addresses.port or 0, token_file=None if token is None else file
        )
        ledger = RemoteLedger(address)
        with pytest.raises(Unauthorised) as refused:
            await call(ledger)
        assert refused.value.status == 401
        await ledger.close()


async def test_a_token_that_cannot_be_read_is_not_asked_of_the_node(tmp_path: Path) -> None:
    ledger = RemoteLedger(NodeAddress(host="127.0.0.1", port=1, token_file=tmp_path / "missing"))
    with pytest.raises(Unauthorised, match="missing"):
        await ledger.head(CHANNEL)
    await ledger.close()


async def test_with_the_token_of_the_node_it_is_let_in(tmp_path: Path) -> None:
    node = SmallNode.begin()
    async with served(node, tmp_path, unix=False, tcp=True) as addresses:
        ledger = RemoteLedger(tcp_address(addresses, tmp_path))
        assert (await ledger.head(node.ledger.channel)).height == 1
        await ledger.close()


@EVERY_CALL
async def test_a_silent_node_is_for_later_and_nobody_knows_what_arrived(tmp_path: Path, call: Call) -> None:
    with pytest.raises(Unreachable, match="in time") as late:
        await ask(tmp_path, SILENCE, call)
    assert late.value.outcome_unknown


@EVERY_CALL
async def test_an_answer_cut_in_half_is_none(tmp_path: Path, call: Call) -> None:
    with pytest.raises(Unreachable) as cut:
        await ask(tmp_path, http(b"[" + b" " * 1_000 + b"]")[:-500], call, closes=True)
    assert cut.value.outcome_unknown


NONSENSE = {
    "nothing": b"",
    "a page": b"<html>It works!</html>",
    "a number": b"7",
    "null": b"null",
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of nothing": b"[null]",
    "bytes that are no text": b"\xff\xfe\x00",
    "nesting without end": b"[" * 100_000,
    "a number without end": b"9" * 10_000,
    "an object of wrong types": b'{"height": true, "seq": "1", "prev": 7, "record_id": null, "state": "final"}',
}


@READING_CALLS
@pytest.mark.parametrize("body", list(NONSENSE.values()), ids=list(NONSENSE))
async def test_what_no_node_of_ours_says_is_for_later(tmp_path: Path, call: Call, body: bytes) -> None:
    """The gateway's records are right; whatever answers there is not."""
    with pytest.raises(Unreachable) as nonsense:
        await ask(tmp_path, http(body), call)
    assert nonsense.value.outcome_unknown


def status(**changes: object) -> dict[str, object]:
    record: dict[str, object] = {
        "record_id": RECORD.hex(), "state": "seen", "outcome": None, "clause": None, "reason": None,
        "height": None, "code": None, "seen_by": ["beta"],
    }  # fmt: skip
    return {**record, **changes}


def submitted(**changes: object) -> bytes:
    answer: dict[str, object] = {
        "tx_id": RECORD.hex(),
        "wire_id": hashlib.sha256(ENVELOPE).hexdigest(),
        "records": [status()],
        "code": None,
        "reason": None,
    }
    return json.dumps([{**answer, **changes}]).encode()


async def test_a_good_answer_is_read_whole(tmp_path: Path) -> None:
    found = await ask(tmp_path, http(submitted()), CALLS["submit"])
    assert isinstance(found, list)
    (record,) = found[0].records
    assert (record.record_id, record.state, record.seen_by) == (RECORD, "seen", ("beta",))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(submitted(wire_id="00" * 32), id="of another envelope"),
        pytest.param(submitted(wire_id="no hex"), id="without a name"),
        pytest.param(submitted(records=None), id="without records"),
        pytest.param(submitted(records=[status(state="lost")]), id="of an unknown state"),
        pytest.param(submitted(records=[status(outcome="0")]), id="with an outcome in text"),
        pytest.param(submitted(records=[status(seen_by="beta")]), id="seen by a text"),
        pytest.param(submitted(records=[status(seen_by=[7])]), id="seen by a number"),
        pytest.param(submitted(code=5), id="with a code that is a number"),
        pytest.param(json.dumps(json.loads(submitted()) * 2).encode(), id="twice"),
    ],
)
async def test_an_answer_to_a_submission_must_be_its_own(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(Unreachable, match="answered with"):
        await ask(tmp_path, http(body), CALLS["submit"])


async def test_the_state_of_another_record_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="another record"):
        await ask(tmp_path, http(json.dumps(status(record_id="00" * 32)).encode()), CALLS["record_status"])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="none"),
        pytest.param([None, None], id="too many"),
        pytest.param([7], id="a number"),
        pytest.param(b"proof", id="no list"),
    ],
)
async def test_proofs_must_match_the_question(tmp_path: Path, value: canonical.Value) -> None:
    with pytest.raises(Unreachable, match="proof"):
        await ask(tmp_path, http(canonical.encode(value), "200 OK", "application/cbor"), CALLS["proofs"])


def problem(status: int, **fields: object) -> Answer:
    return Answer(status, "application/problem+json", None, json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("status", "kind", "outcome_unknown"),
    [
        (400, Rejected, None),
        (401, Unauthorised, None),
        (403, Unauthorised, None),
        (404, Rejected, None),
        (405, Rejected, None),
        (408, Unreachable, False),
        (409, Rejected, None),
        (413, Rejected, None),
        (415, Rejected, None),
        (425, Unreachable, False),
        (429, Unreachable, False),
        (500, Unreachable, True),
        (502, Unreachable, True),
        (503, Unreachable, False),
        (504, Unreachable, True),
        (599, Unreachable, True),
    ],
)
def test_each_status_has_its_family(
    status: int, kind: type[LedgerError], outcome_unknown: bool | None
) -> None:
    error = error_of(problem(status, detail="why", code="some_code", clause="3.4"))
    assert type(error) is kind
    assert str(error) == "why"
    if isinstance(error, Rejected):
        assert (error.status, error.code, error.clause) == (status, "some_code", "3.4")
    if isinstance(error, Unreachable):
        assert error.outcome_unknown is outcome_unknown


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"7", b'{"code": 7, "clause": []}', b"\xff", b"[" * 100_000]
)
@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_error_without_words_still_has_its_family(status: int, body: bytes) -> None:
    error = error_of(Answer(status, "text/html", None, body))
    assert str(status) in str(error)
    assert not isinstance(error, Rejected) or (error.code, error.clause) == (None, None)


@EVERY_CALL
async def test_a_full_node_says_when_to_come_back(tmp_path: Path, call: Call) -> None:
    body = json.dumps({"detail": "full", "code": "pool_full"}).encode()
    with pytest.raises(Unreachable, match="full") as later:
        await ask(tmp_path, http(body, "503 Not now", "application/problem+json", "Retry-After: 7"), call)
    assert (later.value.retry_after_s, later.value.outcome_unknown) == (7, False)


@pytest.mark.parametrize(
    ("name", "code"), [("record_status", "unknown_record"), ("source_head", "unknown_source")]
)
async def test_an_unknown_name_is_an_answer_and_an_unknown_channel_is_not(
    tmp_path: Path, name: str, code: str
) -> None:
    missing = http(json.dumps({"code": code}).encode(), "404 Missing")
    assert await ask(tmp_path, missing, CALLS[name]) is None
    other = http(json.dumps({"code": "unknown_channel", "detail": "which?"}).encode(), "404 Missing")
    with pytest.raises(Rejected, match="which") as refused:
        await ask(tmp_path, other, CALLS[name])
    assert refused.value.code == "unknown_channel"


@pytest.mark.parametrize("count", [0, 65])
async def test_a_question_of_a_size_that_is_never_answered_is_not_asked(tmp_path: Path, count: int) -> None:
    ledger = RemoteLedger(NodeAddress(socket_path=tmp_path / "missing.sock"))
    with pytest.raises(ValueError, match="envelopes"):
        await ledger.submit(CHANNEL, [ENVELOPE] * count)
    with pytest.raises(ValueError, match="proofs"):
        await ledger.proofs(CHANNEL, [RECORD] * count)
    await ledger.close()


async def test_who_gives_up_does_not_tear_the_exchange_of_the_next_one(tmp_path: Path) -> None:
    """A late answer must never be taken for the answer to a later question."""
    node = SmallNode.begin()
    channel = node.ledger.channel
    async with served(node, tmp_path) as addresses:
        ledger = RemoteLedger(NodeAddress(socket_path=addresses.socket_path))
        node.slow = True
        raw = node.ledger.channel_state.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS)).raw
        waiting = asyncio.create_task(ledger.submit(channel, [raw], wait="final", timeout_ms=500))
        await until(lambda: node.submissions)
        waiting.cancel()
        head = await ledger.head(channel)
        assert head.height == 1
        assert waiting.cancelled()
        await ledger.close()


async def test_a_units_name_cannot_leave_its_place_in_the_path(tmp_path: Path) -> None:
    async with OddNode(tmp_path, [http(b"", "204 No content")]) as odd:
        ledger = RemoteLedger(odd.address)
        await ledger.put_live("../v1/channels?x=ä b\r\nHost: y", {"at_ms": 1})
        await ledger.close()
    request_line = odd.requests[0].split(b"\r\n")[0]
    assert request_line == b"PUT /v1/live/..%2Fv1%2Fchannels%3Fx%3D%C3%A4%20b%0D%0AHost%3A%20y HTTP/1.1"
