"""The gate: each refusal has its name, costs the sender, and loses nothing of anybody else."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.gossip import gate as gate_module
from doxedge.gossip import message, topics
from doxedge.gossip.gate import (
    BURST,
    BYTES_PER_TOKEN,
    EXPIRY_GRACE_MS,
    KINDS_OF_TOPIC,
    TOKENS_PER_S,
    Gate,
    MemberKey,
)
from doxedge.gossip.message import Kind, Message
from doxedge.signing import limits
from doxedge.signing.canonical import Value
from doxedge.signing.signer import Signer
from tests.ledger.channels import signer

CHANNEL: Final = bytes(range(32))
OTHER_CHANNEL: Final = bytes(32)
NOW_MS: Final = 1_767_225_600_000
ALPHA, BETA, STRANGER = signer("alpha node"), signer("beta node"), signer("stranger node")
TOPIC_OF: Final = {kind: where for where, kinds in KINDS_OF_TOPIC.items() for kind in kinds}


@dataclass
class Bench:
    """A gate of a channel with the members alpha and beta."""

    members: dict[bytes, MemberKey] = field(
        default_factory=lambda: {
            key.key_id: MemberKey(key.alg, key.public_key, party)
            for party, key in (("alpha", ALPHA), ("beta", BETA))
        }
    )
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.gate = Gate(CHANNEL, self.members.get)
        self._numbers = itertools.count(1)

    def seal(
        self,
        kind: Kind = Kind.TRANSACTIONS,
        body: list[Value] | None = None,
        *,
        key: Signer = ALPHA,
        channel: bytes = CHANNEL,
        expires_ms: int = 0,
    ) -> bytes:
        """A message that was not said before."""
        return message.seal(
            kind,
            body or [],
            channel=channel,
            signer=key,
            correlation=next(self._numbers),
            expires_ms=expires_ms,
        )

    def open(self, data: bytes, *, key: Signer = ALPHA, where: topics.Kind | None = None) -> Message | None:
        """As if it came from the topic of this key."""
        place = topics.Topic(CHANNEL[:8].hex(), where or topics.Kind.TX, key.key_id, key.key_id)
        return self.gate.open(place, data, now_ms=NOW_MS, monotonic_s=self.now_s)


def altered(data: bytes) -> bytes:
    """One bit of the signature is another."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("where", list(topics.Kind))
def test_a_kind_passes_on_its_own_topic_and_on_no_other(kind: Kind, where: topics.Kind) -> None:
    bench = Bench()
    opened = bench.open(bench.seal(kind), where=where)
    if where is TOPIC_OF[kind]:
        assert opened is not None
        assert opened.kind is kind
        assert not bench.gate.refused
    else:
        assert opened is None
        assert bench.gate.refused == {"foreign_topic": 1}


def refusals() -> dict[str, tuple[str, bytes, Signer]]:
    """Name, the counted reason, the bytes, and under whose topic they come."""
    bench = Bench()
    good = bench.seal()
    long_ago = NOW_MS - EXPIRY_GRACE_MS - 1
    forged = message.open_message(bench.seal(key=STRANGER)).envelope
    in_his_name = type(forged)(ALPHA.alg, ALPHA.key_id, forged.payload, forged.signature).encode()
    return {
        "too large": ("too_large", bytes(limits.MESSAGE_BYTES + 1), ALPHA),
        "nothing": ("malformed", b"", ALPHA),
        "no message": ("malformed", b"hello", ALPHA),
        "cut short": ("malformed", good[:-1], ALPHA),
        "with a byte behind": ("malformed", good + b"\0", ALPHA),
        "under another member's topic": ("foreign_topic", good, BETA),
        "of a stranger": ("stranger", bench.seal(key=STRANGER), STRANGER),
        "of another channel": ("bad_signature", bench.seal(channel=OTHER_CHANNEL), ALPHA),
        "altered": ("bad_signature", altered(good), ALPHA),
        "signed by another in his name": ("bad_signature", in_his_name, ALPHA),
        "expired": ("expired", bench.seal(expires_ms=long_ago), ALPHA),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(refusals()))
