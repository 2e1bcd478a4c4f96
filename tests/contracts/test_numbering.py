"""§ 3 Numbering: two records with one number, and what follows."""

from __future__ import annotations

from doxedge.contracts import numbering
from doxedge.contracts.numbering import Conflict, Equivocation, Reinstate
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
from tests.contracts.small_channel import SmallChannel, long, open_account, short

ACCOUNT = short("alpha-1 account")
ALPHA = short("alpha officer")


def _channel() -> SmallChannel:
    """The numbering of alpha's account stands at 3."""
    channel = SmallChannel.begin().with_plants()
    _advance(channel, ACCOUNT, 3)
    return channel


def _advance(channel: SmallChannel, source: bytes, seq: int) -> None:
    entry = numbering.find_source(channel.book, source)
    assert entry is not None
    numbering.advance(channel.book, source, entry, seq=seq, record_id=long(f"record {seq}"))


def _conflict_facts(source: bytes = ACCOUNT, seq: int = 3, signer: bytes = ALPHA) -> Conflict:
    return Conflict(source, seq, long("one"), long("another"), True, (signer, signer))


def _conflict() -> Attempt:
    channel = _channel()
    return Attempt(channel, "conflict", channel.node("beta"), _conflict_facts())


def _reinstate() -> Attempt:
    attempt = _conflict()
    attempt.judge()
    return Attempt(
        attempt.channel, "source.reinstate", attempt.channel.regulator, Reinstate(ACCOUNT, "explained")
    )


def _equivocation() -> Attempt:
    channel = SmallChannel.begin()
    return Attempt(channel, "equivocation", channel.node("alpha"), Equivocation(short("regulator node"), 9))


CASES = (
    RuleCases(
        "conflict",
        _conflict,
        {
            "3.1": {"a device": lambda a: a.by(purpose="device")},
            "3.2": {"an unknown source": lambda a: a.saying(source=short("nowhere"))},
            "3.3": {"one record, twice": lambda a: a.saying(second=a.facts.first)},
            "3.4": {"a number that is not consumed": lambda a: a.saying(already_final=False)},
            "3.5": {
                "a node's ticks": lambda a: a.saying(
                    source=short("regulator node source"), signers=(short("regulator node"),) * 2
                )
            },
            "3.6": {
                "signed by somebody else": lambda a: a.saying(signers=(short("beta officer"),) * 2),
                "one of the two by somebody else": lambda a: a.saying(signers=(ALPHA, short("beta officer"))),
                "another key of the same party": lambda a: a.saying(signers=(short("alpha-gw key"),) * 2),
                "a key that was withdrawn before it numbered": lambda a: _after_rotation(a).saying(seq=4),
            },
            "3.7": {"the same conflict again": lambda a: a.first()},
        },
        apart=frozenset({("3.2", "3.5")}),
    ),
    RuleCases(
        "source.reinstate",
        _reinstate,
        {
            "3.8": {
                "its owner": lambda a: a.by(party="alpha", role="company"),
                "the regulator's node": lambda a: a.by(purpose="node"),
            },
            "3.9": {"an unknown source": lambda a: a.saying(source=short("nowhere"))},
            "3.10": {
                "a source that is not suspended": lambda a: a.saying(source=short("alpha-trade account")),
                "a source that was reinstated": lambda a: a.first(),
            },
            "3.11": {"no reason": lambda a: a.saying(reason="")},
        },
    ),
    RuleCases(
        "equivocation",
        _equivocation,
        {
            "3.12": {"a device": lambda a: a.by(purpose="device")},
            "3.13": {"the same again": lambda a: a.first()},
        },
    ),
)


@accepted(*CASES)
def test_the_act_without_a_fault_is_accepted(cases: RuleCases) -> None:
    check_accepted(cases)


@singles(*CASES)
def test_a_fault_is_refused_with_its_clause(cases: RuleCases, clause: str, fault: Fault) -> None:
    check_refused(cases, clause, fault)


@pairs(*CASES)
def test_of_two_faults_the_lower_clause_is_cited(cases: RuleCases, lower: str, two: list[Fault]) -> None:
    check_lower(cases, lower, two)


def _after_rotation(attempt: Attempt) -> Attempt:
    _rotate(attempt.channel)
    return attempt


def _rotate(channel: SmallChannel) -> None:
    """Alpha's officer key gets a successor; the old one has numbered the account up to 3."""
    facts = Rotate(ALPHA, -8, long("alpha's new key"), short("alpha's new key"))
    channel.do("key.rotate", channel.officer("alpha"), facts)


