"""Rules for a profile that compare one entry with another; the numbers are those of `profile_build`.

Each takes `refuse(path, reason)`, which raises the error that names the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from doxedge.analysers.batches import BatchLimits, Span, plan_reads
from doxedge.analysers.profile import Constant, Group, IdentityCheck, MapCommand, Point, StatusBit


class Refuse(Protocol):
    """Raises the ConfigError for a place in the file."""

    def __call__(self, path: str, reason: str) -> NoReturn: ...


class Quantity(Protocol):
    """A value of any kind of map."""

    @property
    def quantity(self) -> str:
        """Its name."""
        ...

    @property
    def group(self) -> str:
        """The group it is polled with."""
        ...


def check_quantities_once(points: Sequence[Quantity], constants: Sequence[Constant], refuse: Refuse) -> None:
    """(5) Two entries with one name would overwrite each other in the sample."""
    for table, names in (
        ("points", [point.quantity for point in points]),
        ("constants", [constant.quantity for constant in constants]),
    ):
        for index, name in enumerate(names):
            first = names.index(name)
            if first < index:
                refuse(f"{table}[{index}].quantity", f"{name!r} is {table}[{first}] already")


def check_groups_filled(groups: Sequence[Group], points: Sequence[Quantity], refuse: Refuse) -> None:
    """(3) A group without a point would poll nothing but status bits that guard nothing."""
    for index, group in enumerate(groups):
        if not any(point.group == group.name for point in points):
            refuse(f"groups[{index}]", f"no point is in group {group.name!r}")


def check_overlaps(
    points: Sequence[Point], status: Sequence[StatusBit], bit_views: frozenset[int], refuse: Refuse
) -> None:
    """(5) `bit_views` are the indices of the points that say so."""
    for index, point in enumerate(points):
        for other in range(index):
            declared = index in bit_views or other in bit_views
            if not declared and point.span.touches(points[other].span):
                refuse(
                    f"points[{index}].address",
                    f"the registers of {point.quantity} overlap points[{other}] ({_where(points[other].span)})",
                )
        for other, whole in enumerate(points):
            if any(span.touches(whole.span) for span in point.spans[1:]):
                refuse(
                    f"points[{index}]", f"its quality or power of ten lies in the value of points[{other}]"
                )
    for index, bit in enumerate(status):
        for other in range(index):
            if (bit.span, bit.bit) == (status[other].span, status[other].bit):
                refuse(f"status[{index}].address", f"this bit is status[{other}] already")
        for other, point in enumerate(points):
            if other not in bit_views and bit.span.touches(point.span):
                refuse(f"status[{index}].address", f"this register is points[{other}], which is no bit_view")


def check_forbidden(
    limits: BatchLimits,
    entries: Mapping[str, Sequence[Point | StatusBit | IdentityCheck]],
    refuse: Refuse,
) -> None:
    """(6) `entries` by the name of their table."""
    for table, rows in entries.items():
        for index, row in enumerate(rows):
            for number, hole in enumerate(limits.forbidden):
                spans = row.spans if isinstance(row, Point) else (row.span,)
                if any(span.touches(hole) for span in spans):
                    refuse(
                        f"{table}[{index}].address",
                        f"lies in batching.forbidden_gaps[{number}] ({_where(hole)})",
                    )


def check_atomic(
    groups: Sequence[Group], points: Sequence[Point], limits: BatchLimits, refuse: Refuse
) -> None:
    """(8)"""
    for index, group in enumerate(groups):
        mine = [point for point in points if point.group == group.name]
        planned = plan_reads((span for point in mine for span in point.spans), unit_id=1, limits=limits)
        # What is read for a quality alone may come apart, as status does.
        values = [span for point in mine for span in (point.span, point.power) if span is not None]
        reads = [
            read
            for read in planned
            if any(Span(read.function, read.address, read.count).touches(span) for span in values)
        ]
        if group.atomic and len(reads) > 1:
            there = ", ".join(f"{read.address} to {read.address + read.count - 1}" for read in reads)
            refuse(
                f"groups[{index}].atomic",
                f"{group.name!r} needs {len(reads)} reads (registers {there}), so its values are of different "
                "instants: raise batching.max_gap, split the group, or say atomic = false",
            )


def _where(span: Span) -> str:
    return f"function {int(span.function)}, wire addresses {span.first} to {span.last}"


def check_commands(commands: Sequence[MapCommand], refuse: Refuse) -> None:
    """All three or none: an instrument that can be put on gas and not back would stay on it."""
    names = [command.name for command in commands]
    if names and sorted(names) != ["measure", "span", "zero"]:
        refuse("commands", f"zero, span and measure, each once; here are {', '.join(names)}")
