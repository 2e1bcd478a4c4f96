"""Which instruments share a line, and the lines made from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from doxedge.fieldbus.clock import Clock
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.line import DeviceState, Line, Poll, busy_percent, check_load
from doxedge.gateway.endpoints import Address, make_endpoint
from doxedge.gateway.instruments import Instrument, tenant
from doxedge.gateway.plant import PlannedUnit
from doxedge.measurement.sample import Sample


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """One endpoint with its instruments, whichever units they belong to; or all constants, which have none."""

    address: Address
    instruments: tuple[Instrument, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return self.address.name if self.address.framing else "constants"

    @property
    def polls(self) -> list[Poll]:
        """Of all its instruments."""
        return [poll for instrument in self.instruments for poll in instrument.polls]

    def is_same(self, other: PlannedLine) -> bool:
        """Whether a line that runs by one of the two may as well run on by the other."""
        return self.address == other.address and _are_same(self.instruments, other.instruments)

    def endpoint(self) -> Endpoint | None:
        """What carries its questions; nothing is opened. ConfigError when a time-out cannot be met."""
        return make_endpoint(self.address, [one for i in self.instruments if (one := tenant(i))])


def plan_lines(units: Iterable[PlannedUnit]) -> tuple[PlannedLine, ...]:
    """One line for each endpoint, and one more for constants."""
    by_address: dict[Address, list[Instrument]] = {}
    for unit in units:
        for instrument in unit.instruments:
            by_address.setdefault(instrument.address, []).append(instrument)
    return tuple(PlannedLine(address, tuple(together)) for address, together in by_address.items())


def require_time(lines: Iterable[PlannedLine], *, clock: Clock) -> None:
    """ConfigError for a line on which an answer, or all of them, would take longer than there is time."""
    for line in lines:
        endpoint = line.endpoint()
        if endpoint and clock.speed == 1:
            check_load(line.name, line.polls, timeout_ms=endpoint.timeout_ms)


@dataclass(frozen=True, slots=True)
class LineTime:
    """What a line has to do at worst, with every device alive and as slow as it may be."""

    line: str
    exchange_ms: int
    """One question with its answer: guard gap, time-out, the wait for excess bytes."""
    busy_percent: float
    visit_ms: int
    """The longest visit: so long may a poll that is due have to wait for its turn."""

    @property
    def words(self) -> str:
        """For `doxedge gateway check`."""
        return (
            f"line {self.line}: busy {self.busy_percent:.0f} % of its time at worst, {self.exchange_ms} ms a question; "
            f"the longest visit takes {self.visit_ms} ms"
        )


def line_times(lines: Iterable[PlannedLine]) -> list[LineTime]:
    """Of every line on which somebody is asked. Raises ConfigError as `require_time` does."""
    times = []
    for line in lines:
        endpoint, polls = line.endpoint(), line.polls
        if endpoint is not None and polls:
            exchange_ms = endpoint.timeout_ms
            longest_ms = max(poll.worst_ms(exchange_ms) for poll in polls)
            busy = busy_percent(polls, timeout_ms=exchange_ms)
            times.append(LineTime(line.name, exchange_ms, busy, longest_ms))
    return times


def one_device_twice(lines: Iterable[PlannedLine]) -> list[str]:
    """In words, instruments that ask one device by its number: most leave the factory as 1."""
    said = []
    for line in lines:
        asking: dict[int, set[str]] = {}
        for one in line.instruments:
            requests = [r for poll in one.polls for r in poll.driver.requests(poll.group)]
            for unit_id in {request.unit_id for request in requests}:
                asking.setdefault(unit_id, set()).add(one.device)
        said += [
            f"line {line.name}: {' and '.join(sorted(devices))} ask unit {unit_id}: right only where that is one device"
            for unit_id, devices in sorted(asking.items())
            if len(devices) > 1
        ]
    return said


def make_line(
    planned: PlannedLine,
    *,
    clock: Clock,
    chance: Callable[[], float],
    on_sample: Callable[[Sample], None],
    on_state: Callable[[DeviceState], None],
) -> Line:
    """The line, not running yet."""
    return Line(
        planned.name,
        planned.endpoint(),
        planned.polls,
        clock=clock,
        chance=chance,
        on_sample=on_sample,
        on_state=on_state,
    )


def make_lines(
    units: Iterable[PlannedUnit],
    *,
    clock: Clock,
    chance: Callable[[], float],
    on_sample: Callable[[Sample], None],
    on_state: Callable[[DeviceState], None],
) -> list[Line]:
    """All lines of these units. Raises ConfigError as `require_time` does."""
    lines = plan_lines(units)
    require_time(lines, clock=clock)
    return [
        make_line(line, clock=clock, chance=chance, on_sample=on_sample, on_state=on_state) for line in lines
    ]


def _are_same(ours: tuple[Instrument, ...], theirs: tuple[Instrument, ...]) -> bool:
    return len(ours) == len(theirs) and all(a.is_same(b) for a, b in zip(ours, theirs, strict=True))
