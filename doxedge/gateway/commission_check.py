"""Judge a commissioning file with nothing but the file: no node, no network, no clock.

The steps, which the code below carries by the same numbers:

1. The bytes are one whole commissioning file, and the hash at its end is right.
2. It is of the channel that the caller pinned, if he did.
3. The settings and the register maps of the file give its profile hash and its rules hash.
4. The evidence file of every hour holds, is of the same channel and of the device's own numbering, and shows an
   accepted hour of the unit that was read with this profile and these rules, by a clock as fast as the file says.
5. The leaves of an hour are samples of that hour and of the unit's instruments; their number and root are as stated.
6. The samples give the mass that every witnessed hour states, by the code of this machine, and the sheet of the file;
   and the unit ran in every such hour, for nothing is measured of one that stands still.
7. The verifier's own figures, where he gives them, are of every witnessed hour and differ by no more than he allows,
   and by no more than one in a hundred whatever he allows.

What the caller must do himself: know the channel, and work some hours out by hand from the sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from doxedge.contracts import statements
from doxedge.evidence import commission_file
from doxedge.evidence.answer_file import FRAME_BYTES_MAX
from doxedge.evidence.check import NotProved, check
from doxedge.evidence.commission_file import HOURS_MAX, BadCommissionFile, Head, Hour, Samples
from doxedge.evidence.content import time_text
from doxedge.gateway.commission_hours import BadLeaf, RawHour, make_again
from doxedge.gateway.plant import PlannedUnit
from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from doxedge.signing.merkle import Frontier

ROUNDING_G: Final = 1
SIMULATED: Final = "simulated"
"""What an hour says of a compressed clock."""
HAND_SHARE: Final = 100
"""Rounding by hand costs less than a hundredth of an hour. Who differs by more has found another mass."""


@dataclass(frozen=True, slots=True)
class CheckedHour:
    """What the file shows of one hour."""

    start_ms: int
    witnessed: bool
    record_id: bytes
    stated: statements.Hour
    sheet: bytes
    hand_g: int | None
    """What the verifier found himself; None where he gave no figure."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that the file shows."""

    head: Head
    pinned: bool
    statement_hash: bytes
    hours: tuple[CheckedHour, ...]

    @property
    def witnessed(self) -> tuple[CheckedHour, ...]:
        """The hours on which the commissioning rests."""
        return tuple(hour for hour in self.hours if hour.witnessed)


@dataclass(slots=True)
class _Read:
    """One hour of the file."""

    frame: Hour
    leaves: list[bytes] = field(default_factory=list)


def check_commission(
    data: bytes | memoryview,
    *,
    plan: Callable[[Head], PlannedUnit],
    channel: bytes | None = None,
    genesis: bytes | None = None,
    hand: Mapping[int, int] | None = None,
    tolerance_g: int = 0,
) -> Checked:
    """Take the steps. Raises NotProved at the first that fails.

    `plan` makes the unit's plan of the settings and maps in the head, and may raise NotProved(3). `channel` and
    `genesis` pin what is expected. `hand` is start_ms to whole grams.
    """
    head, hours = _1_read(data)
    if channel is not None and channel != head.channel:
        raise NotProved(2, f"the file is of channel {head.channel.hex()}, not of {channel.hex()}")
    planned = _3_plan(head, plan)
    stated = [_4_statement(hour.frame, head, genesis) for hour in hours]
    for hour, said in zip(hours, stated, strict=True):
        _5_leaves(hour, said)
    _6_masses(head, planned, hours, stated)
    _7_hand(hours, stated, hand, tolerance_g)
    checked = tuple(
        CheckedHour(
            hour.frame.start_ms,
            hour.frame.witnessed,
            hour.frame.record_id,
            said,
            hour.frame.sheet,
            None if hand is None else hand.get(hour.frame.start_ms),
        )
        for hour, said in zip(hours, stated, strict=True)
    )
    pinned = channel is not None or genesis is not None
    return Checked(head, pinned, commission_file.statement_hash(data), checked)


def _1_read(data: bytes | memoryview) -> tuple[Head, list[_Read]]:
    head: Head | None = None
    hours: list[_Read] = []
    leaves: list[bytes] = []
    try:
        for frame in commission_file.read(data):
            match frame:
                case Head():
                    head = frame
                case Samples():
                    leaves += frame.leaves
                case Hour():
                    if frame.start_ms % HOUR_MS or (hours and frame.start_ms <= hours[-1].frame.start_ms):
                        raise NotProved(1, "the hours do not stand in the order of time")
                    hours.append(_Read(frame, leaves))
                    leaves = []
            if len(hours) > HOURS_MAX:
                raise NotProved(1, f"more than {HOURS_MAX} hours")
    except BadCommissionFile as error:
        raise NotProved(1, str(error)) from error
    if head is None or leaves:
        raise NotProved(1, "samples stand behind the last hour" if leaves else "the file has no head")
    if not any(hour.frame.witnessed for hour in hours):
        raise NotProved(1, "no hour of the file is witnessed")
    return head, hours


