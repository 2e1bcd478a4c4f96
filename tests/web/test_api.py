"""The node's HTTP interface over a real socket: submissions, proofs, looks at the ledger, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from doxedge.backends.port import PROOFS_OF_ONE_REQUEST, SUBMISSION_ENVELOPES
from doxedge.evidence.check import check
from doxedge.ledger.transaction import Transaction
from doxedge.signing import canonical, limits
from doxedge.signing.canonical import Value
from doxedge.web.node_port import Health, RefusalView
from doxedge.web.serve import Addresses
from tests.ledger.channels import HOUR_MS, START_MS, hour
from tests.web.raw_http import ask, get, post_cbor, put_json
from tests.web.small_node import SmallNode, served

LIVE = {"at_ms": START_MS, "hour_start_ms": START_MS, "minutes_valid": 3, "quality": "good"}


@pytest.fixture
def node() -> SmallNode:
    return SmallNode.begin()


@pytest.fixture
async def at(node: SmallNode, tmp_path: Path) -> AsyncIterator[Addresses]:
    async with served(node, tmp_path) as addresses:
        yield addresses


def channel_path(node: SmallNode, rest: str) -> str:
    return f"/v1/channels/{node.ledger.channel.hex()}/{rest}"


def hours(node: SmallNode, count: int, *, first: int = 0) -> list[Transaction]:
    device = node.ledger.channel_state.authors["alpha-1 device"]
    return [
        device.say("hour", hour("alpha-1", START_MS + number * HOUR_MS, 1_000 + number))
        for number in range(first, first + count)
    ]


async def test_a_submission_is_answered_with_a_status_for_each_envelope(
    node: SmallNode, at: Addresses
) -> None:
    good, later = hours(node, 2)
    reply = await post_cbor(at, channel_path(node, "transactions"), [good.raw, b"no envelope", later.raw])
    assert reply.status == 202
    assert [row["code"] for row in reply.json] == [None, "bad_encoding", None]
    assert [row["tx_id"] for row in reply.json] == [good.tx_id.hex(), None, later.tx_id.hex()]
    assert [record["state"] for row in reply.json for record in row["records"]] == ["stored"] * 2


async def test_the_same_bytes_again_have_the_same_answer(node: SmallNode, at: Addresses) -> None:
    (one,) = hours(node, 1)
    path = channel_path(node, "transactions?wait=final")
    replies = [await post_cbor(at, path, [one.raw]) for _ in range(3)]
    assert replies[0].json == replies[1].json == replies[2].json
    assert replies[0].json[0]["records"][0]["state"] == "final"


async def test_a_wait_for_a_block_ends_with_its_time_out(node: SmallNode, at: Addresses) -> None:
    node.slow = True
    (one,) = hours(node, 1)
    reply = await post_cbor(at, channel_path(node, "transactions?wait=final&timeout_s=0.05"), [one.raw])
    assert (reply.status, reply.json[0]["records"][0]["state"]) == (202, "stored")


async def test_a_full_pool_is_not_now_with_the_time_to_come_back(node: SmallNode, at: Addresses) -> None:
    node.full = True
    (one,) = hours(node, 1)
    reply = await post_cbor(at, channel_path(node, "transactions"), [one.raw])
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "pool_full", "7")


async def test_a_node_that_is_behind_says_so_wherever_it_is_asked(node: SmallNode, at: Addresses) -> None:
    node.behind = True
    source = node.ledger.source.hex()
    reply = await get(at, channel_path(node, f"sources/{source}"))
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "not_in_step", "3")


async def test_a_bug_of_the_node_is_a_fault_that_tells_nothing_of_it(node: SmallNode, at: Addresses) -> None:
    node.broken = True
    (one,) = hours(node, 1)
    reply = await post_cbor(at, channel_path(node, "transactions"), [one.raw])
    assert (reply.status, reply.code) == (500, "fault")
    assert "a bug of the node" not in reply.text
    assert (await get(at, "/healthz")).status == 200, "the next request is served"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("wait=later", "bad_wait"),
        ("wait=", "bad_wait"),
        ("timeout_s=-1", "bad_timeout"),
        ("timeout_s=61", "bad_timeout"),
        ("timeout_s=nan", "bad_timeout"),
        ("timeout_s=inf", "bad_timeout"),
        ("timeout_s=soon", "bad_timeout"),
        ("timeout_s=1e-99999999999999999999999999", "bad_timeout"),
    ],
)
async def test_a_wait_that_cannot_be_meant_is_refused(
    node: SmallNode, at: Addresses, query: str, code: str
) -> None:
    reply = await post_cbor(at, channel_path(node, f"transactions?{query}"), [hours(node, 1)[0].raw])
    assert (reply.status, reply.code) == (400, code)
    assert node.submissions == 0


async def test_a_submission_of_too_many_or_too_large_envelopes_is_refused_whole(
    node: SmallNode, at: Addresses
) -> None:
    path = channel_path(node, "transactions")
    cases: list[list[Value]] = [
        [],
        [b"x"] * (SUBMISSION_ENVELOPES + 1),
        [bytes(limits.ENVELOPE_BYTES + 1)],
        [1],
        [[b"x"]],
        ["x"],
    ]
    for items in cases:
        reply = await post_cbor(at, path, items)
        assert (reply.status, reply.code) == (400, "bad_cbor")
    assert node.submissions == 0


async def test_a_proof_checks_off_line_and_one_file_proves_a_whole_batch(
    node: SmallNode, at: Addresses
) -> None:
    device = node.ledger.channel_state.authors["alpha-1 device"]
    batch = device.batch([("hour", hour("alpha-1", START_MS + n * HOUR_MS, 500)) for n in range(3)])
    await post_cbor(at, channel_path(node, "transactions?wait=final"), [batch.raw])
    unknown = bytes(32)
    reply = await post_cbor(at, channel_path(node, "proofs"), [*batch.record_ids, unknown])
    assert (reply.status, reply.headers["content-type"]) == (200, "application/cbor")
    files = canonical.decode(reply.body, limit=2**22)
    assert isinstance(files, list)
    assert files[3] is None
    assert isinstance(files[0], bytes)
    assert files[0] == files[1] == files[2]
    proved = check(files[0], channel=node.ledger.channel)
    assert tuple(record.record_id for record in proved.records) == batch.record_ids
    single = await get(at, channel_path(node, f"evidence/{batch.record_ids[1].hex()}"))
    assert single.body == files[0]
    assert (
        single.headers["content-disposition"]
        == f'attachment; filename="{batch.record_ids[1].hex()[:16]}.evidence"'
    )


async def test_too_many_proofs_and_ids_of_another_size_are_refused(node: SmallNode, at: Addresses) -> None:
    for items in ([bytes(32)] * (PROOFS_OF_ONE_REQUEST + 1), [bytes(31)], [bytes(33)], []):
        reply = await post_cbor(at, channel_path(node, "proofs"), list(items))
        assert (reply.status, reply.code) == (400, "bad_cbor")


async def test_a_record_is_followed_from_unknown_over_stored_to_final(node: SmallNode, at: Addresses) -> None:
    (one,) = hours(node, 1)
    path = channel_path(node, f"records/{one.record_ids[0].hex()}")
    missing = await get(at, path)
    assert (missing.status, missing.code) == (404, "unknown_record")
    await post_cbor(at, channel_path(node, "transactions"), [one.raw])
    assert (await get(at, path)).json["state"] == "stored"
    await post_cbor(at, channel_path(node, "transactions?wait=final"), [one.raw])
    final = (await get(at, path)).json
    assert (final["state"], final["outcome"], final["height"]) == ("final", 0, 2)
    assert final["record_id"] == one.record_ids[0].hex()


async def test_evidence_of_what_is_not_final_is_not_there(node: SmallNode, at: Addresses) -> None:
    reply = await get(at, channel_path(node, f"evidence/{'00' * 32}"))
    assert (reply.status, reply.code) == (404, "unknown_record")


async def test_a_source_tells_where_its_numbering_stands(node: SmallNode, at: Addresses) -> None:
    path = channel_path(node, f"sources/{node.ledger.source.hex()}")
    assert (await get(at, path)).json == {
        "seq": 0,
        "prev": "00" * 32,
        "suspended": False,
        "holder": node.ledger.device.key_id.hex(),
    }
    transactions = hours(node, 3)
    await post_cbor(at, channel_path(node, "transactions?wait=final"), [t.raw for t in transactions])
    found = (await get(at, path)).json
    assert (found["seq"], found["prev"]) == (3, transactions[-1].record_ids[0].hex())
    unknown = await get(at, channel_path(node, f"sources/{'00' * 16}"))
    assert (unknown.status, unknown.code) == (404, "unknown_source")


async def test_a_channel_that_is_not_kept_here_is_said_so_wherever_it_is_asked_for(at: Addresses) -> None:
    looks = [
        "head",
        "units",
        "accounts",
        "devices",
        "readings",
        "events",
        "refusals",
        "peers",
        "sources/" + "00" * 16,
    ]
    cases = {
        "ab" * 32: (404, "unknown_channel"),
        "ab" * 8: (404, "unknown_channel"),
        "%00" * 16: (404, "unknown_channel"),
        "north": (400, "bad_id"),
        "zz" * 32: (400, "bad_id"),
        "ab" * 33: (400, "bad_id"),
        "%C3%A4" * 64: (400, "bad_id"),
    }
    for channel, expected in cases.items():
        for what in looks:
            reply = await get(at, f"/v1/channels/{channel}/{what}")
            assert (reply.status, reply.code) == expected, (channel, what)


async def test_a_channel_may_be_named_by_its_first_16_digits_in_either_case(
    node: SmallNode, at: Addresses
) -> None:
    name = node.ledger.channel.hex()
    heads = [
        (await get(at, f"/v1/channels/{text}/head")).json for text in (name, name[:16], name[:16].upper())
    ]
    assert heads[0] == heads[1] == heads[2]
    assert heads[0]["channel"] == name
    assert heads[0] == (await get(at, "/v1/channels")).json[0]


async def test_an_id_that_is_none_is_refused(node: SmallNode, at: Addresses) -> None:
    for what in ("records", "evidence"):
        for text in (
            "00",
            "00" * 31,
            "00" * 33,
            "zz" * 32,
            "0x" + "00" * 31,
            " " * 64,
            "٠" * 64,
            "00" * 5_000,
        ):
            reply = await get(at, channel_path(node, f"{what}/{quote(text)}"))
            assert (reply.status, reply.code) == (400, "bad_id"), text
        reply = await get(at, channel_path(node, f"{what}/"))
        assert (reply.status, reply.code) == (404, "unknown_path")


async def test_a_number_that_is_none_is_refused(node: SmallNode, at: Addresses) -> None:
    cases = [
        ("units", "year=1969", "bad_year"),
        ("units", "year=twenty", "bad_number"),
        ("accounts", "year=99999", "bad_year"),
        ("accounts", "year=-1", "bad_number"),
        ("events", "after=-1", "bad_number"),
        ("events", "after=1e3", "bad_number"),
        ("events", "after=9999999999999999", "bad_number"),
        ("events", "limit=10001", "bad_number"),
        ("readings", "from_ms=now", "bad_number"),
        ("readings", "to_ms=%D9%A1", "bad_number"),
    ]
    for what, query, code in cases:
        reply = await get(at, channel_path(node, f"{what}?{query}"))
        assert (reply.status, reply.code) == (400, code), query


async def test_the_ledger_can_be_looked_at(node: SmallNode, at: Addresses) -> None:
    await post_cbor(at, channel_path(node, "transactions?wait=final"), [t.raw for t in hours(node, 2)])
    units = {row["unit"]: row for row in (await get(at, channel_path(node, "units"))).json}
    assert units["alpha-1"]["trial_hours"] == 2
    accounts = (await get(at, channel_path(node, "accounts?year=2026"))).json
    assert {row["account"] for row in accounts} == {"alpha-1", "beta-1", "alpha-trade"}
    devices = (await get(at, channel_path(node, "devices"))).json
    assert {row["device"] for row in devices} == {"alpha-gw", "beta-gw"}
    readings = (
        await get(at, channel_path(node, f"readings?from_ms={START_MS}&to_ms={START_MS + 3 * HOUR_MS}"))
    ).json
    assert {row["device"]: row["hours_accepted"] for row in readings}["alpha-gw"] == 2
    peers = (await get(at, channel_path(node, "peers"))).json
    assert [row["party"] for row in peers] == ["regulator", "alpha"]


async def test_events_go_on_after_a_height_and_hold_no_bytes(node: SmallNode, at: Addresses) -> None:
    for number in range(3):
        (one,) = hours(node, 1, first=number)
        await post_cbor(at, channel_path(node, "transactions?wait=final"), [one.raw])
    everything = (await get(at, channel_path(node, "events"))).json
    assert [row["height"] for row in everything] == sorted(row["height"] for row in everything)
    later = (await get(at, channel_path(node, f"events?after={everything[0]['height']}"))).json
    assert later == [row for row in everything if row["height"] > everything[0]["height"]]


async def test_refusals_are_listed_with_clause_or_code(node: SmallNode, at: Addresses) -> None:
    node.refused.append(
        RefusalView(
            START_MS, node.ledger.channel, "transfer 3 of alpha", "transfer", "7.8", None, "no", "alpha", 9
        )
    )
    (row,) = (await get(at, channel_path(node, "refusals"))).json
    assert (row["what"], row["clause"], row["code"], row["height"]) == ("transfer 3 of alpha", "7.8", None, 9)


async def test_a_live_value_is_taken_and_a_wrong_one_named(at: Addresses) -> None:
    assert (await put_json(at, "/v1/live/alpha-1", LIVE)).status == 204
    wrong = await put_json(at, "/v1/live/alpha-1", {**LIVE, "minutes_valid": 61})
    assert (wrong.status, wrong.code) == (400, "bad_live")
    assert "minutes_valid" in wrong.json["detail"]


@pytest.mark.parametrize(
    ("alive", "ready", "reasons"),
    [
        (True, True, ()),
        (True, False, ("channel north is at height 3 of 9: wait",)),
        (False, False, ("restart it",)),
    ],
)
async def test_alive_and_ready_are_two_questions(
    node: SmallNode, at: Addresses, alive: bool, ready: bool, reasons: tuple[str, ...]
) -> None:
    node.state = Health(alive, ready, reasons)
    healthz, readyz = await get(at, "/healthz"), await get(at, "/readyz")
    assert (healthz.status, healthz.json) == (200 if alive else 503, {"alive": alive})
    assert (readyz.status, readyz.json) == (200 if ready else 503, {"ready": ready, "reasons": list(reasons)})


async def test_metrics_are_text_of_prometheus(at: Addresses) -> None:
    reply = await get(at, "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "doxedge_height 1.0" in reply.text


async def test_a_head_request_has_no_body(node: SmallNode, at: Addresses) -> None:
    reply = await ask(at, "HEAD", channel_path(node, "head"))
    assert (reply.status, reply.body) == (200, b"")


async def test_requests_are_listed_with_their_answers_and_open_ones_with_their_hours(
    node: SmallNode, at: Addresses
) -> None:
    state = node.ledger.channel_state
    state.now_ms = START_MS + 4 * HOUR_MS
    due_ms = node.clock_ms - 1
    asked = [
        state.officer("regulator").say("samples.request", ["alpha-1", START_MS, to_ms, due_ms, "spot check"])
        for to_ms in (START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
    ]
    state.now_ms = due_ms - 2 * HOUR_MS
    state.block(*asked)
    device = state.authors["alpha-1 device"]
    said = device.say("samples.answer", [asked[0].record_ids[0], b"c" * 32, 5, "produced", ""])
    state.block(said)
    rows = {row["request"]: row for row in (await get(at, channel_path(node, "requests"))).json}
    first, second = (rows[one.record_ids[0].hex()] for one in asked)
    assert (first["status"], second["status"], second["answer"]) == ("answered", "overdue", None)
    assert first["answer"] == {
        "record_id": said.record_ids[0].hex(), "device": "alpha-gw", "answered_ms": state.now_ms,
        "content_hash": "63" * 32, "samples": 5, "outcome": "produced", "text": "",
    }  # fmt: skip
    (waiting,) = (await get(at, channel_path(node, "requests/open?unit=alpha-1"))).json
    assert waiting["request"] == second["request"]
    assert [hour["record_id"] for hour in waiting["hours"]] == [None, None]
    assert (await get(at, channel_path(node, "requests/open?unit=nowhere"))).json == []
    reply = await get(at, channel_path(node, "requests/open"))
    assert (reply.status, reply.code) == (400, "no_unit")
