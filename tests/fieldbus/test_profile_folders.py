"""Register maps on disk."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.profile_folders import INSTALLER_FOLDER, load_profile, search_path

MOISTURE = {"moisture_percent": Decimal(12)}


def test_the_installers_folder_comes_before_what_was_shipped_and_a_flag_before_both(tmp_path: Path) -> None:
    assert search_path(tmp_path)[:2] == [tmp_path, INSTALLER_FOLDER]
    assert search_path()[0] == INSTALLER_FOLDER
    assert load_profile("teledyne_t200", search_path()).identity.model == "T200"


def test_the_first_folder_that_has_the_profile_wins(tmp_path: Path) -> None:
    shipped = next(f for f in search_path() if (f / "configured_moisture.toml").is_file())
    text = (shipped / "configured_moisture.toml").read_text(encoding="utf-8")
    (tmp_path / "configured_moisture.toml").write_text(
        text.replace("configured moisture", "mine"), encoding="utf-8"
    )
    assert (
        load_profile("configured_moisture", [tmp_path, shipped], settings=MOISTURE).identity.model == "mine"
    )
    assert (
        load_profile("configured_moisture", [shipped, tmp_path], settings=MOISTURE).identity.model != "mine"
    )


def test_an_unknown_profile_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"two\.toml: there is no such profile; there are: one"):
        load_profile("two", [tmp_path, tmp_path / "not-there"])


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", "a.toml", "A", "a" * 100])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="small letters"):
        load_profile(name, [tmp_path])


def test_a_file_that_is_no_text_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bad\.toml: not UTF-8"):
        load_profile("bad", [tmp_path])


def test_a_file_that_is_no_register_map_by_its_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "huge.toml").write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match="far too large"):
        load_profile("huge", [tmp_path])
