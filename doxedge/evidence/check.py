"""Judge an evidence file with nothing but the file: no node, no network, no clock.

The steps, which the code below carries by the same numbers:

1. The bytes are one canonical evidence file of a version that is known here.
2. The genesis is well formed, and the channel it names is the one that the caller pinned, if he did.
3. The headers are canonical, of this channel, of the first epoch, and under the rules version of the genesis.
4. A quorum of the genesis' validators finalized the certified block: the record's own, or a later one.
5. The record's block is the certified block or stands in its history at its own height.
6. The transaction is in the record's block, at the place the file names.
7. The receipt is in the same block at the same place, and answers this transaction, record by record.
8. Every state entry of the file is in the state after the certified block.
9. The key is registered, the signature holds, and the entries lead from the key to device or account, unit and party;
   the file holds these entries and those of the cosigners, and no others.
10. Every cosignature is by a node key that is registered and not withdrawn, and holds over one of the two blocks.

What the caller must do himself: know the channel. Anybody can make a genesis with names he likes; so compare the
channel with the one the regulator published, or pin it by `channel` or `genesis`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from doxedge.consensus import certificate as certificates
from doxedge.consensus.certificate import VoteKind, decode_certificate
from doxedge.consensus.cosignature import Cosignature, holds
from doxedge.consensus.header import Header, InvalidBlock, decode_header
from doxedge.contracts import parties
from doxedge.contracts.rule import Value
from doxedge.contracts.statements import Hour
from doxedge.evidence.format import (
    OWN_BLOCK,
    BadEvidence,
    EvidenceFile,
    HeadSignature,
    decode,
)
from doxedge.evidence.subject import BrokenChain, Passage, Subject, walk
from doxedge.ledger import bodies, state_tree
from doxedge.ledger.genesis import Genesis, InvalidGenesis, decode_genesis
from doxedge.ledger.receipt import InvalidReceipt, Outcome, Receipt, decode_receipt, record_outcomes
from doxedge.ledger.transaction import BATCH, TX, Transaction, open_transaction
from doxedge.signing import canonical, merkle
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.record import InvalidRecord
from doxedge.signing.tags import ChannelId, KeyId, RecordId, channel_id


class NotProved(Exception):
    """The file proves nothing. Carries the step that failed and the reason."""

    def __init__(self, step: int, reason: str) -> None:
        """The step is a number of the module's list."""
        super().__init__(f"step {step}: {reason}")
        self.step = step
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProvedRecord:
    """One record of the transaction, and what became of it."""

    record_id: RecordId
    source: bytes
    seq: int
    kind: str
    body: list[Value]
    outcome: int
    """0 accepted, 1 refused."""
    clause: str | None
    """The clause that refused it."""
    events: tuple[list[Value], ...]

    @property
    def stated_hour(self) -> Hour | None:
        """The hour that the record states, as first stated or revised; None for anything else."""
        body: Value = self.body if self.kind == "hour" else None
        if self.kind == "hour.revise" and len(self.body) == 3:
            body = self.body[2]
        if not isinstance(body, list):
            return None
        try:
            return bodies.hour_facts(body)
        except bodies.InvalidBody:
            return None


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A member whose node executed the record's block or a later one of the same history, and found the same."""

    party: str
    role: str
    key_id: bytes


@dataclass(frozen=True, slots=True)
class Proved:
    """Everything that the file shows."""

    channel: ChannelId
    pinned: bool
    """Whether the caller named the channel; otherwise he has to compare it himself."""
    genesis: Genesis
    header: Header
    """Of the record's block."""
    certified: Header
    """Of the block with the certificate: the same, or a later one."""
    transaction: Transaction
    receipt: Receipt
    records: tuple[ProvedRecord, ...]
    subject: Subject
    finalized_by: tuple[str, ...]
    """Parties whose validators signed the certificate."""
    cosigners: tuple[Cosigner, ...]
    """One for each node key, in the order of key ids."""

    @property
    def cosigned_by(self) -> list[str]:
        """The parties of the cosigners, each once."""
        return sorted({cosigner.party for cosigner in self.cosigners})

    @property
    def node_parties(self) -> list[str]:
        """The members of the genesis that have a node and so could cosign."""
        return sorted(member.party for member in self.genesis.members if member.node_key is not None)


def check(data: bytes, *, channel: bytes | None = None, genesis: bytes | None = None) -> Proved:
    """Take the ten steps. Raises NotProved at the first that fails; `channel` and `genesis` pin what is expected."""
    file = _1_open(data)
    found, name = _2_genesis(file, channel, genesis)
    header, certified = _3_headers(file, found, name)
    finalized_by = _4_certificate(file, found, certified)
    _5_history(file, header, certified)
    transaction = _6_transaction(file, header)
    receipt, records = _7_receipt(file, header, transaction)
    entries = _8_state(file, certified)
    subject = _9_subject(file, transaction, entries)
    cosigners = _10_cosignatures(file, header, certified, entries)
    return Proved(
        channel=name,
        pinned=channel is not None or genesis is not None,
        genesis=found,
        header=header,
        certified=certified,
        transaction=transaction,
        receipt=receipt,
        records=records,
        subject=subject,
        finalized_by=finalized_by,
        cosigners=cosigners,
    )


