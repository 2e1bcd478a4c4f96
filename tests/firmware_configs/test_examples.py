"""What an installer copies is loaded, whole, and says every key; the README says every file and register map."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from doxedge.analysers.profile_choices import SettingValue
from doxedge.fieldbus.clock import RealClock
from doxedge.fieldbus.profile_folders import load_profile
from doxedge.gateway.line_plan import make_lines
from doxedge.gateway.plant import plan_units
from doxedge.gateway.settings import GatewaySettings
from doxedge.gateway.settings import load_settings as load_gateway
from doxedge.gateway.settings import parse_settings as parse_gateway
from doxedge.node.settings import NodeSettings
from doxedge.node.settings import load_settings as load_node
from doxedge.node.settings import parse_settings as parse_node
from tests.house.tree import ROOT

FOLDER: Final = ROOT / "firmware_configs"
README: Final = (FOLDER / "README.md").read_text(encoding="utf-8")
MODELS: Final[dict[str, type[BaseModel]]] = {"gateway": GatewaySettings, "node": NodeSettings}
_SHOWN: Final = re.compile(r"^#(?=[a-z0-9_]+ = )", re.MULTILINE)
"""A key that is shown and not set: `#port = 502`."""
NO_DEFAULT_TO_SHOW: Final = {
    "profiles", "token_file", "framing", "timeout_ms", "baud", "parity", "stop_bits", "channel",
    "unit_id", "data_bits", "vote_again_from_height", "ca_file", "cert_file", "key_file", "port",
    "rollover_wh", "max_power_w", "stuck_minutes", "maximum_g_per_h", "max_load_w",
    "reads", "daily_at", "s_ams",
    "rate", "heat_input", "fuel", "fd", "fc", "fw", "diluent_basis", "diluent_cap", "backup_of", "stack",
    "shares_stack_of", "o2_reference_percent", "o2_basis", "confidence_percent",
}  # fmt: skip
"""Keys whose default is None, so that the example shows some value of theirs."""


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def models_within(annotation: object) -> Iterator[type[BaseModel]]:
    """The tables in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_within(argument)


def keys_of(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, Any]]:
    """(path, field) of every key that a file may have."""
    for name, field in model.model_fields.items():
        yield place + name, field
        for table in models_within(field.annotation):
            yield from keys_of(table, f"{place}{name}.")


def keys_in(table: Mapping[str, Any], model: type[BaseModel], place: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every key that a file has; the same path of several tables of an array more than once."""
    for name, value in table.items():
        yield place + name, value
        inner = [*models_within(model.model_fields[name].annotation)] if name in model.model_fields else []
        if inner:
            for item in _tables(value, model.model_fields[name].annotation):
                yield from keys_in(item, inner[0], f"{place}{name}.")


def _tables(value: Any, annotation: object) -> list[Mapping[str, Any]]:
    """One table, those of an array, or those that have names of the site's own."""
    if isinstance(value, list):
        return value
    return [*value.values()] if get_origin(annotation) is dict else [value]


def test_the_gateways_example_is_a_plan(tmp_path: Path) -> None:
    units = plan_units(load_gateway(FOLDER / "gateway.toml"), source="gateway.toml", clock=RealClock())
    lines = make_lines(
        units, clock=RealClock(), chance=lambda: 0.5, on_sample=lambda _: None, on_state=lambda _: None
    )
    assert len(units) == 1
    assert len(lines) == 4


def test_the_nodes_example_is_loaded() -> None:
    assert load_node(FOLDER / "node.toml").party == "alpha"


@pytest.mark.parametrize(("name", "parse"), [("gateway", parse_gateway), ("node", parse_node)])
def test_an_example_is_still_right_with_every_key_set(name: str, parse: Any) -> None:
    assert parse(_SHOWN.sub("", text_of(name)), source=f"{name}.toml")


@pytest.mark.parametrize("name", MODELS)
def test_an_example_shows_every_key_that_there_is(name: str) -> None:
    shown = {path for path, _ in keys_in(tomllib.loads(_SHOWN.sub("", text_of(name))), MODELS[name])}
    assert sorted(path for path, _ in keys_of(MODELS[name]) if path not in shown) == []


@pytest.mark.parametrize("name", MODELS)
def test_a_key_that_is_shown_and_not_set_has_its_default(name: str) -> None:
    fields = dict(keys_of(MODELS[name]))
    text = text_of(name)
    set_keys = list(keys_in(tomllib.loads(text), MODELS[name]))
    wrong = []
    for path, value in keys_in(tomllib.loads(_SHOWN.sub("", text)), MODELS[name]):
        if (path, value) in set_keys or isinstance(value, (dict, list)):
            continue
        default = fields[path].get_default()
        if default is PydanticUndefined or (
            default is None and path.rpartition(".")[2] in NO_DEFAULT_TO_SHOW
        ):
            continue
        if str(default) != str(value):
            wrong.append(f"{path} = {value}, the default is {default}")
    assert wrong == []


@pytest.mark.parametrize("name", MODELS)
def test_every_key_of_an_example_is_explained(name: str) -> None:
    """Somewhere above a key, before a blank line, stands a sentence; names, addresses and pairs share one."""
    bare = []
    for block in re.split(r"\n\s*\n", text_of(name)):
        keys = [line for line in block.splitlines() if re.match(r"#?[a-z0-9_]+ = ", line)]
        if keys and not re.search(r"^# [A-Z`0-9]|\] *#|# [a-z]", block, re.MULTILINE):
            bare.append(keys[0])
    assert bare == []


def test_the_readme_names_every_file_and_every_register_map() -> None:
    assert [path.name for path in FOLDER.glob("*.toml") if f"`{path.name}`" not in README] == []
    assert [
        path.stem for path in (FOLDER / "analysers").glob("*.toml") if f"`{path.stem}`" not in README
    ] == []


@pytest.mark.parametrize("path", sorted((FOLDER / "analysers").glob("*.toml")), ids=lambda path: path.stem)
def test_the_readme_names_the_quantities_and_settings_of_a_map(path: Path) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{path.stem}`"))
    # Numbers that differ, for two that mean one bit or one channel are refused.
    needed: dict[str, SettingValue] = {
        name: setting["choices"][0] if "choices" in setting else Decimal(str(setting.get("low", 1))) + index
        for index, (name, setting) in enumerate(
            tomllib.loads(path.read_text(encoding="utf-8")).get("settings", {}).items()
        )
        if "default" not in setting
    }
    assert [name for name in needed if name not in row] == []
    profile = load_profile(path.stem, [path.parent], settings=needed)
    named = set(re.findall(r"[a-z0-9_]+_(?:ppb|percent|m3_per_h|c|kpa|w|wh|hz)\b", row))
    delivered = {point.quantity for point in profile.points} | {c.quantity for c in profile.constants}
    assert named - delivered - set(needed) == set()