def _3_plan(head: Head, plan: Callable[[Head], PlannedUnit]) -> PlannedUnit:
    planned = plan(head)
    if planned.profile_hash != head.profile_hash:
        raise NotProved(3, "the register maps of the file do not give its profile hash")
    if planned.rules_hash != head.rules_hash:
        raise NotProved(3, "the settings of the file do not give its rules hash")
    if (planned.table.channel, planned.table.source) != (head.channel.hex(), head.source.hex()):
        raise NotProved(3, "the settings of the file are of another channel or another numbering")
    return planned


def _4_statement(frame: Hour, head: Head, genesis: bytes | None) -> statements.Hour:
    where = f"hour {time_text(frame.start_ms)}"
    try:
        proved = check(frame.evidence, channel=head.channel, genesis=genesis)
    except NotProved as refusal:
        raise NotProved(4, f"{where}: its evidence is refused at {refusal}") from refusal
    for record in proved.records:
        if record.record_id != frame.record_id or record.outcome != 0:
            continue
        stated = record.stated_hour
        if stated is None or (stated.unit, stated.start_ms) != (head.unit, frame.start_ms):
            break
        if record.source != head.source:
            raise NotProved(4, f"{where} was stated under another numbering")
        if head.clock_speed != 1 and stated.clock_state != SIMULATED:
            raise NotProved(
                4, f"{where}: the file names a clock of speed {head.clock_speed}, and the hour a real one"
            )
        if (stated.profile_hash, stated.rules_hash) != (head.profile_hash, head.rules_hash):
            raise NotProved(4, f"{where} was made with another profile or other rules than the file names")
        return stated
    raise NotProved(4, f"{where}: its evidence shows no accepted hour of unit {head.unit}")


def _5_leaves(hour: _Read, stated: statements.Hour) -> None:
    where, frontier = f"hour {time_text(stated.start_ms)}", Frontier()
    for leaf in hour.leaves:
        frontier.append(leaf)
    if not len(hour.leaves) == hour.frame.samples == stated.samples:
        raise NotProved(5, f"{where}: {len(hour.leaves)} samples are there, {stated.samples} were stated")
    if frontier.root() != stated.samples_root:
        raise NotProved(5, f"{where}: the samples do not give the root that was stated")
    for leaf in hour.leaves:
        match canonical.decode(leaf, limit=FRAME_BYTES_MAX):
            case [str(), int(at_ms), bytes()] if stated.start_ms <= at_ms < stated.start_ms + HOUR_MS:
                continue
            case _:
                raise NotProved(5, f"{where}: a sample is of another hour")


def _6_masses(
    head: Head, planned: PlannedUnit, hours: Sequence[_Read], stated: Sequence[statements.Hour]
) -> None:
    raw = [
        RawHour(said.start_ms, hour.leaves, said.clock_state, said.clock_offset_ms, said.recipe or ())
        for hour, said in zip(hours, stated, strict=True)
    ]
    try:
        made = make_again(planned, raw)
    except BadLeaf as error:
        raise NotProved(5, str(error)) from error
    for hour, said, again in zip(hours, stated, made, strict=True):
        where = f"hour {time_text(said.start_ms)} of unit {head.unit}"
        if hour.frame.witnessed:
            if not said.operating_percent:
                raise NotProved(
                    6, f"{where}: the unit did not run, so nothing that was measured is witnessed"
                )
            if again.hour is None:
                raise NotProved(6, f"{where}: the samples give no mass, and {said.nox_g} g were stated")
            if again.hour.nox_g != said.nox_g:
                raise NotProved(
                    6, f"{where}: the samples give {again.hour.nox_g} g, {said.nox_g} g were stated"
                )
        if again.sheet != hour.frame.sheet:
            raise NotProved(6, f"{where}: the sheet of the file is not what the samples give")


def _7_hand(
    hours: Sequence[_Read],
    stated: Sequence[statements.Hour],
    hand: Mapping[int, int] | None,
    tolerance_g: int,
) -> None:
    if hand is None:
        return
    wanted = {
        said.start_ms: said.nox_g for hour, said in zip(hours, stated, strict=True) if hour.frame.witnessed
    }
    strange = sorted(set(hand) - set(wanted))
    if strange:
        raise NotProved(
            7, f"hour {time_text(strange[0])} was worked out by hand and is not a witnessed hour of the file"
        )
    missing = sorted(set(wanted) - set(hand))
    if missing:
        raise NotProved(
            7, f"hour {time_text(missing[0])} and {len(missing) - 1} more were not worked out by hand"
        )
    for start_ms, nox_g in sorted(wanted.items()):
        allowed_g = min(tolerance_g, max(ROUNDING_G, nox_g // HAND_SHARE))
        if abs(hand[start_ms] - nox_g) > allowed_g:
            raise NotProved(
                7,
                f"hour {time_text(start_ms)}: {hand[start_ms]} g by hand, {nox_g} g stated; allowed are {allowed_g} g",
            )
