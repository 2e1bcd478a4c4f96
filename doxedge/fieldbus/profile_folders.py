"""Where register maps lie on disk, and reading them from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from doxedge.analysers.catalogue import PROFILE_NAME, ProfileText, find_profile
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.profile_file import MAX_TEXT_CHARACTERS

INSTALLER_FOLDER: Final = Path("/etc/doxedge/analysers")
_PACKAGE: Final = Path(__file__).resolve().parent.parent


def search_path(flag: Path | None = None) -> list[Path]:
    """The folders that are searched, first one first: flag, /etc/doxedge, installed package, checkout."""
    folders = [
        INSTALLER_FOLDER,
        _PACKAGE / "firmware_configs" / "analysers",
        _PACKAGE.parent / "firmware_configs" / "analysers",
    ]
    return [flag, *folders] if flag is not None else folders


def load_profile(
    name: str, folders: Sequence[Path], *, settings: Mapping[str, SettingValue] | None = None
) -> AnyProfile:
    """The first profile `<name>.toml` in the folders. ConfigError when there is none that can be read and is right."""
    found = read_profile_text(name, folders)
    return find_profile(name, [found], settings=settings)


def read_profile_text(name: str, folders: Sequence[Path]) -> ProfileText:
    """The text of the first `<name>.toml` in the folders. ConfigError when there is none that can be read."""
    if not PROFILE_NAME.fullmatch(name):
        raise ConfigError(
            source=f"{name!r:.80}",
            path="",
            reason="a profile's name is small letters, digits and `_`, without .toml",
        )
    for folder in folders:
        file = folder / f"{name}.toml"
        if file.is_file():
            return _read(file)
    there = ", ".join(sorted({text.name for text in _all(folders)})) or "none at all"
    raise ConfigError(source=f"{name}.toml", path="", reason=f"there is no such profile; there are: {there}")


def _all(folders: Sequence[Path]) -> Iterator[ProfileText]:
    """Every profile by name, for the message that says which there are."""
    for folder in folders:
        for file in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            yield ProfileText(file.stem, str(file), "")


def _read(file: Path) -> ProfileText:
    try:
        if file.stat().st_size > 4 * MAX_TEXT_CHARACTERS:
            raise ConfigError(source=str(file), path="", reason="far too large for a register map")
        return ProfileText(file.stem, str(file), file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(source=str(file), path="", reason=f"not UTF-8 text: {error}") from None
    except OSError as error:
        raise ConfigError(source=str(file), path="", reason=f"cannot be read: {error.strerror}") from None
