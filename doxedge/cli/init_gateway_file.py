"""`gateway.toml` as `doxedge init` writes it: the box, then each of its units with its instruments and checks."""

from __future__ import annotations

from collections.abc import Sequence

from doxedge.cli.init_answers import Answers, toml_value
from doxedge.cli.init_calibrations import calibration_lines
from doxedge.cli.init_files import key_uri
from doxedge.cli.init_instruments import catalogue, folders_of, parse_line, split_values


def gateway_text(answers: Answers, *, channel: bytes, sources: Sequence[bytes]) -> str:
    """The file, with the source of each unit. Every key with its meaning stands in firmware_configs/gateway.toml."""
    state_dir, socket = answers.text("state_dir"), answers.text("socket")
    lines = [
        "# Written by `doxedge init`. Every key is explained in firmware_configs/gateway.toml of the package.",
        f"state_dir = {toml_value(state_dir or '/var/lib/doxedge')}",
        f"key = {toml_value(key_uri(answers, 'device'))}",
    ]
    if answers.text("profiles"):
        lines += [f"profiles = {toml_value(answers.text('profiles'))}"]
    lines += ["", "[node]", f"url = {toml_value('unix:' + (socket or '/run/doxedge/node.sock'))}"]
    for unit, source in zip(answers.units, sources, strict=True):
        lines += _unit(unit, channel=channel, source=source)
    return "\n".join(lines) + "\n"


def draft_text(answers: Answers) -> str:
    """The file before anybody knows channel and sources: a plan can be made of it."""
    sources = [number.to_bytes(16) for number, _ in enumerate(answers.units, 1)]
    return gateway_text(answers, channel=bytes(32), sources=sources)


def _unit(answers: Answers, *, channel: bytes, source: bytes) -> list[str]:
    lines = [
        "",
        "[[unit]]",
        f"name = {toml_value(answers.text('unit'))}",
        f'channel = "{channel.hex()}"',
        f'source = "{source.hex()}"',
    ]
    if answers.text("rule_set") not in ("", "us60"):
        lines += [f"rule_set = {toml_value(answers.text('rule_set'))}"]
    if answers.text("shares_stack_of"):
        lines += [f"shares_stack_of = {toml_value(answers.text('shares_stack_of'))}"]
    if answers.text("running") not in ("", "always"):
        quantity, on_above, off_below = answers.text("running").split(":")
        lines += ["", "[unit.operating]", f"quantity = {toml_value(quantity)}"]
        lines += [f"on_above = {on_above}", f"off_below = {off_below}"]
    if answers.text("max_power_w"):
        lines += ["", "[unit.energy]", f"max_power_w = {answers.text('max_power_w')}"]
    for item in answers.items("instrument"):
        lines += _instrument(item, answers)
    for item in answers.items("calibration"):
        lines += calibration_lines(item)
    return lines


def _instrument(item: str, answers: Answers) -> list[str]:
    line = parse_line(item)
    polls, settings = split_values(line, catalogue(folders_of(answers)).get(line.profile))
    lines = [
        "",
        "[[unit.instrument]]",
        f"name = {toml_value(line.name)}",
        f"profile = {toml_value(line.profile)}",
    ]
    if line.host:
        lines += [f"host = {toml_value(line.host)}"]
        lines += [f"port = {line.port}"] if line.port is not None else []
    pairs = [(key, value) for key, value in line.line_values if key != "framing"]
    if line.serial:
        serial = [f"port = {toml_value(line.serial)}", *(f"{key} = {value}" for key, value in pairs)]
        lines += ["serial = { " + ", ".join(serial) + " }"]
    lines += [f"framing = {value}" for key, value in line.line_values if key == "framing"]
    lines += [f"unit_id = {line.unit_id}"] if line.unit_id is not None else []
    if polls:
        lines += ["poll_ms = { " + ", ".join(f"{group} = {period}" for group, period in polls.items()) + " }"]
    if settings:
        written = [
            f"{key} = {toml_value(value) if isinstance(value, str) else value}"
            for key, value in settings.items()
        ]
        lines += ["settings = { " + ", ".join(written) + " }"]
    return lines
