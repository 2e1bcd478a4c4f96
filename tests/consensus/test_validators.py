"""Who votes, whose turn it is, and how many are enough."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.consensus.validators import VALIDATORS_MAX, Validator, make_set, smallest_quorum
from tests.consensus.voters import validator_set, voters

PUBLISHED = {1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 8: 6, 9: 6, 10: 7, 13: 9, 20: 14}
"""ledger.md 2.3."""


@pytest.mark.parametrize("count", sorted(PUBLISHED))
def test_the_smallest_quorum_is_the_published_one(count: int) -> None:
    assert smallest_quorum(count) == PUBLISHED[count]


@pytest.mark.parametrize("count", range(1, 8))
def test_two_quorums_always_share_an_honest_validator_and_a_smaller_number_does_not(count: int) -> None:
    """The dumb twin: try all pairs of quorums against all sets of faulty validators."""
    faulty = (count - 1) // 3

    def is_safe(size: int) -> bool:
        groups = [set(group) for group in combinations(range(count), size)]
        return all(len(a & b) > faulty for a in groups for b in groups)

    assert is_safe(smallest_quorum(count))
    assert not is_safe(smallest_quorum(count) - 1)


@given(st.integers(1, 1_000))
def test_a_quorum_is_there_when_all_faulty_ones_are_silent(count: int) -> None:
    assert smallest_quorum(count) <= count - (count - 1) // 3


def test_the_order_of_validators_is_that_of_their_keys_whoever_lists_them() -> None:
    members = [Validator(key.alg, key.public_key) for key in voters(5)]
    assert make_set(0, members, 4) == make_set(0, members[::-1], 4)
    ids = [member.key_id for member in make_set(0, members[::-1], 4).members]
    assert ids == sorted(ids)


def test_the_place_of_a_key_is_its_place_in_that_order() -> None:
    validators = validator_set(4)
    for place, member in enumerate(validators.members):
        assert validators.index_of(member.key_id) == place
    assert validators.index_of(bytes(16)) is None
    assert validators.index_of(b"") is None


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_everybody_leads_in_turn(epoch: int) -> None:
    validators = validator_set(4, epoch=epoch)
    leaders = [validators.leader(view) for view in range(1, 9)]
    assert leaders[:4] == leaders[4:]
    assert set(leaders[:4]) == set(validators.members)
    assert leaders[0] == validators.members[(epoch + 1) % 4]


@pytest.mark.parametrize(
    ("what", "count", "quorum"),
    [
        ("a quorum below the smallest", 4, 2),
        ("a quorum of nobody", 1, 0),
        ("a quorum of more than there are", 4, 5),
        ("a negative quorum", 1, -1),
        ("nobody", 0, 0),
        ("more validators than a certificate holds", VALIDATORS_MAX + 1, VALIDATORS_MAX),
    ],
)
def test_a_set_that_is_not_safe_is_refused(what: str, count: int, quorum: int) -> None:
    with pytest.raises(ValueError, match=r"quorum|at least one|at most 64"):
        validator_set(count, quorum=quorum)


def test_a_validator_votes_once() -> None:
    (only,) = validator_set(1).members
    with pytest.raises(ValueError, match="each once"):
        make_set(0, [only, only], 2)


def test_every_quorum_from_the_smallest_to_everybody_may_be_chosen() -> None:
    for quorum in range(smallest_quorum(7), 8):
        assert validator_set(7, quorum=quorum).quorum == quorum
