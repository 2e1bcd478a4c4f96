"""Bytes that leave the machine are frozen; and the frozen ones are read here by hashing alone, as a stranger would."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from doxedge.consensus import certificate as certificates
from doxedge.consensus.certificate import decode_certificate
from doxedge.consensus.header import decode_header
from doxedge.ledger import state_tree
from doxedge.ledger.block import decode_block
from doxedge.ledger.chain import ChainState
from doxedge.ledger.receipt import decode_receipt
from doxedge.ledger.state_tree import StateProof
from doxedge.ledger.transaction import open_transaction
from doxedge.signing import algorithms
from tests.consensus.voters import CHANNEL, validator_set
from tests.ledger.channels import signer
from tests.ledger.golden_bytes import FILE, golden

FROZEN: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def frozen(name: str) -> bytes:
    return bytes.fromhex(FROZEN[name])


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


@pytest.mark.parametrize("name", sorted(FROZEN))
def test_what_leaves_the_machine_is_what_it_always_was(name: str) -> None:
    assert golden()[name] == FROZEN[name], "a changed byte is a decision: see golden_bytes.py"


def test_nothing_is_made_that_is_not_frozen() -> None:
    assert golden().keys() == FROZEN.keys()


def test_channel_and_block_are_hashes_of_a_tag_and_their_bytes() -> None:
    assert sha(b"doxedge/genesis/1\0", frozen("genesis")) == frozen("channel")
    assert sha(b"doxedge/block/1\0", frozen("header")) == frozen("block_id")
    assert ChainState(frozen("genesis")).channel == frozen("channel")


def test_every_frozen_thing_is_read_and_written_back_the_same() -> None:
    header, block = decode_header(frozen("header")), decode_block(frozen("block"))
    assert header.encode() == block.header.encode() == frozen("header")
    assert block.encode() == frozen("block")
    assert block.certificate == frozen("certificate")
    for name in ("certificate", "certificate_of_three_of_four"):
        assert decode_certificate(frozen(name)).encode() == frozen(name)
    for raw, tx_id, record_ids in zip(
        FROZEN["transactions"], FROZEN["tx_ids"], FROZEN["record_ids"], strict=True
    ):
        opened = open_transaction(bytes.fromhex(raw), frozen("channel"))
        assert opened.tx_id.hex() == tx_id
        assert [record_id.hex() for record_id in opened.record_ids] == record_ids
    for receipt, tx_id in zip(FROZEN["receipts"], FROZEN["tx_ids"], strict=True):
        decoded = decode_receipt(bytes.fromhex(receipt))
        assert (decoded.encode().hex(), decoded.tx_id.hex()) == (receipt, tx_id)
    assert [int(decode_receipt(bytes.fromhex(receipt)).outcome) for receipt in FROZEN["receipts"]] == [
        0,
        0,
        1,
        2,
    ]


def test_the_frozen_votes_hold() -> None:
    chain = ChainState(frozen("genesis"))
    header = decode_header(frozen("header"))
    chain.check_certificate(header, decode_certificate(frozen("certificate")))
    three = decode_certificate(frozen("certificate_of_three_of_four"))
    certificates.check(three, channel=CHANNEL, validators=validator_set(4))
    node = signer("alpha node")
    assert algorithms.verify(node.alg, node.public_key, frozen("cosigned"), frozen("cosignature"))
    assert frozen("cosigned").startswith(b"doxedge/cosign/1\0" + frozen("channel"))


@pytest.mark.parametrize(
    ("path", "leaves", "root_at"), [("transaction_path", "transactions", 9), ("receipt_path", "receipts", 10)]
)
def test_the_frozen_paths_lead_to_the_roots_of_the_header(path: str, leaves: str, root_at: int) -> None:
    """The second of four leaves, as RFC 9162 has it: left sibling, then the right half."""
    leaf = bytes.fromhex(FROZEN[leaves][1])
    if leaves == "transactions":
        leaf = sha(leaf)
    first, rest = (bytes.fromhex(step) for step in FROZEN[path])
    header = decode_header(frozen("header"))
    root = header.tx_root if root_at == 9 else header.receipt_root
    assert sha(b"\1", sha(b"\1", first, sha(b"\0", leaf)), rest) == root


@pytest.mark.parametrize("place", [0, 1], ids=["presence", "absence"])
def test_the_frozen_proofs_lead_to_the_state_root(place: int) -> None:
    given = FROZEN["state_proofs"][place]
    room, key = given["room"].encode(), bytes.fromhex(given["key"])
    path = sha(b"doxedge/state-key/1\0", bytes([len(room)]), room, key)
    assert path.hex() == given["path"]
    siblings = [bytes.fromhex(sibling) for sibling in given["siblings"]]
    leaf = None if given["leaf"] is None else tuple(bytes.fromhex(part) for part in given["leaf"])
    node = bytes(32) if leaf is None else sha(b"\0", *leaf)
    bits = f"{int.from_bytes(path):0256b}"
    for bit, sibling in reversed(list(zip(bits, siblings, strict=False))):
        node = sha(b"\1", sibling, node) if bit == "1" else sha(b"\1", node, sibling)
    assert node == frozen("state_root") == decode_header(frozen("header")).state_root
    hashed = None
    if given["value"] is not None:
        hashed = sha(b"doxedge/state-value/1\0", bytes.fromhex(given["value"]))
        assert leaf == (path, hashed)
    proof = StateProof(tuple(siblings), None if leaf is None else (leaf[0], leaf[1]))
    assert state_tree.verify(frozen("state_root"), path, hashed, proof)
    assert (given["value"] is None) == (place == 1)
