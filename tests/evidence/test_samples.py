"""An answer file is judged against the roots of proved hours: what holds is shown, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from doxedge.evidence import answer_file
from doxedge.evidence.answer_file import Hour, Writer
from doxedge.evidence.check import NotProved
from doxedge.evidence.samples import ProvedSamples, check_samples
from doxedge.signing import canonical, merkle
from doxedge.signing.canonical import Value
from tests.evidence.answer_files import UNIT, Case, begun, case, leaves_of, one_file, written
from tests.ledger.channels import HOUR_MS, START_MS, hour

Rows = list[tuple[list[bytes], Hour]]


def test_every_hour_is_shown_with_what_is_proved_of_it() -> None:
    shown = check_samples(one_file(), channel=case().channel)
    assert [each.state for each in shown.hours] == ["produced", "lost", "gap", "silent"]
    assert [each.is_proved for each in shown.hours] == [True, False, True, False]
    first = shown.hours[0]
    assert (first.samples, first.root, first.devices) == (
        5, merkle.root(leaves_of(0)), (f"{UNIT}.flow", f"{UNIT}.gas"),
    )  # fmt: skip
    assert (shown.samples, shown.samples_lost, shown.is_complete) == (5, 5, False)
    assert len(shown.not_proved) == 4, "two hours, the request, the answer"
    assert shown.content_hash == answer_file.content_hash(one_file())


def test_a_file_of_produced_hours_and_gaps_is_complete() -> None:
    of = case()
    rows = [of.hours()[0]]
    shown = check_samples(written(of.head(to_ms=START_MS + HOUR_MS), rows))
    assert shown.is_complete
    assert any("which channel" in said for said in shown.not_proved)


def refused(data: bytes, step: int, **pins: bytes) -> str:
    with pytest.raises(NotProved) as refusal:
        check_samples(data, **pins)  # type: ignore[arg-type]
    assert refusal.value.step == step, str(refusal.value)
    return refusal.value.reason


def test_any_flipped_byte_is_refused() -> None:
    data = one_file()
    for at in range(0, len(data), max(1, len(data) // 300)):
        with pytest.raises(NotProved):
            check_samples(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])


def resealed(changed: Callable[[Rows], Rows]) -> bytes:
    """A file whose maker lies and makes the hash at the end fit."""
    return written(case().head(), changed(case().hours()))


def _leaf(rows: Rows, place: int, leaf: bytes) -> Rows:
    leaves, frame = rows[0]
    return [([*leaves[:place], leaf, *leaves[place + 1 :]], frame), *rows[1:]]


def _frame(rows: Rows, number: int, **changes: object) -> Rows:
    leaves, frame = rows[number]
    return [*rows[:number], (leaves, replace(frame, **changes)), *rows[number + 1 :]]  # type: ignore[arg-type]


CHANGED = canonical.encode([f"{UNIT}.gas", START_MS + 1_000, b"another value"])
LIES: list[tuple[str, int, Callable[[Rows], Rows]]] = [
    ("a sample with another value", 5, lambda rows: _leaf(rows, 1, CHANGED)),
    ("two samples in another order", 5, lambda rows: [(rows[0][0][::-1], rows[0][1]), *rows[1:]]),
    ("a sample that is left out", 5, lambda rows: [(rows[0][0][1:], rows[0][1]), *rows[1:]]),
    ("a sample that is left out and not counted", 5,
     lambda rows: _frame([(rows[0][0][1:], rows[0][1]), *rows[1:]], 0, samples=4)),
    ("a sample more", 5, lambda rows: [([*rows[0][0], CHANGED], rows[0][1]), *rows[1:]]),
    ("a sample of another hour", 5,
     lambda rows: _leaf(rows, 4, canonical.encode(["a", START_MS + HOUR_MS, b""]))),
    ("a leaf that is no sample", 5, lambda rows: _leaf(rows, 0, canonical.encode([1, 2]))),
    ("a leaf that is not canonical", 5, lambda rows: _leaf(rows, 0, b"\xff")),
    ("samples under a lost hour", 5, lambda rows: [rows[0], (leaves_of(1), rows[1][1]), *rows[2:]]),
    ("a count for a lost hour", 5, lambda rows: _frame(rows, 1, samples=5)),
    ("an hour with a mass that is called a gap", 4, lambda rows: _frame(rows, 1, state="gap")),
    ("a gap that is called lost", 4, lambda rows: _frame(rows, 2, state="lost")),
    ("a stated hour that is called silent", 4, lambda rows: _frame(rows, 1, state="silent")),
    ("an hour without its evidence", 4, lambda rows: _frame(rows, 1, evidence=None)),
    ("an hour without its record", 4, lambda rows: _frame(rows, 1, record_id=None)),
    ("the evidence of another hour", 4, lambda rows: _frame(rows, 1, evidence=rows[0][1].evidence)),
    ("another hour's record with its evidence", 4,
     lambda rows: _frame(rows, 1, evidence=rows[0][1].evidence, record_id=rows[0][1].record_id)),
    ("evidence that does not hold", 4, lambda rows: _frame(rows, 1, evidence=b"nothing")),
    ("a missing hour", 3, lambda rows: rows[:3]),
    ("an hour too many", 3, lambda rows: [*rows, ([], Hour(START_MS + 4 * HOUR_MS, "silent", None, 0, None))]),
    ("an hour twice", 3, lambda rows: [rows[0], *rows[:3]]),
    ("hours in another order", 3, lambda rows: [rows[1], rows[0], *rows[2:]]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "step", "lie"), LIES, ids=[what for what, _, _ in LIES])
def test_a_lie_under_a_right_seal_is_refused(what: str, step: int, lie: Callable[[Rows], Rows]) -> None:
    refused(resealed(lie), step)


def test_samples_after_the_last_hour_are_refused() -> None:
    writer, of = Writer(), case()
    parts = [writer.head(of.head())]
    for leaves, frame in of.hours():
        parts += [writer.leaves(leaves), writer.hour(frame)]
    parts += [writer.leaves([CHANGED]), writer.end()]
    refused(b"".join(parts), 3)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"channel": bytes(32)}, 4),
        ({"unit": "beta-1"}, 4),
        ({"from_ms": START_MS + 1}, 2),
        ({"to_ms": START_MS}, 2),
        ({"to_ms": START_MS + 5 * HOUR_MS}, 3),
        ({"from_ms": START_MS - HOUR_MS}, 3),
    ],
)
def test_a_head_that_does_not_fit_its_hours_is_refused(changes: dict[str, object], step: int) -> None:
    refused(written(case().head(**changes), case().hours()), step)


def test_another_channel_than_the_pinned_one_is_refused() -> None:
    refused(one_file(), 2, channel=bytes(32))
    refused(one_file(), 4, genesis=b"another genesis")


def answered(of: Case, **changes: Value) -> tuple[bytes, bytes]:
    """The file, and the evidence of an answer to it."""
    data = written(of.head(), of.hours())
    fields: dict[str, Value] = {
        "request": of.request, "content_hash": answer_file.content_hash(data), "samples": 5, "outcome": "lost",
        "text": "one hour",
    }  # fmt: skip
    body = list({**fields, **changes}.values())
    return data, of.say(of.archive.channel.authors["alpha-1 device"].say("samples.answer", body))


def test_request_and_answer_on_the_ledger_are_shown_when_their_evidence_is_there() -> None:
    of = begun()
    data, answer = answered(of)
    asked = of.archive.evidence(of.asked)
    shown: ProvedSamples = check_samples(data, channel=of.channel, evidence=[answer, asked, of.evidence(0)])
    assert shown.request is not None
    assert shown.answer is not None
    assert (shown.request.record_id, shown.answer.body[1]) == (of.request, shown.content_hash)
    assert [said for said in shown.not_proved if not said.startswith("hour ")] == []


@pytest.mark.parametrize(
    "changes",
    [{"content_hash": bytes(32)}, {"samples": 6}, {"outcome": "produced"}],
    ids=["another file", "another count", "another outcome"],
)
def test_an_answer_on_the_ledger_that_is_of_another_file_is_refused(changes: dict[str, Value]) -> None:
    of = begun()
    data, answer = answered(of, **changes)
    refused(data, 6, channel=of.channel, evidence=[answer])  # type: ignore[arg-type]


def test_a_request_for_another_period_is_refused() -> None:
    of = begun()
    data = written(of.head(to_ms=START_MS + HOUR_MS), of.hours()[:1])
    refused(data, 6, evidence=[of.archive.evidence(of.asked)])  # type: ignore[arg-type]


def test_a_later_statement_of_an_hour_that_the_file_does_not_answer_for_is_refused() -> None:
    of = begun()
    device = of.archive.channel.authors["alpha-1 device"]
    body: list[Value] = [of.records[0], "late samples", hour(UNIT, START_MS, 900)]
    revised = of.say(device.say("hour.revise", body))
    data = written(of.head(), of.hours())
    refused(data, 6, evidence=[revised])  # type: ignore[arg-type]


def test_an_hour_that_is_called_silent_is_refuted_by_its_statement() -> None:
    of = begun()
    device = of.archive.channel.authors["alpha-1 device"]
    stated = of.say(device.say("hour", hour(UNIT, START_MS + 3 * HOUR_MS)))
    refused(written(of.head(), of.hours()), 6, evidence=[stated])  # type: ignore[arg-type]


def test_evidence_that_has_nothing_to_do_with_the_file_is_refused() -> None:
    of = begun()
    other = of.archive.channel.authors["beta-1 device"]
    stated = of.say(other.say("hour", hour("beta-1", START_MS)))
    refused(written(of.head(), of.hours()), 6, evidence=[stated])  # type: ignore[arg-type]
    refused(written(of.head(), of.hours()), 6, evidence=[b"no evidence"])  # type: ignore[arg-type]


def test_the_revision_of_an_hour_is_answered_for_with_its_own_root() -> None:
    of = begun()
    device = of.archive.channel.authors["alpha-1 device"]
    leaves = leaves_of(0, 7)
    body: list[Value] = [
        of.records[0], "late samples", hour(UNIT, START_MS, 900, samples=7, samples_root=merkle.root(leaves)),
    ]  # fmt: skip
    transaction = device.say("hour.revise", body)
    proof = of.say(transaction)
    row = (leaves, Hour(START_MS, "produced", bytes(transaction.record_ids[0]), 7, proof))
    shown = check_samples(written(of.head(to_ms=START_MS + HOUR_MS), [row]), channel=of.channel)
    assert (shown.is_complete, shown.samples) == (True, 7)
    stale = (leaves_of(0), Hour(START_MS, "produced", bytes(transaction.record_ids[0]), 5, proof))
    refused(written(of.head(to_ms=START_MS + HOUR_MS), [stale]), 5)
