"""Maps of phrases: what is accepted, and every refusal with its file, table and key."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.catalogue import ProfileText, find_profile, parse_map
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.phrase_map import PhraseProfile
from doxedge.analysers.profile import Profile, Severity, profile_hash
from doxedge.analysers.profile_build import parse_profile
from tests.analysers.phrases import BASE, SITE, phrases
from tests.analysers.profiles import BASE as REGISTERS
from tests.analysers.profiles import added, changed


def test_a_map_of_phrases_is_read_with_all_it_says() -> None:
    profile = phrases()
    nox, no, oven = profile.points
    assert (nox.ask, nox.place, nox.unit, nox.scale) == ("AKON K2", "0", "ppm", Decimal(1))
    assert (nox.sentinels, nox.limits.hard_low) == ((Decimal(9_999), Decimal(-1)), Decimal(-1_000))
    assert (no.scale, oven.group) == (Decimal(2), "inside")
    zero, span, fault, warning = profile.status
    assert (zero.severity, zero.says, zero.place) == (Severity.EXCLUDED, ("SNGA", "SZ"), "")
    assert (fault.severity, fault.equals, fault.active_when) == (Severity.BAD, (0, 9), False)
    assert (warning.bit, span.groups) == (3, ("gas",))
    assert profile.identity_check[0].contains == "Model 1"
    assert (profile.transport.dialect, profile.transport.network, profile.transport.data_bits) == (
        "ak",
        "tcp",
        8,
    )
    assert profile.settings == (("alarm_bit", Decimal(3)), ("channel", Decimal(2)))
    assert profile.limits()["nox_ppb"] is nox.limits
    assert profile.group("gas").atomic
    assert profile.constants == ()
    with pytest.raises(KeyError, match="it has gas, inside"):
        profile.group("dust")


def test_the_kind_of_a_map_says_which_form_it_has() -> None:
    assert isinstance(parse_map(REGISTERS, source="r.toml"), Profile)
    found = find_profile("m", [ProfileText("m", "m.toml", BASE)], settings=SITE)
    assert isinstance(found, PhraseProfile)
    with pytest.raises(ConfigError, match=r"m\.toml: kind"):
        parse_profile(BASE, source="m.toml", settings=SITE)


def test_zeros_lead_where_the_place_wants_digits() -> None:
    text = (
        BASE.replace('"ak"', '"bayern_hessen"')
        .replace("high = 9.5", "high = 9999")
        .replace("AKON K{channel}", "DA{channel:3}")
    )
    text = (
        text.replace("ASTZ K0", "DA")
        .replace("ALRM K0", "DA")
        .replace("ATEM K0", "DA001")
        .replace("AKEN K1", "DA")
    )
    text = text.replace('place = "errors"', 'place = "{channel:3}.error"').replace("K0", "")
    text = text.replace('place = "0"\nbit', 'place = "001.status"\nbit')
    profile = phrases(text, channel=Decimal(97))
    assert (profile.points[0].ask, profile.status[2].place) == ("DA097", "097.error")
    with pytest.raises(ConfigError, match=r"points\[0\]\.ask: channel = 1234 has more than 3 digits"):
        phrases(text, channel=Decimal(1_234))


def test_what_decides_a_value_decides_the_hash() -> None:
    hashes = {
        profile_hash(phrases()),
        profile_hash(phrases(channel=Decimal(3))),
        profile_hash(phrases(alarm_bit=Decimal(4))),
        profile_hash(phrases(changed('place = "1"', 'place = "2"', text=BASE))),
        profile_hash(phrases(changed('"SNGA", "SZ"', '"SNGA"', text=BASE))),
        profile_hash(phrases(changed("equals = [0, 9]", "equals = [0]", text=BASE))),
        profile_hash(phrases(changed('contains = "Model 1"', 'contains = "Model"', text=BASE))),
        profile_hash(parse_map(REGISTERS, source="r.toml")),
    }
    assert len(hashes) == 8
    same = BASE.replace("port = 7700", "port = 7700\nbaud = 19200\ndata_bits = 7 # a remark")
    assert profile_hash(phrases(same)) == profile_hash(phrases())


NOX = """
[[points]]
quantity = "no2_ppb"
group = "inside"
ask = "ATEM K0"
place = "7"
unit = "ppm"
"""
SECOND_STATUS = """
[[status]]
flag = "invalid"
ask = "ASTZ K0"
says = ["SEGA"]
about = "again"
"""


def base(old: str, new: str) -> str:
    return changed(old, new, text=BASE)


REFUSALS: dict[str, tuple[str, str, str]] = {
    # name: (text, table path, reason)
    "test gas that is seen": (
        added('[unseen_test_gas]\nconfirmed = "off_line"', text=BASE), "unseen_test_gas", "tells both test gases",
    ),
    "test gas that nobody confirmed": (
        added("[unseen_test_gas]", text=BASE), "unseen_test_gas.confirmed", "missing",
    ),
    "another schema": (base("profile = 1", "profile = 2"), "profile", "1"),
    "unknown key": (base('place = "1"', 'place = "1"\naddress = 3'), "points[1].address", "unknown key"),
    "unknown table": (added("[batching]\nmax_gap = 1", text=BASE), "batching", "unknown key"),
    "constants": (
        added('[[constants]]\nquantity = "moisture_percent"\nvalue = 1', text=BASE), "constants", "unknown key",
    ),
    "no transport": (
        BASE.replace('[transport]\nkind = "text"\ndialect = "ak"\nport = 7700', ""), "transport", "missing",
    ),
    "no port": (base("port = 7700\n", ""), "transport.port", "missing"),
    "Modbus in words": (base('kind = "text"', 'kind = "modbus-tcp"'), "transport.kind", "text"),
    "unknown dialect": (base('"ak"', '"klingon"'), "transport.dialect", "klingon"),
    "six data bits": (base("port = 7700", "port = 7700\ndata_bits = 6"), "transport.data_bits", "6"),
    "unknown network": (base("port = 7700", 'port = 7700\nnetwork = "x25"'), "transport.network", "x25"),
    "no points": (BASE[: BASE.index("[[points]]")], "points", "missing"),
    "unknown group": (base('group = "inside"', 'group = "outside"'), "points[2].group", "there is no group"),
    "group twice": (
        added('[[groups]]\nname = "gas"\nperiod_ms = 9\natomic = true', text=BASE), "groups[2].period_ms", "10",
    ),
    "the same group twice": (
        added("""[[groups]]\nname = "gas"\nperiod_ms = 90\natomic = true""", text=BASE),
        "groups[2].name", "there already",
    ),
    "group of nothing": (
        added('[[groups]]\nname = "dust"\nperiod_ms = 9000\natomic = true', text=BASE), "groups[2]", "no point",
    ),
    "unit of another kind": (base('unit = "degC"', 'unit = "bar"'), "points[2].unit", "does not convert"),
    "name without a unit": (base("oven_temperature_c", "oven"), "points[2].quantity", "not lower case words"),
    "scale of zero": (base("scale = 2", "scale = 0"), "points[1].scale", "every reading"),
    "a place that is none": (base('place = "1"', 'place = "one"'), "points[1].place", "no value lies at 'one'"),
    "a word where a value is wanted": (
        base('place = "1"', 'place = "errors"'), "points[1].place", "no value lies at 'errors'",
    ),
    "a word's place that is none": (
        base('place = "errors"', 'place = "mistakes"'), "status[2].place", "no word of bits",
    ),
    "a question the dialect cannot say": (base("ATEM K0", "ATEM"), "points[2].ask", "is not CODE K0"),
    "an order": (base('ask = "ASTZ K0"', 'ask = "SNGA K0"'), "status[0].ask", "is an order"),
    "an order to identify": (base("AKEN K1", "SREM K1"), "identity_check[0].ask", "is an order"),
    "a question beyond ASCII": (base("ATEM K0", "ATEM K0 ü"), "points[2].ask", "ASCII"),
    "a question without end": (base("ATEM K0", "ATEM K0 " + "x" * 120), "points[2].ask", "120"),
    "an empty question": (base("ATEM K0", ""), "points[2].ask", "1 character"),
    "quantity twice": (base("no_ppb", "nox_ppb"), "points[1].quantity", "points[0] already"),
    "one place twice": (base('place = "1"', 'place = "0"'), "points[1].place", "points[0] already"),
    "one status twice": (added(SECOND_STATUS, text=BASE), "status[4]", "status[1] already"),
    "atomic in two questions": (
        base('ask = "AKON K{channel}"\nplace = "1"', 'ask = "AKON K3"\nplace = "1"'), "groups[0].atomic", "2 questions",
    ),
    "hard range upside down": (base("[-1000, 100_000]", "[10, 10]"), "points[0].hard_range", "not below"),
    "soft range outside": (base("[0, 50_000]", "[0, 500_000]"), "points[0].soft_range", "inside"),
    "unknown flag": (base('flag = "span"', 'flag = "spam"'), "status[1].flag", "no canonical flag"),
    "a lenient zero": (
        base('flag = "zero"', 'flag = "zero"\nseverity = "noted"'), "status[0].severity", "must not enter an average",
    ),
    "status of an unknown group": (
        base('says = ["SEGA"]\ngroups = ["gas"]', 'says = ["SEGA"]\ngroups = ["dust"]'), "status[1].groups", "no group",
    ),
    "nothing is looked for": (base('says = ["SEGA"]\n', ""), "status[1]", "either `bit`"),
    "two things are looked for": (base('says = ["SEGA"]', 'says = ["SEGA"]\nbit = 1'), "status[1]", "either `bit`"),
    "words at a place": (base('says = ["SEGA"]', 'says = ["SEGA"]\nplace = "0"'), "status[1].place", "whole answer"),
    "a bit nowhere": (base('place = "errors"\n', ""), "status[2].place", "where in the answer"),
    "no words": (base('says = ["SEGA"]', "says = []"), "status[1].says", "at least 1"),
    "a negative number": (base("equals = [0, 9]", "equals = [0, -9]"), "status[2].equals[1]", "0 or more"),
    "a bit beyond any word": (base("default = 3", "default = 64"), "status[3].bit", "0 to 63"),
    "a bit without end": (base("default = 3", 'default = "1e999999"'), "status[3].bit", "no whole number"),
    "half a bit": (base("default = 3", "default = 3.5"), "status[3].bit", "no whole number"),
    "a setting that nobody declared": (
        base("{channel}", "{chanel}"), "points[0].ask", "no [settings.chanel]",
    ),
    "a placeholder that is none": (base("{channel}", "{Channel}"), "points[0].ask", "{name} or {name:3}"),
    "an open bracket": (base("ATEM K0", "ATEM K0 {"), "points[2].ask", "{name} or {name:3}"),
    "a setting that nothing uses": (
        base("bit = { setting = \"alarm_bit\" }", "bit = 3"), "settings.alarm_bit", "nothing in this file uses",
    ),
    "zero gas that nobody sees": (
        base('flag = "zero"', 'flag = "maintenance"'), "points[0].group", "no status tells `zero`",
    ),
    "span gas that nobody sees": (
        base('flag = "span"', 'flag = "fault"'), "points[0].group", "no status tells `span`",
    ),
    "gas in a group without guard": (added(NOX, text=BASE), "points[3].group", "no status tells `zero` for 'inside'"),
    "identity that holds nothing": (base('contains = "Model 1"', 'contains = ""'), "identity_check[0].contains", "1"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_mistake_is_refused_with_its_place(name: str) -> None:
    text, path, reason = REFUSALS[name]
    with pytest.raises(ConfigError) as refused:
        phrases(text)
    assert refused.value.source == "m.toml"
    assert refused.value.path == path, refused.value
    assert reason in refused.value.reason, refused.value


@pytest.mark.parametrize(
    ("value", "reason"),
    [(Decimal("2.5"), "no whole number"), (Decimal(10), "not within"), ("two", "is not a number")],
)
def test_a_channel_that_is_none_is_refused(value: Decimal | str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        phrases(channel=value)
    with pytest.raises(ConfigError, match=r"settings\.channel: the site must say this number"):
        parse_map(BASE, source="m.toml")


def test_an_instruments_number_is_checked_with_the_questions() -> None:
    text = BASE.replace('"ak"', '"horiba"').replace("port = 7700", "port = 1\nunit_id = 12")
    text = text.replace("AKON K{channel}", "R00{channel}")
    with pytest.raises(ConfigError, match=r"points\[0\]\.ask: instruments 12 and 12 have not one digit"):
        phrases(text)


@given(st.data())
def test_a_map_cut_or_changed_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(BASE)))
    text = BASE[:place] + data.draw(st.text(max_size=6)) + BASE[place + data.draw(st.integers(0, 6)) :]
    with suppress(ConfigError):
        phrases(text)
