"""A small map of phrases as text, to be changed one line at a time with `profiles.changed` and `profiles.added`."""

from __future__ import annotations

from decimal import Decimal

from doxedge.analysers.catalogue import parse_map
from doxedge.analysers.phrase_map import PhraseProfile

BASE = """
profile = 1
kind = "dialect"

[identity]
maker = "Maker"
model = "Model 1"
version = "1"
source = "its manual"
verified = "document"

[transport]
kind = "text"
dialect = "ak"
port = 7700

[settings.channel]
about = "channel of the component"
low = 0
high = 9.5

[settings.alarm_bit]
about = "bit of the alarm word"
default = 3

[[groups]]
name = "gas"
period_ms = 1000
atomic = true

[[groups]]
name = "inside"
period_ms = 60000
atomic = false

[[points]]
quantity = "nox_ppb"
group = "gas"
ask = "AKON K{channel}"
place = "0"
unit = "ppm"
sentinels = [9999, -1]
hard_range = [-1000, 100_000]
soft_range = [0, 50_000]

[[points]]
quantity = "no_ppb"
group = "gas"
ask = "AKON K{channel}"
place = "1"
unit = "ppm"
scale = 2

[[points]]
quantity = "oven_temperature_c"
group = "inside"
ask = "ATEM K0"
place = "0"
unit = "degC"

[[status]]
flag = "zero"
ask = "ASTZ K0"
says = ["SNGA", "SZ"]
groups = ["gas"]
about = "zero gas flows"

[[status]]
flag = "span"
ask = "ASTZ K0"
says = ["SEGA"]
groups = ["gas"]
about = "span gas flows"

[[status]]
flag = "fault"
ask = "AKON K{channel}"
place = "errors"
equals = [0, 9]
active_when = 0
groups = ["gas"]
about = "errors are pending"

[[status]]
flag = "warning"
ask = "ALRM K0"
place = "0"
bit = { setting = "alarm_bit" }
groups = ["gas"]
about = "an alarm"

[[identity_check]]
ask = "AKEN K1"
contains = "Model 1"
about = "model"
"""
SITE = {"channel": Decimal(2)}


def phrases(text: str = BASE, **settings: Decimal | str) -> PhraseProfile:
    """The map in a text. ConfigError."""
    profile = parse_map(text, source="m.toml", settings={**SITE, **settings})
    assert isinstance(profile, PhraseProfile)
    return profile
