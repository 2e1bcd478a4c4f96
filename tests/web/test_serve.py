"""Where a node listens: a Unix socket for its own plant, the loopback with a token, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from doxedge.signing import canonical
from doxedge.web import serve as serving
from doxedge.web.serve import SOCKET_MODE, TOKEN_CHARACTERS_MIN, Addresses, Listener, ServeError, serve
from tests.gateway.waiting import until
from tests.ledger.channels import START_MS, hour
from tests.web.raw_http import PATIENCE_S, connection, get, post_cbor, read_reply, request_bytes
from tests.web.small_node import SmallNode, served


def sockets_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.is_socket()]


async def refusal(listener: Listener) -> ServeError:
    with pytest.raises(ServeError) as caught:
        await asyncio.wait_for(serve(SmallNode.begin(), listener), PATIENCE_S)
    return caught.value


async def test_the_socket_is_for_owner_and_group_and_is_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when" / "missing"
    async with served(SmallNode.begin(), folder) as at:
        assert at == Addresses(folder / "node.sock", None)
        assert stat.S_IMODE((folder / "node.sock").stat().st_mode) == SOCKET_MODE
        assert (await get(at, "/healthz")).status == 200
    assert not (folder / "node.sock").exists()


async def test_whoever_sees_the_socket_can_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its mode is narrow and somebody listens there is no file of its name."""
    path, seen, narrow = tmp_path / "node.sock", [], Path.chmod

    def look(self: Path, mode: int) -> None:
        seen.append(path.exists())
        narrow(self, mode)
        seen.append(path.exists())

    monkeypatch.setattr(Path, "chmod", look)
    async with served(SmallNode.begin(), tmp_path):
        assert seen == [False, False]
        assert sockets_in(tmp_path) == ["node.sock"]


async def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with served(SmallNode.begin(), tmp_path) as at:
        assert (await get(at, "/healthz")).status == 200


async def test_a_living_node_keeps_its_socket(tmp_path: Path) -> None:
    async with served(SmallNode.begin(), tmp_path) as at:
        error = await refusal(Listener(tmp_path / "node.sock"))
        assert "another node listens" in str(error)
        assert "listen.socket" in str(error)
        assert (await get(at, "/healthz")).status == 200


async def test_a_file_that_is_no_socket_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "node.sock").write_text("precious")
    assert "listen.socket" in str(await refusal(Listener(tmp_path / "node.sock")))
    assert (tmp_path / "node.sock").read_text() == "precious"


async def test_the_socket_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    async with served(SmallNode.begin(), tmp_path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.exists()


async def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    assert "listen.socket" in str(await refusal(Listener(tmp_path / ("x" * 150))))


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        error = await refusal(Listener(None, port=other.getsockname()[1], token_file=tmp_path / "token"))
    assert "listen.port" in str(error)


async def test_a_port_without_a_token_and_nowhere_at_all_are_refused() -> None:
    assert "listen.token_file" in str(await refusal(Listener(None, port=0)))
    assert "neither a socket nor a port" in str(await refusal(Listener(None)))


async def test_a_token_is_made_for_the_owner_alone_and_kept(tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        async with served(SmallNode.begin(), tmp_path, unix=False, tcp=True) as at:
            assert at.port
            tokens.append((tmp_path / "token").read_text())
    assert tokens[0] == tokens[1]
    assert len(tokens[0].strip()) >= TOKEN_CHARACTERS_MIN
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("what", "content", "mode", "words"),
    [
        ("too short", b"short\n", 0o600, "fewer than"),
        ("nothing in it", b"", 0o600, "fewer than"),
        ("open to everybody", b"x" * 40, 0o644, "can be read by everybody"),
        ("letters that no header carries", "ä".encode() * 40, 0o600, "cannot be used"),
        ("two lines", b"x" * 40 + b"\n" + b"y" * 40, 0o600, "fewer than"),
    ],
)
async def test_a_token_file_that_cannot_be_meant_is_told(
    tmp_path: Path, what: str, content: bytes, mode: int, words: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    error = await refusal(Listener(None, port=0, token_file=path))
    assert words in str(error)
    assert "listen.token_file" in str(error)


async def test_tcp_is_bound_to_this_machine_only(tmp_path: Path) -> None:
    async with served(SmallNode.begin(), tmp_path, tcp=True) as at:
        with socket.socket() as other:
            # The port is free on every other address, so it was not taken on all of them.
            other.bind(("127.0.0.2", at.port or 0))


async def test_a_connection_serves_one_request_after_the_other(tmp_path: Path) -> None:
    async with served(SmallNode.begin(), tmp_path) as at, connection(at) as (reader, writer):
        for path in ("/healthz", "/readyz", "/nowhere", "/healthz"):
            writer.write(request_bytes("GET", path))
            assert (await read_reply(reader)).status == (404 if path == "/nowhere" else 200)


@pytest.mark.parametrize(
    ("what", "before", "sent"),
    [
        ("nothing", b"", b""),
        ("half a head", b"", b"GET /healthz HTTP/1.1\r\nHost: no"),
        ("half a head after a whole request", request_bytes("GET", "/healthz"), b"GET /healthz HTT"),
    ],
)
async def test_who_asks_nothing_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, before: bytes, sent: bytes
) -> None:
    monkeypatch.setattr(serving, "HEAD_TIMEOUT_S", 0.2)
    async with served(SmallNode.begin(), tmp_path) as at, connection(at) as (reader, writer):
        if before:
            writer.write(before)
            assert (await read_reply(reader)).status == 200
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""


async def test_who_waits_for_an_answer_is_not_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_TIMEOUT_S", 0.1)
    node = SmallNode.begin()
    node.slow = True
    one = node.ledger.channel_state.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS))
    async with served(node, tmp_path) as at:
        path = f"/v1/channels/{node.ledger.channel.hex()}/transactions?wait=final&timeout_s=0.5"
        assert (await post_cbor(at, path, [one.raw])).status == 202


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00" * 100, b"HELLO\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 10**5]
)
async def test_what_is_no_http_is_answered_with_400_or_nothing_and_harms_nobody(
    tmp_path: Path, sent: bytes
) -> None:
    async with served(SmallNode.begin(), tmp_path) as at:
        async with connection(at) as (reader, writer):
            writer.write(sent)
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read()
            assert answer == b"" or b" 400 " in answer.partition(b"\r\n")[0]
        assert (await get(at, "/healthz")).status == 200


async def test_a_node_that_stops_does_not_wait_for_its_clients(tmp_path: Path) -> None:
    node = SmallNode.begin()
    node.slow = True
    one = node.ledger.channel_state.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS))
    path = f"/v1/channels/{node.ledger.channel.hex()}/transactions?wait=final&timeout_s=60"
    body = canonical.encode([one.raw])
    async with asyncio.timeout(PATIENCE_S):
        async with served(node, tmp_path) as at, connection(at) as (_, writer):
            writer.write(request_bytes("POST", path, body, headers={"Content-Type": "application/cbor"}))
            await until(lambda: node.submissions > 0)
    assert not (tmp_path / "node.sock").exists()
