"""The first bytes of a channel: who is in it, who orders, which figures; its hash is the channel's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from doxedge.consensus.validators import Validator, ValidatorSet, make_set
from doxedge.contracts import figures, in_force, numbering, parties
from doxedge.contracts.rule import REGULATOR, ROLES, Value, is_name
from doxedge.ledger.bodies import InvalidBody, enrol_facts
from doxedge.ledger.state import State
from doxedge.signing import algorithms, canonical
from doxedge.signing.tags import ChannelId, channel_id, key_id, source_id

GENESIS_VERSION: Final = 1
GENESIS_BYTES_MAX: Final = 64 * 1024


class InvalidGenesis(ValueError):
    """Bytes that cannot begin a channel."""


@dataclass(frozen=True, slots=True)
class Member:
    """One party of the genesis."""

    party: str
    role: str
    alg: int
    officer_key: bytes
    node_alg: int | None
    node_key: bytes | None


@dataclass(frozen=True, slots=True)
class Genesis:
    """`[1, name, place, created_ms, members, validators, quorum, parameters, rules_version]`."""

    name: str
    place: str
    """The geofence, in words."""
    created_ms: int
    members: tuple[Member, ...]
    validators: tuple[Validator, ...]
    quorum: int
    parameters: tuple[tuple[str, int], ...] = ()
    """Figures that differ from their default, sorted by name."""
    rules_version: int = in_force.CURRENT

    def encode(self) -> bytes:
        """The canonical bytes. Raises InvalidGenesis when a channel of these cannot begin."""
        data = self.encoded()
        decode_genesis(data)
        return data

    def encoded(self) -> bytes:
        """The same bytes, unchecked: for comparing."""
        members: list[Value] = [
            [m.party, m.role, m.alg, m.officer_key, m.node_alg, m.node_key] for m in self.members
        ]
        ordered = sorted(self.validators, key=lambda validator: validator.key_id)
        validators: list[Value] = [[v.alg, v.public_key] for v in ordered]
        parameters: list[Value] = [[name, value] for name, value in sorted(self.parameters)]
        return canonical.encode(
            [
                GENESIS_VERSION,
                self.name,
                self.place,
                self.created_ms,
                members,
                validators,
                self.quorum,
                parameters,
                self.rules_version,
            ]
        )

    @property
    def validator_set(self) -> ValidatorSet:
        """The validators of epoch 0."""
        return make_set(0, self.validators, self.quorum)

    def node_party(self, key: bytes) -> Member | None:
        """The member whose node key has this id."""
        for member in self.members:
            node = (member.node_alg, member.node_key)
            if node[0] is not None and node[1] is not None and key_id(node[0], node[1]) == key:
                return member
        return None


def decode_genesis(data: bytes) -> Genesis:
    """The genesis in `data`, checked as a whole. Raises InvalidGenesis."""
    try:
        value = canonical.decode(data, limit=GENESIS_BYTES_MAX)
    except canonical.NonCanonical as error:
        raise InvalidGenesis(str(error)) from error
    match value:
        case [
            int(version),
            str(name),
            str(place),
            int(created_ms),
            list(members),
            list(validators),
            int(quorum),
            list(parameters),
            int(rules_version),
        ] if version == GENESIS_VERSION and not isinstance(version, bool):
            pass
        case _:
            raise InvalidGenesis("not the nine fields of version 1")
    genesis = Genesis(
        name=name,
        place=place,
        created_ms=created_ms,
        members=tuple(_member(member) for member in members),
        validators=tuple(_validator(validator) for validator in validators),
        quorum=quorum,
        parameters=tuple(_parameter(parameter) for parameter in parameters),
        rules_version=rules_version,
    )
    _check(genesis)
    if genesis.encoded() != data:
        raise InvalidGenesis(
            "validators, then parameters, stand in the order of their names, each number a number"
        )
    return genesis


def initial_state(data: bytes) -> tuple[Genesis, ChannelId, State]:
    """The genesis, the channel's name and the state before the first block. Raises InvalidGenesis."""
    genesis, channel = decode_genesis(data), channel_id(data)
    state = State()
    draft = state.draft()
    for name, value in genesis.parameters:
        draft.put(figures.ROOM, name.encode(), [value])
    for member in genesis.members:
        officer = key_id(member.alg, member.officer_key)
        facts = enrol_facts(
            member.party,
            member.role,
            member.alg,
            member.officer_key,
            member.node_alg,
            member.node_key,
            new_source=source_id(channel, officer),
        )
        parties.write_party(draft, facts)
        numbering.create_source(draft, facts.new_source, holder_key_id=officer, party=member.party)
        if facts.node_key_id is not None:
            numbering.create_source(
                draft,
                source_id(channel, facts.node_key_id),
                holder_key_id=facts.node_key_id,
                party=member.party,
            )
    state.merge(draft.seal())
    return genesis, channel, state


