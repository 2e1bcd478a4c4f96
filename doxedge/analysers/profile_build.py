"""From the text of a profile file to a `Profile`: `parse_profile` is the only way.

Every refusal names the file, the table path and, where two entries collide, the path of the other one.

  (1) the kind of profile and the tables that go with it
  (2) settings: each one filled in, within its bounds, and used
  (3) groups: names once, each with something in it
  (4) registers: a type that the function can carry, an order where there is more than one register, inside the map;
      with them the registers that a value's quality and its power of ten lie in
  (5) no register has two meanings, unless a point is declared a bit view
  (6) nothing lies in a forbidden gap
  (7) ranges: low below high, the soft range inside the hard one
  (8) an atomic group fits one read
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.analysers.batches import BatchLimits, Span
from doxedge.analysers.map_frame import MapFrame, has_ending, transport_of
from doxedge.analysers.profile import (
    Coil,
    Constant,
    IdentityCheck,
    MapCommand,
    Order,
    Point,
    Profile,
    QualityRegister,
    RawType,
    Search,
    StatusBit,
)
from doxedge.analysers.profile_checks import (
    check_atomic,
    check_commands,
    check_forbidden,
    check_groups_filled,
    check_overlaps,
    check_quantities_once,
)
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.profile_file import (
    CommandTable,
    ConstantTable,
    IdentityCheckTable,
    PointTable,
    ProfileFile,
    QualityTable,
    StatusTable,
    checked_file,
    read_tables,
)
from doxedge.analysers.profile_numbers import site_numbers
from doxedge.analysers.profile_points import limits_of, line_of, quality_of
from doxedge.analysers.question import LAST_ADDRESS, Function

FUNCTIONS: Final = {
    "coil": Function.COILS,
    "discrete": Function.DISCRETE_INPUTS,
    "holding": Function.HOLDING_REGISTERS,
    "input": Function.INPUT_REGISTERS,
}


def parse_profile(text: str, *, source: str, settings: Mapping[str, SettingValue] | None = None) -> Profile:
    """The profile in a TOML text, with the site's settings filled in. ConfigError names `source`, table and key."""
    given = dict(settings or {})
    tables = read_tables(text, source=source)
    file, words = checked_file(ProfileFile, tables, source=source, settings=given)
    return build_profile(file, source=source, settings=given, words=words)


def build_profile(
    file: ProfileFile, *, source: str, settings: Mapping[str, SettingValue], words: Mapping[str, str]
) -> Profile:
    """The checked profile. ConfigError at the first rule broken."""
    frame = MapFrame(file, source, site_numbers(file, settings, source=source))
    build = _Build(file, frame)
    build.check_kind()
    groups = frame.groups()
    points = tuple(build.point(index, table) for index, table in enumerate(file.points))
    constants = tuple(build.constant(index, table) for index, table in enumerate(file.constants))
    status = tuple(build.status(index, table) for index, table in enumerate(file.status))
    checks = tuple(build.identity_check(index, table) for index, table in enumerate(file.identity_check))
    commands = tuple(build.command(index, table) for index, table in enumerate(file.commands))
    frame.check_settings_used()
    check_commands(commands, frame.refuse)
    limits = build.batch_limits()
    check_quantities_once(points, constants, frame.refuse)
    check_groups_filled(groups, points, frame.refuse)
    bit_views = frozenset(index for index, table in enumerate(file.points) if table.bit_view)
    check_overlaps(points, status, bit_views, frame.refuse)
    check_forbidden(limits, {"points": points, "status": status, "identity_check": checks}, frame.refuse)
    check_atomic(groups, points, limits, frame.refuse)
    return Profile(
        source=source,
        identity=frame.identity(),
        transport=None if file.transport is None else transport_of(file.transport),
        batching=limits,
        settling_ms=file.settling_minutes * 60_000,
        settings=tuple(sorted([*frame.settings.items(), *words.items()])),
        groups=groups,
        points=points,
        constants=constants,
        status=status,
        identity_check=checks,
        search=build.search(),
        commands=commands,
    )


