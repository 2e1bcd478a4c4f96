"""Random stories through the real execution and a dumb ledger that predicts every receipt and every balance."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from doxedge.contracts import accounts, day_book, emissions, in_force, numbering
from doxedge.ledger.block import decode_block
from doxedge.ledger.receipt import Outcome, Receipt, record_outcomes
from tests.house.tree import ROOT
from tests.ledger.channels import certified
from tests.ledger.running import follower_of
from tests.simulation.story import AUTHORS, Story, Told

BLOCKS = 30
SEEDS = range(12)


def expected(told: Told) -> tuple[Outcome, str | None]:
    """Of the whole transaction: the first clause that refuses one of its records."""
    if told.code is not None:
        return Outcome.INADMISSIBLE, told.code
    refused = [clause for clause in told.verdicts if clause is not None]
    return (Outcome.REFUSED, refused[0]) if refused else (Outcome.ACCEPTED, None)


def check_receipt(told: Told, receipt: Receipt) -> None:
    """Outcome and clause, of the whole and record by record."""
    what = [record.kind for record in told.transaction.records]
    assert (receipt.outcome, receipt.clause) == expected(told), what
    if told.transaction.record.kind == "batch" and told.code is None:
        outcomes = [clause for _, _, clause in record_outcomes(receipt)]
        assert outcomes == list(told.verdicts), what
    if receipt.outcome is Outcome.INADMISSIBLE:
        assert receipt.events == ()


def check_state(story: Story) -> None:
    """Everything that the dumb ledger knows stands in the real one."""
    state, dumb = story.channel.chain.state, story.dumb
    for name in AUTHORS:
        entry = numbering.find_source(state, story.channel.authors[name].source)
        source = dumb.sources[name]
        assert entry is not None
        assert (name, entry.seq, entry.suspended) == (name, source.seq, source.suspended)
    for (account, year), holding in dumb.holdings.items():
        real = accounts.balance(state, account, year)
        assert (real.folded.grams, [one.grams for one in real.pending]) == (holding.folded, holding.pending)
        assert real.folded.grams >= 0
    for unit in ("alpha-1", "beta-1"):
        assert emissions.find(state, unit, 2026).emitted_g == dumb.emitted(unit, 2026)
    for (unit, start_ms), hour in dumb.hours.items():
        real_hour = day_book.find_hour(state, unit, start_ms)
        assert real_hour is not None
        standing = (
            day_book.GAP if hour.grams is None else day_book.COUNTED if hour.counted else day_book.TRIAL
        )
        assert (real_hour.nox_g, real_hour.standing) == (hour.grams or 0, standing)
    held = sum(holding.held for holding in dumb.holdings.values())
    assert held == sum(dumb.issued.values()), "credits are neither made nor lost"


def seen_in(seed: int) -> Counter[str]:
    """Tell a story to the end; what came of its records."""
    print("seed", seed)
    story = Story(seed)
    seen: Counter[str] = Counter()
    for _ in range(BLOCKS):
        told, extension = story.block()
        for one, receipt in zip(told, extension.execution.receipts[1:], strict=True):
            check_receipt(one, receipt)
            if one.code is not None:
                seen[one.code] += 1
            seen.update(clause or "accepted" for clause in one.verdicts)
        check_state(story)
    return seen


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dumb_ledger_predicts_every_receipt_and_balance(seed: int) -> None:
    assert seen_in(seed)["accepted"] > 10


def test_the_stories_reach_what_they_are_told_for() -> None:
    """Rare states must be reached, or the agreement means little."""
    seen: Counter[str] = Counter()
    for seed in range(100, 108):
        seen += seen_in(seed)
    wanted = {
        "accepted", "bad_signature", "duplicate", "suspended", "wrong_sequence", "1.1", "3.7", "3.8", "3.10",
        "5.9", "6.6", "7.1", "7.3", "7.8", "7.9", "8.1", "8.2", "8.4", "8.7", "8.10", "8.12", "8.19",
    }  # fmt: skip
    assert wanted <= seen.keys(), sorted(wanted - seen.keys())
    assert in_force.CURRENT in in_force.RULES


def test_a_follower_comes_to_the_same_state_from_the_bytes() -> None:
    seed = 77
    print("seed", seed)
    story = Story(seed)
    follower = follower_of(story.channel)
    for _ in range(BLOCKS):
        _, extension = story.block()
        block = decode_block(certified(extension, story.channel.chain).encode())
        follower.take(follower.check(block, now_ms=story.channel.now_ms))
    assert follower.state.root == story.channel.chain.state.root
    assert follower.state.rooms == story.channel.chain.state.rooms
    assert follower.head_id == story.channel.chain.head_id


def roots(seed: int, hash_seed: str) -> str:
    """What another process comes to, whose sets and dictionaries are ordered by another secret."""
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.story", str(seed)],
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_with_other_hash_seeds_reach_the_same_roots() -> None:
    first, second = roots(20_261_125, "1"), roots(20_261_125, "4294967295")
    assert first == second
    assert len(first.splitlines()) == 30
    assert roots(20_261_126, "1") != first