def _check(genesis: Genesis) -> None:
    numbers = (genesis.created_ms, genesis.quorum, genesis.rules_version)
    if any(isinstance(number, bool) or number < 0 for number in numbers):
        raise InvalidGenesis("time, quorum and rules version are whole numbers from 0 on")
    if genesis.rules_version not in in_force.RULES:
        raise InvalidGenesis(f"rules version {genesis.rules_version} is not in this software")
    _check_names(genesis)
    _check_keys(genesis)
    _check_figures(genesis)


def _check_names(genesis: Genesis) -> None:
    names = [member.party for member in genesis.members]
    for text in (genesis.name, *names):
        if not is_name(text):
            raise InvalidGenesis(f"{text!r} is no name: it has 1 to 64 characters that can be seen")
    if any(member.role not in ROLES for member in genesis.members):
        raise InvalidGenesis("a party is regulator, company or verifier")
    if len(set(names)) != len(names) or not any(member.role == REGULATOR for member in genesis.members):
        raise InvalidGenesis("parties have different names, and one of them is the regulator")


def _check_keys(genesis: Genesis) -> None:
    try:
        facts = [
            enrol_facts(m.party, m.role, m.alg, m.officer_key, m.node_alg, m.node_key, new_source=b"")
            for m in genesis.members
        ]
        validators = genesis.validator_set
    except (InvalidBody, ValueError) as error:
        raise InvalidGenesis(str(error)) from error
    keys = [key for f in facts for key in (f.officer_key_id, f.node_key_id) if key is not None]
    if len(set(keys)) != len(keys):
        raise InvalidGenesis("a key is named once, for one purpose")
    nodes = {fact.node_key_id for fact in facts}
    if any(validator.key_id not in nodes for validator in validators.members):
        raise InvalidGenesis("a validator is the node of a member")


def _check_figures(genesis: Genesis) -> None:
    names = [name for name, _ in genesis.parameters]
    if len(set(names)) != len(names):
        raise InvalidGenesis("a figure is given once")
    for name, value in genesis.parameters:
        bounds = figures.FIGURES.get(name)
        if bounds is None or not bounds.low <= value <= bounds.high:
            raise InvalidGenesis(f"the figure {name} = {value} is unknown or outside its bounds")


def _member(value: Value) -> Member:
    match value:
        case [
            str(party),
            str(role),
            int(alg),
            bytes(key),
            int() | None as node_alg,
            bytes() | None as node_key,
        ]:
            return Member(party, role, alg, key, node_alg, node_key)
        case _:
            raise InvalidGenesis("a member is [party, role, alg, officer key, node alg|null, node key|null]")


def _validator(value: Value) -> Validator:
    match value:
        case [int(alg), bytes(key)] if alg in algorithms.PUBLIC_KEY_BYTES:
            return Validator(alg, key)
        case _:
            raise InvalidGenesis("a validator is [alg, node key], the algorithm Ed25519 or ES256")


def _parameter(value: Value) -> tuple[str, int]:
    match value:
        case [str(name), int(number)] if not isinstance(number, bool):
            return name, number
        case _:
            raise InvalidGenesis("a parameter is [name, number]")
