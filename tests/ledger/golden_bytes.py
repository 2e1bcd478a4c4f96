"""Writes `tests/vectors/ledger.json`: the bytes of ours that leave a machine, made by a small channel, always the same.

Run `python -m tests.ledger.golden_bytes` only after a decision to change the wire: every node and every evidence file
in the field reads these bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from doxedge.consensus.cosignature import cosign, cosigned_bytes
from doxedge.ledger import state_tree
from doxedge.ledger.chain import Extension
from doxedge.ledger.state import State
from doxedge.ledger.transaction import open_transaction
from doxedge.signing import merkle
from tests.consensus.voters import certificate, validator_set, voters
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, certified, hour, signer

FILE: Final = Path(__file__).resolve().parents[1] / "vectors" / "ledger.json"


def story() -> tuple[TestChannel, Extension]:
    """Registrations, then one block with an hour, a batch of which one record is refused, and a stranger's record."""
    channel = TestChannel.begin().with_units()
    channel.now_ms = START_MS + 3 * HOUR_MS
    device, other = channel.authors["alpha-1 device"], channel.authors["beta-1 device"]
    stranger = TestChannel.begin("south").with_units().authors["beta-1 device"]
    foreign = stranger.say("event", [None, "note", START_MS, "meant for another channel"])
    starts = (START_MS, START_MS, START_MS + HOUR_MS)
    extension = channel.block(
        device.say("hour", hour("alpha-1", START_MS, 1_234_567)),
        other.batch([("hour", hour("beta-1", start_ms, 500)) for start_ms in starts]),
        open_transaction(foreign.raw, channel.chain.channel),
    )
    return channel, extension


def proof_bytes(state: State, room: str, key: bytes) -> dict[str, object]:
    """A proof of presence or absence, in hex."""
    value, proof = state.prove(room, key)
    return {
        "room": room,
        "key": key.hex(),
        "path": state_tree.path_of(room, key).hex(),
        "value": None if value is None else value.hex(),
        "siblings": [sibling.hex() for sibling in proof.siblings],
        "leaf": None if proof.leaf is None else [part.hex() for part in proof.leaf],
    }


def golden() -> dict[str, object]:
    """Name to bytes in hex."""
    channel, extension = story()
    chain, header = channel.chain, extension.header
    node = signer("alpha node")
    given = cosign(
        channel=chain.channel, height=header.height, block_id=header.block_id,
        history_root=header.history_root, signer=node,
    )  # fmt: skip
    signed = cosigned_bytes(
        channel=chain.channel,
        height=header.height,
        block_id=header.block_id,
        history_root=header.history_root,
    )
    block = certified(extension, chain)
    wire_ids = [transaction.wire_id for transaction in extension.transactions]
    return {
        "comment": "All values hex. Keys are Ed25519 from SHA-256 of their names; see tests/ledger/channels.py.",
        "genesis": chain.genesis_bytes.hex(),
        "channel": chain.channel.hex(),
        "transactions": [transaction.raw.hex() for transaction in extension.transactions],
        "tx_ids": [transaction.tx_id.hex() for transaction in extension.transactions],
        "record_ids": [
            [record_id.hex() for record_id in transaction.record_ids]
            for transaction in extension.transactions
        ],
        "receipts": [receipt.hex() for receipt in extension.receipts],
        "header": header.encode().hex(),
        "block_id": header.block_id.hex(),
        "block": block.encode().hex(),
        "certificate": block.certificate.hex(),
        "certificate_of_three_of_four": certificate(voters(4)[1:], validator_set(4)).encode().hex(),
        "cosigned": signed.hex(),
        "cosignature": given.signature.hex(),
        "state_root": chain.state.root.hex(),
        "transaction_path": [step.hex() for step in merkle.inclusion_path(wire_ids, 1)],
        "receipt_path": [step.hex() for step in merkle.inclusion_path(extension.receipts, 1)],
        "state_proofs": [
            proof_bytes(chain.state, "devices", b"alpha-gw"),
            proof_bytes(chain.state, "devices", b"gamma-gw"),
        ],
    }


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
