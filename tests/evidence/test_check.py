"""What an evidence file must show, and that nothing less is taken for a proof."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import parties
from doxedge.evidence import check as check_module
from doxedge.evidence.check import NotProved, check
from doxedge.evidence.format import EvidenceFile, HeadSignature, decode
from doxedge.signing import canonical
from doxedge.signing.tags import channel_id
from tests.evidence.evidence_files import Archive, batch_under_later_head, one_hour
from tests.ledger.channels import HOUR_MS, START_MS, hour, signer


def refused(file: EvidenceFile) -> int:
    """The step at which the file fails."""
    with pytest.raises(NotProved) as caught:
        check(file.encode())
    return caught.value.step


def test_an_hour_is_proved_with_its_signer_block_and_cosigners() -> None:
    proved = check(one_hour())
    (record,) = proved.records
    assert (record.kind, record.body[4], record.outcome, record.clause) == ("hour", 1_234_567, 0, None)
    subject = proved.subject
    assert (subject.party, subject.device, subject.unit, subject.purpose) == (
        "alpha", "alpha-gw", "alpha-1", "device",
    )  # fmt: skip
    assert proved.finalized_by == ("regulator",)
    assert proved.cosigned_by == ["alpha", "regulator"]
    assert proved.header == proved.certified
    assert not proved.pinned


def test_a_batch_is_proved_record_by_record_under_a_later_head() -> None:
    proved = check(batch_under_later_head())
    assert [(r.seq, r.outcome, r.clause) for r in proved.records] == [
        (1, 0, None),
        (2, 0, None),
        (3, 1, "8.7"),
    ]
    assert proved.certified.height == proved.header.height + 4
    assert proved.cosigned_by == ["alpha", "beta", "regulator"]
    assert proved.records[2].events == (["refused", "8.7", "the hour is stated already; revise it"],)


def test_every_record_of_the_genesis_officers_is_proved_too() -> None:
    archive = Archive.begin()
    issued = archive.channel.officer("regulator").say(
        "vintage.issue", ["alpha-1", archive.channel.chain.channel, 2026, [0, 5_000_000], bytes(32)]
    )
    moved = archive.channel.authors["alpha-1 account"].say(
        "transfer", ["alpha-1", "alpha-trade", archive.channel.chain.channel, 2026, [0, 1_000], "test"]
    )
    extension = archive.block(issued, moved)
    tick, issue, transfer = (check(archive.evidence(extension, index)) for index in range(3))
    assert (tick.records[0].kind, tick.subject.purpose) == ("tick", "node")
    assert (issue.subject.party, issue.subject.role, issue.subject.device) == ("regulator", "regulator", None)
    assert (transfer.subject.account, transfer.subject.unit) == ("alpha-1", "alpha-1")
    assert transfer.records[0].outcome == 0


@pytest.mark.slow
@pytest.mark.parametrize("make", [one_hour, batch_under_later_head])
def test_a_file_with_any_byte_changed_is_refused(make) -> None:  # type: ignore[no-untyped-def]
    data = make()
    check(data)
    chance = random.Random(20261124)
    passed = []
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= chance.randrange(1, 256)
        try:
            check(bytes(flipped))
        except NotProved:
            continue
        passed.append(place)
    assert passed == []


def test_every_single_bit_of_what_frames_the_file_is_bound() -> None:
    data = one_hour()
    bodies = [part for part in canonical.decode(data, limit=len(data)) if isinstance(part, bytes)]  # type: ignore[union-attr]
    covered = {
        place for body in bodies for start in [data.index(body)] for place in range(start, start + len(body))
    }
    frame = [place for place in range(len(data)) if place not in covered]
    assert len(frame) > 500
    for place in random.Random(20261124).sample(frame, 100):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            with pytest.raises(NotProved):
                check(bytes(flipped))


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_and_never_crash(data: bytes) -> None:
    with pytest.raises(NotProved) as caught:
        check(data)
    assert caught.value.step == 1


@given(st.data())
def test_a_file_cut_or_lengthened_anywhere_is_refused(data: st.DataObject) -> None:
    whole = one_hour()
    cut = data.draw(st.integers(0, len(whole) - 1))
    more = data.draw(st.binary(min_size=1, max_size=8))
    for changed in (whole[:cut], whole + more, whole[:cut] + more + whole[cut:]):
        with pytest.raises(NotProved):
            check(changed)


def test_a_pinned_channel_or_genesis_must_be_the_files_own() -> None:
    data = one_hour()
    genesis = decode(data).genesis
    assert check(data, channel=channel_id(genesis)).pinned
    assert check(data, genesis=genesis).pinned
    other = Archive.begin("south").channel.chain
    for pins in ({"channel": other.channel}, {"genesis": other.genesis_bytes}):
        with pytest.raises(NotProved, match="step 2"):
            check(data, **pins)


def test_parts_of_two_files_do_not_make_a_third() -> None:
    first, second = decode(one_hour()), decode(batch_under_later_head())
    other = decode(Archive.begin("south").evidence_of_first_hour())
    assert refused(replace(first, genesis=other.genesis)) == 3
    assert refused(replace(first, header=second.header)) in {4, 5}
    assert refused(replace(first, header=second.header, certificate=second.certificate)) in {4, 6}
    assert refused(replace(second, later=None)) == 4
    assert refused(replace(second, header=first.header)) == 5
    assert refused(replace(first, transaction=second.transaction)) == 6
    assert refused(replace(first, receipt=second.receipt, receipt_path=second.receipt_path)) == 7
    assert refused(replace(first, state_proofs=second.state_proofs)) == 8


def test_a_file_must_hold_the_entries_that_lead_to_the_party_and_no_others() -> None:
    file = decode(one_hour())
    for missing in file.state_proofs:
        rest = tuple(proof for proof in file.state_proofs if proof is not missing)
        assert refused(replace(file, state_proofs=rest)) in {9, 10}
    archive = Archive.begin()
    device = archive.channel.authors["alpha-1 device"]
    archive.channel.now_ms = START_MS + HOUR_MS
    extension = archive.block(device.say("hour", hour("alpha-1", START_MS)))
    lean = decode(archive.evidence(extension, cosigned_by=()))
    rich = decode(archive.evidence(extension, cosigned_by=("alpha",)))
    assert refused(replace(lean, state_proofs=rich.state_proofs)) == 9
    doubled = (*lean.state_proofs, lean.state_proofs[-1])
    assert refused(replace(lean, state_proofs=doubled)) == 8


def test_a_cosignature_must_be_of_a_node_key_in_force_and_over_this_block() -> None:
    archive = Archive.begin()
    device = archive.channel.authors["alpha-1 device"]
    archive.channel.now_ms = START_MS + 2 * HOUR_MS
    first = archive.block(device.say("hour", hour("alpha-1", START_MS)))
    file = decode(archive.evidence(first, cosigned_by=("alpha", "beta")))
    given = file.cosignatures
    swapped = [replace(a, signature=b.signature) for a, b in zip(given, given[::-1], strict=True)]
    assert refused(replace(file, cosignatures=tuple(swapped))) == 10
    assert refused(replace(file, cosignatures=given[::-1])) == 10
    assert refused(replace(file, cosignatures=(*given, given[-1]))) == 10
    of_later = tuple(replace(each, of=1) for each in given)
    assert refused(replace(file, cosignatures=of_later)) == 10
    device_key = HeadSignature(0, device.signer.key_id, bytes(64))
    mixed = sorted([device_key, *given], key=lambda each: each.key_id)
    assert refused(replace(file, cosignatures=tuple(mixed))) == 10


def test_a_withdrawn_node_does_not_cosign_and_a_withdrawn_signer_is_named() -> None:
    archive = Archive.begin()
    device = archive.channel.authors["alpha-1 device"]
    archive.channel.now_ms = START_MS + HOUR_MS
    first = archive.block(device.say("hour", hour("alpha-1", START_MS)))
    regulator = archive.channel.officer("regulator")
    archive.block(
        regulator.say("key.revoke", [signer("beta node").key_id, "stolen"]),
        regulator.say("key.revoke", [device.signer.key_id, "replaced"]),
    )
    proved = check(archive.evidence(first))
    assert proved.cosigned_by == ["alpha", "regulator"]
    assert proved.subject.key_revoked


def test_a_certificate_that_is_no_finalization_proves_nothing() -> None:
    from doxedge.consensus.certificate import VoteKind, assemble, decode_certificate, sign_vote

    file, leader = decode(one_hour()), signer("regulator node")
    certificate = decode_certificate(file.certificate)
    vote = sign_vote(
        VoteKind.NOTARIZE, channel=channel_id(file.genesis), epoch=0, view=certificate.view,
        block_id=certificate.block_id, signer=leader,
    )  # fmt: skip
    notarized = assemble(
        VoteKind.NOTARIZE, view=certificate.view, block_id=certificate.block_id, votes={leader.key_id: vote},
        validators=check(one_hour()).genesis.validator_set,
    )  # fmt: skip
    assert refused(replace(file, certificate=notarized.encode())) == 4


def test_seals_are_refused_until_validators_can_change() -> None:
    assert refused(replace(decode(one_hour()), seals=(b"seal",))) == 3


def test_the_steps_of_the_docstring_are_the_steps_of_the_code() -> None:
    told = re.findall(r"^(\d+)\. ", check_module.__doc__ or "", re.MULTILINE)
    taken = sorted(int(name.split("_")[1]) for name in vars(check_module) if re.match(r"_\d+_", name))
    assert [int(number) for number in told] == taken == list(range(1, 11))


def test_a_proved_key_is_the_one_of_the_state_and_not_of_the_file_alone() -> None:
    file = decode(one_hour())
    forged = []
    for proof in file.state_proofs:
        value = canonical.decode(proof.value)
        if proof.room == parties.KEYS and isinstance(value, list) and value[4] == "device":
            value[1] = signer("somebody else").public_key
            proof = replace(proof, value=canonical.encode(value))
        forged.append(proof)
    assert refused(replace(file, state_proofs=tuple(forged))) == 8
