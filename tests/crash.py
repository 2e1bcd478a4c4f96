"""Kill -9 in a loop: a node and a writer that stands for the gateway, killed at random moments, must lose nothing.

    python -m tests.crash --kills 200 --output json

Two child processes work for as long as it lasts: `doxedge node run` with a channel of one validator, and a writer that
puts records into a real outbox, signs them, posts them and collects proofs. The writer tells of every record after its
commit: that is an acknowledgement. Each child is killed by its own killer, at random moments from a seed that is
printed. At the end both are left alone until everything is final, and the ledger's file is compared with what was
acknowledged: every record once, in its order, in an unbroken chain, and proved to the outbox.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

UNIT = "alpha-1"
FIRST_HOUR_MS = 946_684_800_000
"""2000-01-01: any time before today serves."""
NODE_S_MAX, WRITER_S_MAX = 3.0, 1.0
"""A child lives up to so long after it began to work, mostly much shorter; often it is killed while it starts."""
START_S_MAX = 30.0
DRAIN_S_MAX = 180.0
SUSPENSE_S = 0.004


@dataclass
class Result:
    """What the run showed."""

    kills: int = 0
    node_kills: int = 0
    writer_kills: int = 0
    acknowledged: int = 0
    final: int = 0
    """Records of the source on the ledger; some were stored and never acknowledged."""
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    chain_breaks: int = 0
    unproved: int = 0
    """Entries of the outbox without a proof at the end."""
    findings: int = 0
    """Of the scrub of the ledger's file."""
    blocks: int = 0
    seed: int = 0
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong, and there was something to lose."""
        wrong = (self.lost, self.doubled, self.out_of_order, self.chain_breaks, self.unproved, self.findings)
        return self.acknowledged > 0 and not any(wrong)


@dataclass
class Run:
    """The folder of a run and what was acknowledged in it."""

    folder: Path
    channel: bytes
    source: bytes
    chance: random.Random
    acknowledged: dict[int, str] = field(default_factory=dict)
    twice: int = 0
    """Numbers that were acknowledged with two different records."""
    result: Result = field(default_factory=Result)

    def note(self, line: bytes) -> None:
        """A line of the writer: `<seq> <record id>`. A line that was cut by a kill says nothing."""
        words = line.decode().split()
        if len(words) == 2 and len(words[1]) == 64 and line.endswith(b"\n"):
            seq, name = int(words[0]), words[1]
            self.twice += self.acknowledged.setdefault(seq, name) != name


# The child that stands for the gateway


async def write(folder: Path, *, drain: bool) -> None:
    """Put records into the outbox, tell of each, post them. With `drain` only post, until nothing is pending."""
    # Late, so that the parent does not pay for them: it imports what it needs at its end.
    from doxedge.backends.http_client import NodeAddress
    from doxedge.backends.remote import RemoteLedger
    from doxedge.fieldbus.clock import RealClock
    from doxedge.gateway import numbering
    from doxedge.gateway.poster import Poster
    from doxedge.keystore.keys import open_signer
    from doxedge.store.outbox import Outbox

    told = json.loads((folder / "run.json").read_text())
    channel, source = bytes.fromhex(told["channel"]), bytes.fromhex(told["source"])
    signer = open_signer(f"file://{folder}/device.pem")
    ledger = RemoteLedger(NodeAddress.parse(f"unix:{folder}/node.sock"))
    clock = RealClock()
    async with await Outbox.open(folder / "outbox.db", now_ms=clock.now_ms) as outbox:
        poster = Poster(
            channel=channel, source=source, outbox=outbox, ledger=ledger, signer=signer, clock=clock,
            chance=random.random, poll_s=0.02,
        )  # fmt: skip
        while not await numbering.agree(  # noqa: ASYNC110
            outbox, ledger, channel=channel, source=source, key_id=signer.key_id
        ):
            await asyncio.sleep(0.02)
        posting = asyncio.create_task(poster.run(), name="poster")
        try:
            if drain:
                while (await outbox.counts()).pending and not posting.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            else:
                await _append_forever(outbox, channel, source, signer, poster)
        finally:
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
            await ledger.close()


async def _append_forever(outbox: Any, channel: bytes, source: bytes, signer: Any, poster: Any) -> None:
    from doxedge.signing import envelope
    from doxedge.store.rows import Draft

    def seal(record: Any) -> envelope.Envelope:
        return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=signer)

    chance = random.Random()
    last = (await outbox.head(channel, source)).seq
    while True:
        # The last one once more: after a restart a gateway states the same record again.
        numbers = range(max(last, 1), last + chance.randint(2, 6))
        drafts = [
            Draft(
                "event", [UNIT, "crash.test", FIRST_HOUR_MS + number, f"record {number}"], f"event/{number}"
            )
            for number in numbers
        ]
        for appended in await outbox.append(channel, source, drafts, seal=seal):
            sys.stdout.write(f"{appended.seq} {appended.record_id.hex()}\n")
            last = appended.seq
        sys.stdout.flush()
        poster.wake.set()
        await asyncio.sleep(chance.random() * 0.05)


# The parent


async def crash(*, kills: int, seconds_max: float, seed: int, folder: Path) -> Result:
    """The whole run in a folder."""
    started_s = time.monotonic()
    run = await _prepare(folder, seed)
    run.result.seed = seed
    deadline_s = started_s + seconds_max
    await asyncio.gather(_kill_nodes(run, kills, deadline_s), _kill_writers(run, kills, deadline_s))
    node = await _start_node(run)
    try:
        await _until_listening(run, node)
        await _drain(run)
    finally:
        await _stop(node)
    await _compare(run)
    run.result.seconds = round(time.monotonic() - started_s, 1)
    return run.result


async def _prepare(folder: Path, seed: int) -> Run:
    """Genesis, keys, settings; and a first start of the node to register the unit and its device."""
    from tests.gateway.key_files import write_key
    from tests.gateway.registered_channel import registered_channel

    channel = registered_channel("crash")
    run = Run(
        folder,
        bytes(channel.chain.channel),
        bytes(channel.authors["alpha-1 device"].source),
        random.Random(seed),
    )
    write_key(folder / "device.pem", "alpha device")
    key = write_key(folder / "node.pem", "regulator node")
    (folder / "genesis.cbor").write_bytes(channel.chain.genesis_bytes)
    (folder / "run.json").write_text(json.dumps({"channel": run.channel.hex(), "source": run.source.hex()}))
    (folder / "node.toml").write_text(
        f'party = "regulator"\nstate_dir = "{folder}"\nkey = "{key}"\nblock_interval_ms = 20\nscrub_at_start = false\n'
        f'[[channel]]\ngenesis = "{folder}/genesis.cbor"\n[listen]\nsocket = "{folder}/node.sock"\n'
    )
    node = await _start_node(run)
    try:
        await _until_listening(run, node)
        await _register(run, [transaction.raw for transaction in channel.registrations])
    finally:
        await _stop(node)
    return run


async def _stop(child: asyncio.subprocess.Process) -> None:
    """As systemd does."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    async with asyncio.timeout(START_S_MAX):
        await child.wait()


