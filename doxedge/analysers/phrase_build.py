"""From the tables of a phrase file to a `PhraseProfile`. Every refusal names the file, the table path and the key.

(1) the dialect can say every question, and a value or a word of bits can lie at every place
(2) settings: each one filled in, within its bounds, and used
(3) groups: names once, each with something in it
(4) a status is one of `bit`, `equals` and `says`
(5) no quantity, no place and no status has two meanings
(7) ranges: low below high, the soft range inside the hard one
(8) the values of an atomic group come in one answer
(9) where there are nitrogen oxides, zero gas and span gas are seen: they must not become an emission. Where nobody
    knows how, `unseen_test_gas` has the site confirm that it keeps them out, and every value is uncertain
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.analysers.dialects import codec, orders, port
from doxedge.analysers.map_frame import MapFrame, transport_of
from doxedge.analysers.phrase_file import (
    OrdersTable,
    PhraseFile,
    PhraseIdentityTable,
    PhrasePointTable,
    PhraseStatusTable,
    WholeSettable,
)
from doxedge.analysers.phrase_map import PhraseIdentity, PhrasePoint, PhraseProfile, PhraseStatus
from doxedge.analysers.profile import Group, MapCommand, Severity
from doxedge.analysers.profile_checks import (
    Refuse,
    check_commands,
    check_groups_filled,
    check_quantities_once,
)
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.profile_numbers import site_numbers
from doxedge.analysers.profile_points import limits_of
from doxedge.analysers.question import Order, Phrase

_PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*)(?::([1-9]))?\}")
_BIT_MAX: Final = 63
_NATURAL_MAX: Final = 999_999_999
"""No channel, parameter or bit has more digits."""
_NITROGEN_OXIDES: Final = frozenset({"no_ppb", "no2_ppb", "nox_ppb"})
_TEST_GASES: Final = ("zero", "span")
_NEVER_SAID: Final = " "
"""No word of an answer has a blank in it."""


def build_phrases(
    file: PhraseFile, *, source: str, settings: Mapping[str, SettingValue], words: Mapping[str, str]
) -> PhraseProfile:
    """The checked map. ConfigError at the first rule broken."""
    frame = MapFrame(file, source, site_numbers(file, settings, source=source))
    build = _Build(file, frame, codec.codec_of(file.transport.dialect))
    groups = frame.groups()
    points = tuple(build.point(index, table) for index, table in enumerate(file.points))
    status = tuple(build.status(index, table) for index, table in enumerate(file.status))
    checks = tuple(build.identity_check(index, table) for index, table in enumerate(file.identity_check))
    commands = tuple(build.command(index, table) for index, table in enumerate(file.commands))
    frame.check_settings_used()
    check_commands(commands, frame.refuse)
    check_quantities_once(points, (), frame.refuse)
    check_groups_filled(groups, points, frame.refuse)
    _check_places_once(points, status, frame.refuse)
    _check_atomic(groups, points, frame.refuse)
    if file.unseen_test_gas is None:
        _check_guarded(points, status, frame.refuse)
    else:
        status = (*status, *_never_sure(points, status, frame.refuse))
    return PhraseProfile(
        source=source,
        identity=frame.identity(),
        transport=transport_of(
            file.transport, dialect=file.transport.dialect, network=file.transport.network
        ),
        settling_ms=file.settling_minutes * 60_000,
        settings=tuple(sorted([*frame.settings.items(), *words.items()])),
        groups=groups,
        points=points,
        status=status,
        identity_check=checks,
        commands=commands,
    )


@dataclass(slots=True)
class _Build:
    """One file on its way to a map."""

    file: PhraseFile
    frame: MapFrame
    codec: port.Codec

    def point(self, index: int, table: PhrasePointTable) -> PhrasePoint:
        """(1), (7)"""
        path = f"points[{index}]"
        self.frame.known_group(f"{path}.group", table.group)
        self.frame.conversion(path, table.quantity, table.unit)
        if table.scale is not None and table.scale == 0:
            self.frame.refuse(f"{path}.scale", "a scale of 0 would turn every reading into 0")
        place = self._filled(f"{path}.place", table.place)
        if not self.codec.is_place(place):
            self.frame.refuse(f"{path}.place", f"no value lies at {place!r}; places are {self.codec.places}")
        return PhrasePoint(
            quantity=table.quantity,
            group=table.group,
            ask=self._question(f"{path}.ask", table.ask),
            place=place,
            unit=table.unit,
            scale=Decimal(1) if table.scale is None else table.scale,
            sentinels=tuple(table.sentinels),
            limits=limits_of(path, table, refuse=self.frame.refuse),
            o2_corrected=table.o2_corrected,
        )

    def status(self, index: int, table: PhraseStatusTable) -> PhraseStatus:
        """(1), (3), (4)"""
        path = f"status[{index}]"
        severity = self.frame.severity(path, table)
        if [table.bit, table.equals, table.says].count(None) != 2:
            self.frame.refuse(path, "either `bit`, or `equals`, or `says`")
        return PhraseStatus(
            flag=table.flag,
            severity=severity,
            ask=self._question(f"{path}.ask", table.ask),
            place=self._word_place(path, table),
            bit=None if table.bit is None else self._whole(f"{path}.bit", table.bit, most=_BIT_MAX),
            equals=tuple(
                self._whole(f"{path}.equals[{number}]", value)
                for number, value in enumerate(table.equals or ())
            ),
            says=tuple(table.says or ()),
            active_when=bool(table.active_when),
            groups=self.frame.guarded(path, table),
            about=table.about,
        )

    def identity_check(self, index: int, table: PhraseIdentityTable) -> PhraseIdentity:
        """(1)"""
        ask = self._question(f"identity_check[{index}].ask", table.ask)
        return PhraseIdentity(ask, table.contains, table.about)

    def command(self, index: int, table: OrdersTable) -> MapCommand:
        """(1)"""
        told = []
        for step, text in enumerate(table.orders):
            path = f"commands[{index}].orders[{step}]"
            order = self._filled(path, text)
            transport = self.file.transport
            try:
                orders.encode(Order(transport.unit_id, transport.dialect, order))
            except ValueError as error:
                self.frame.refuse(path, str(error))
            told.append(order)
        return MapCommand(table.name, (), tuple(told), table.about)

    def _word_place(self, path: str, table: PhraseStatusTable) -> str:
        if table.says is not None:
            if table.place is not None:
                self.frame.refuse(f"{path}.place", "`says` looks at the whole answer")
            return ""
        if table.place is None:
            self.frame.refuse(f"{path}.place", f"where in the answer? Places are {self.codec.places}")
        place = self._filled(f"{path}.place", table.place)
        if not self.codec.is_bits(place):
            self.frame.refuse(
                f"{path}.place", f"no word of bits lies at {place!r}; places are {self.codec.places}"
            )
        return place

    def _question(self, path: str, text: str) -> str:
        """(1) The dialect can say it, to the instrument's number that the map has."""
        transport = self.file.transport
        ask = self._filled(path, text)
        try:
            codec.encode(Phrase(transport.unit_id, transport.dialect, ask))
        except ValueError as error:
            self.frame.refuse(path, str(error))
        return ask

    def _filled(self, path: str, text: str) -> str:
        """(2) The text with the site's numbers in it."""

        def number(found: re.Match[str]) -> str:
            value = self.frame.site_number(path, found[1])
            digits = str(self._natural(path, found[1], value))
            if found[2] and len(digits) > int(found[2]):
                self.frame.refuse(path, f"{found[1]} = {digits} has more than {found[2]} digits")
            return digits.zfill(int(found[2] or 1))

        filled = _PLACEHOLDER.sub(number, text)
        if "{" in filled or "}" in filled:
            self.frame.refuse(path, f"{text!r}: a number of the site's is {{name}} or {{name:3}}")
        return filled

    def _whole(self, path: str, value: WholeSettable, *, most: int | None = None) -> int:
        if not isinstance(value, int):
            value = self._natural(path, value.setting, self.frame.site_number(path, value.setting))
        if value < 0 or (most is not None and value > most):
            bound = "or more" if most is None else f"to {most}"
            self.frame.refuse(path, f"{value} is not a whole number of 0 {bound}")
        return value

    def _natural(self, path: str, name: str, value: Decimal) -> int:
        # The bound comes first: to make a whole number of 1e999999 takes for ever.
        if not 0 <= value <= _NATURAL_MAX or value != int(value):
            self.frame.refuse(path, f"{name} = {value} is no whole number of 0 to {_NATURAL_MAX}")
        return int(value)