def _suspended(channel: SmallChannel, source: bytes = ACCOUNT) -> bool:
    entry = numbering.find_source(channel.book, source)
    assert entry is not None
    return entry.suspended


def test_a_conflict_suspends_the_source_and_keeps_the_proof() -> None:
    attempt = _conflict()
    events = attempt.judge()
    assert events == [["source.suspended", ACCOUNT, 3, long("one"), long("another")]]
    assert _suspended(attempt.channel)
    proof = attempt.channel.book.get(numbering.FORKS, ACCOUNT + (3).to_bytes(8, "big"))
    assert proof == [long("one"), long("another"), "beta"]


def test_a_reinstated_source_goes_on_where_it_stood_and_the_proof_stays() -> None:
    attempt = _reinstate()
    assert attempt.judge() == [["source.reinstated", ACCOUNT, "explained"]]
    entry = numbering.find_source(attempt.channel.book, ACCOUNT)
    assert entry == numbering.SourceEntry(ALPHA, 3, long("record 3"), False, "alpha", None, "alpha-1")
    assert attempt.channel.book.get(numbering.FORKS, ACCOUNT + (3).to_bytes(8, "big")) is not None


def test_a_reinstated_source_is_suspended_again_by_another_number_only() -> None:
    attempt = _reinstate()
    attempt.judge()
    again = Attempt(attempt.channel, "conflict", attempt.channel.officer("beta"), _conflict_facts())
    assert again.cited() == "3.7"
    again.saying(seq=2)
    assert again.cited() is None
    assert _suspended(attempt.channel)


def test_the_numbering_of_an_officer_of_the_regulator_is_not_suspended_but_the_proof_stands() -> None:
    channel = SmallChannel.begin()
    source, key = short("regulator officer source"), short("regulator officer")
    _advance(channel, source, 1)
    events = channel.do("conflict", channel.officer("alpha"), _conflict_facts(source, 1, key))
    assert events == [["source.forked", source, 1, long("one"), long("another")]]
    assert not _suspended(channel, source)


def test_an_account_of_the_regulator_is_suspended_like_any_other() -> None:
    channel = SmallChannel.begin()
    channel.do("account.open", channel.regulator, open_account("reserve", "regulator"))
    source, key = short("reserve account"), short("regulator officer")
    _advance(channel, source, 1)
    channel.do("conflict", channel.officer("alpha"), _conflict_facts(source, 1, key))
    assert _suspended(channel, source)


def test_a_former_key_still_answers_for_its_numbers_but_cannot_freeze_its_successor() -> None:
    """Who stole the old key can sign what he likes with it: that is on record, and harms nobody."""
    channel = _channel()
    _rotate(channel)
    events = channel.do("conflict", channel.node("beta"), _conflict_facts())
    assert events == [["source.forked", ACCOUNT, 3, long("one"), long("another")]]
    assert not _suspended(channel)


def test_the_number_of_the_rotation_itself_is_still_the_old_keys() -> None:
    channel = _channel()
    source = short("alpha officer source")
    _advance(channel, source, 4)
    _rotate(channel)
    _advance(channel, source, 6)
    last = Attempt(channel, "conflict", channel.node("beta"), _conflict_facts(source, 5))
    assert last.cited() is None
    beyond = Attempt(channel, "conflict", channel.node("beta"), _conflict_facts(source, 6))
    assert beyond.cited() == "3.6"


def test_a_withdrawn_key_without_successor_suspends_nothing() -> None:
    channel = _channel()
    channel.do("key.revoke", channel.regulator, Revoke(ALPHA, "stolen"))
    events = channel.do("conflict", channel.node("beta"), _conflict_facts())
    assert events[0][0] == "source.forked"
    assert not _suspended(channel)


def test_an_equivocation_names_the_validator_for_ever() -> None:
    attempt = _equivocation()
    assert attempt.judge() == [["validator.equivocated", short("regulator node"), 9]]
    assert attempt.channel.book.get(numbering.FORKS, short("regulator node") + (9).to_bytes(8, "big"))
    attempt.saying(view=10)
    assert attempt.cited() is None


def test_a_key_knows_what_it_numbers() -> None:
    channel = SmallChannel.begin().with_plants()
    held = numbering.held_sources(channel.book, ALPHA)
    assert held == [short("alpha officer source"), ACCOUNT, short("alpha-trade account")]
    assert numbering.held_sources(channel.book, short("stranger")) == []
