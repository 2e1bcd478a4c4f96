"""What a transfer and a reading cost on one node, from signed bytes to a committed block.

`python -m tests.benchmarks.ledger`. Microseconds are CPU of all threads, for one transfer or one reading; a reading is
one record of a signed batch: an hour of a unit.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nacl.bindings

from doxedge.cli.collector import spare_ledger
from doxedge.contracts import parties
from doxedge.ledger import execution
from doxedge.ledger.pool import Pool
from doxedge.ledger.transaction import TICK, TX, Transaction, open_transaction
from doxedge.signing import envelope, merkle
from doxedge.signing.record import decode_payload
from tests.benchmarks.busy_channel import BATCH, BusyChannel
from tests.benchmarks.measuring import CpuMeter, parser, report, rounded, say

STAGES = ("decode", "id", "signature", "admission", "hold", "execution", "state_root", "receipts", "commit")


@dataclass(frozen=True)
class Size:
    """How much is done."""

    accounts: int
    companies: int
    transfers: int
    """In one block."""
    rounds: int


FULL = Size(accounts=10_000, companies=40, transfers=2_000, rounds=9)
QUICK = Size(accounts=50, companies=3, transfers=20, rounds=2)


def main() -> None:
    """Measure and print."""
    given = parser(__doc__ or "").parse_args()
    report(run(quick=given.quick), output=given.output)


def run(*, quick: bool) -> dict[str, Any]:
    """The figures."""
    with tempfile.TemporaryDirectory(prefix="doxedge-bench-") as folder:
        return asyncio.run(_measure(Path(folder), QUICK if quick else FULL))


async def _measure(folder: Path, size: Size) -> dict[str, Any]:
    say(f"registering {size.accounts} accounts")
    channel = await BusyChannel.open(folder, companies=size.companies, accounts=size.accounts)
    try:
        spare_ledger()  # as `doxedge node run` does when it has started
        transfers, readings = CpuMeter(), CpuMeter()
        for number in range(size.rounds):
            say(f"round {number + 1} of {size.rounds}")
            await _round(channel, channel.transfers(size.transfers), transfers)
            await _round(channel, channel.batches(), readings)
        assert not channel.node.refusals.views, channel.node.refusals.views[0]
        keys = sum(map(len, channel.node.chain.state.rooms.values()))
    finally:
        await channel.close()
    count = size.companies * BATCH
    return {
        "accounts": size.accounts,
        "state_keys": keys,
        "rounds": size.rounds,
        "transfer": {"per_block": size.transfers, **_figures(transfers, size.transfers)},
        "reading": {
            "per_block": count,
            "per_batch": BATCH,
            **_figures(readings, count),
            "readings_per_cpu_s": rounded(1 / statistics.median(readings.rounds["whole"]) * count),
        },
    }


def _figures(meter: CpuMeter, count: int) -> dict[str, Any]:
    stages = {name: meter.median_us(name, count=count) for name in STAGES}
    whole, bare = meter.median_us("whole", count=count), meter.median_us("bare_signature", count=count)
    ratios = [
        all_s / one_s
        for all_s, one_s in zip(meter.rounds["whole"], meter.rounds["bare_signature"], strict=True)
    ]
    return {
        "whole_us": rounded(whole),
        "bare_signature_us": rounded(bare),
        "ratio_to_bare_signature": rounded(statistics.median(ratios)),
        "stages_us": {name: rounded(us) for name, us in stages.items()},
        "rest_us": rounded(whole - sum(stages.values())),
    }


async def _round(channel: BusyChannel, transactions: Sequence[Transaction], meter: CpuMeter) -> None:
    """The stages one by one on the state as it is, then the real road of the same bytes through the node."""
    raws = [transaction.raw for transaction in transactions]
    _bare(channel, transactions, meter)
    _stages(channel, raws, meter)
    channel.store.meter = meter
    with meter.book("whole"):
        await channel.pass_through(raws)
    channel.store.meter = None
    meter.end_round()


def _bare(channel: BusyChannel, transactions: Sequence[Transaction], meter: CpuMeter) -> None:
    """libsodium over the signed bytes, and nothing else."""
    chain = channel.node.chain
    given = []
    for transaction in transactions:
        sealed = transaction.envelope
        signed = envelope.sig_structure(
            sealed.payload, alg=sealed.alg, key_id=sealed.key_id, object_name=TX, channel=chain.channel
        )
        key = parties.find_key(chain.state, sealed.key_id)
        assert key is not None
        given.append((sealed.signature + signed, key.public_key))
    with meter.book("bare_signature"):
        for signed, public_key in given:
            nacl.bindings.crypto_sign_open(signed, public_key)


def _stages(channel: BusyChannel, raws: Sequence[bytes], meter: CpuMeter) -> None:
    """Each pure stage, through the function that the node calls."""
    chain = channel.node.chain
    with meter.book("decode"):
        for raw in raws:
            decode_payload(envelope.decode(raw).payload)
    with meter.book("id"):
        opened = [open_transaction(raw, chain.channel) for raw in raws]
    meter.move("id", minus="decode")
    keys = [parties.find_key(chain.state, transaction.envelope.key_id) for transaction in opened]
    with meter.book("signature"):
        for transaction, key in zip(opened, keys, strict=True):
            assert key is not None
            transaction.envelope.verify(key.public_key, object_name=TX, channel=chain.channel)
    verified = {transaction.wire_id for transaction in opened}
    pool = Pool(chain.channel)
    pool.verified |= verified
    with meter.book("admission"):
        for transaction in opened:
            assert pool.admit(chain.state, transaction)
    leader = channel.leader()
    tick = leader.say(TICK, [channel.node.clock.now_ms()])
    with meter.book("execution"):
        executed = execution.execute(
            chain.state, [tick, *opened], setting=chain.setting, verified={*verified, tick.wire_id}
        )
    draft = chain.state.draft()
    for (room, key_bytes), value in executed.sealed.values.items():
        draft.put(room, key_bytes, value)
    with meter.book("state_root"):
        draft.seal()
    meter.move("execution", minus="state_root")
    with meter.book("receipts"):
        merkle.root(executed.encoded_receipts)


if __name__ == "__main__":
    main()
