"""Evidence is made from what a node holds, and what cannot be proved is not made."""

from __future__ import annotations

import pytest

from doxedge.evidence.build import build
from doxedge.evidence.check import check
from doxedge.evidence.format import BadEvidence, decode
from doxedge.ledger.state import State
from tests.evidence.evidence_files import Archive
from tests.ledger.channels import HOUR_MS, START_MS, hour


def archive_of_hours(count: int) -> Archive:
    archive = Archive.begin()
    device = archive.channel.authors["alpha-1 device"]
    for number in range(count):
        archive.channel.now_ms = START_MS + (number + 1) * HOUR_MS
        archive.block(device.say("hour", hour("alpha-1", START_MS + number * HOUR_MS)))
    return archive


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 8, 9])
def test_every_block_of_the_history_is_proved_under_the_head(blocks: int) -> None:
    archive = archive_of_hours(blocks)
    for extension, _ in archive.blocks:
        proved = check(archive.evidence(extension, cosigned_by=()))
        assert proved.header == extension.header
        assert proved.certified.height == archive.channel.chain.height


def test_the_first_block_of_a_channel_is_proved_too() -> None:
    archive = Archive.begin()
    chain = archive.channel.chain
    assert chain.head is not None
    first = chain.head
    archive.blocks.clear()
    archive.block(archive.channel.officer("regulator").say("config", ["warning_percent", 10, "test"]))
    assert first.height == 1
    assert check(archive.evidence(archive.blocks[0][0])).records[0].kind == "config"


def test_cosignatures_that_do_not_hold_or_do_not_belong_are_left_out() -> None:
    archive = archive_of_hours(2)
    (first, _), (second, certificate) = archive.blocks
    good = archive.cosignatures(first, ["alpha"])
    height, key, signature = archive.cosignatures(second, ["beta"])[0]
    foreign = [(height, key, bytes(64)), (height, bytes(16), signature), (99, key, signature)]
    chain = archive.channel.chain
    data = build(
        genesis=chain.genesis_bytes,
        block_header=first.header.encode(),
        transactions=[transaction.wire_id for transaction in first.transactions],
        receipts=first.receipts,
        index=1,
        transaction=first.transactions[1].raw,
        head_header=second.header.encode(),
        certificate=certificate,
        block_ids=archive.ids[:-1],
        state=chain.state,
        cosignatures=[*good, *foreign],
    )
    assert check(data).cosigned_by == ["alpha"]
    assert len(decode(data).cosignatures) == 1


def test_a_transaction_whose_signer_the_state_does_not_know_is_not_proved() -> None:
    archive = archive_of_hours(1)
    extension, certificate = archive.blocks[0]
    with pytest.raises(BadEvidence, match="not registered"):
        build(
            genesis=archive.channel.chain.genesis_bytes,
            block_header=extension.header.encode(),
            transactions=[transaction.wire_id for transaction in extension.transactions],
            receipts=extension.receipts,
            index=1,
            transaction=extension.transactions[1].raw,
            head_header=extension.header.encode(),
            certificate=certificate,
            block_ids=[],
            state=State(),
            cosignatures=[],
        )
