"""A gateway that was without its node for months: 100,000 signed hours wait, and it measures on while it posts them.

`python -m tests.benchmarks.backlog`. The device's key signs the hours of 25 stacks into the real outbox. Then the
gateway starts, with an instrument for each stack, while the node is down; then the node comes back. Exit 6 when a
record is lost, refused or out of its order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from doxedge.cli.demo_officer import Node
from doxedge.gateway.bodies import firmware_text
from doxedge.quantity import HOUR_MS
from doxedge.signing import envelope
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer
from doxedge.signing.tags import hash_tagged
from doxedge.store.outbox import Outbox
from doxedge.store.rows import Draft
from tests.benchmarks import processes
from tests.benchmarks.gateway_load import pace_of, until_measuring
from tests.benchmarks.measuring import parser, report, rounded, say
from tests.benchmarks.plant import NODE, Plant, plant

DRAFTS_AT_ONCE: Final = 512
LOOK_S: Final = 0.25
PATIENCE_S: Final = 1_800.0
REGISTERS, PERIOD_MS = 3, 1_000
"""What each instrument is asked for meanwhile."""
GROUP_COMMIT_MS: Final = 500
"""Raw samples are soon where the benchmark can count them."""
ALONE_S: Final = 5.0
"""How long the gateway measures with the node down: what it costs then is not the posting's."""
QUIET: Final = 0.2
"""Of a core, at most, when it does nothing else."""
FAILED = 6


@dataclass(frozen=True)
class Size:
    """How much waits."""

    units: int
    hours: int
    alone_s: float = ALONE_S

    @property
    def records(self) -> int:
        """Of all units."""
        return self.units * self.hours


FULL = Size(units=25, hours=4_000)
QUICK = Size(units=2, hours=100, alone_s=1.0)


def main() -> int:
    """Measure and print; 6 when something was lost, refused or disordered."""
    given = parser(__doc__ or "").parse_args()
    result = run(QUICK if given.quick else FULL)
    report(result, output=given.output)
    return FAILED if result["lost"] or result["refused"] or result["out_of_order"] else 0


def run(size: Size) -> dict[str, Any]:
    """The figures."""
    with tempfile.TemporaryDirectory(prefix="doxedge-bench-") as folder:
        return asyncio.run(_measure(Path(folder), size))


