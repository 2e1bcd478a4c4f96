"""A small register map as text, to be changed one line at a time."""

from __future__ import annotations

BASE = """
profile = 1

[identity]
maker = "Maker"
model = "Model 1"
version = "1"
source = "its manual"
verified = "document"

[transport]
kind = "modbus-tcp"
address_base = 0

[batching]
max_gap = 4
forbidden_gaps = [{ function = "input", first = 60, last = 69 }]

[[groups]]
name = "gas"
period_ms = 1000
atomic = true

[[points]]
quantity = "no_ppb"
group = "gas"
function = "input"
address = 10
type = "f32"
order = "ABCD"
unit = "ppm"
sentinels = [9999, -1]
hard_range = [-1000, 100_000]
soft_range = [0, 50_000]

[[points]]
quantity = "o2_percent"
group = "gas"
function = "input"
address = 16
type = "i16"
unit = "%"
scale = 0.01
offset = -0.5

[[status]]
flag = "span"
function = "discrete"
address = 3
about = "span gas flows"

[[status]]
flag = "invalid"
function = "holding"
address = 5
bit = 2
about = "not measuring"
"""


def changed(old: str, new: str, *, text: str = BASE) -> str:
    """The map with one line changed; the test is wrong when the line is not there."""
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def added(lines: str, *, text: str = BASE) -> str:
    """The map with tables added at its end."""
    return f"{text}\n{lines}\n"
