"""Register maps: what is accepted, and every refusal with its file, table and key."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.configuration import ConfigError, table_path
from doxedge.analysers.profile import Order, RawType, Severity, Verified
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.profile_file import MAX_TEXT_CHARACTERS
from doxedge.analysers.question import Function
from tests.analysers.profiles import BASE, added, changed


def test_a_map_is_read_with_all_it_says() -> None:
    profile = parse_profile(BASE, source="m.toml")
    assert profile.identity.verified is Verified.DOCUMENT
    assert profile.settling_ms == 180_000
    no, o2 = profile.points
    assert (no.quantity, no.type, no.order, no.span.first, no.span.count) == (
        "no_ppb",
        RawType.F32,
        Order.ABCD,
        10,
        2,
    )
    assert no.sentinels == (Decimal(9_999), Decimal(-1))
    assert (no.limits.hard_low, no.limits.soft_high) == (Decimal(-1_000), Decimal(50_000))
    assert (o2.scale, o2.offset) == (Decimal("0.01"), Decimal("-0.5"))
    span, invalid = profile.status
    assert (span.severity, invalid.severity, invalid.bit) == (Severity.EXCLUDED, Severity.BAD, 2)
    assert span.groups == ("gas",)
    assert profile.batching.forbidden[0].last == 69
    assert profile.limits()["no_ppb"] == no.limits


def test_a_base_of_one_is_taken_off_once() -> None:
    profile = parse_profile(changed("address_base = 0", "address_base = 1"), source="m.toml")
    assert [p.span.first for p in profile.points] == [9, 15]
    assert [s.span.first for s in profile.status] == [2, 4]
    assert profile.batching.forbidden[0].first == 59


POINT = """
[[points]]
quantity = "no2_ppb"
group = "gas"
function = "input"
address = {address}
type = "{type}"
order = "ABCD"
unit = "ppb"
"""
OVERLAPPING = POINT.format(address=11, type="f32")
SECOND_GROUP = '[[groups]]\nname = "gas"\nperiod_ms = 1000\natomic = false'

REFUSALS: dict[str, tuple[str, str, str]] = {
    # name: (text, table path, reason)
    "not TOML": ("profile = ", "", "not TOML"),
    "nothing": ("", "profile", "missing"),
    "another schema": (changed("profile = 1", "profile = 2"), "profile", "1"),
    "unknown key": (
        changed('model = "Model 1"', 'model = "Model 1"\ncolour = "red"'),
        "identity.colour",
        "unknown key",
    ),
    "unknown table": (added("[simulator]\nspeed = 1"), "simulator", "unknown key"),
    "misspelt key of a point": (changed("scale = 0.01", "scal = 0.01"), "points[1].scal", "unknown key"),
    "missing key": (changed('unit = "ppm"\n', ""), "points[0].unit", "missing"),
    "text for a number": (changed("address = 10", 'address = "10"'), "points[0].address", "integer"),
    "true for a number": (changed("scale = 0.01", "scale = true"), "points[1].scale", "number"),
    "nan for a number": (changed("scale = 0.01", "scale = nan"), "points[1].scale", "finite"),
    "scale of zero": (changed("scale = 0.01", "scale = 0"), "points[1].scale", "every reading"),
    "unknown type": (changed('type = "f32"', 'type = "f16"'), "points[0].type", "f16"),
    "unknown order": (changed('"ABCD"', '"ACBD"'), "points[0].order", "ACBD"),
    "float without order": (changed('order = "ABCD"\n', ""), "points[0].order", "fills 2 registers"),
    "word order in one register": (
        changed('type = "i16"', 'type = "i16"\norder = "CDAB"'),
        "points[1].order",
        "one register has no order",
    ),
    "unit of another kind": (changed('unit = "ppm"', 'unit = "bar"'), "points[0].unit", "does not convert"),
    "name without a unit": (changed("no_ppb", "no_mg"), "points[0].quantity", "does not end in a unit"),
    "value in a coil": (
        changed('function = "input"\naddress', 'function = "coil"\naddress'),
        "points[0].function",
        "carries bits",
    ),
    "unknown function": (
        changed('function = "input"\naddress', 'function = "fifo"\naddress'),
        "points[0].function",
        "fifo",
    ),
    "float over the end of the map": (
        changed("address = 10", "address = 65535"),
        "points[0].address",
        "leaves the map",
    ),
    "address beyond the map": (changed("address = 10", "address = 65536"), "points[0].address", "65536"),
    "negative address": (changed("address = 10", "address = -1"), "points[0].address", "-1"),
    "address 0 in a map that counts from one": (
        changed("address_base = 0", "address_base = 1").replace("address = 10", "address = 0"),
        "points[0].address",
        "not within 1",
    ),
    "base of two": (changed("address_base = 0", "address_base = 2"), "transport.address_base", "2"),
    "no base": (changed("address_base = 0\n", ""), "transport.address_base", "missing"),
    "no transport": (
        BASE.replace('[transport]\nkind = "modbus-tcp"\naddress_base = 0\n', ""),
        "transport",
        "missing",
    ),
    "no points": (BASE[: BASE.index("[[points]]")], "points", "at least one"),
    "unknown group": (
        changed('group = "gas"', 'group = "gaz"'),
        "points[0].group",
        "there is no group 'gaz'",
    ),
    "group twice": (added(SECOND_GROUP), "groups[1].name", "there already"),
    "group of nothing": (added(SECOND_GROUP.replace('"gas"', '"dust"')), "groups[1]", "no point"),
    "quantity twice": (
        added(POINT.format(address=12, type="f32").replace("no2_ppb", "no_ppb")),
        "points[2].quantity",
        "points[0] already",
    ),
    "overlapping registers": (added(OVERLAPPING), "points[2].address", "overlap points[0]"),
    "point in a forbidden gap": (
        changed("address = 16", "address = 65"),
        "points[1].address",
        "forbidden_gaps[0]",
    ),
    "float that a forbidden gap splits": (
        changed("address = 10", "address = 59"),
        "points[0].address",
        "forbidden_gaps[0]",
    ),
    "gap that ends before it starts": (
        changed("first = 60, last = 69", "first = 60, last = 59"),
        "batching.forbidden_gaps[0]",
        "before",
    ),
    "atomic group in two reads": (changed("max_gap = 4", "max_gap = 3"), "groups[0].atomic", "needs 2 reads"),
    "hard range upside down": (changed("[-1000, 100_000]", "[10, 10]"), "points[0].hard_range", "not below"),
    "soft range outside the hard one": (
        changed("[0, 50_000]", "[0, 500_000]"),
        "points[0].soft_range",
        "inside",
    ),
    "range of three": (changed("[0, 50_000]", "[0, 1, 2]"), "points[0].soft_range", "2 items"),
    "period of nothing": (changed("period_ms = 1000", "period_ms = 0"), "groups[0].period_ms", "0"),
    "unknown flag": (changed('flag = "span"', 'flag = "spam"'), "status[0].flag", "no canonical flag"),
    "span that would count as emission": (
        changed('flag = "span"', 'flag = "span"\nseverity = "noted"'),
        "status[0].severity",
        "must not enter an average",
    ),
    "invalid that is only excluded": (
        changed('flag = "invalid"', 'flag = "invalid"\nseverity = "excluded"'),
        "status[1].severity",
        "at least 'bad'",
    ),
    "bit of a bit": (changed("address = 3", "address = 3\nbit = 1"), "status[0].bit", "own address"),
    "register without a bit": (changed("bit = 2\n", ""), "status[1].bit", "which bit"),
    "bit beyond the register": (changed("bit = 2", "bit = 16"), "status[1].bit", "16"),
    "status bit twice": (
        added('[[status]]\nflag = "fault"\nfunction = "discrete"\naddress = 3\nabout = "again"'),
        "status[2].address",
        "status[0] already",
    ),
    "status bit in the register of a point": (
        changed('function = "holding"\naddress = 5', 'function = "input"\naddress = 11'),
        "status[1].address",
        "no bit_view",
    ),
    "status for an unknown group": (
        changed('about = "span gas flows"', 'about = "x"\ngroups = ["dust"]'),
        "status[0].groups",
        "there is no group",
    ),
    "line and scale": (
        changed("scale = 0.01", "scale = 1\nlinear = { raw_low = 0, raw_high = 1, low = 0, high = 1 }"),
        "points[1].linear",
        "takes the place",
    ),
    "line through one point": (
        changed("scale = 0.01\noffset = -0.5", "linear = { raw_low = 1, raw_high = 1, low = 0, high = 1 }"),
        "points[1].linear.raw_high",
        "two different",
    ),
    "flat line": (
        changed("scale = 0.01\noffset = -0.5", "linear = { raw_low = 0, raw_high = 1, low = 1, high = 1 }"),
        "points[1].linear.high",
        "flat",
    ),
    "loop limits out of order": (
        changed(
            "scale = 0.01\noffset = -0.5",
            "linear = { raw_low = 0, raw_high = 10, low = 0, high = 1, bad_below = 5 }",
        ),
        "points[1].linear",
        "in order",
    ),
    "line to an unknown setting": (
        changed(
            "scale = 0.01\noffset = -0.5",
            'linear = { raw_low = 0, raw_high = 1, low = 0, high = { setting = "full" } }',
        ),
        "points[1].linear.high",
        "no [settings.full]",
    ),
    "setting that nothing uses": (
        added('[settings.full]\nabout = "x"\ndefault = 1'),
        "settings.full",
        "nothing in this file uses",
    ),
    "setting that the site must give": (
        added('[settings.full]\nabout = "x"'),
        "settings.full",
        "the site must say",
    ),
    "identity of nothing": (
        added('[[identity_check]]\nfunction = "input"\naddress = 0\ntype = "u16"\nabout = "x"'),
        "identity_check[0]",
        "either `equals`",
    ),
    "identity upside down": (
        added(
            '[[identity_check]]\nfunction = "input"\naddress = 0\ntype = "u16"\nlow = 2\nhigh = 1\nabout = "x"'
        ),
        "identity_check[0].low",
        "above high",
    ),
    "identity in a coil": (
        added('[[identity_check]]\nfunction = "coil"\naddress = 0\ntype = "u16"\nequals = 2\nabout = "x"'),
        "identity_check[0].function",
        "registers",
    ),
    "constants beside an instrument": (
        added('[[constants]]\nquantity = "moisture_percent"\nvalue = 12'),
        "constants",
        'kind = "constant"',
    ),
    "instrument in a constant": (
        changed("profile = 1", 'profile = 1\nkind = "constant"'),
        "kind",
        "no instrument",
    ),
    "too long": ("#" * (MAX_TEXT_CHARACTERS + 1), "", "at most"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_map_that_is_wrong_is_refused_with_its_place(name: str) -> None:
    text, path, reason = REFUSALS[name]
    with pytest.raises(ConfigError) as refusal:
        parse_profile(text, source="m.toml")
    assert refusal.value.source == "m.toml"
    assert refusal.value.path == path
    assert reason in refusal.value.reason
    assert str(refusal.value).startswith(f"m.toml: {path}" if path else "m.toml: ")


def test_registers_may_be_read_twice_where_the_map_says_that_it_is_meant() -> None:
    both = added(OVERLAPPING + "bit_view = true")
    assert len(parse_profile(both, source="m.toml").points) == 3
    status = changed('function = "holding"\naddress = 5', 'function = "input"\naddress = 16').replace(
        'type = "i16"', 'type = "i16"\nbit_view = true'
    )
    assert parse_profile(status, source="m.toml").status[1].span.first == 16


def test_the_same_address_in_another_function_is_another_register() -> None:
    text = added(POINT.format(address=10, type="f32").replace('"input"', '"holding"'))
    text = changed("atomic = true", "atomic = false", text=text)
    points = parse_profile(text, source="m.toml").points
    assert {p.span.function for p in points} == {Function.INPUT_REGISTERS, Function.HOLDING_REGISTERS}


SETTING = changed(
    "scale = 0.01\noffset = -0.5",
    'linear = { raw_low = 0, raw_high = 10, low = 0, high = { setting = "full" } }',
    text=added('[settings.full]\nabout = "full scale"\nlow = 1\nhigh = 100'),
)


def test_the_sites_settings_fill_the_map() -> None:
    profile = parse_profile(SETTING, source="m.toml", settings={"full": Decimal(25)})
    assert profile.points[1].linear is not None
    assert profile.points[1].linear.high == 25
    assert profile.settings == (("full", Decimal(25)),)


@pytest.mark.parametrize(
    ("settings", "path", "reason"),
    [
        ({}, "settings.full", "full scale"),
        ({"full": Decimal(0)}, "settings.full", "not within 1 to 100"),
        ({"full": Decimal(101)}, "settings.full", "not within"),
        ({"full": Decimal("NaN")}, "settings.full", "not a number"),
        ({"ful": Decimal(1)}, "settings", "no setting 'ful' here; there are: full"),
    ],
)
def test_settings_of_the_site_are_checked(settings: dict[str, Decimal], path: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_profile(SETTING, source="m.toml", settings=settings)
    assert refusal.value.path == path
    assert reason in refusal.value.reason


def test_the_number_of_further_mistakes_is_told() -> None:
    text = changed('unit = "ppm"\n', "").replace("scale = 0.01", "scal = 1")
    with pytest.raises(ConfigError, match="and 1 more"):
        parse_profile(text, source="m.toml")


def test_a_path_reads_like_the_file() -> None:
    assert table_path(("points", 2, "linear", "high")) == "points[2].linear.high"
    assert table_path(()) == ""


@given(st.text(max_size=400))
def test_any_text_is_a_map_or_refused_as_the_operators_mistake(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_profile(text, source="m.toml")


LINES = BASE.splitlines()


@given(st.sets(st.integers(0, len(LINES) - 1), max_size=6), st.integers(0, len(LINES)))
def test_a_map_with_lines_lost_or_cut_is_read_or_refused_as_the_operators_mistake(
    lost: set[int], cut: int
) -> None:
    text = "\n".join(line for index, line in enumerate(LINES[:cut]) if index not in lost)
    with suppress(ConfigError):
        assert parse_profile(text, source="m.toml").points
