"""The evidence file: one canonical CBOR array with everything that proves one transaction (wire.md 4).

    ["doxedge evidence 1", genesis, header, later|null, certificate, [cosignature…], transaction, index, [sibling…],
     receipt, [sibling…], [state proof…], [seal…]]

    later       = [header, [sibling…]]: a later, certified block and the path of the record's block in its history
    cosignature = [of: 0 the record's block, 1 the later one; key id; signature]
    state proof = [room, key, value, [sibling…]] under the state root of the certified block

`certificate` finalizes the later block if there is one, else the record's own. There is no free text and no field
beside these: every byte is bound by a hash, a signature or a comparison, so that a changed byte is always seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from doxedge.signing import canonical
from doxedge.signing.canonical import Value

MAGIC: Final = "doxedge evidence 1"
EVIDENCE_BYTES_MAX: Final = 1024 * 1024
"""A batch of 64 KiB, its receipt, a genesis of 64 KiB and the proofs stay well below."""
COSIGNATURES_MAX: Final = 256
STATE_PROOFS_MAX: Final = 512
OWN_BLOCK: Final = 0
LATER_BLOCK: Final = 1


class BadEvidence(ValueError):
    """Bytes that are no evidence file."""


@dataclass(frozen=True, slots=True)
class Later:
    """A certified block above the record's, which has the record's block in its history."""

    header: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HeadSignature:
    """A member's node has executed this block and signs that it found the same."""

    of: int
    """0 the record's own block, 1 the later one."""
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class KeyedProof:
    """That a room of the state holds this value under this key."""

    room: str
    key: bytes
    value: bytes
    """Canonical bytes."""
    siblings: tuple[bytes, ...]
    """From the root down."""


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """The file, opened and not yet judged."""

    genesis: bytes
    header: bytes
    later: Later | None
    certificate: bytes
    cosignatures: tuple[HeadSignature, ...]
    transaction: bytes
    index: int
    """Of the transaction in its block, and of its receipt."""
    transaction_path: tuple[bytes, ...]
    receipt: bytes
    receipt_path: tuple[bytes, ...]
    state_proofs: tuple[KeyedProof, ...]
    seals: tuple[bytes, ...] = ()
    """One for each change of validators since the genesis; the first epoch has none."""

    def encode(self) -> bytes:
        """The bytes of the file. Raises BadEvidence when they would be too many."""
        later: Value = None
        if self.later is not None:
            later = [self.later.header, list(self.later.path)]
        data = canonical.encode(
            [
                MAGIC,
                self.genesis,
                self.header,
                later,
                self.certificate,
                [[given.of, given.key_id, given.signature] for given in self.cosignatures],
                self.transaction,
                self.index,
                list(self.transaction_path),
                self.receipt,
                list(self.receipt_path),
                [[proof.room, proof.key, proof.value, list(proof.siblings)] for proof in self.state_proofs],
                list(self.seals),
            ]
        )
        if len(data) > EVIDENCE_BYTES_MAX:
            raise BadEvidence(f"{len(data)} bytes; an evidence file has at most {EVIDENCE_BYTES_MAX}")
        return data


def decode(data: bytes) -> EvidenceFile:
    """The file in `data`. Raises BadEvidence unless the bytes are exactly what `encode` writes."""
    try:
        value = canonical.decode(data, limit=EVIDENCE_BYTES_MAX)
    except canonical.NonCanonical as error:
        raise BadEvidence(f"not the canonical bytes of an evidence file: {error}") from error
    match value:
        case [
            str(magic),
            bytes(genesis),
            bytes(header),
            later,
            bytes(certificate),
            list(cosignatures),
            bytes(transaction),
            int(index),
            list(transaction_path),
            bytes(receipt),
            list(receipt_path),
            list(state_proofs),
            list(seals),
        ]:
            pass
        case _:
            raise BadEvidence("not the thirteen fields of an evidence file")
    if magic != MAGIC:
        raise BadEvidence(f"the file begins with `{magic}`; this software reads `{MAGIC}`")
    if isinstance(index, bool) or index < 0:
        raise BadEvidence("the place in the block is a number from 0")
    if len(cosignatures) > COSIGNATURES_MAX or len(state_proofs) > STATE_PROOFS_MAX:
        raise BadEvidence("more cosignatures or state proofs than an evidence file may hold")
    return EvidenceFile(
        genesis=genesis,
        header=header,
        later=_later(later),
        certificate=certificate,
        cosignatures=tuple(_cosignature(item) for item in cosignatures),
        transaction=transaction,
        index=index,
        transaction_path=_hashes(transaction_path),
        receipt=receipt,
        receipt_path=_hashes(receipt_path),
        state_proofs=tuple(_state_proof(item) for item in state_proofs),
        seals=tuple(_bytes(item) for item in seals),
    )


def _later(value: Value) -> Later | None:
    match value:
        case None:
            return None
        case [bytes(header), list(path)]:
            return Later(header, _hashes(path))
        case _:
            raise BadEvidence("a later block is [header, path]")


def _cosignature(value: Value) -> HeadSignature:
    match value:
        case [int(of), bytes(key), bytes(signature)] if (
            not isinstance(of, bool) and of in (OWN_BLOCK, LATER_BLOCK) and len(key) == 16
        ):
            return HeadSignature(of, key, signature)
        case _:
            raise BadEvidence("a cosignature is [0 or 1, key id, signature]")


def _state_proof(value: Value) -> KeyedProof:
    match value:
        case [str(room), bytes(key), bytes(entry), list(siblings)] if 0 < len(room.encode()) < 256:
            return KeyedProof(room, key, entry, _hashes(siblings))
        case _:
            raise BadEvidence("a state proof is [room, key, value, siblings]")


def _hashes(values: list[Value]) -> tuple[bytes, ...]:
    found = tuple(_bytes(value) for value in values)
    if any(len(item) != 32 for item in found):
        raise BadEvidence("a sibling of a path has 32 bytes")
    return found


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise BadEvidence("a byte string is missing")
    return value
