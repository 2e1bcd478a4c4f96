"""Files in layers: later ones win key by key, tables meet by name, and a mistake is named where it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.analysers.configuration import ConfigError, table_path
from doxedge.gateway.layers import FILE_BYTES_MAX, FILES_MAX, Layers, add_layer, location_of, read_layers
from doxedge.gateway.settings import load_settings
from tests.gateway.plant_settings import settings_text, unit_text


def write(folder: Path, text: str = settings_text(), **drop_ins: str) -> Path:
    """A main file with drop-ins: their names without `.toml`, an underscore first where a digit should be."""
    (folder / "gateway.toml").write_text(text)
    (folder / "gateway.d").mkdir()
    for name, tables in drop_ins.items():
        (folder / "gateway.d" / f"{name.lstrip('_')}.toml").write_text(tables)
    return folder / "gateway.toml"


def test_later_files_win_key_by_key_within_a_table(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        _10="group_commit_ms = 300\n[samples]\nretention_days = 30",
        _20="group_commit_ms = 400\n[samples]\nbudget_mb = 64",
    )
    settings = load_settings(path)
    assert settings.group_commit_ms == 400
    assert (settings.samples.retention_days, settings.samples.budget_mb) == (30, 64)
    assert settings.node.url == "unix:/run/doxedge/node.sock"


def test_files_count_in_the_order_of_their_names_and_others_do_not_count(tmp_path: Path) -> None:
    path = write(tmp_path, b="group_commit_ms = 2", a="group_commit_ms = 1")
    (tmp_path / "gateway.d" / "z.toml.old").write_text("group_commit_ms = 3")
    (tmp_path / "gateway.d" / ".z.toml").write_text("group_commit_ms = 4")
    assert load_settings(path).group_commit_ms == 2
    assert [Path(file).name for file in read_layers(path).files] == ["gateway.toml", "a.toml", "b.toml"]


def test_a_unit_and_its_instruments_are_found_by_name_whatever_the_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        settings_text(units={"north-1": "", "south-1": ""}),
        _10='[[unit]]\nname = "south-1"\ngrace_ms = 5\n[[unit.instrument]]\nname = "flow"\nport = 6000\n'
        "settings = { temperature_high = 300 }",
    )
    north, south = load_settings(path).unit
    assert (north.grace_ms, south.grace_ms) == (90_000, 5)
    flow = south.instrument[1]
    assert (flow.name, flow.port, flow.host) == ("flow", 6000, "127.0.0.1")
    assert set(flow.settings) == {"flow_high", "temperature_high"}
    assert [one.port for one in north.instrument] == [5020, 5021, 5022, None]


def test_a_name_that_is_new_is_added(tmp_path: Path) -> None:
    gas = '[[unit]]\nname = "north-1"\n[[unit.instrument]]\nname = "more"\nprofile = "configured_moisture"'
    path = write(tmp_path, _10=unit_text("south-1"), _20=gas)
    north, south = load_settings(path).unit
    assert south.name == "south-1"
    assert north.instrument[-1].name == "more"


@pytest.mark.parametrize(
    ("drop_in", "named"),
    [
        ("retries = 3", ": retries: no such key"),
        ("[samples]\nretention = 3", ": samples.retention: no such key"),
        ('[[unit]]\nname = "north-1"\ncolour = "red"', ": unit[0].colour: no such key"),
        ("[[unit]]\ncolour = 1", ": unit[0].name: say which one is meant"),
        ("[[unit]]\nname = 7", ": unit[0].name: say which one is meant"),
        ('[[unit]]\nname = "south-1"', ": unit[0].channel: Field required"),
        (
            '[[unit]]\nname = "north-1"\n[[unit.instrument]]\nname = "flow"\nport = 0',
            ": unit[0].instrument[0].port: ",
        ),
        ("unit = 3", ": unit: "),
        ("unit = []", ": unit: "),
        ("node = 3", ": node: "),
        ("key = ", ": not TOML"),
        (
            '[[unit]]\nname = "north-1"\n[[unit]]\nname = "north-1"',
            ": unit[1].name: north-1 stands twice in this file",
        ),
    ],
)
def test_a_mistake_is_named_by_the_file_that_made_it(tmp_path: Path, drop_in: str, named: str) -> None:
    """Also when the table stands at another place in the whole than in the drop-in."""
    path = write(tmp_path, settings_text(units={"west-1": "", "north-1": ""}), _10=drop_in)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(str(tmp_path / "gateway.d" / "10.toml") + named)


def test_a_mistake_that_a_drop_in_leaves_stays_with_the_main_file(tmp_path: Path) -> None:
    path = write(tmp_path, settings_text(unit="grace_ms = -1"), _10="group_commit_ms = 1")
    with pytest.raises(ConfigError, match=r"gateway\.toml: unit\[0\]\.grace_ms"):
        load_settings(path)


def test_what_replaces_a_table_is_blamed_for_it() -> None:
    layers = Layers("a")
    add_layer(layers, "[node]\nurl = 'x'", file="a")
    add_layer(layers, "node = 3", file="b")
    assert layers.tables == {"node": 3}
    assert layers.origin(("node", "url")).file == "b"


def test_an_array_without_names_is_replaced_whole_and_blamed_on_who_wrote_it() -> None:
    layers = Layers("a")
    add_layer(layers, "[[gas]]\nppm = 1\n[[gas]]\nppm = 2\n[[gas]]\nppm = 3\nold = 1", file="a")
    add_layer(layers, "[[gas]]\nppm = 4", file="b")
    assert layers.tables == {"gas": [{"ppm": 4}]}
    assert layers.origin(("gas", 0, "ppm")).file == "b"
    assert layers.origin(("gas", 2, "old")).file == "b"


@pytest.mark.parametrize("path", ["unit[0].limits[nox]", "points[]", "a..b", ""])
def test_a_path_that_is_none_of_ours_is_no_accident(path: str) -> None:
    """Whoever refuses a plan words the path; at worst the main file is blamed."""
    assert Layers("a").mistake(location_of(path), "wrong").source == "a"


def test_files_without_end_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, _10="# " + "x" * FILE_BYTES_MAX)
    with pytest.raises(ConfigError, match=r"10\.toml: is larger"):
        load_settings(path)
    for number in range(FILES_MAX + 1):
        (tmp_path / "gateway.d" / f"{number:03}.toml").write_text("")
    with pytest.raises(ConfigError, match="drop-ins"):
        load_settings(path)


def test_a_drop_in_that_cannot_be_read_is_no_drop_in_that_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "gateway.d" / "10.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"10\.toml: cannot be read"):
        load_settings(path)


names = st.sampled_from(["a", "b", "c"])


def test_one_file_means_what_it_says() -> None:
    layers = Layers("g")
    add_layer(layers, settings_text(), file="g")
    assert layers.origin(("unit", 0, "instrument", 2, "port")).location == (
        "unit",
        0,
        "instrument",
        2,
        "port",
    )


@given(st.lists(st.tuples(names, st.integers(0, 3)), min_size=1, max_size=5))
def test_a_path_is_read_back(steps: list[tuple[str, int]]) -> None:
    location = tuple(step for pair in steps for step in pair)
    assert location_of(table_path(location)) == location


@given(st.lists(st.lists(st.tuples(names, st.integers(0, 9)), max_size=4), max_size=4))
def test_merging_is_what_updating_a_dictionary_is(files: list[list[tuple[str, int]]]) -> None:
    """A dumb twin: by name and key, the last word counts."""
    layers, twin = Layers("0"), {}
    for number, pairs in enumerate(files):
        distinct = dict(pairs)
        text = "\n".join(f'[[unit]]\nname = "{name}"\nvalue = {value}' for name, value in distinct.items())
        add_layer(layers, text, file=str(number))
        twin.update({name: (value, str(number)) for name, value in distinct.items()})
    merged = {
        table["name"]: (table["value"], layers.origin(("unit", index, "value")).file)
        for index, table in enumerate(layers.tables.get("unit", []))
    }
    assert merged == twin
