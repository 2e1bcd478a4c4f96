"""What only the site knows is asked of it, and never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.profile import Order, profile_hash
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.profile_choices import SettingValue, setting_value

MAP = """
profile = 1
[identity]
maker = "m"
model = "x"
version = "1"
source = "test"
verified = "document"
[transport]
kind = "modbus-tcp"
address_base = { setting = "first", when = { at_0 = 1, at_1 = 0 } }
[settings.first]
about = "where register 1 is"
choices = ["at_0", "at_1"]
[settings.order]
about = "the order of bytes"
choices = ["ABCD", "CDAB"]
[settings.unit]
about = "what the menu says"
choices = ["ppm", "mg"]
[[groups]]
name = "gas"
period_ms = 1000
atomic = true
[[points]]
quantity = "no2_ppb"
group = "gas"
function = "input"
address = 7
type = "f32"
order = { setting = "order" }
unit = { setting = "unit", when = { ppm = "ppm", mg = "mg/m3 NO2" } }
"""
SITE: dict[str, SettingValue] = {"first": "at_0", "order": "CDAB", "unit": "mg"}


def test_what_the_site_chose_is_in_the_map_and_in_its_hash() -> None:
    profile = parse_profile(MAP, source="x.toml", settings=SITE)
    (point,) = profile.points
    assert (point.span.first, point.order) == (6, Order.CDAB)
    assert point.conversion.apply(Decimal("2.0525")) == pytest.approx(Decimal(1_000), abs=Decimal("1e-25"))
    assert profile.settings == (("first", "at_0"), ("order", "CDAB"), ("unit", "mg"))
    hashes = {
        profile_hash(parse_profile(MAP, source="x.toml", settings={**SITE, name: word}))
        for name, word in (("first", "at_0"), ("first", "at_1"), ("order", "ABCD"), ("unit", "ppm"))
    }
    assert len(hashes) == 4


@pytest.mark.parametrize("name", ["first", "order", "unit"])
def test_a_choice_that_nobody_made_is_no_default(name: str) -> None:
    rest = {key: value for key, value in SITE.items() if key != name}
    with pytest.raises(ConfigError, match=rf"x.toml: settings.{name}: the site must say one of \w+, \w+: "):
        parse_profile(MAP, source="x.toml", settings=rest)


@pytest.mark.parametrize("value", ["kg", "MG", Decimal(1), "mg "])
def test_a_word_that_the_map_does_not_offer_is_refused(value: SettingValue) -> None:
    with pytest.raises(ConfigError, match=r"settings.unit: .* is not one of ppm, mg"):
        parse_profile(MAP, source="x.toml", settings={**SITE, "unit": value})


@pytest.mark.parametrize(
    ("what", "instead", "reason"),
    [
        ("mg = \"mg/m3 NO2\"", "kg = \"mg/m3 NO2\"", r"points\[0\].unit.when: `when` must say what each of ppm, mg"),
        (", mg = \"mg/m3 NO2\"", "", r"points\[0\].unit.when: `when` must say"),
        ("mg = \"mg/m3 NO2\"", "mg = \"furlong\"", r"points\[0\].unit: 'furlong' does not convert"),
        ("when = { at_0 = 1, at_1 = 0 }", "when = { at_0 = 7, at_1 = 0 }", r"transport.address_base"),
        ("about = \"the order of bytes\"", "about = \"o\"\ndefault = 1", "settings.order: choices have no default"),
        ("choices = [\"ABCD\", \"CDAB\"]", "choices = [\"CDAB\", \"middle\"]", ""),
        ("{ setting = \"order\" }", "\"ABCD\"", "settings.order: nothing in this file uses this setting"),
        ("{ setting = \"unit\", when", "{ setting = \"units\", when", r"settings.unit: nothing in this file uses"),
        ("choices = [\"ppm\", \"mg\"]", "choices = [\"ppm\", \"m g\"]", "settings.unit"),
    ],
)  # fmt: skip
def test_a_map_whose_choices_make_no_sense_is_refused(what: str, instead: str, reason: str) -> None:
    assert what in MAP
    if not reason:
        # A word that stands for itself may be wrong for whoever chooses it.
        parse_profile(MAP.replace(what, instead), source="x.toml", settings=SITE)
        with pytest.raises(ConfigError, match=r"points\[0\].order"):
            parse_profile(MAP.replace(what, instead), source="x.toml", settings={**SITE, "order": "middle"})
        return
    with pytest.raises(ConfigError, match=reason):
        parse_profile(MAP.replace(what, instead), source="x.toml", settings=SITE)


def test_a_word_in_place_of_a_number_is_refused() -> None:
    text = MAP + '\n[[points.quality]]\naddress = 20\ngood = [{ setting = "state" }]\nabout = "state"\n'
    text += '[settings.state]\nabout = "the state"\n'
    with pytest.raises(ConfigError, match=r"settings.state: 'measuring' is not a number"):
        parse_profile(text, source="x.toml", settings={**SITE, "state": "measuring"})
    profile = parse_profile(text, source="x.toml", settings={**SITE, "state": Decimal(3)})
    assert profile.points[0].quality[0].good == (3,)


@pytest.mark.parametrize(
    ("typed", "value"),
    [("12", Decimal(12)), ("1e3", Decimal(1_000)), ("-0.5", Decimal("-0.5")), ("CDAB", "CDAB"), ("mg", "mg")],
)
def test_what_somebody_typed_is_a_number_where_it_is_one(typed: str, value: SettingValue) -> None:
    assert setting_value(typed) == value