async def _measure(folder: Path, size: Size) -> dict[str, Any]:
    async with plant(
        folder, units=size.units, hours_ago=size.hours + 1, group_commit_ms=GROUP_COMMIT_MS
    ) as site:
        say(f"{size.records} hours of {size.units} stacks are signed into the outbox")
        begun_s = time.process_time()
        last_ids = await _fill(site, size)
        filled_s = time.process_time() - begun_s
        outbox = Watched(site)
        figures: dict[str, Any] = {
            "records": size.records,
            "units": size.units,
            "sign_and_keep_us": rounded(filled_s / size.records * 1e6),
            "outbox_mb": rounded(outbox.size_mb()),
        }
        for start in ("until_measuring_s", "until_measuring_after_a_restart_s"):
            begun_s = time.monotonic()
            with site.gateway(units=size.units, registers=REGISTERS, period_ms=PERIOD_MS):
                await until_measuring(site, warm_up_s=0)
                figures[start] = rounded(time.monotonic() - begun_s)
        with site.gateway(units=size.units, registers=REGISTERS, period_ms=PERIOD_MS) as pid:
            await until_measuring(site, warm_up_s=0)
            alone_per_s = await _alone(site, size, pid)
            assert outbox.waiting() >= size.records, "posted while no node was there"
            await site.start_node()
            begun_ms = site.clock.now_ms()
            figures |= await _drain(site, size, outbox, pid=pid, alone_per_s=alone_per_s)
            ended_ms = site.clock.now_ms()
        # After the end, when what was queued is on the disk as well.
        due = int((ended_ms - begun_ms) // PERIOD_MS) * size.units
        pace = pace_of(site.samples, begun_ms, ended_ms, due=due)
        figures["intervals_kept_percent"] = rounded(pace.kept_percent)
        figures["interval_p99_ms"] = rounded(pace.p99_ms)
        return figures | await _judged(site, size, outbox, last_ids)


async def _alone(site: Plant, size: Size, pid: int) -> float:
    """CPU seconds a second of a gateway that only measures: when it has read what waits, which it does meanwhile."""
    while True:
        site.stage.require_alive()
        before_s = processes.cpu_s(pid)
        await asyncio.sleep(size.alone_s)
        if (per_s := (processes.cpu_s(pid) - before_s) / size.alone_s) < QUIET:
            return per_s


async def _fill(site: Plant, size: Size) -> dict[bytes, bytes]:
    """Sign the hours up to the present one; the last record id of each source."""
    path = site.samples.with_name("outbox.db")
    path.parent.mkdir(parents=True)
    first_ms = site.clock.now_ms() // HOUR_MS * HOUR_MS - size.hours * HOUR_MS
    seal = partial(_seal, channel=site.channel, signer=site.stage.key("operator-device"))
    last_ids = {}
    async with await Outbox.open(path, now_ms=site.clock.now_ms) as outbox:
        for n, source in enumerate(site.sources):
            await outbox.begin(site.channel, source)
            drafts = [_hour(f"unit-{n}", first_ms + hour * HOUR_MS) for hour in range(size.hours)]
            for start in range(0, len(drafts), DRAFTS_AT_ONCE):
                part = drafts[start : start + DRAFTS_AT_ONCE]
                kept = await outbox.append(site.channel, source, part, seal=seal)
                last_ids[source] = kept[-1].record_id
    return last_ids


def _hour(unit: str, start_ms: int) -> Draft:
    """An hour as a gateway states it, of a stack that emits 25 kg."""
    root, profile, rules = (hash_tagged("samples", unit.encode(), bytes([n])) for n in range(3))
    body: list[Value] = [
        unit, start_ms, "us60", 100, 25_000 + start_ms // HOUR_MS % 997, 200_000_000, "valid", "60.13(h)(2)(i)", "01",
        60, 7_920, root, profile, rules, "synchronised", 3, bytes(16), firmware_text(), ["moisture_percent:default"],
    ]  # fmt: skip
    return Draft("hour", body, f"hour/{unit}/{start_ms}/0")


def _seal(record: Record, *, channel: bytes, signer: Signer) -> envelope.Envelope:
    return envelope.seal(record.payload(), object_name="tx", channel=channel, signer=signer)


@dataclass
class Watched:
    """The outbox, seen from outside while the gateway works with it."""

    site: Plant
    looks: list[tuple[float, int]] = field(default_factory=list)
    """When, and how many records were proved by then."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.site.samples.with_name("outbox.db")

    def waiting(self) -> int:
        """Records that are not proved."""
        return self._count("state <> 1")

    def proved(self, outcome: str) -> int:
        """Records whose proof is here, with that outcome."""
        return self._count(f"state = 1 AND {outcome}")

    def size_mb(self) -> float:
        """Of the file with its journal."""
        return sum(file.stat().st_size for file in self.path.parent.glob("outbox.db*")) / 2**20

    def _count(self, condition: str) -> int:
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM entry WHERE {condition}").fetchone()[0])


async def _drain(site: Plant, size: Size, outbox: Watched, *, pid: int, alone_per_s: float) -> dict[str, Any]:
    """From the moment at which the node serves until nothing waits."""
    pids = {"gateway": pid, "node": site.pid(NODE)}
    before = {name: processes.cpu_s(one) for name, one in pids.items()}
    most_mb = dict.fromkeys(pids, 0.0)
    begun_s, told = time.monotonic(), 0
    while (waiting := await asyncio.to_thread(outbox.waiting)) > 0:
        now_s = time.monotonic() - begun_s
        outbox.looks.append((now_s, size.records - waiting))
        if now_s > PATIENCE_S:
            break
        if (tenths := 10 * max(size.records - waiting, 0) // size.records) > told:
            say(f"{size.records - waiting} of {size.records} are proved after {now_s:.0f} s")
            told = tenths
        for name, one in pids.items():
            most_mb[name] = max(most_mb[name], processes.pss_mb(one))
        site.stage.require_alive()
        await asyncio.sleep(LOOK_S)
    took_s = time.monotonic() - begun_s
    outbox.looks.append((took_s, size.records))
    used = {name: processes.cpu_s(one) - before[name] for name, one in pids.items()}
    used["gateway"] -= alone_per_s * took_s
    first, last = rates(outbox.looks, size.records)
    return {
        "seconds": rounded(took_s),
        "until_first_proof_s": rounded(next(at_s for at_s, proved in outbox.looks if proved > 0)),
        "records_per_s": rounded(size.records / took_s),
        "records_per_s_of_the_first_half": rounded(first),
        "records_per_s_of_the_last_half": rounded(last),
        **{f"{name}_cpu_us_per_record": rounded(cpu / size.records * 1e6) for name, cpu in used.items()},
        **{f"{name}_pss_mb_most": rounded(mb) for name, mb in most_mb.items()},
    }


def rates(looks: Sequence[tuple[float, int]], records: int) -> tuple[float, float]:
    """Records a second of the first half and of the last, from what had been proved at each look.

    The time until the gateway had found that the node is back is not of the first half.
    """
    begun_s, begun = next(look for look in looks if look[1] > 0)
    half_s, half = next(look for look in looks if look[1] >= (begun + records) / 2)
    whole_s, _ = looks[-1]
    return (half - begun) / max(half_s - begun_s, LOOK_S), (records - half) / max(whole_s - half_s, LOOK_S)


async def _judged(site: Plant, size: Size, outbox: Watched, last_ids: dict[bytes, bytes]) -> dict[str, Any]:
    """Each record names the one before it: a chain that ends with a source's last record has all of them in order."""
    node = Node(site.stage.socket("regulator"))
    try:
        heads = {source: await node.ledger.source_head(site.channel, source) for source in last_ids}
    finally:
        await node.ledger.close()
    accepted = outbox.proved("outcome = 0")
    return {
        "outbox_mb_afterwards": rounded(outbox.size_mb()),
        "lost": max(size.records - accepted, 0),
        "refused": outbox.proved("outcome <> 0"),
        "out_of_order": sum(
            head is None or (head.seq == size.hours and head.prev != last_ids[source])
            for source, head in heads.items()
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
