"""One well-formed body of every kind, from keys that are always the same."""

from __future__ import annotations

from doxedge.consensus.certificate import VoteKind, sign_vote
from doxedge.consensus.equivocation import encode_vote
from doxedge.ledger.bodies import possession_bytes
from doxedge.ledger.transaction import sign_record
from doxedge.signing.canonical import Value
from doxedge.signing.record import Record
from doxedge.signing.signer import Es256Signer
from doxedge.signing.tags import ZERO_HASH, RecordId, source_id
from tests.ledger.channels import START_MS, hour, signer

CHANNEL = bytes(range(32))
ES256 = Es256Signer(20261124)


def bodies() -> dict[str, list[Value]]:
    """Kind to body."""
    old, new, device = signer("alpha officer"), signer("alpha officer 2"), signer("alpha device")
    possession = new.sign(possession_bytes(CHANNEL, old.key_id))
    rivals = [
        sign_record(
            Record(
                "event", source_id(CHANNEL, device.key_id), 1, RecordId(ZERO_HASH), [None, "note", 0, text]
            ),
            channel=CHANNEL,
            signer=device,
        ).raw
        for text in ("one", "two")
    ]
    votes = [
        encode_vote(
            VoteKind.FINALIZE, epoch=0, view=7, block_id=block, key_id=device.key_id,
            signature=sign_vote(VoteKind.FINALIZE, channel=CHANNEL, epoch=0, view=7, block_id=block, signer=device),
        )
        for block in (b"\1" * 32, b"\2" * 32)
    ]  # fmt: skip
    return {
        "party.enrol": ["gamma", "company", new.alg, new.public_key, ES256.alg, ES256.public_key],
        "key.rotate": [old.key_id, new.alg, new.public_key, possession],
        "key.revoke": [old.key_id, "lost"],
        "unit.register": ["alpha-1", "alpha", "boiler", 100_000, "zone 1"],
        "account.open": ["alpha-1", "alpha", "alpha-1"],
        "account.fold": ["alpha-1", 2026],
        "device.register": ["alpha-gw", "alpha-1", device.alg, device.public_key, b"p" * 32, "doxedge 0.1"],
        "device.commission": ["alpha-gw", b"p" * 32, [[START_MS, 700]], b"s" * 32],
        "vintage.issue": ["alpha-1", CHANNEL, 2026, [0, 1_500_000], b"b" * 32],
        "transfer": ["alpha-1", "beta-1", CHANNEL, 2026, [0, 250_000], "contract 7"],
        "hour": hour("alpha-1", START_MS),
        "hour.revise": [b"r" * 32, "calibration drift", hour("alpha-1", START_MS, 900)],
        "gap": ["alpha-1", START_MS, START_MS + 3_600_000, "analyser out of service"],
        "event": ["alpha-1", "door", START_MS, "cabinet opened"],
        "samples.request": ["alpha-1", START_MS, START_MS + 3_600_000, START_MS + 90_000_000, "spot check"],
        "samples.answer": [b"q" * 32, b"c" * 32, 720, "produced", ""],
        "config": ["warning_percent", 25, "winter"],
        "conflict": list[Value](rivals),
        "equivocation": list[Value](votes),
        "source.reinstate": [source_id(CHANNEL, device.key_id), "the clone was destroyed"],
    }
