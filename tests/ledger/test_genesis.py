"""A genesis is read in one way or not at all: its hash is the channel's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.consensus.validators import VALIDATORS_MAX, Validator
from doxedge.contracts import figures, numbering, parties
from doxedge.contracts.figures import FIGURES
from doxedge.ledger.genesis import (
    GENESIS_BYTES_MAX,
    Genesis,
    InvalidGenesis,
    Member,
    decode_genesis,
    initial_state,
)
from doxedge.signing import canonical
from doxedge.signing.signer import Es256Signer
from doxedge.signing.tags import channel_id, source_id
from tests.ledger.channels import genesis, signer


def council(count: int, *, quorum: int | None = None) -> Genesis:
    """Regulator and companies, each with a node that votes."""
    first = genesis()
    keys = [signer(f"node {number}") for number in range(count)]
    officers = [signer(f"officer {number}") for number in range(count)]
    members = [
        Member(
            f"party {place}", "regulator" if not place else "company", officer.alg, officer.public_key, key.alg,
            key.public_key,
        )
        for place, (officer, key) in enumerate(zip(officers, keys, strict=True))
    ]  # fmt: skip
    validators = tuple(Validator(key.alg, key.public_key) for key in keys)
    return replace(first, members=tuple(members), validators=validators, quorum=quorum or count)


@pytest.mark.parametrize("made", [genesis(), genesis(warning_percent=5), council(4, quorum=3), council(7)])
def test_a_genesis_comes_back_from_its_bytes_and_these_from_it(made: Genesis) -> None:
    data = made.encode()
    assert decode_genesis(data).encode() == data
    assert decode_genesis(data).validator_set == made.validator_set


def test_validators_and_parameters_may_be_given_in_any_order_and_are_written_in_one() -> None:
    made = replace(council(4), parameters=(("warning_percent", 5), ("credit_unit_g", 1)))
    turned = replace(made, validators=made.validators[::-1], parameters=made.parameters[::-1])
    assert made.encode() == turned.encode()


def test_the_name_of_a_channel_is_the_hash_of_its_genesis_and_every_field_changes_it() -> None:
    made = genesis()
    names = {channel_id(made.encode())}
    for change in (
        {"name": "other"}, {"place": "elsewhere"}, {"created_ms": 1}, {"parameters": ()},
        {"members": made.members[:-1]},
    ):  # fmt: skip
        changes: dict[str, Any] = change
        names.add(channel_id(replace(made, **changes).encode()))
    assert len(names) == 6
    assert initial_state(made.encode())[1] in names


def test_the_first_state_knows_every_key_and_lets_it_number_from_1() -> None:
    made = council(3)
    read, channel, state = initial_state(made.encode())
    assert read == decode_genesis(made.encode())
    for place, member in enumerate(made.members):
        entry = parties.find_party(state, member.party)
        assert entry is not None
        for purpose, key_id in (("officer", entry.officer_key_id), ("node", entry.node_key_id)):
            assert key_id is not None
            key = parties.find_key(state, key_id)
            assert key is not None
            assert (key.party, key.role, key.purpose, key.revoked) == (
                member.party,
                member.role,
                purpose,
                False,
            )
            source = numbering.find_source(state, source_id(channel, key_id))
            assert source is not None
            assert (source.holder_key_id, source.seq, source.prev) == (key_id, 0, bytes(32))
        assert made.node_party(signer(f"node {place}").key_id) == member
    assert made.node_party(bytes(16)) is None


def test_a_figure_of_the_genesis_is_in_force_and_the_others_have_their_default() -> None:
    _, _, state = initial_state(genesis(warning_percent=7).encode())
    assert figures.figure(state, "warning_percent") == 7
    assert figures.figure(state, "pending_max") == FIGURES["pending_max"].default


def of_figure(name: str, value: int) -> Genesis:
    return replace(genesis(), parameters=((name, value),))


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_stays_within_its_bounds(name: str) -> None:
    bounds = FIGURES[name]
    for value in (bounds.low, bounds.high):
        assert decode_genesis(of_figure(name, value).encode()).parameters
    for value in (bounds.low - 1, bounds.high + 1):
        with pytest.raises(InvalidGenesis, match=name):
            of_figure(name, value).encode()


FIRST = genesis()
REGULATOR, ALPHA, BETA, VERIFIER = FIRST.members
P256 = Es256Signer(20_261_125)


def with_members(*members: Member) -> Genesis:
    return replace(FIRST, members=members)


@pytest.mark.parametrize(
    ("what", "made"),
    [
        ("no members", with_members()),
        ("no regulator", with_members(ALPHA, BETA)),
        ("two parties of one name", with_members(REGULATOR, ALPHA, replace(BETA, party="alpha"))),
        ("one officer key for two", with_members(REGULATOR, ALPHA, replace(BETA, officer_key=ALPHA.officer_key))),
        ("an officer key that is a node's", with_members(REGULATOR, replace(ALPHA, node_key=BETA.officer_key), BETA)),
        ("a role that is none", with_members(REGULATOR, replace(ALPHA, role="king"))),
        ("a party without a name", with_members(REGULATOR, replace(ALPHA, party=""))),
        ("a party whose name cannot be seen", with_members(REGULATOR, replace(ALPHA, party="al\u200bpha"))),
        ("a party of 65 characters", with_members(REGULATOR, replace(ALPHA, party="a" * 65))),
        ("a channel without a name", replace(FIRST, name="")),
        ("a channel with a line break", replace(FIRST, name="nor\nth")),
        ("a key of another algorithm", with_members(REGULATOR, replace(ALPHA, alg=-7))),
        ("an algorithm that is none", with_members(REGULATOR, replace(ALPHA, alg=5))),
        ("a key of small order", with_members(REGULATOR, replace(ALPHA, officer_key=b"\1" + bytes(31)))),
        ("a node key without its algorithm", with_members(REGULATOR, replace(ALPHA, node_alg=None))),
        ("an algorithm without its node key", with_members(REGULATOR, replace(ALPHA, node_key=None))),
        ("nobody to order", replace(FIRST, validators=())),
        ("a validator that is nobody's node", replace(FIRST, validators=(Validator(P256.alg, P256.public_key),))),
        ("a validator that is an officer", replace(FIRST, validators=(Validator(-8, ALPHA.officer_key),))),
        ("a validator twice", replace(FIRST, validators=FIRST.validators * 2, quorum=2)),
        ("a quorum of nobody", replace(FIRST, quorum=0)),
        ("a quorum that is not there", replace(FIRST, quorum=2)),
        ("a quorum that is true", replace(FIRST, quorum=True)),
        ("an unsafe quorum", council(4, quorum=2)),
        ("more validators than a certificate holds", council(VALIDATORS_MAX + 1)),
        ("a time before 1970", replace(FIRST, created_ms=-1)),
        ("a time that is false", replace(FIRST, created_ms=False)),
        ("rules of another version", replace(FIRST, rules_version=99)),
        ("rules of version true", replace(FIRST, rules_version=True)),
        ("a figure that is none", replace(FIRST, parameters=(("generosity", 1),))),
        ("a figure twice", replace(FIRST, parameters=(("warning_percent", 1), ("warning_percent", 2)))),
        ("a figure that is true", replace(FIRST, parameters=(("bilateral_transfers", True),))),
    ],
)  # fmt: skip
def test_a_channel_of_these_cannot_begin(what: str, made: Genesis) -> None:
    with pytest.raises(InvalidGenesis):
        made.encode()
    with pytest.raises(InvalidGenesis):
        decode_genesis(made.encoded())


def fields(made: Genesis = FIRST) -> list[Any]:
    value = canonical.decode(made.encode())
    assert isinstance(value, list)
    return value


def turned(place: int) -> Callable[[list[Any]], None]:
    """Turns the order of one list."""
    return lambda value: value[place].reverse()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a later version", lambda value: value.__setitem__(0, 2)),
        ("a version that is true", lambda value: value.__setitem__(0, True)),
        ("a field less", lambda value: value.pop()),
        ("a field more", lambda value: value.append(None)),
        ("a member of five fields", lambda value: value[4][0].pop()),
        ("a member that is a text", lambda value: value[4].append("alpha")),
        ("a validator of an algorithm that is none", lambda value: value[5][0].__setitem__(0, 200)),
        ("a validator of three fields", lambda value: value[5][0].append(1)),
        ("a parameter with a text", lambda value: value[7].append(["warning_percent", "5"])),
        ("validators in another order", turned(5)),
        ("parameters in another order", turned(7)),
    ],
)
def test_other_bytes_for_the_same_channel_are_refused(
    what: str, change: Callable[[list[Any]], object]
) -> None:
    value = fields(replace(council(4), parameters=(("credit_unit_g", 1), ("warning_percent", 5))))
    decode_genesis(canonical.encode(value))
    change(value)
    with pytest.raises(InvalidGenesis):
        decode_genesis(canonical.encode(value))


def test_a_genesis_has_a_largest_size() -> None:
    with pytest.raises(InvalidGenesis, match="at most"):
        decode_genesis(bytes(GENESIS_BYTES_MAX + 1))


@given(st.data())
def test_a_flipped_bit_is_refused_or_makes_another_channel(data: st.DataObject) -> None:
    encoded = FIRST.encode()
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    changed = (int.from_bytes(encoded) ^ 1 << bit).to_bytes(len(encoded))
    try:
        decoded = decode_genesis(changed)
    except InvalidGenesis:
        return
    assert decoded.encode() == changed
    assert decoded != decode_genesis(encoded)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_worse(noise: bytes) -> None:
    with pytest.raises(InvalidGenesis):
        decode_genesis(noise)
