"""Judge an answer file with nothing but the file and evidence files: no node, no network, no clock.

The steps, which the code below carries by the same numbers:

1. The bytes are one whole answer file, and the hash at its end is right.
2. It is of the channel that the caller pinned, if he did, and its period is of whole hours.
3. Every hour of the period is there once, in order.
4. The evidence file of an hour holds, is of the same channel, and shows an accepted statement of this unit and hour.
5. The leaves of a produced hour are samples of that hour, and their number and root are those that were stated.
6. What else was handed in agrees: an answer states the hash of this very file, a request asks for this unit and
   period, a statement of an hour of the period is the one that the file answers for.

What is lost, and where the ledger holds nothing, is not refused: it is what the file says, and proves nothing.
What the caller must do himself: know the channel, as with every evidence file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from doxedge.evidence import answer_file
from doxedge.evidence.answer_file import GAP, LOST, PRODUCED, SILENT, BadAnswerFile, Head, Hour, Samples
from doxedge.evidence.check import NotProved, Proved, ProvedRecord, check
from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.merkle import Frontier


@dataclass(frozen=True, slots=True)
class ProvedHour:
    """What the file shows of one hour."""

    start_ms: int
    state: str
    """`produced` and `gap` are proved; `lost` and `silent` are only said."""
    record_id: bytes | None
    samples: int
    root: bytes | None
    """That the samples give and the hour states; None unless produced."""
    stated_samples: int
    """How many the hour on the ledger states."""
    devices: tuple[str, ...]
    """The instruments whose samples are there."""

    @property
    def is_proved(self) -> bool:
        """Whether it is shown, and not only said."""
        return self.state in (PRODUCED, GAP)


@dataclass(frozen=True, slots=True)
class ProvedSamples:
    """Everything that the file shows."""

    head: Head
    pinned: bool
    content_hash: bytes
    hours: tuple[ProvedHour, ...]
    request: ProvedRecord | None
    """The request, when its evidence was handed in."""
    answer: ProvedRecord | None
    """The answer on the ledger, when its evidence was handed in."""

    @property
    def samples(self) -> int:
        """In the file."""
        return sum(hour.samples for hour in self.hours)

    @property
    def samples_lost(self) -> int:
        """Stated by hours that are on the ledger, and not there any more."""
        return sum(hour.stated_samples for hour in self.hours if hour.state == LOST)

    @property
    def is_complete(self) -> bool:
        """Whether every hour is proved."""
        return all(hour.is_proved for hour in self.hours)

    @property
    def not_proved(self) -> list[str]:
        """What a reader must not take for shown, in words."""
        said = []
        for hour in self.hours:
            if hour.state == LOST:
                said.append(f"hour {hour.start_ms}: the gateway says that its samples are lost")
            elif hour.state == SILENT:
                said.append(f"hour {hour.start_ms}: the gateway says that nothing was stated of it")
        if self.request is None:
            said.append("that the regulator asked this: hand in the evidence of the request")
        if self.answer is None:
            said.append("that this file is the answer on the ledger: hand in the evidence of the answer")
        if not self.pinned:
            said.append(
                "which channel it is: pin it, or compare it with the one that the regulator published"
            )
        return said


@dataclass(slots=True)
class _Open:
    """The leaves of the hour whose frame has not come yet."""

    frontier: Frontier = field(default_factory=Frontier)
    devices: set[str] = field(default_factory=set)
    first_ms: int | None = None
    last_ms: int = 0

    def add(self, leaf: bytes) -> None:
        try:
            value = canonical.decode(leaf, limit=answer_file.FRAME_BYTES_MAX)
        except NonCanonical as error:
            raise NotProved(5, f"a leaf is not canonical: {error}") from error
        match value:
            case [str(device), int(at_ms), bytes()] if type(at_ms) is int:
                self.devices.add(device)
            case _:
                raise NotProved(5, "a leaf is no [device, at_ms, raw]")
        self.first_ms = at_ms if self.first_ms is None else min(self.first_ms, at_ms)
        self.last_ms = max(self.last_ms, at_ms)
        self.frontier.append(leaf)


def check_samples(
    data: bytes | memoryview,
    *,
    channel: bytes | None = None,
    genesis: bytes | None = None,
    evidence: Sequence[bytes] = (),
) -> ProvedSamples:
    """Take the six steps. Raises NotProved at the first that fails.

    `channel` and `genesis` pin what is expected; `evidence` are further evidence files that must agree.
    """
    head, hours = None, list[ProvedHour]()
    waiting = _Open()
    try:
        for frame in answer_file.read(data):
            match frame:
                case Head():
                    head = _2_head(frame, channel)
                case Samples():
                    for leaf in frame.leaves:
                        waiting.add(leaf)
                case Hour() if head is not None:
                    expected_ms = hours[-1].start_ms + HOUR_MS if hours else head.from_ms
                    if frame.start_ms != expected_ms or frame.start_ms >= head.to_ms:
                        raise NotProved(3, f"hour {frame.start_ms} stands where {expected_ms} is expected")
                    hours.append(_hour(frame, waiting, head, genesis))
                    waiting = _Open()
    except BadAnswerFile as error:
        raise NotProved(1, str(error)) from error
    if head is None:
        raise NotProved(1, "the file has no head")
    if waiting.frontier.size or len(hours) * HOUR_MS != head.to_ms - head.from_ms:
        raise NotProved(3, f"the file holds {len(hours)} hours, and its period has others")
    content = answer_file.content_hash(data)
    request, answer = _6_agreement(head, content, hours, evidence, genesis)
    pinned = channel is not None or genesis is not None
    return ProvedSamples(head, pinned, content, tuple(hours), request, answer)


def _2_head(head: Head, channel: bytes | None) -> Head:
    if channel is not None and channel != head.channel:
        raise NotProved(2, f"the file is of channel {head.channel.hex()}, not of {channel.hex()}")
    if head.from_ms % HOUR_MS or head.to_ms % HOUR_MS or not 0 <= head.from_ms < head.to_ms:
        raise NotProved(2, "the period is not of whole hours")
    return head


def _hour(frame: Hour, leaves: _Open, head: Head, genesis: bytes | None) -> ProvedHour:
    if frame.state != PRODUCED and (leaves.frontier.size or frame.samples):
        raise NotProved(5, f"hour {frame.start_ms} is {frame.state}, and there are samples of it")
    if frame.state == SILENT:
        if frame.evidence is not None or frame.record_id is not None:
            raise NotProved(4, f"hour {frame.start_ms} is said to be silent, and its record is named")
        return ProvedHour(frame.start_ms, SILENT, None, 0, None, 0, ())
    record = _4_statement(frame, head, genesis)
    stated = record.stated_hour
    if stated is None:
        if frame.state != GAP:
            raise NotProved(4, f"hour {frame.start_ms} is stated as a gap, and the file says {frame.state}")
        return ProvedHour(frame.start_ms, GAP, record.record_id, 0, None, 0, ())
    if frame.state == GAP:
        raise NotProved(4, f"hour {frame.start_ms} has a mass, and the file says gap")
    if frame.state == LOST:
        return ProvedHour(frame.start_ms, LOST, record.record_id, 0, None, stated.samples, ())
    _5_leaves(frame, leaves, stated.samples, stated.samples_root)
    devices = tuple(sorted(leaves.devices))
    return ProvedHour(
        frame.start_ms,
        PRODUCED,
        record.record_id,
        frame.samples,
        stated.samples_root,
        stated.samples,
        devices,
    )


def _4_statement(frame: Hour, head: Head, genesis: bytes | None) -> ProvedRecord:
    """The accepted statement of this unit and hour that the evidence shows."""
    where = f"hour {frame.start_ms}"
    if frame.evidence is None or frame.record_id is None:
        raise NotProved(4, f"{where} comes without its evidence")
    proved = _evidence(frame.evidence, head, genesis, where, step=4)
    for record in proved.records:
        if record.record_id == frame.record_id:
            if record.outcome != 0 or frame.start_ms not in _starts(record, head.unit):
                break
            return record
    raise NotProved(4, f"{where}: its evidence shows no accepted statement of this hour of unit {head.unit}")


def _5_leaves(frame: Hour, leaves: _Open, samples: int, root: bytes) -> None:
    where, end_ms = f"hour {frame.start_ms}", frame.start_ms + HOUR_MS
    if leaves.first_ms is not None and not (frame.start_ms <= leaves.first_ms and leaves.last_ms < end_ms):
        raise NotProved(5, f"{where}: a sample is of another hour")
    if not frame.samples == leaves.frontier.size == samples:
        raise NotProved(5, f"{where}: {leaves.frontier.size} samples are there, {samples} were stated")
    if leaves.frontier.root() != root:
        raise NotProved(5, f"{where}: the samples do not give the root that was stated")


def _6_agreement(
    head: Head,
    content: bytes,
    hours: Sequence[ProvedHour],
    evidence: Iterable[bytes],
    genesis: bytes | None,
) -> tuple[ProvedRecord | None, ProvedRecord | None]:
    request: ProvedRecord | None = None
    answer: ProvedRecord | None = None
    samples = sum(hour.samples for hour in hours)
    outcome = LOST if any(hour.state == LOST for hour in hours) else PRODUCED
    for number, data in enumerate(evidence, 1):
        where = f"evidence {number}"
        proved = _evidence(data, head, genesis, where, step=6)
        speaks = False
        accepted = [record for record in proved.records if record.outcome == 0]
        for record in accepted:
            match record.kind, record.body:
                case "samples.answer", [head.request, bytes(stated), int(count), str(word), str()]:
                    if (stated, count, word) != (content, samples, outcome):
                        raise NotProved(6, f"{where}: the answer on the ledger is of another file")
                    answer, speaks = record, True
                case "samples.request", [str(unit), int(from_ms), int(to_ms), int(), str()] if (
                    record.record_id == head.request
                ):
                    if (unit, from_ms, to_ms) != (head.unit, head.from_ms, head.to_ms):
                        raise NotProved(6, f"{where}: the request asks for something else")
                    request, speaks = record, True
        speaks |= _agrees_with_hours(accepted, head.unit, hours, where)
        if not speaks:
            raise NotProved(6, f"{where} proves nothing of this file")
    return request, answer


def _agrees_with_hours(
    records: Sequence[ProvedRecord], unit: str, hours: Sequence[ProvedHour], where: str
) -> bool:
    """Whether the evidence speaks of hours of the file. Raises NotProved where it shows only other statements."""
    speaks = False
    for hour in hours:
        found = {record.record_id for record in records if hour.start_ms in _starts(record, unit)}
        if found and hour.record_id not in found:
            raise NotProved(
                6, f"{where}: hour {hour.start_ms} has another statement than the file answers for"
            )
        speaks |= bool(found)
    return speaks


def _evidence(data: bytes, head: Head, genesis: bytes | None, where: str, *, step: int) -> Proved:
    try:
        return check(data, channel=head.channel, genesis=genesis)
    except NotProved as refusal:
        raise NotProved(step, f"{where}: its evidence is refused at {refusal}") from refusal


def _starts(record: ProvedRecord, unit: str) -> range | tuple[int, ...]:
    """The hours of the unit that a record is a statement of."""
    match record.kind, record.body:
        case "gap", [str(name), int(from_ms), int(to_ms), str()]:
            return range(from_ms, to_ms, HOUR_MS) if name == unit else ()
        case (("hour" | "hour.revise"), _):
            stated = record.stated_hour
            return (stated.start_ms,) if stated is not None and stated.unit == unit else ()
        case _:
            return ()
