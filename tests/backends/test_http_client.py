"""One HTTP connection to the node: addresses, tokens, deadlines, and answers that are whole or none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from doxedge.backends import http_client
from doxedge.backends.http_client import TOKEN_BYTES_MAX, Answer, NodeAddress, NodeClient, default_socket
from doxedge.backends.port import Unauthorised, Unreachable
from tests.backends.odd_node import SILENCE, OddNode, http
from tests.ports import closed_port
from tests.web.small_node import SmallNode, served, tcp_address

SOON_MS = 300
"""A time-out that must be met."""


async def ask(client: NodeClient, path: str = "/healthz", method: str = "GET", body: bytes = b"") -> Answer:
    return await asyncio.to_thread(client.request, method, path, body=body, content_type="application/cbor")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/run/node.sock", "/run/node.sock"),
        ("unix:/run/node.sock", "/run/node.sock"),
        ("unix:///run/node.sock", "/run/node.sock"),
        ("./node.sock", "node.sock"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.1.2.3:1", "http://127.1.2.3:1"),
    ],
)
def test_an_address_is_a_path_or_a_port_of_this_machine(text: str, shown: str) -> None:
    assert NodeAddress.parse(text).text.replace("//run", "/run") == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "node.sock",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:0x50",
        "http://127.0.0.1:70000",
        "http://192.0.2.7:8080",
        "http://localhost.example:8080",
        "http://127.0.0.1.example:8080",
        "http://127.0.0.1:8080/v1",
        "http://127.0.0.1:8080?x=1",
        "http://0.0.0.0:8080",
        "tcp://127.0.0.1:1",
        "~no-such-account-here/node.sock",
        "unix:~no-such-account-here/node.sock",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        NodeAddress.parse(text)


def test_the_default_is_the_users_socket_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/run/doxedge/node.sock").exists():
        pytest.skip("a node runs on this machine")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert default_socket() == Path("/run/user/7/doxedge/node.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert default_socket() == Path("/run/doxedge/node.sock")


@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "loopback"])
async def test_a_connection_is_kept_and_every_status_is_an_answer(tmp_path: Path, tcp: bool) -> None:
    async with served(SmallNode.begin(), tmp_path, unix=not tcp, tcp=tcp) as addresses:
        client = NodeClient(
            tcp_address(addresses, tmp_path) if tcp else NodeAddress(socket_path=addresses.socket_path)
        )
        assert (await ask(client)).status == 200
        kept = client._connection
        assert kept is not None
        assert (await ask(client, "/v1/channels")).content_type == "application/json"
        assert (await ask(client, "/v1/nowhere")).status == 404
        assert client._connection is kept
        client.close()
        client.close()
        assert (await ask(client)).status == 200
        client.close()


@pytest.mark.parametrize("token", [None, "not the token of this node"], ids=["none", "wrong"])
async def test_without_the_nodes_token_the_answer_is_401(tmp_path: Path, token: str | None) -> None:
    async with served(SmallNode.begin(), tmp_path, unix=False, tcp=True) as addresses:
        file = None
        if token is not None:
            file = tmp_path / "mine"
            file.write_text(token, encoding="ascii")
        client = NodeClient(NodeAddress(host="127.0.0.1", port=addresses.port or 0, token_file=file))
        assert (await ask(client, "/v1/channels")).status == 401
        assert (await ask(client, "/healthz")).status == 200, "a supervisor needs no token"
        client.close()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="blank"),
        pytest.param(b"two\nlines", id="two lines"),
        pytest.param(b"caf\xc3\xa9", id="not ASCII"),
        pytest.param(b"x" * (TOKEN_BYTES_MAX + 1), id="too long"),
    ],
)
def test_a_token_file_that_holds_none_is_the_callers_fault(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    client = NodeClient(NodeAddress(host="127.0.0.1", port=1, token_file=file))
    with pytest.raises(Unauthorised, match="token"):
        client.request("GET", "/healthz")


@pytest.mark.parametrize(
    "name", ["missing.sock", "x" * 200, "folder"], ids=["missing", "too long", "a folder"]
)
def test_where_no_node_listens_nothing_has_arrived(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    client = NodeClient(NodeAddress(socket_path=tmp_path / name))
    with pytest.raises(Unreachable, match="no node answers") as refused:
        client.request("GET", "/healthz")
    assert not refused.value.outcome_unknown


def test_a_port_where_nobody_listens_is_no_node() -> None:
    with closed_port() as port:
        client = NodeClient(NodeAddress(host="127.0.0.1", port=port))
        with pytest.raises(Unreachable, match="no node answers"):
            client.request("GET", "/healthz")


async def test_a_connection_that_the_node_has_closed_meanwhile_is_made_anew_once(tmp_path: Path) -> None:
    async with OddNode(tmp_path, [http(b"1"), http(b"2")], closes=True) as odd:
        client = NodeClient(odd.address)
        assert (await ask(client)).body == b"1"
        assert client._connection is not None
        assert (await ask(client, method="POST", body=b"x")).body == b"2"
        assert odd.connections == 2
        assert [request.split()[0] for request in odd.requests] == [b"GET", b"POST"]
        client.close()


WHOLE = http(b"0123456789" * 100)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200", id="half a status line"),
        pytest.param(WHOLE[:40], id="half a header"),
        pytest.param(WHOLE[:-1], id="a body without its last byte"),
        pytest.param(WHOLE[: WHOLE.index(b"0123")], id="no body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", id="chunks without an end"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n012", id="half a chunk"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", id="an endless header"),
    ],
)
async def test_an_answer_that_is_cut_or_none_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    async with OddNode(tmp_path, [answer], closes=True) as odd:
        client = NodeClient(odd.address)
        with pytest.raises(Unreachable) as broken:
            await ask(client)
        assert broken.value.outcome_unknown
        assert client._connection is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(SILENCE, id="from the start"),
        pytest.param(WHOLE[:40] + SILENCE, id="in the header"),
        pytest.param(WHOLE[:-1] + SILENCE, id="before the last byte"),
    ],
)
async def test_a_silent_node_is_waited_for_only_so_long(tmp_path: Path, answer: bytes) -> None:
    async with OddNode(tmp_path, [answer, WHOLE]) as odd:
        client = NodeClient(odd.address, answer_timeout_ms=SOON_MS)
        with pytest.raises(Unreachable, match="in time") as late:
            await ask(client)
        assert late.value.outcome_unknown
        again = await asyncio.to_thread(client.request, "GET", "/healthz", timeout_ms=60_000)
        assert again.body == WHOLE[-1_000:], "the late answer belongs to nobody"
        assert odd.connections == 2
        client.close()


async def test_a_node_that_drips_is_not_waited_for_longer_than_a_silent_one(tmp_path: Path) -> None:
    async with OddNode(tmp_path, [WHOLE], drips=True) as odd:
        client = NodeClient(odd.address, answer_timeout_ms=SOON_MS)
        with pytest.raises(Unreachable, match="in time"):
            await ask(client)
        assert odd.dripped_bytes < WHOLE.index(b"0123"), (
            "a byte every 50 ms: the header alone takes far longer"
        )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(http(bytes(1_001)), id="with its length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1f4\r\n" + bytes(500) + b"\r\n1f6\r\n" + bytes(502) + b"\r\n0\r\n\r\n",
            id="in chunks",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n" + SILENCE, id="announced only"
        ),
    ],
)  # fmt: skip
async def test_an_answer_over_the_limit_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(http_client, "ANSWER_BYTES_MAX", 1_000)
    async with OddNode(tmp_path, [http(bytes(1_000)), answer]) as odd:
        client = NodeClient(odd.address, answer_timeout_ms=60_000)
        assert len((await ask(client)).body) == 1_000
        with pytest.raises(Unreachable, match="more than 1000 bytes"):
            await ask(client)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("soon", None), ("-1", None), ("9" * 5_000, None), ("٣", None)],
)
async def test_the_time_to_come_back_is_a_plain_number_or_none(
    tmp_path: Path, header: str, seconds: int | None
) -> None:
    answer = http(b"", "503 Not now", "application/json", f"Retry-After: {header}")
    async with OddNode(tmp_path, [answer]) as odd:
        client = NodeClient(odd.address)
        assert (await ask(client)).retry_after_s == seconds
        client.close()
