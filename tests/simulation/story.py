"""A seeded story of a small channel: honest members, careless ones and liars, told to the real ledger and the dumb one.

`python -m tests.simulation.story SEED` prints the roots after each block, so that two processes can be compared.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, replace
from typing import Any, Final

from doxedge.ledger.chain import Extension
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.signing.canonical import Value
from tests.ledger.channels import HOUR_MS, START_MS, Author, TestChannel, hour
from tests.ledger.running import rewound
from tests.simulation.dumb_ledger import DumbLedger, Source, Verdict

DEVICES: Final = ("alpha-1 device", "beta-1 device")
ACCOUNTS: Final = ("alpha-1 account", "beta-1 account", "alpha-trade account")
OFFICERS: Final = ("alpha officer", "beta officer", "regulator officer", "verifier officer")
AUTHORS: Final = (*DEVICES, *ACCOUNTS, *OFFICERS)


@dataclass(frozen=True)
class Told:
    """One transaction and what the dumb ledger expects: a code that keeps it out, or a clause for each record."""

    transaction: Transaction
    code: str | None
    verdicts: tuple[Verdict, ...]


class Story:
    """Tells blocks; both ledgers hear the same."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.channel = TestChannel.begin(bilateral_transfers=self.chance.randrange(2)).with_units()
        for party in ("alpha", "beta", "regulator", "verifier"):
            self.channel.officer(party)
        self.asset = bytes(self.channel.chain.channel)
        self.final: dict[str, list[Transaction]] = {author: [] for author in AUTHORS}
        self.stated: list[tuple[bytes, int]] = [(bytes(32), START_MS)]
        self._commission()
        self.dumb = DumbLedger(
            channel=self.asset,
            registered_ms=START_MS,
            counts_from_ms={"alpha-1": START_MS + HOUR_MS},
            accounts={"alpha-1": ("alpha", "alpha-1"), "beta-1": ("beta", "beta-1"), "alpha-trade": ("alpha", None)},
            sources={author: self._source(author) for author in AUTHORS},
        )  # fmt: skip
        self.dumb.figures |= dict(self.channel.chain.genesis.parameters)
        first = self.final["alpha-1 device"][0].record_ids[0]
        self.dumb.clock_ms = self.channel.now_ms
        self.dumb.hour(self.dumb.sources["alpha-1 device"], hour("alpha-1", START_MS, 700), first)
        self.stated.append((first, START_MS))

    def _commission(self) -> None:
        """Alpha's first hour is witnessed: later ones count. Beta stays on trial."""
        self.channel.now_ms = START_MS + HOUR_MS
        first = self.channel.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS, 700))
        body: list[Value] = ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]
        self.channel.block(first, self.channel.officer("verifier").say("device.commission", body))
        self.final["alpha-1 device"].append(first)

    def _source(self, name: str) -> Source:
        author = self.channel.authors[name]
        subject, _, what = name.rpartition(" ")
        party = subject.split("-")[0]
        if what == "device":
            return Source(party, device=f"{party}-gw", unit=subject, seq=author.seq)
        return Source(party, account=subject if what == "account" else None, seq=author.seq)

    # What somebody may say.

    def pick(self, usual: Any, *strange: Any) -> Any:
        """The usual thing, or now and then a strange one."""
        return self.chance.choice(strange) if strange and self.chance.random() < 0.08 else usual

    def start_ms(self) -> int:
        hours = (self.channel.now_ms - START_MS) // HOUR_MS
        usual = START_MS + self.chance.randrange(max(0, hours - 12), hours + 1) * HOUR_MS
        return int(self.pick(usual, usual + 1, -HOUR_MS, START_MS - HOUR_MS, self.channel.now_ms + HOUR_MS))

    def hour_body(self, unit: str, start_ms: int) -> list[Value]:
        grams = self.pick(self.chance.randrange(3_000), -1, 2**40 - 1, 2**40, 2**63)
        body = hour(unit, start_ms, grams)
        body[3] = self.pick(100, 101, -1)
        body[5] = self.pick(50_000_000, -1, 10**13 + 1)
        body[9] = self.pick(60, 61)
        body[12] = self.pick(bytes(32), b"m" * 32)
        return body

    def content(self, author: str) -> tuple[str, list[Value], tuple[str, int] | None]:
        """Kind, body, and whom it is about, if it is an accusation."""
        usual = {
            "device": ["hour"] * 6 + ["hour.revise"] * 3 + ["gap", "event"],
            "account": ["transfer"] * 5 + ["account.fold"],
        }
        by_office = ["vintage.issue"] * 3 + ["config", "conflict", "source.reinstate", "source.reinstate"]
        every = [*usual["device"], *usual["account"], *by_office]
        kinds = usual.get(author.rpartition(" ")[2], by_office)
        kind = self.chance.choice(every if self.chance.random() < 0.1 else kinds)
        unit = self.pick(
            author.split(maxsplit=1)[0] if author in DEVICES else "alpha-1", "alpha-1", "beta-1", "gamma-1"
        )
        if kind == "hour":
            return kind, self.hour_body(unit, self.start_ms()), None
        if kind == "hour.revise":
            named, start_ms = self.chance.choice(self.stated[-12:])
            start_ms = self.pick(start_ms, self.start_ms())
            return kind, [named, self.pick("drift", ""), self.hour_body(unit, start_ms)], None
        if kind == "gap":
            start_ms = self.start_ms()
            length = self.pick(self.chance.randrange(1, 4), 0, 745) * HOUR_MS
            return kind, [unit, start_ms, start_ms + length, self.pick("calibration", "")], None
        if kind == "event":
            return kind, [self.pick(unit, None), self.pick("door", ""), self.channel.now_ms, "text"], None
        return (
            self._of_credits(author, kind)
            if kind in {"transfer", "account.fold", "vintage.issue"}
            else self._of_office(kind)
        )

    def _of_credits(self, author: str, kind: str) -> tuple[str, list[Value], None]:
        own = author.removesuffix(" account")
        names = [name.removesuffix(" account") for name in ACCOUNTS]
        year = self.pick(2026, 2027, 1969, 2201, 0)
        asset = self.pick(self.asset, bytes(32))
        if kind == "account.fold":
            return kind, [self.pick(own, *names), year], None
        if kind == "vintage.issue":
            grams = self.pick(self.chance.randrange(1, 60_000), 0, 2**40)
            return (
                kind,
                [self.pick(self.chance.choice(names), "nobody"), asset, year, [0, grams], bytes(32)],
                None,
            )
        grams = self.pick(self.chance.randrange(1, 4_000), 0, -5, 2**40 - 1, 2**40, 2**63)
        taker = self.pick(self.chance.choice(names), "nobody")
        return kind, [self.pick(own, *names), taker, asset, year, [0, grams], "story"], None

    def _of_office(self, kind: str) -> tuple[str, list[Value], tuple[str, int]]:
        spoken = [name for name in AUTHORS if self.final[name]]
        suspended = [name for name in spoken if self.dumb.sources[name].suspended]
        whom = self.chance.choice(suspended if suspended and kind == "source.reinstate" else spoken)
        if kind == "config":
            name = self.pick(
                self.chance.choice(["pending_max", "bilateral_transfers", "unregistered_maps"]),
                "x",
                "utc_offset_min",
            )
            value = self.pick(self.chance.choice([1, 1, 0, 2, 3]), -1, 257)
            return kind, [name, value, self.pick("story", "")], (whom, 0)
        if kind == "source.reinstate":
            return kind, [self.channel.authors[whom].source, self.pick("it is repaired", "")], (whom, 0)
        first = self.chance.choice(self.final[whom])
        liar = rewound(self.channel.authors[whom], seq=first.first_seq - 1, prev=first.record.prev)
        rival = liar.say("event", [None, "rival", 0, str(self.chance.random())])
        pair: list[Value] = [first.raw, rival.raw]
        self.chance.shuffle(pair)
        return kind, pair, (whom, first.first_seq)

    # How it is sent.

    def tell(self) -> Told:
        """One transaction of somebody, and what is expected of it."""
        name = self.chance.choice(AUTHORS)
        author = rewound(self.channel.authors[name])
        way = self.chance.choices(["single", "batch", "again", "hole", "forged"], [70, 16, 4, 5, 5])[0]
        if way == "again" and self.final[name]:
            return Told(self.final[name][-1], self._kept_out(name) or "duplicate", ())
        contents = [self.content(name) for _ in range(self.chance.randrange(2, 6) if way == "batch" else 1)]
        if way == "hole":
            author = replace(
                author, seq=author.seq + 1, prev=author.prev if author.seq else type(author.prev)(b"h" * 32)
            )
        if way == "batch":
            transaction = author.batch([(kind, body) for kind, body, _ in contents])
        else:
            transaction = author.say(*contents[0][:2])
        if way == "hole":
            return Told(transaction, self._kept_out(name) or "wrong_sequence", ())
        if way == "forged":
            forged = replace(transaction.envelope, signature=transaction.envelope.signature[:40] + bytes(24))
            raw = forged.encode()
            return Told(open_transaction(raw, self.asset), self._kept_out(name) or "bad_signature", ())
        if code := self._kept_out(name):
            return Told(transaction, code, ())
        self._follow(name, transaction)
        verdicts = []
        for record_id, (kind, body, whom) in zip(transaction.record_ids, contents, strict=True):
            verdicts.append(self.dumb.record(name, kind, body, record_id, whom))
            if kind in {"hour", "hour.revise"} and verdicts[-1] is None:
                stated = body if kind == "hour" else body[2]
                self.stated.append((record_id, stated[1]))  # type: ignore[index,arg-type]
        return Told(transaction, None, tuple(verdicts))

    def _kept_out(self, name: str) -> str | None:
        return "suspended" if self.dumb.sources[name].suspended else None

    def _follow(self, name: str, transaction: Transaction) -> None:
        author: Author = self.channel.authors[name]
        author.seq, author.prev = transaction.last_seq, transaction.record_ids[-1]
        self.final[name].append(transaction)

    def block(self) -> tuple[list[Told], Extension]:
        """Time passes, some things are said, and a block holds them."""
        self.channel.now_ms += self.chance.randrange(2 * HOUR_MS)
        self.dumb.clock_ms = self.channel.now_ms
        told = [self.tell() for _ in range(self.chance.randrange(1, 9))]
        return told, self.channel.block(*[one.transaction for one in told])


def main() -> None:
    """Print what a story leads to."""
    story = Story(int(sys.argv[1]))
    for _ in range(30):
        _, extension = story.block()
        header = extension.header
        print(header.height, header.state_root.hex(), header.receipt_root.hex(), header.block_id.hex())


if __name__ == "__main__":
    main()
