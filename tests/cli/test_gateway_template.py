"""A template is refused until everything in it is filled in, and then it is a map."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from doxedge.analysers.catalogue import make_driver, parse_map
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.question import Answer, Phrase, ReadRegisters
from doxedge.cli.gateway_template import templates
from doxedge.cli.main import main

FILLED = {
    'address_base = "?"': "address_base = 0",
    'function = "?"': 'function = "holding"',
    'type = "?"': 'type = "f32"',
    'order = "?"': 'order = "ABCD"',
}


def filled(text: str) -> str:
    """As somebody with the list would fill it in."""
    for old, new in FILLED.items():
        text = text.replace(old, new)
    lines, address = [], 1_000
    for line in text.splitlines():
        if line.startswith('address = "?"'):
            lines.append(f"address = {address}")
            address += 2
        elif line.startswith('unit = "?"'):
            lines.append('unit = "kPa"' if "pressure" in "".join(lines[-8:]) else 'unit = "ppm"')
        else:
            lines.append(line.replace('"?"', '"their list, edition 3"'))
    text = "\n".join(lines)
    head, *status = text.split("[[status]]")
    return "[[status]]".join(
        [head, *(s.replace('function = "holding"', 'function = "discrete"') for s in status)]
    )


@pytest.mark.parametrize("name", templates())
def test_a_template_says_what_is_missing_and_is_a_map_without_it(name: str) -> None:
    text = templates()[name]
    with pytest.raises(ConfigError, match="still \\?: to be filled in from the maker's own list"):
        parse_map(text, source=f"{name}.toml")
    settings = {"nox_high": Decimal(400)} if "[settings.nox_high]" in text else {}
    profile = parse_map(filled(text), source=f"{name}.toml", settings=settings)
    assert profile.identity.verified == "document"
    assert profile.identity.doubts
    assert profile.points


def test_the_last_gap_is_named_with_its_place() -> None:
    text = filled(templates()["gas_analyser"]).replace("address = 1000", 'address = "?"')
    with pytest.raises(ConfigError, match=r"points\[0\]\.address"):
        parse_map(text, source="ours.toml")


def test_the_known_alarms_of_a_cai_700_are_in_its_template() -> None:
    profile = parse_map(filled(templates()["cai_700_modbus"]), source="cai.toml")
    told = {bit.about for bit in profile.status}
    assert {"oven temperature", "general alarm", "range overflow"} <= told


@pytest.mark.parametrize(
    ("loop_ua", "contacts", "nox_ppb", "flags"),
    [
        (12_000, {1_008}, 200_000, set()),
        (12_000, {1_002, 1_008}, 200_000, {"zero"}),
        (12_000, set(), None, {"fault"}),
        (3_500, {1_008}, None, set()),
        (21_500, {1_008}, None, set()),
    ],
)
def test_a_loop_with_contacts_is_an_analyser(
    loop_ua: int, contacts: set[int], nox_ppb: int | None, flags: set[str]
) -> None:
    text = filled(templates()["analogue_gas_analyser"])
    profile = parse_map(text, source="ours.toml", settings={"nox_high": Decimal(400)})
    driver = make_driver(profile, device="a")
    outcomes = [
        Answer(one, loop_ua.to_bytes(2, "big"), b"", b"")
        if isinstance(one, ReadRegisters)
        else Answer(one, bytes([any(one.address + n in contacts for n in range(one.count))]), b"", b"")
        for one in driver.requests("gas")
        if not isinstance(one, Phrase)
    ]
    sample = driver.sample("gas", outcomes, at_ms=0, monotonic_ns=0)
    assert sample.values == {"nox_ppb": nox_ppb}
    assert sample.flags == flags


def test_templates_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "template", "--output", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {
        "analogue_gas_analyser",
        "cai_700_modbus",
        "flow_meter",
        "gas_analyser",
    }
    assert main(["gateway", "template", "flow_meter"]) == 0
    assert capsys.readouterr().out == templates()["flow_meter"]


def test_a_template_that_is_none_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "template", "durag"]) == 2
    assert "analogue_gas_analyser, cai_700_modbus, flow_meter, gas_analyser" in capsys.readouterr().err
