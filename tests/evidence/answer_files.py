"""Real answer files of a small channel: four hours of alpha, one each produced, lost, a gap, and silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from doxedge.evidence.answer_file import Head, Hour, Writer
from doxedge.ledger.chain import Extension
from doxedge.ledger.transaction import Transaction
from doxedge.signing import canonical, merkle
from doxedge.signing.canonical import Value
from tests.evidence.evidence_files import Archive
from tests.ledger.channels import HOUR_MS, START_MS, hour

UNIT = "alpha-1"
HOURS = 4


def leaves_of(number: int, count: int = 5) -> list[bytes]:
    """Samples of the hour of this number."""
    at_ms = START_MS + number * HOUR_MS
    return [
        canonical.encode([f"{UNIT}.{'gas' if k % 2 else 'flow'}", at_ms + k * 1_000, b"raw %d" % k])
        for k in range(count)
    ]


@dataclass
class Case:
    """A channel on which the samples were asked for, and what is needed to answer."""

    archive: Archive
    stated: Extension
    """The block of the statements: an hour at place 1, another at 2, a gap at 3."""
    asked: Extension
    records: list[bytes]
    request: bytes
    later: dict[str, Extension] = field(default_factory=dict)

    @property
    def channel(self) -> bytes:
        return bytes(self.archive.channel.chain.channel)

    def head(self, **changes: object) -> Head:
        fields: dict[str, object] = {
            "channel": self.channel, "request": self.request, "unit": UNIT, "from_ms": START_MS,
            "to_ms": START_MS + HOURS * HOUR_MS,
        }  # fmt: skip
        return Head(**{**fields, **changes})  # type: ignore[arg-type]

    def evidence(self, number: int) -> bytes:
        """Of the statement of an hour."""
        return self.archive.evidence(self.stated, number + 1)

    def hours(self) -> list[tuple[list[bytes], Hour]]:
        """Each hour's leaves and frame."""
        start = [START_MS + number * HOUR_MS for number in range(HOURS)]
        return [
            (leaves_of(0), Hour(start[0], "produced", self.records[0], 5, self.evidence(0))),
            ([], Hour(start[1], "lost", self.records[1], 0, self.evidence(1))),
            ([], Hour(start[2], "gap", self.records[2], 0, self.evidence(2))),
            ([], Hour(start[3], "silent", None, 0, None)),
        ]

    def say(self, transaction: Transaction) -> bytes:
        """One more record, and its evidence."""
        return self.archive.evidence(self.archive.block(transaction))


def written(head: Head, hours: list[tuple[list[bytes], Hour]]) -> bytes:
    """The file."""
    writer = Writer()
    parts = [writer.head(head)]
    for leaves, frame in hours:
        parts += [writer.leaves(leaves), writer.hour(frame)]
    return b"".join([*parts, writer.end()])


def begun() -> Case:
    """A fresh case, for tests that go on with it."""
    archive = Archive.begin()
    archive.channel.now_ms = START_MS + 6 * HOUR_MS
    device, regulator = archive.channel.authors["alpha-1 device"], archive.channel.officer("regulator")
    said: list[Transaction] = []
    for number in range(2):
        leaves = leaves_of(number)
        changes: dict[str, Value] = {"samples": len(leaves), "samples_root": merkle.root(leaves)}
        said.append(device.say("hour", hour(UNIT, START_MS + number * HOUR_MS, **changes)))  # type: ignore[arg-type]
    gap: list[Value] = [UNIT, START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, "power cut"]
    said.append(device.say("gap", gap))
    stated = archive.block(*said)
    body: list[Value] = [
        UNIT, START_MS, START_MS + HOURS * HOUR_MS, archive.channel.now_ms + 9 * HOUR_MS, "spot check"
    ]  # fmt: skip
    asked = archive.block(request := regulator.say("samples.request", body))
    records = [bytes(one.record_ids[0]) for one in said]
    return Case(archive, stated, asked, records, bytes(request.record_ids[0]))


@cache
def case() -> Case:
    """The same for all tests that only look."""
    return begun()


@cache
def one_file() -> bytes:
    """The file with all four hours."""
    return written(case().head(), case().hours())
