"""A small register map for the tests of a line: every register holds its own address."""

from __future__ import annotations

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.driver import Driver
from doxedge.analysers.profile_build import parse_profile

PROFILE = """
profile = 1
[identity]
maker = "m"
model = "x"
version = "1"
source = "test"
verified = "document"
[transport]
kind = "modbus-tcp"
address_base = 0
[[groups]]
name = "one"
period_ms = 1000
atomic = true
[[points]]
quantity = "power_w"
group = "one"
function = "holding"
address = 7
type = "u16"
unit = "W"
[[points]]
quantity = "idle_power_w"
group = "one"
function = "holding"
address = 100
type = "u16"
unit = "W"
"""
IDENTITY = """
[[identity_check]]
function = "holding"
address = 300
type = "u16"
equals = 300
about = "model code"
"""


def driver(name: str, *, unit_id: int = 1, text: str = PROFILE) -> Driver:
    split = text.replace("atomic = true", "atomic = false")
    return make_driver(parse_profile(split, source="x.toml"), device=name, unit_id=unit_id)