async def _register(run: Run, envelopes: list[bytes]) -> None:
    from doxedge.backends.http_client import NodeAddress
    from doxedge.backends.remote import RemoteLedger

    ledger = RemoteLedger(NodeAddress.parse(f"unix:{run.folder}/node.sock"))
    statuses = await ledger.submit(run.channel, envelopes, wait="final", timeout_ms=60_000)
    await ledger.close()
    for status in statuses:
        if any(record.outcome != 0 for record in status.records):
            raise SystemExit(f"the channel could not be prepared: {status}")


async def _start_node(run: Run) -> asyncio.subprocess.Process:
    with (run.folder / "node.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "doxedge", "node", "run", "--config", str(run.folder / "node.toml"),
            "--log-level", "warning", stdin=asyncio.subprocess.DEVNULL, stderr=log, env=_environment(),
        )  # fmt: skip


def _environment() -> dict[str, str]:
    """Without what would make a child tell our service manager that it is ready."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_", "WATCHDOG_"))
    }


async def _until_listening(run: Run, node: asyncio.subprocess.Process) -> None:
    """Return when the node takes connections; it may be killed meanwhile."""
    async with asyncio.timeout(START_S_MAX):
        while node.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(run.folder / "node.sock")
                writer.close()
                return
            await asyncio.sleep(0.02)
    log = (run.folder / "node.log").read_text()[-2_000:]
    raise SystemExit(f"the node ended by itself with {node.returncode}:\n{log}")


async def _kill_nodes(run: Run, kills: int, deadline_s: float) -> None:
    while run.result.kills < kills and time.monotonic() < deadline_s:
        node = await _start_node(run)
        if run.chance.random() < 0.7:
            await _until_listening(run, node)
        await _kill_later(run, node, alive_s_max=NODE_S_MAX)
        run.result.node_kills += 1


async def _kill_writers(run: Run, kills: int, deadline_s: float) -> None:
    while run.result.kills < kills and time.monotonic() < deadline_s:
        writer = await _start_writer(run)
        assert writer.stdout is not None
        reading = asyncio.create_task(_read(run, writer), name="acknowledgements")
        known = len(run.acknowledged)
        if run.chance.random() < 0.8:
            # While it works, mostly: a writer that was just born has nothing to lose.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_S_MAX):
                    while len(run.acknowledged) == known and writer.returncode is None:  # noqa: ASYNC110
                        await asyncio.sleep(SUSPENSE_S)
        await _kill_later(run, writer, alive_s_max=WRITER_S_MAX)
        run.result.writer_kills += 1
        await reading


async def _start_writer(run: Run, *, drain: bool = False) -> asyncio.subprocess.Process:
    with (run.folder / "writer.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.crash", "--writer", str(run.folder), *(["--drain"] if drain else []),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
            cwd=Path(__file__).parents[1], env=_environment(),
        )  # fmt: skip


async def _read(run: Run, writer: asyncio.subprocess.Process) -> None:
    assert writer.stdout is not None
    while line := await writer.stdout.readline():
        run.note(line)


async def _kill_later(run: Run, child: asyncio.subprocess.Process, *, alive_s_max: float) -> None:
    """Let it live for a random while, then kill it. A child that ends by itself is a fault of its own."""
    await asyncio.sleep(run.chance.random() ** 2 * alive_s_max)
    if child.returncode is not None:
        raise SystemExit(f"a child ended by itself with {child.returncode}; its log is in {run.folder}")
    child.send_signal(signal.SIGKILL)
    await child.wait()
    run.result.kills += 1


async def _drain(run: Run) -> None:
    writer = await _start_writer(run, drain=True)
    async with asyncio.timeout(DRAIN_S_MAX):
        await _read(run, writer)
        if await writer.wait():
            log = (run.folder / "writer.log").read_text()[-2_000:]
            raise SystemExit(f"the backlog could not be posted:\n{log}")


async def _compare(run: Run) -> None:
    """The ledger's file and the outbox against what was acknowledged."""
    from doxedge.ledger import state_tree
    from doxedge.node.daemon import ledger_file
    from doxedge.store.chain import ChainStore
    from doxedge.store.outbox import Outbox

    result = run.result
    final: list[tuple[int, str]] = []
    async with await ChainStore.open(
        ledger_file(run.folder, run.channel), run.channel, read_only=True
    ) as store:
        result.findings = len(await store.scrub(state_root=state_tree.root_of_values))
        head = await store.head()
        result.blocks = head.height if head else 0
        for height in range(1, result.blocks + 1):
            for block in await store.blocks(height, height, bytes_max=2**25):
                final += _accepted(run, block)
    counted = Counter(name for _, name in final)
    numbers = [number for number, _ in final]
    result.acknowledged, result.final = len(run.acknowledged), len(final)
    result.lost = sum(1 for name in run.acknowledged.values() if name not in counted) + run.twice
    result.doubled = sum(count - 1 for count in counted.values()) + len(numbers) - len(set(numbers))
    result.out_of_order = sum(1 for place, number in enumerate(numbers, 1) if place != number)
    async with await Outbox.open(run.folder / "outbox.db", now_ms=lambda: 0) as outbox:
        result.chain_breaks = len(await outbox.verify_chain())
        counts = await outbox.counts()
        result.unproved = counts.pending + counts.refused