def _1_open(data: bytes) -> EvidenceFile:
    try:
        return decode(data)
    except BadEvidence as error:
        raise NotProved(1, str(error)) from error


def _2_genesis(file: EvidenceFile, channel: bytes | None, genesis: bytes | None) -> tuple[Genesis, ChannelId]:
    try:
        found = _opened_genesis(file.genesis)
    except InvalidGenesis as error:
        raise NotProved(2, f"the genesis is not well formed: {error}") from error
    name = channel_id(file.genesis)
    if genesis is not None and genesis != file.genesis:
        raise NotProved(2, f"the file is of channel {name.hex()}, not of the genesis that was given")
    if channel is not None and channel != name:
        raise NotProved(2, f"the file is of channel {name.hex()}, not of {channel.hex()}")
    return found, name


@lru_cache(maxsize=8)
def _opened_genesis(data: bytes) -> Genesis:
    """Its keys cost a millisecond each to check, and a gateway checks many files of few channels."""
    return decode_genesis(data)


def _3_headers(file: EvidenceFile, genesis: Genesis, channel: ChannelId) -> tuple[Header, Header]:
    if file.seals:
        raise NotProved(
            3, "the validators have changed since the genesis; a newer version of doxedge reads this"
        )
    try:
        header = decode_header(file.header)
        certified = header if file.later is None else decode_header(file.later.header)
    except InvalidBlock as error:
        raise NotProved(3, str(error)) from error
    for each in (header, certified):
        if each.channel != channel:
            raise NotProved(
                3, f"a block is of channel {each.channel.hex()}, the genesis makes {channel.hex()}"
            )
        if each.epoch != 0 or each.next_validators_hash is not None:
            raise NotProved(3, f"a block of epoch {each.epoch} needs the seals that lead to it")
        if each.rules_version != genesis.rules_version:
            raise NotProved(
                3, f"rules version {each.rules_version}, the genesis names {genesis.rules_version}"
            )
    return header, certified


def _4_certificate(file: EvidenceFile, genesis: Genesis, certified: Header) -> tuple[str, ...]:
    try:
        certificate = decode_certificate(file.certificate)
        if certificate.kind is not VoteKind.FINALIZE:
            raise NotProved(4, "the certificate is not a finalization")
        if (certificate.view, certificate.block_id) != (certified.view, certified.block_id):
            raise NotProved(4, "the certificate is of another block")
        certificates.check(certificate, channel=certified.channel, validators=genesis.validator_set)
    except InvalidBlock as error:
        raise NotProved(4, str(error)) from error
    bits = int.from_bytes(certificate.bitmap, "little")
    members = [
        genesis.node_party(validator.key_id)
        for place, validator in enumerate(genesis.validator_set.members)
        if bits >> place & 1
    ]
    return tuple(sorted({member.party for member in members if member is not None}))


def _5_history(file: EvidenceFile, header: Header, certified: Header) -> None:
    if file.later is None:
        return
    if header.height >= certified.height:
        raise NotProved(5, f"height {header.height} is not below the certified height {certified.height}")
    try:
        root = merkle.root_from_path(
            header.block_id, header.height - 1, certified.height - 1, file.later.path
        )
    except ValueError as error:
        raise NotProved(5, f"the path in the history: {error}") from error
    if root != certified.history_root:
        raise NotProved(5, f"block {header.height} is not in the history of block {certified.height}")


def _6_transaction(file: EvidenceFile, header: Header) -> Transaction:
    try:
        transaction = open_transaction(file.transaction, header.channel)
        root = merkle.root_from_path(transaction.wire_id, file.index, header.tx_count, file.transaction_path)
    except (InvalidEnvelope, NonCanonical, InvalidRecord, ValueError) as error:
        raise NotProved(6, f"the transaction: {error}") from error
    if root != header.tx_root:
        raise NotProved(6, f"the transaction is not in block {header.height} at place {file.index}")
    return transaction


def _7_receipt(
    file: EvidenceFile, header: Header, transaction: Transaction
) -> tuple[Receipt, tuple[ProvedRecord, ...]]:
    try:
        receipt = decode_receipt(file.receipt)
        root = merkle.root_from_path(file.receipt, file.index, header.tx_count, file.receipt_path)
    except (InvalidReceipt, ValueError) as error:
        raise NotProved(7, f"the receipt: {error}") from error
    if root != header.receipt_root:
        raise NotProved(7, f"the receipt is not in block {header.height} at place {file.index}")
    if receipt.tx_id != transaction.tx_id:
        raise NotProved(7, "the receipt answers another transaction")
    if receipt.outcome is Outcome.INADMISSIBLE:
        raise NotProved(7, f"the transaction was inadmissible ({receipt.clause}): it changed nothing")
    return receipt, _outcomes(transaction, receipt)


