"""A body has one shape: everything else means nothing, and no body can break the reader."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import in_force
from doxedge.ledger import bodies
from doxedge.ledger.bodies import SHAPES, BodyContext, InvalidBody, facts_of, hour_facts
from doxedge.ledger.state import State
from doxedge.signing.canonical import Value
from tests.ledger import every_kind
from tests.ledger.channels import START_MS, hour, signer

CONTEXT = BodyContext(every_kind.CHANNEL, b"i" * 32, State())
BODIES = every_kind.bodies()
KINDS = sorted(SHAPES)
ANYTHING: list[Value] = [True, False, None, 7, "text", b"bytes", [1]]
FIELDS = [(kind, place) for kind in KINDS for place in range(len(BODIES[kind]))]

values: st.SearchStrategy[Value] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.text(max_size=8),
        st.binary(max_size=40),
        st.sampled_from([bytes(32), bytes(16), [0, 5], -8, -7, 0, 1, 2**63]),
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


def test_every_kind_of_the_rules_has_a_shape_and_every_shape_a_rule() -> None:
    assert set(SHAPES) == set(in_force.RULES[in_force.CURRENT].table) == set(BODIES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_well_formed_body_gives_the_facts_that_its_rule_wants(kind: str) -> None:
    facts = facts_of(kind, BODIES[kind], CONTEXT)
    if kind in {"conflict", "equivocation"}:
        assert isinstance(facts, bodies.Accusation)
        return
    wanted, _ = in_force.RULES[in_force.CURRENT].table[kind]
    assert type(facts) is wanted


@pytest.mark.parametrize(("kind", "place"), FIELDS)
def test_a_field_of_another_type_is_no_body(kind: str, place: int) -> None:
    allowed = {row[place] for row in SHAPES[kind].types}
    for wrong in ANYTHING:
        if type(wrong) not in allowed:
            changed: list[Value] = list(BODIES[kind])
            changed[place] = wrong
            with pytest.raises(InvalidBody, match="the body of"):
                facts_of(kind, changed, CONTEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_more_or_less_is_no_body_and_the_text_names_the_fields(kind: str) -> None:
    for changed in (BODIES[kind][:-1], [*BODIES[kind], None], []):
        with pytest.raises(InvalidBody, match=r"the body of `.*` is \["):
            facts_of(kind, changed, CONTEXT)


@given(st.sampled_from(FIELDS), values)
def test_whatever_stands_in_a_field_gives_facts_or_a_refusal(where: tuple[str, int], value: Value) -> None:
    kind, place = where
    changed = [*BODIES[kind][:place], value, *BODIES[kind][place + 1 :]]
    with contextlib.suppress(InvalidBody):
        facts_of(kind, changed, CONTEXT)


SMALL_ORDER = bytes([1]) + bytes(31)
"""The Ed25519 point of order 1."""
OFFICER = signer("alpha officer")


@pytest.mark.parametrize(
    ("what", "kind", "place", "value"),
    [
        ("a key of small order", "party.enrol", 3, SMALL_ORDER),
        ("a key of another algorithm", "party.enrol", 2, -7),
        ("an algorithm that is none", "party.enrol", 2, 2**63),
        ("a node key without its algorithm", "party.enrol", 4, None),
        ("an algorithm without a node key", "party.enrol", 5, None),
        ("a node key of small order", "party.enrol", 5, bytes(33)),
        ("a device key that is no key", "device.register", 3, b"short"),
        ("a profile hash that is too short", "device.register", 4, b"p" * 31),
        ("possession shown by another key", "key.rotate", 2, OFFICER.public_key),
        ("possession of nothing", "key.rotate", 3, bytes(64)),
        ("possession for another key", "key.rotate", 0, b"another key id 0"),
        ("an amount without its suite", "transfer", 4, [5]),
        ("an amount of a suite not in force", "transfer", 4, [1, 5]),
        ("an amount that is true", "transfer", 4, [0, True]),
        ("an amount in text", "vintage.issue", 3, [0, "5"]),
        ("a vintage before year 0", "transfer", 3, -1),
        ("a vintage beyond four bytes", "vintage.issue", 2, 2**32),
        ("a basis that is no hash", "vintage.issue", 4, b""),
        ("a witnessed hour without its mass", "device.commission", 2, [[START_MS]]),
        ("a witnessed mass that is false", "device.commission", 2, [[START_MS, False]]),
        ("a statement that is no hash", "device.commission", 3, b"s" * 33),
        ("a revised record that is no id", "hour.revise", 0, b"r" * 31),
        ("a revision to something else", "hour.revise", 2, [1, 2, 3]),
        ("an answer to what is no id", "samples.answer", 0, b"q" * 31),
        ("a content hash that is no hash", "samples.answer", 1, b""),
        ("a samples root that is no hash", "hour", 11, b""),
        ("a profile that is no hash", "hour", 12, b"p" * 31),
        ("rules that are no hash", "hour", 13, b"p" * 33),
        ("a boot id of 15 bytes", "hour", 16, bytes(15)),
    ],
)
def test_a_field_that_cannot_be_meant_is_no_body(what: str, kind: str, place: int, value: Any) -> None:
    changed = [*BODIES[kind][:place], value, *BODIES[kind][place + 1 :]]
    with pytest.raises(InvalidBody):
        facts_of(kind, changed, CONTEXT)


def test_an_hour_can_be_read_outside_of_the_ledger() -> None:
    body = hour("alpha-1", START_MS, 900)
    assert hour_facts(body).nox_g == 900
    with pytest.raises(InvalidBody):
        hour_facts([*body[:4], None, *body[5:]])


def test_a_refusal_has_our_words_and_none_of_a_library() -> None:
    """Receipts are hashed on all nodes, and libraries change their texts: two bad keys are refused alike."""
    off_curve, infinity = b"\2" + b"\xff" * 32, b"\2" + bytes(32)
    texts = set()
    for key in (off_curve, infinity, bytes([3]) + b"\xff" * 32):
        body: list[Value] = ["gamma", "company", -7, key, None, None]
        try:
            facts_of("party.enrol", body, CONTEXT)
        except InvalidBody as error:
            texts.add(str(error))
    assert texts == {"the key is not a safe key of algorithm -7"}


def test_amounts_of_zero_less_and_too_much_are_for_the_rules_to_refuse() -> None:
    for grams in (0, -1, 2**63):
        body: list[Value] = [*BODIES["transfer"][:4], [0, grams], "reference"]
        assert facts_of("transfer", body, CONTEXT)
