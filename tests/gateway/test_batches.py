"""A batch says what its records said alone."""

from __future__ import annotations

import pytest

from doxedge.gateway.batches import batch_envelope
from doxedge.ledger.transaction import open_transaction
from doxedge.signing import limits
from tests.ledger.channels import Author, hour, signer

CHANNEL = b"c" * 32


def author() -> Author:
    from doxedge.signing.tags import source_id

    device = signer("alpha device")
    return Author(CHANNEL, device, source_id(CHANNEL, b"anchor"))


@pytest.mark.parametrize("count", [2, 3, limits.BATCH_RECORDS])
def test_the_records_keep_their_numbers_and_names(count: int) -> None:
    device = author()
    singles = [device.say("hour", hour("u", index * 3_600_000)) for index in range(count)]
    raw = batch_envelope([single.raw for single in singles], channel=CHANNEL, signer=device.signer)
    batch = open_transaction(raw, CHANNEL)
    assert batch.record_ids == tuple(single.record_ids[0] for single in singles)
    assert [record.seq for record in batch.records] == list(range(1, count + 1))
    batch.envelope.verify(device.signer.public_key, object_name="tx", channel=CHANNEL)
    assert len(raw) <= limits.ENVELOPE_BYTES


@pytest.mark.parametrize("count", [0, 1, limits.BATCH_RECORDS + 1])
def test_a_batch_has_its_bounds(count: int) -> None:
    device = author()
    singles = [device.say("event", [None, "x", 0, ""]).raw for _ in range(count)]
    with pytest.raises(ValueError, match="a batch holds 2 to 64"):
        batch_envelope(singles, channel=CHANNEL, signer=device.signer)


def test_records_that_do_not_follow_are_no_batch() -> None:
    device = author()
    first, second, third = (device.say("event", [None, "x", 0, ""]).raw for _ in range(3))
    for raws in ([first, third], [second, first], [first, first]):
        with pytest.raises(ValueError, match="follow each other"):
            batch_envelope(raws, channel=CHANNEL, signer=device.signer)
    stranger = Author(CHANNEL, signer("beta device"), second[:16])  # type: ignore[arg-type]
    stranger.seq = 1
    with pytest.raises(ValueError, match="follow each other"):
        batch_envelope([first, stranger.say("event", []).raw], channel=CHANNEL, signer=device.signer)
