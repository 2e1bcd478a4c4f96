"""`doxedge evidence` builds from a node or its folder, checks without either, and its exit codes tell them apart."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.evidence.check import check
from doxedge.evidence.format import EVIDENCE_BYTES_MAX, decode
from doxedge.ledger.chain import Extension
from doxedge.signing import canonical
from doxedge.signing.tags import channel_id
from doxedge.store.chain import ChainStore
from doxedge.store.rows import BlockRow, Commit, Cosignature, StateWrite, TransactionRow
from tests.evidence.evidence_files import Archive, batch_under_later_head, one_hour
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, certified, hour
from tests.web.small_node import SmallNode, served

FOREIGN_ROOMS = (
    "store", "gossip", "fieldbus", "keystore", "backends", "web", "node", "gateway", "analysers",
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hour.evidence"
    path.write_bytes(one_hour())
    return path


def test_a_good_file_is_proved_with_exit_code_0(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "check", str(file)]) == 0
    page = capsys.readouterr().out
    assert page.startswith("PROVED\n")
    assert "WHAT IS NOT PROVED" in page


def test_json_is_json_on_stdout_and_nothing_else(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel = channel_id(decode(one_hour()).genesis).hex()
    assert main(["evidence", "check", str(file), "--channel", channel, "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["channel_pinned"], found["cosigned_by"]) == (
        "proved", True, ["alpha", "regulator"],
    )  # fmt: skip


def test_a_changed_file_is_refused_with_exit_code_6(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(one_hour())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert main(["evidence", "check", str(file), "--output", "json"]) == 6
    out, words = capsys.readouterr()
    assert json.loads(out)["verdict"] == "refused"
    assert "REFUSED at step" in words


def test_a_refusal_that_quotes_a_hostile_file_cannot_steer_the_terminal(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = canonical.decode(one_hour(), limit=EVIDENCE_BYTES_MAX)
    assert isinstance(fields, list)
    file.write_bytes(canonical.encode(["\x1b[2J\x1b[HPROVED\nalpha emitted nothing", *fields[1:]]))
    assert main(["evidence", "check", str(file)]) == 6
    words = capsys.readouterr().err
    assert words.startswith("doxedge: REFUSED at step 1")
    assert "\x1b" not in words
    assert words.count("\n") == 1


def test_the_wrong_channel_or_genesis_is_refused(file: Path, tmp_path: Path) -> None:
    other = Archive.begin("south").channel.chain
    genesis = tmp_path / "genesis"
    genesis.write_bytes(other.genesis_bytes)
    assert main(["evidence", "check", str(file), "--channel", other.channel.hex()]) == 6
    assert main(["evidence", "check", str(file), "--genesis", str(genesis)]) == 6
    genesis.write_bytes(decode(one_hour()).genesis)
    assert main(["evidence", "check", str(file), "--genesis", str(genesis)]) == 0


def test_a_file_that_cannot_be_read_is_exit_code_7(tmp_path: Path) -> None:
    assert main(["evidence", "check", str(tmp_path / "nowhere")]) == 7
    assert main(["evidence", "check", str(tmp_path)]) == 7


@pytest.mark.parametrize("channel", ["12", "x" * 64, "ab" * 31])
def test_a_channel_that_is_no_id_is_exit_code_2(file: Path, channel: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evidence", "check", str(file), "--channel", channel])
    assert caught.value.code == 2


def test_checking_imports_the_pure_rooms_only(file: Path) -> None:
    script = (
        "import sys\nfrom doxedge.cli.main import main\n"
        f"assert main(['evidence', 'check', {str(file)!r}, '--output', 'json']) == 0\n"
        "print(*sorted(m for m in sys.modules if m.startswith('doxedge.')), file=sys.stderr)\n"
        "print('sqlite3' in sys.modules, 'asyncio' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    modules, machinery = done.stderr.strip().splitlines()
    rooms = {name.split(".")[1] for name in modules.split()}
    assert "evidence" in rooms
    assert rooms.isdisjoint(FOREIGN_ROOMS)
    assert machinery == "False False"


async def test_a_file_is_built_from_a_node_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = SmallNode.begin()
    device = node.ledger.channel_state.authors["alpha-1 device"]
    transaction = device.say("hour", hour("alpha-1", START_MS))
    await node.ledger.submit(node.ledger.channel, [transaction.raw])
    record, out = transaction.record_ids[0].hex(), tmp_path / "out.evidence"
    async with served(node, tmp_path) as addresses:
        command = ["evidence", "build", record, "--node", str(addresses.socket_path), "--out", str(out)]
        assert await asyncio.to_thread(main_or_code, command) == 2
        assert "not final on this node" in capsys.readouterr().err
        assert not out.exists()
        node.ledger.build_block()
        assert await asyncio.to_thread(main, [*command, "--output", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["records"] == [record]
        assert await asyncio.to_thread(main, [*command, "--channel", "north"]) == 0
        assert await asyncio.to_thread(main_or_code, [*command, "--channel", "south"]) == 2
    assert main(["evidence", "check", str(out), "--channel", node.ledger.channel.hex()]) == 0


def test_a_node_that_does_not_answer_is_exit_code_3(tmp_path: Path) -> None:
    command = [
        "evidence",
        "build",
        "ab" * 32,
        "--node",
        str(tmp_path / "none.sock"),
        "--out",
        str(tmp_path / "x"),
    ]
    assert main(command) == 3
    assert main([*command[:3], "--node", "http://192.0.2.1:80"]) == 2


def test_a_file_that_is_no_evidence_is_never_overwritten(tmp_path: Path) -> None:
    asyncio.run(write_folder(tmp_path / "state"))
    precious = tmp_path / "precious"
    precious.write_text("dear", encoding="utf-8")
    record = check(batch_under_later_head()).records[0].record_id.hex()
    command = ["evidence", "build", record, "--state", str(tmp_path / "state"), "--out", str(precious)]
    assert main_or_code(command) == 2
    assert precious.read_text(encoding="utf-8") == "dear"


def test_a_file_is_built_from_a_state_folder_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(write_folder(tmp_path))
    out = tmp_path / "out.evidence"
    record = check(batch_under_later_head()).records[0].record_id.hex()
    command = ["evidence", "build", record, "--state", str(tmp_path), "--out", str(out)]
    assert main(command) == 0
    assert main(command) == 0, "an evidence file may be replaced by a newer one"
    assert main(["evidence", "check", str(out)]) == 0
    assert "cosigned by     beta" in capsys.readouterr().out
    assert main_or_code([*command[:2], "cd" * 32, *command[3:]]) == 2
    assert main_or_code([*command[:4], str(tmp_path / "nowhere"), *command[5:]]) == 7


def main_or_code(command: list[str]) -> int:
    """The exit code, also when argparse ends the program."""
    try:
        return main(command)
    except SystemExit as ended:
        return int(ended.code or 0)


async def write_folder(folder: Path) -> None:
    """A node's state folder with the channel of `batch_under_later_head`, written as a node writes it."""
    channel = TestChannel.begin()
    first = channel.chain
    state = [
        StateWrite(room, key, first.state.prove(room, key)[0])
        for room in sorted(first.state.rooms)
        for key, _ in first.state.items(room)
    ]
    path = folder / "channels" / first.channel.hex()[:16] / "ledger.db"
    path.parent.mkdir(parents=True)
    extensions: list[Extension] = []
    take = first.take

    def take_and_keep(extension: Extension) -> None:
        extensions.append(extension)
        take(extension)

    first.take = take_and_keep  # type: ignore[method-assign]
    channel.with_units()
    channel.now_ms = START_MS + 4 * HOUR_MS
    device = channel.authors["alpha-1 device"]
    hours = [hour("alpha-1", START_MS), hour("alpha-1", START_MS + HOUR_MS), hour("alpha-1", START_MS)]
    channel.block(device.batch([("hour", body) for body in hours]))
    channel.block(channel.officer("regulator").say("config", ["warning_percent", 10, "test"]))
    commits = [
        Commit(
            BlockRow(
                height=extension.header.height,
                block_id=extension.header.block_id,
                header=extension.header.encode(),
                certificate=certified(extension, first).certificate,
                transactions=tuple(
                    TransactionRow(t.raw, receipt, t.tx_id, t.wire_id, t.record_ids)
                    for t, receipt in zip(extension.transactions, extension.receipts, strict=True)
                ),
            ),
            tuple(StateWrite(*row) for row in extension.execution.sealed.rows()),
        )
        for extension in extensions
    ]
    head = extensions[-1]
    signed = Archive(channel).cosignatures(head, ["beta"])[0]
    async with await ChainStore.open(path, first.channel) as store:
        await store.create(first.genesis_bytes, state)
        await store.append(commits)
        await store.add_cosignature(Cosignature(*signed))
