"""How a member comes to a channel: its card, a genesis founded or joined, the device's registration."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doxedge.analysers.configuration import ConfigError, parse_toml
from doxedge.cli.init_answers import toml_value
from doxedge.cli.outcome import Exit, Failure
from doxedge.consensus.validators import Validator
from doxedge.contracts.rule import COMPANY, REGULATOR, is_name
from doxedge.keystore.keys import ALGORITHM_NAMES, public_line
from doxedge.ledger.genesis import GENESIS_BYTES_MAX, Genesis, InvalidGenesis, Member, decode_genesis
from doxedge.ledger.transaction import open_transaction, sign_record
from doxedge.signing.algorithms import InvalidKey, check_key
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Signer
from doxedge.signing.tags import ZERO_HASH, KeyId, RecordId, SourceId, key_id, source_id

CARD_BYTES_MAX = 4 * 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key as its line names it: algorithm, key id, public key."""

    alg: int
    public_key: bytes

    @property
    def key_id(self) -> KeyId:
        """The name of the key."""
        return key_id(self.alg, self.public_key)


@dataclass(frozen=True, slots=True)
class MemberCard:
    """What a company tells the regulator about itself: public keys only."""

    party: str
    officer: PublicKey
    node: PublicKey | None


def card_text(party: str, *, officer: Signer, node: Signer | None) -> str:
    """The card as a file."""
    lines = [
        "# Member card: goes to the regulator, who puts it into the genesis. It holds public keys only.",
        "# Each line: algorithm, key id, public key. Read the key ids to each other over the telephone.",
        f"party = {toml_value(party)}",
        f'officer = "{public_line(officer)}"',
    ]
    if node is not None:
        lines.append(f'node = "{public_line(node)}"')
    return "\n".join(lines) + "\n"


def card_name(party: str) -> str:
    """A file name for the card of a party, whatever signs its name has."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", party).strip("-.") or "member") + ".member.toml"


def read_member_card(path: Path) -> MemberCard:
    """A card from a file. Raises Failure (2) that says what is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(CARD_BYTES_MAX + 1)
        table = parse_toml(data[:CARD_BYTES_MAX].decode(), source=path.name)
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise Failure(Exit.USAGE, f"{path} is no member card: {error}") from error
    unknown = sorted(set(table) - {"party", "officer", "node"})
    party = table.get("party")
    if unknown or not isinstance(party, str) or not is_name(party):
        raise Failure(
            Exit.USAGE, f"{path} is no member card: it has party, officer and node, and nothing else"
        )
    officer = _public_key(path, "officer", table.get("officer"))
    node = None if "node" not in table else _public_key(path, "node", table["node"])
    return MemberCard(party, officer, node)


def _public_key(path: Path, name: str, line: Any) -> PublicKey:
    words = line.split() if isinstance(line, str) else []
    algorithms = {text: number for number, text in ALGORITHM_NAMES.items()}
    try:
        alg, named, key = algorithms[words[0]], bytes.fromhex(words[1]), bytes.fromhex(words[2])
        check_key(alg, key)
    except (KeyError, IndexError, ValueError, InvalidKey) as error:
        text = f"{path}: {name} is `algorithm key-id public-key`, as the member's own `doxedge init` wrote it"
        raise Failure(Exit.USAGE, f"{text} ({error})") from error
    if key_id(alg, key) != named:
        text = f"{path}: the key id of {name} does not fit its key; a digit was changed on the way"
        raise Failure(Exit.USAGE, text)
    return PublicKey(alg, key)


def read_genesis_file(path: Path) -> tuple[bytes, Genesis]:
    """A genesis file, whole and sound. Raises Failure (2)."""
    try:
        with path.open("rb") as file:
            data = file.read(GENESIS_BYTES_MAX + 1)
        return data, decode_genesis(data)
    except OSError as error:
        raise Failure(Exit.USAGE, f"{path} cannot be read: {error.strerror or error}") from error
    except InvalidGenesis as error:
        raise Failure(Exit.USAGE, f"{path} is no genesis file: {error}") from error