@dataclass(slots=True)
class _Build:
    """One file on its way to a profile."""

    file: ProfileFile
    frame: MapFrame

    def check_kind(self) -> None:
        """(1)"""
        file = self.file
        if file.kind == "constant":
            if file.transport or file.points or file.status or file.identity_check or file.groups:
                self.frame.refuse(
                    "kind", "a constant has no instrument: only [identity], [settings] and [[constants]]"
                )
            if not file.constants:
                self.frame.refuse("constants", "a constant profile states at least one constant")
            return
        if file.transport is None:
            self.frame.refuse("transport", "this table is missing")
        if not file.points:
            self.frame.refuse("points", "an instrument has at least one point")
        if file.constants:
            self.frame.refuse(
                "constants", 'constants belong in a profile of kind = "constant", so that they are seen'
            )

    def point(self, index: int, table: PointTable) -> Point:
        """(4), (7)"""
        path = f"points[{index}]"
        self.frame.known_group(f"{path}.group", table.group)
        function, span = self._registers(path, table.function, table.address, table.type)
        if function in (Function.COILS, Function.DISCRETE_INPUTS):
            self.frame.refuse(
                f"{path}.function",
                f"{table.function!r} carries bits, not a {table.type}; bits are [[status]]",
            )
        convert = self.frame.conversion(path, table.quantity, table.unit)
        if table.linear and (table.scale is not None or table.offset is not None):
            self.frame.refuse(
                f"{path}.linear", "a line through two points takes the place of scale and offset"
            )
        if table.scale is not None and table.scale == 0:
            self.frame.refuse(f"{path}.scale", "a scale of 0 would turn every reading into the offset")
        return Point(
            quantity=table.quantity,
            group=table.group,
            span=span,
            type=table.type,
            order=self._order(path, table.order, table.type),
            scale=Decimal(1) if table.scale is None else table.scale,
            offset=Decimal(0) if table.offset is None else table.offset,
            linear=None
            if table.linear is None
            else line_of(f"{path}.linear", table.linear, number=self.frame.number, refuse=self.frame.refuse),
            conversion=convert,
            sentinels=tuple(table.sentinels),
            limits=limits_of(path, table, refuse=self.frame.refuse),
            quality=tuple(
                self._quality(f"{path}.quality[{number}]", table, wanted)
                for number, wanted in enumerate(table.quality)
            ),
            power=self._power(f"{path}.scale_power", table, function),
            o2_corrected=table.o2_corrected,
        )

    def command(self, index: int, table: CommandTable) -> MapCommand:
        """(4)"""
        path = f"commands[{index}].coils"
        if self.file.transport is None or self.file.search is not None:
            self.frame.refuse(path, "commands are for an instrument whose registers have a fixed place")
        coils = tuple(
            Coil(self._wire_address(f"{path}[{step}].address", coil.address), coil.on)
            for step, coil in enumerate(table.coils)
        )
        return MapCommand(table.name, coils, (), table.about)

    def search(self) -> Search | None:
        """(1) A block that is looked for is counted from its own first register."""
        table = self.file.search
        if table is None:
            return None
        if self.file.transport is not None and self.file.transport.address_base != 0:
            self.frame.refuse(
                "transport.address_base", "addresses within a block that is searched count from 0"
            )
        if len(set(table.bases)) < len(table.bases):
            self.frame.refuse("search.bases", "one place is named twice")
        return Search(table.model, table.length, tuple(table.bases))

    def constant(self, index: int, table: ConstantTable) -> Constant:
        """A stated value; its name must end in a unit like any other."""
        path = f"constants[{index}]"
        if not has_ending(table.quantity):
            self.frame.refuse(
                f"{path}.quantity", "the name of a quantity ends in its unit, as in `moisture_percent`"
            )
        return Constant(table.quantity, self.frame.number(f"{path}.value", table.value))

    def status(self, index: int, table: StatusTable) -> StatusBit:
        """(3), (4)"""
        path = f"status[{index}]"
        severity = self.frame.severity(path, table)
        function, span = self._registers(path, table.function, table.address, RawType.U16)
        of_bits = function in (Function.COILS, Function.DISCRETE_INPUTS)
        if of_bits and table.bit is not None:
            self.frame.refuse(
                f"{path}.bit", f"a {table.function} has its own address; `bit` is for registers"
            )
        if not of_bits and table.bit is None:
            self.frame.refuse(f"{path}.bit", "which bit of the register (0 = least significant)?")
        return StatusBit(
            flag=table.flag,
            severity=severity,
            span=span,
            bit=table.bit,
            active_when=bool(table.active_when),
            groups=self.frame.guarded(path, table),
            about=table.about,
        )

    def identity_check(self, index: int, table: IdentityCheckTable) -> IdentityCheck:
        """(4), (7)"""
        path = f"identity_check[{index}]"
        function, span = self._registers(path, table.function, table.address, table.type)
        if function in (Function.COILS, Function.DISCRETE_INPUTS):
            self.frame.refuse(
                f"{path}.function", f"{table.function!r} carries bits; an identity lies in registers"
            )
        low = table.equals if table.equals is not None else table.low
        high = table.equals if table.equals is not None else table.high
        if (
            low is None
            or high is None
            or (table.equals is not None and (table.low, table.high) != (None, None))
        ):
            self.frame.refuse(path, "either `equals`, or `low` and `high`")
        if low > high:
            self.frame.refuse(f"{path}.low", f"{low} is above high = {high}")
        return IdentityCheck(
            span, table.type, self._order(path, table.order, table.type), low, high, table.about
        )

    def batch_limits(self) -> BatchLimits:
        """The limits in wire addresses. (7) for the gaps."""
        table = self.file.batching
        holes: list[Span] = []
        for index, hole in enumerate(table.forbidden_gaps):
            path = f"batching.forbidden_gaps[{index}]"
            if hole.last < hole.first:
                self.frame.refuse(path, f"last = {hole.last} lies before first = {hole.first}")
            first = self._wire_address(f"{path}.first", hole.first)
            self._wire_address(f"{path}.last", hole.last)
            holes.append(Span(FUNCTIONS[hole.function], first, hole.last - hole.first + 1))
        return BatchLimits(table.max_gap, table.max_registers, table.max_bits, tuple(holes))

    def _quality(self, path: str, table: PointTable, wanted: QualityTable) -> QualityRegister:
        _, span = self._registers(path, wanted.function or table.function, wanted.address, wanted.type)
        return quality_of(path, wanted, span, number=self.frame.number, refuse=self.frame.refuse)

    def _power(self, path: str, table: PointTable, function: Function) -> Span | None:
        """(4)"""
        if table.scale_power is None:
            return None
        if table.linear is not None or table.type in (RawType.F32, RawType.F64):
            self.frame.refuse(
                path, "a power of ten scales whole numbers, not floats and not lines through two points"
            )
        return Span(function, self._wire_address(path, table.scale_power), 1)

    def _registers(self, path: str, function: str, address: int, raw_type: RawType) -> tuple[Function, Span]:
        number = FUNCTIONS[function]
        first = self._wire_address(f"{path}.address", address)
        count = 1 if number in (Function.COILS, Function.DISCRETE_INPUTS) else raw_type.registers
        if first + count - 1 > LAST_ADDRESS:
            self.frame.refuse(
                f"{path}.address", f"a {raw_type} at {address} leaves the map, which ends at {LAST_ADDRESS}"
            )
        return number, Span(number, first, count)

    def _wire_address(self, path: str, address: int) -> int:
        base = self.file.transport.address_base if self.file.transport else 0
        if not 0 <= address - base <= LAST_ADDRESS:
            self.frame.refuse(
                path, f"{address} is not within {base} to {LAST_ADDRESS + base} (address_base = {base})"
            )
        return address - base

    def _order(self, path: str, order: Order | None, raw_type: RawType) -> Order:
        if raw_type.registers > 1 and order is None:
            self.frame.refuse(
                f"{path}.order",
                f"a {raw_type} fills {raw_type.registers} registers: ABCD, CDAB, BADC or DCBA?",
            )
        if raw_type.registers == 1 and order not in (None, Order.ABCD, Order.BADC):
            self.frame.refuse(f"{path}.order", f"one register has no order of words; {order} makes no sense")
        return order or Order.ABCD