def _outcomes(transaction: Transaction, receipt: Receipt) -> tuple[ProvedRecord, ...]:
    """Each record with its own outcome; in a batch each `record` event begins the events of that record."""
    if transaction.record.kind != BATCH:
        outcomes = [(transaction.first_seq, receipt.outcome, receipt.clause)]
        events = [receipt.events]
    else:
        outcomes = record_outcomes(receipt)
        marks = [place for place, event in enumerate(receipt.events) if event[:1] == ["record"]]
        if len(marks) != len(outcomes) or [seq for seq, _, _ in outcomes] != [
            record.seq for record in transaction.records
        ]:
            raise NotProved(7, "the receipt of the batch does not answer its records one by one")
        ends = [*marks[1:], len(receipt.events)]
        events = [receipt.events[start + 1 : end] for start, end in zip(marks, ends, strict=True)]
    return tuple(
        ProvedRecord(
            record_id, record.source, record.seq, record.kind, record.body, int(outcome), clause, own
        )
        for record, record_id, (_, outcome, clause), own in zip(
            transaction.records, transaction.record_ids, outcomes, events, strict=True
        )
    )


def _8_state(file: EvidenceFile, certified: Header) -> dict[tuple[str, bytes], Value]:
    entries: dict[tuple[str, bytes], Value] = {}
    for proof in file.state_proofs:
        path = state_tree.path_of(proof.room, proof.key)
        hashed = state_tree.value_hash(proof.value)
        shown = state_tree.StateProof(proof.siblings, (path, hashed))
        where = f"{proof.room}/{proof.key.hex()}"
        if not state_tree.verify(certified.state_root, path, hashed, shown):
            raise NotProved(8, f"{where} is not in the state of block {certified.height}")
        try:
            entries[proof.room, proof.key] = canonical.decode(proof.value)
        except NonCanonical as error:
            raise NotProved(8, f"{where}: {error}") from error
    names = [(proof.room, proof.key) for proof in file.state_proofs]
    if names != sorted(set(names)):
        raise NotProved(8, "the state entries are not in their order, or one is there twice")
    return entries


def _9_subject(
    file: EvidenceFile, transaction: Transaction, entries: dict[tuple[str, bytes], Value]
) -> Subject:
    passage = Passage(_reader(entries))
    try:
        subject = walk(passage, transaction)
        transaction.envelope.verify(subject.public_key, object_name=TX, channel=channel_id(file.genesis))
    except BrokenChain as error:
        raise NotProved(9, str(error)) from error
    except InvalidEnvelope as error:
        raise NotProved(9, str(error)) from error
    wanted = passage.passed | {(parties.KEYS, given.key_id) for given in file.cosignatures}
    if entries.keys() != wanted:
        raise NotProved(9, "the file holds state entries that prove nothing of this transaction")
    return subject


def _10_cosignatures(
    file: EvidenceFile, header: Header, certified: Header, entries: dict[tuple[str, bytes], Value]
) -> tuple[Cosigner, ...]:
    places = [(given.of, given.key_id) for given in file.cosignatures]
    if places != sorted(set(places)):
        raise NotProved(10, "the cosignatures are not in their order, or one is there twice")
    if file.later is None and any(given.of != OWN_BLOCK for given in file.cosignatures):
        raise NotProved(10, "a cosignature is of a later block that the file does not hold")
    book = Passage(_reader(entries))
    found: dict[bytes, Cosigner] = {}
    for given in file.cosignatures:
        key = parties.find_key(book, given.key_id)
        if key is None or key.purpose != "node" or key.revoked:
            raise NotProved(10, f"the cosigner {given.key_id.hex()} has no valid node key on this channel")
        _check_cosignature(given, header if given.of == OWN_BLOCK else certified, key)
        found[given.key_id] = Cosigner(key.party, key.role, given.key_id)
    return tuple(found[key_id] for key_id in sorted(found))


def _check_cosignature(given: HeadSignature, header: Header, key: parties.KeyEntry) -> None:
    held = holds(
        Cosignature(header.height, KeyId(given.key_id), given.signature),
        channel=header.channel,
        block_id=header.block_id,
        history_root=header.history_root,
        alg=key.alg,
        public_key=key.public_key,
    )
    if not held:
        raise NotProved(10, f"the cosignature of {key.party} over block {header.height} does not hold")


def _reader(entries: dict[tuple[str, bytes], Value]) -> Callable[[str, bytes], Value]:
    """Reads proved entries only: what the file does not prove is not simply absent."""

    def read(room: str, key: bytes) -> Value:
        if (room, key) not in entries:
            raise BrokenChain(f"the file holds no proof of {room}/{key.hex()}")
        return entries[room, key]

    return read