def found_channel(
    *,
    name: str,
    place: str,
    founder: str,
    officer: Signer,
    node: Signer,
    cards: Sequence[MemberCard],
    figures: Sequence[str],
    now_ms: int,
) -> bytes:
    """The genesis of a channel that the regulator's node orders. Raises Failure (2) when it could not begin."""
    members = [Member(founder, REGULATOR, officer.alg, officer.public_key, node.alg, node.public_key)]
    for card in cards:
        keys = (card.node.alg, card.node.public_key) if card.node is not None else (None, None)
        members.append(Member(card.party, COMPANY, card.officer.alg, card.officer.public_key, *keys))
    parameters = [(item.partition("=")[0], int(item.partition("=")[2])) for item in figures]
    try:
        return Genesis(
            name=name,
            place=place,
            created_ms=now_ms,
            members=tuple(members),
            validators=(Validator(node.alg, node.public_key),),
            quorum=1,
            parameters=tuple(sorted(parameters)),
        ).encode()
    except (InvalidGenesis, ValueError) as error:
        raise Failure(Exit.USAGE, f"no channel can begin like this: {error}") from error


def membership_doubts(
    genesis: Genesis, party: str, *, officer: Signer | None, node: Signer | None
) -> list[str]:
    """What the genesis says otherwise about this member, in words; empty when it fits. Raises Failure (2)."""
    known = next((member for member in genesis.members if member.party == party), None)
    if known is None:
        names = ", ".join(member.party for member in genesis.members)
        text = f"the genesis of {genesis.name} does not name {party} (it names {names}): the regulator must enrol you "
        return [text + "before the others hear your node"]
    pairs: list[tuple[str, Signer, int | None, bytes | None]] = []
    if officer is not None:
        pairs.append(("officer", officer, known.alg, known.officer_key))
    if node is not None:
        pairs.append(("node", node, known.node_alg, known.node_key))
    for what, signer, alg, key in pairs:
        if (signer.alg, signer.public_key) != (alg, key):
            there = "none" if alg is None or key is None else key_id(alg, key).hex()
            text = (
                f"the genesis of {genesis.name} names another {what} key for {party}: {there}, and here is "
                f"{signer.key_id.hex()}. Put the right key into the keys folder, or ask the regulator"
            )
            raise Failure(Exit.USAGE, text)
    return []


def registration(
    *,
    channel: bytes,
    officer: Signer,
    device: Signer,
    unit: str,
    profile_hash: bytes,
    firmware: str,
    seq: int,
    prev: bytes,
) -> tuple[bytes, SourceId]:
    """The signed `device.register` of a unit's device, and the source that it will make."""
    body: list[Value] = [f"{unit}-gw", unit, device.alg, device.public_key, profile_hash, firmware]
    source = SourceId(source_id(channel, officer.key_id))
    record = Record("device.register", source, seq, RecordId(prev), body)
    transaction = sign_record(record, channel=channel, signer=officer)
    return transaction.raw, SourceId(source_id(channel, transaction.record_ids[0]))


def registration_source(raw: bytes, *, channel: bytes) -> SourceId:
    """The source that a registration which was signed earlier will make. Raises Failure (2)."""
    return SourceId(source_id(channel, registration_record(raw, channel=channel)))


def registration_record(raw: bytes, *, channel: bytes) -> RecordId:
    """The record of a registration that was signed earlier. Raises Failure (2)."""
    try:
        return open_transaction(raw, channel).record_ids[0]
    except ValueError as error:
        raise Failure(Exit.USAGE, f"the registration of an earlier run cannot be read: {error}") from error


def registration_head(raw: bytes, *, channel: bytes) -> tuple[int, bytes]:
    """Number and record id of a registration that was signed earlier, for what follows it. Raises Failure (2)."""
    record_id = registration_record(raw, channel=channel)
    return open_transaction(raw, channel).record.seq, bytes(record_id)


def known_source(devices: list[dict[str, object]], *, unit: str, device: Signer) -> SourceId | None:
    """The source of this device on the ledger, from the node's list of devices; None when it is not there."""
    for row in devices:
        if row.get("unit") == unit and row.get("key_id") == device.key_id.hex():
            return SourceId(bytes.fromhex(str(row.get("source"))))
    return None


def officer_head(answer: bytes | None) -> tuple[int, bytes]:
    """Where the officer's numbering stands, from the node's answer; the beginning when there is none."""
    if answer is None:
        return 0, ZERO_HASH
    value = json.loads(answer)
    return int(value["seq"]), bytes.fromhex(value["prev"])
