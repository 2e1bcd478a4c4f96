"""§ 2 Parties and keys."""

from __future__ import annotations

import pytest

from doxedge.contracts import keys, numbering, parties
from doxedge.contracts.parties import Revoke, Rotate
from tests.contracts.refusals import (
    Attempt,
    Fault,
    RuleCases,
    accepted,
    check_accepted,
    check_lower,
    check_refused,
    pairs,
    singles,
)
from tests.contracts.small_channel import SmallChannel, enrol, long, short


def _enrol() -> Attempt:
    channel = SmallChannel.begin()
    return Attempt(channel, "party.enrol", channel.regulator, enrol("gamma"))


def _rotate() -> Attempt:
    channel = SmallChannel.begin().with_plants()
    facts = Rotate(short("alpha officer"), -7, long("alpha's new key"), short("alpha's new key"))
    return Attempt(channel, "key.rotate", channel.officer("alpha"), facts)


def _revoke() -> Attempt:
    channel = SmallChannel.begin().with_plants()
    return Attempt(channel, "key.revoke", channel.officer("alpha"), Revoke(short("alpha-gw key"), "stolen"))


def _revoked_before(attempt: Attempt) -> None:
    channel = attempt.channel
    channel.do("key.revoke", channel.regulator, Revoke(attempt.facts.key_id, "lost"))


CASES = (
    RuleCases(
        "party.enrol",
        _enrol,
        {
            "2.1": {
                "a company": lambda a: a.by(role="company"),
                "the regulator's node": lambda a: a.by(purpose="node"),
            },
            "2.2": {
                "no name": lambda a: a.saying(party=""),
                "65 characters": lambda a: a.saying(party="x" * 65),
                "a space at the end": lambda a: a.saying(party="gamma "),
                "a joiner that nobody sees": lambda a: a.saying(party="al\u200dpha"),
            },
            "2.3": {"an unknown role": lambda a: a.saying(role="auditor")},
            "2.4": {"a party whose key is in force": lambda a: a.saying(party="alpha")},
            "2.5": {"another role for an orphan": lambda a: _orphan(a, role="verifier")},
            "2.6": {
                "a key of somebody else": lambda a: a.saying(officer_key_id=short("beta officer")),
                "one key for two purposes": lambda a: a.saying(node_key_id=a.facts.officer_key_id),
                "a node key that is known": lambda a: a.saying(node_key_id=short("beta node")),
                "a key that was revoked": lambda a: _orphan(a, officer_key_id=short("alpha officer")),
            },
        },
        apart=frozenset({("2.3", "2.5"), ("2.4", "2.5")}),
    ),
    RuleCases(
        "key.rotate",
        _rotate,
        {
            "2.7": {
                "another key": lambda a: a.by(key_id=short("beta officer")),
                "the regulator for somebody else": lambda a: a.by(
                    key_id=short("regulator officer"), party="regulator", role="regulator"
                ),
            },
            "2.8": {
                "an unknown key": lambda a: a.by(key_id=short("stranger")).saying(
                    old_key_id=short("stranger")
                )
            },
            "2.9": {
                "a node key": lambda a: a.by(key_id=short("alpha node"), purpose="node").saying(
                    old_key_id=short("alpha node")
                )
            },
            "2.10": {
                "a key of somebody else": lambda a: a.saying(new_key_id=short("beta officer")),
                "itself": lambda a: a.saying(new_key_id=short("alpha officer")),
            },
        },
        apart=frozenset({("2.7", "2.8"), ("2.7", "2.9"), ("2.8", "2.9")}),
    ),
    RuleCases(
        "key.revoke",
        _revoke,
        {
            "2.11": {"an unknown key": lambda a: a.saying(key_id=short("stranger"))},
            "2.12": {
                "an officer of another party": lambda a: a.by(party="beta"),
                "the device itself": lambda a: a.by(purpose="device"),
                "the party's node": lambda a: a.by(purpose="node"),
                "the regulator's node": lambda a: a.by(party="regulator", role="regulator", purpose="node"),
            },
            "2.13": {"a node key by its own party": lambda a: a.saying(key_id=short("alpha node"))},
            "2.14": {
                "the regulator's own key": lambda a: a.by(
                    party="regulator", role="regulator", key_id=short("regulator officer")
                ).saying(key_id=short("regulator officer"))
            },
            "2.15": {"a key that is revoked": _revoked_before},
            "2.16": {"no reason": lambda a: a.saying(reason="")},
        },
        apart=frozenset({("2.12", "2.14"), ("2.13", "2.14"), ("2.14", "2.15")}),
    ),
)


def _orphan(attempt: Attempt, **changes: object) -> None:
    """The facts are of alpha, whose officer key was withdrawn."""
    attempt.channel.do("key.revoke", attempt.channel.regulator, Revoke(short("alpha officer"), "stolen"))
    attempt.saying(party="alpha", **changes)


@accepted(*CASES)
def test_the_act_without_a_fault_is_accepted(cases: RuleCases) -> None:
    check_accepted(cases)