def _check_places_once(points: Sequence[PhrasePoint], status: Sequence[PhraseStatus], refuse: Refuse) -> None:
    """(5)"""
    for index, point in enumerate(points):
        for other in range(index):
            if (point.ask, point.place) == (points[other].ask, points[other].place):
                refuse(f"points[{index}].place", f"this value is points[{other}] already")
    for index, one in enumerate(status):
        for other in range(index):
            if _looked_for(one) == _looked_for(status[other]):
                refuse(f"status[{index}]", f"this is status[{other}] already")


def _looked_for(one: PhraseStatus) -> tuple[object, ...]:
    return one.ask, one.place, one.bit, one.equals, one.says, one.active_when


def _check_atomic(groups: Sequence[Group], points: Sequence[PhrasePoint], refuse: Refuse) -> None:
    """(8)"""
    for index, group in enumerate(groups):
        asks = dict.fromkeys(point.ask for point in points if point.group == group.name)
        if group.atomic and len(asks) > 1:
            refuse(
                f"groups[{index}].atomic",
                f"{group.name!r} needs {len(asks)} questions ({', '.join(asks)}), so its values are of different "
                "instants: split the group, or say atomic = false",
            )


def _check_guarded(points: Sequence[PhrasePoint], status: Sequence[PhraseStatus], refuse: Refuse) -> None:
    """(9)"""
    for index, point in enumerate(points):
        if point.quantity not in _NITROGEN_OXIDES:
            continue
        guards = {
            one.flag for one in status if point.group in one.groups and one.severity is not Severity.NOTED
        }
        for gas in _TEST_GASES:
            if gas not in guards:
                refuse(
                    f"points[{index}].group",
                    f"no status tells `{gas}` for {point.group!r}: {gas} gas would become an emission",
                )


def _never_sure(
    points: Sequence[PhrasePoint], status: Sequence[PhraseStatus], refuse: Refuse
) -> list[PhraseStatus]:
    """(9) A warning that is always on, for each group whose nitrogen oxides may be those of a bottle."""
    if {*_TEST_GASES} <= {one.flag for one in status}:
        refuse("unseen_test_gas", "this map tells both test gases: leave the table out")
    asks = {point.group: point.ask for point in reversed(points) if point.quantity in _NITROGEN_OXIDES}
    if not asks:
        refuse("unseen_test_gas", "this map has no nitrogen oxides: leave the table out")
    return [
        PhraseStatus(
            flag="warning",
            severity=Severity.NOTED,
            ask=ask,
            place="",
            bit=None,
            equals=(),
            says=(_NEVER_SAID,),
            active_when=False,
            groups=(group,),
            about="test gas cannot be told from stack gas",
        )
        for group, ask in asks.items()
    ]