def _accepted(run: Run, block: Any) -> list[tuple[int, str]]:
    """(seq, record id) of the source's records in a block that a rule accepted."""
    from doxedge.ledger.receipt import Outcome, decode_receipt, record_outcomes
    from doxedge.ledger.transaction import open_transaction

    found = []
    for raw, data in zip(block.transactions, block.receipts, strict=True):
        transaction, receipt = open_transaction(raw, run.channel), decode_receipt(data)
        if transaction.source != run.source:
            continue
        outcomes = record_outcomes(receipt) or [(transaction.first_seq, receipt.outcome, receipt.clause)]
        for (seq, outcome, _), record_id in zip(outcomes, transaction.record_ids, strict=True):
            if outcome is Outcome.ACCEPTED:
                found.append((seq, record_id.hex()))
    return found


def main() -> int:
    """Exit 0 when nothing was lost or doubled, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds-max", type=float, default=3_600.0, help="stop killing after so long")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--folder", type=Path, help="where to work; default: a temporary folder, removed afterwards"
    )
    parser.add_argument("--output", choices=("json", "text"), default="text")
    parser.add_argument("--writer", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--drain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.writer is not None:
        asyncio.run(write(options.writer, drain=options.drain))
        return 0
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crash-")))
        folder.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(
            crash(kills=options.kills, seconds_max=options.seconds_max, seed=seed, folder=folder)
        )
    told = asdict(result)
    if options.output == "json":
        print(json.dumps(told))
    else:
        print("\n".join(f"{name:14}{value}" for name, value in told.items()))
    return 0 if result.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