@singles(*CASES)
def test_a_fault_is_refused_with_its_clause(cases: RuleCases, clause: str, fault: Fault) -> None:
    check_refused(cases, clause, fault)


@pairs(*CASES)
def test_of_two_faults_the_lower_clause_is_cited(cases: RuleCases, lower: str, two: list[Fault]) -> None:
    check_lower(cases, lower, two)


def test_an_enrolled_party_has_its_keys_and_a_numbering_from_one_on() -> None:
    attempt = _enrol()
    book = attempt.channel.book
    assert attempt.judge() == [["party.enrolled", "gamma", "company"]]
    assert parties.find_party(book, "gamma") == parties.PartyEntry(
        "company", short("gamma officer"), short("gamma node")
    )
    entry = keys.find_key(book, short("gamma officer"))
    assert entry == keys.KeyEntry(-8, long("gamma officer"), "gamma", "company", "officer", False)
    node = keys.find_key(book, short("gamma node"))
    assert node is not None
    assert (node.purpose, node.revoked) == ("node", False)
    source = numbering.find_source(book, short("gamma officer source"))
    assert source == numbering.SourceEntry(short("gamma officer"), 0, bytes(32), False, "gamma", None, None)


def test_a_party_may_come_without_a_node() -> None:
    attempt = _enrol()
    attempt.saying(node_alg=None, node_key=None, node_key_id=None)
    attempt.judge()
    assert parties.find_party(attempt.channel.book, "gamma") == parties.PartyEntry(
        "company", short("gamma officer"), None
    )


def test_a_party_whose_officer_key_was_withdrawn_gets_all_its_numberings_back() -> None:
    channel = SmallChannel.begin().with_plants()
    channel.do("key.revoke", channel.officer("alpha"), Revoke(short("alpha officer"), "stolen"))
    again = enrol(
        "alpha", officer_key_id=short("alpha again"), officer_key=long("alpha again"), node_alg=None,
        node_key=None, node_key_id=None, new_source=short("alpha again source"),
    )  # fmt: skip
    channel.do("party.enrol", channel.regulator, again)
    held = set(numbering.held_sources(channel.book, short("alpha again")))
    assert held == {
        short(name)
        for name in ("alpha again source", "alpha officer source", "alpha-1 account", "alpha-trade account")
    }
    assert numbering.held_sources(channel.book, short("alpha officer")) == []
    account = numbering.find_source(channel.book, short("alpha-1 account"))
    assert account is not None
    assert account.holder_key_id == short("alpha again")
    party = parties.find_party(channel.book, "alpha")
    assert party == parties.PartyEntry("company", short("alpha again"), short("alpha node"))


def test_a_rotated_key_hands_over_its_numberings_where_they_stand() -> None:
    attempt = _rotate()
    book = attempt.channel.book
    account = numbering.find_source(book, short("alpha-1 account"))
    assert account is not None
    numbering.advance(book, short("alpha-1 account"), account, seq=7, record_id=long("the seventh"))
    assert attempt.judge() == [["key.rotated", short("alpha officer"), short("alpha's new key")]]
    after = numbering.find_source(book, short("alpha-1 account"))
    assert after is not None
    assert (after.holder_key_id, after.seq, after.prev) == (short("alpha's new key"), 7, long("the seventh"))
    old, new = keys.find_key(book, short("alpha officer")), keys.find_key(book, short("alpha's new key"))
    assert old is not None
    assert old.revoked
    assert new == keys.KeyEntry(-7, long("alpha's new key"), "alpha", "company", "officer", False)
    party = parties.find_party(book, "alpha")
    assert party is not None
    assert party.officer_key_id == short("alpha's new key")


def test_a_device_rotates_its_own_key_and_the_party_keeps_its_officer() -> None:
    channel = SmallChannel.begin().with_plants()
    facts = Rotate(short("alpha-gw key"), -8, long("gw 2"), short("gw 2"))
    channel.do("key.rotate", channel.device("alpha-gw"), facts)
    source = numbering.find_source(channel.book, short("alpha-gw device"))
    assert source is not None
    assert (source.holder_key_id, source.device) == (short("gw 2"), "alpha-gw")
    new = keys.find_key(channel.book, short("gw 2"))
    assert new is not None
    assert (new.purpose, new.party) == ("device", "alpha")
    party = parties.find_party(channel.book, "alpha")
    assert party is not None
    assert party.officer_key_id == short("alpha officer")


@pytest.mark.parametrize(
    ("who", "key"),
    [
        ("alpha", "alpha officer"),
        ("alpha", "alpha-gw key"),
        ("regulator", "alpha officer"),
        ("regulator", "alpha node"),
        ("regulator", "alpha-gw key"),
    ],
)
def test_a_key_is_withdrawn_by_its_party_or_by_the_regulator(who: str, key: str) -> None:
    channel = SmallChannel.begin().with_plants()
    events = channel.do("key.revoke", channel.officer(who), Revoke(short(key), "lost"))
    assert events == [["key.revoked", short(key), "lost"]]
    entry = keys.find_key(channel.book, short(key))
    assert entry is not None
    assert entry.revoked