def test_a_message_is_refused_for_its_reason_and_the_next_good_one_passes(name: str) -> None:
    why, data, key = refusals()[name]
    bench = Bench()
    assert bench.open(data, key=key) is None
    assert bench.gate.refused == {why: 1}
    assert bench.open(bench.seal()) is not None
    assert bench.gate.refused == {why: 1}


def test_a_revoked_key_is_a_stranger_from_that_moment_on() -> None:
    bench = Bench()
    assert bench.open(bench.seal()) is not None
    del bench.members[ALPHA.key_id]
    assert bench.open(bench.seal()) is None
    assert bench.gate.refused == {"stranger": 1}


def test_a_key_is_believed_with_its_own_algorithm_only() -> None:
    bench = Bench()
    bench.members[ALPHA.key_id] = MemberKey(-7, BETA.public_key, "alpha")
    assert bench.open(bench.seal()) is None
    assert bench.gate.refused == {"stranger": 1}


def test_the_clocks_of_members_may_differ_by_the_grace() -> None:
    bench = Bench()
    assert bench.open(bench.seal(expires_ms=NOW_MS - EXPIRY_GRACE_MS)) is not None
    assert bench.open(bench.seal(expires_ms=NOW_MS - EXPIRY_GRACE_MS - 1)) is None


def test_the_same_bytes_pass_once_whatever_comes_between() -> None:
    bench = Bench()
    first, second = bench.seal(), bench.seal()
    assert [bench.open(data) is not None for data in (first, second, first, second, first)] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert bench.gate.refused == {"repeated": 3}


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=10))
def test_reordered_and_doubled_messages_pass_each_once(order: list[int], doubles: list[int]) -> None:
    bench = Bench()
    said = [bench.seal() for _ in order]
    passed = [n for n in [*order, *doubles] if bench.open(said[n]) is not None]
    assert passed == order
    assert bench.gate.refused["repeated"] == len(doubles)


def test_bytes_that_were_refused_do_not_keep_the_true_ones_out() -> None:
    """A hostile broker that is faster than the honest one changes, re-addresses and holds; the message still comes."""
    bench = Bench()
    good = bench.seal()
    assert bench.open(altered(good)) is None
    assert bench.open(good, key=BETA) is None
    assert bench.open(good, where=topics.Kind.CON) is None
    assert bench.open(good) is not None
    assert bench.gate.refused == {"bad_signature": 1, "foreign_topic": 2}


def test_the_memory_of_repetitions_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "REMEMBERED", 3)
    bench = Bench()
    said = [bench.seal() for _ in range(4)]
    assert all(bench.open(data) is not None for data in said)
    assert [bench.open(data) is not None for data in said[1:]] == [False] * 3
    assert bench.open(said[0]) is not None


def test_a_member_over_his_rate_is_refused_before_his_signatures_cost_anything_and_nobody_else_is() -> None:
    bench = Bench()
    bad = [altered(bench.seal()) for _ in range(BURST + 3)]
    assert not any(bench.open(data) for data in bad)
    assert bench.gate.refused == {"bad_signature": BURST, "rate": 3}
    good = bench.seal()
    assert bench.open(good) is None
    assert bench.gate.refused["rate"] == 4
    assert bench.open(bench.seal(key=BETA), key=BETA) is not None
    bench.now_s += 1 / TOKENS_PER_S
    assert bench.open(good) is not None, "what was over the rate is heard when it is said again"


def test_a_large_message_costs_more_and_an_answer_that_was_asked_for_does_not() -> None:
    large: list[Value] = [bytes(BYTES_PER_TOKEN * 20)]
    bench = Bench()
    passed = sum(bench.open(bench.seal(body=large)) is not None for _ in range(BURST // 21 + 5))
    assert passed == BURST // 21
    bench = Bench()
    answers = [bench.seal(Kind.HAVE, large) for _ in range(BURST // 21 + 5)]
    assert all(bench.open(data, where=topics.Kind.INBOX) is not None for data in answers)


def test_strangers_take_no_memory() -> None:
    bench = Bench()
    for number in range(50):
        key = signer(f"stranger {number}")
        assert bench.open(bench.seal(key=key), key=key) is None
    assert bench.gate._buckets == {}
    assert len(bench.gate._seen) == 0
    assert bench.gate.refused == {"stranger": 50}
