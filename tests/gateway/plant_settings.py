"""A gateway's configuration for tests: one unit with the four shipped profiles."""

from __future__ import annotations

from collections.abc import Mapping

CHANNEL = "ab" * 32
SOURCE = "cd" * 16


def settings_text(
    *,
    key: str = "file:///keys/device.pem",
    state_dir: str = "/var/lib/doxedge",
    node: str = "unix:/run/doxedge/node.sock",
    unit: str = "",
    units: Mapping[str, str] | None = None,
    top: str = "",
) -> str:
    """The whole file. `unit` adds lines to the table of the unit, `units` gives more units: name to lines."""
    text = f'key = "{key}"\nstate_dir = "{state_dir}"\n{top}\n[node]\nurl = "{node}"\n'
    for name, lines in ({"north-1": unit} if units is None else units).items():
        text += unit_text(name, lines)
    return text


def unit_text(
    name: str,
    lines: str = "",
    *,
    channel: str = CHANNEL,
    source: str = SOURCE,
    analyser: int = 5020,
    flow: int = 5021,
    meter: int = 5022,
    flow_high: str = "576300",
    instruments: str | None = None,
) -> str:
    """One `[[unit]]` with its instruments on 127.0.0.1."""
    if instruments is None:
        instruments = f"""
[[unit.instrument]]
name = "analyser"
profile = "teledyne_t200"
host = "127.0.0.1"
port = {analyser}
poll_ms = {{ oxygen = 0, calibration = 0, diagnostics = 0 }}

[[unit.instrument]]
name = "flow"
profile = "generic_analogue_input"
host = "127.0.0.1"
port = {flow}
settings = {{ flow_high = {flow_high} }}

[[unit.instrument]]
name = "meter"
profile = "janitza_umg"
host = "127.0.0.1"
port = {meter}

[[unit.instrument]]
name = "moisture"
profile = "configured_moisture"
settings = {{ moisture_percent = 12 }}
"""
    return f"""
[[unit]]
name = "{name}"
channel = "{channel}"
source = "{source}"
{lines}

[unit.operating]
on_above = 1_000_000
off_below = 500_000
{instruments}"""
