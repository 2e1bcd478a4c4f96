"""What holds for all tests: `--soak` runs the long ones too, and temporary folders have short names."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Long runs are asked for."""
    parser.addoption("--soak", action="store_true", help="also run what takes many minutes")


WORKERS: Final = 2
"""For the whole suite, which mostly waits: for sockets, processes, and time-outs that must pass."""
FOLDER: Final = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """A socket's path has 107 bytes: whoever runs the tests may have a long name, and a worker adds its own.

    With --basetemp it is the caller's folder.
    """
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.stash[FOLDER] = Path(tempfile.mkdtemp(prefix="dx-"))
        config.option.basetemp = str(config.stash[FOLDER])


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers of the whole suite; whoever names what he wants to see gets it at once."""
    return WORKERS if config.args == config.getini("testpaths") else 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What a failed run wrote is kept to be looked at."""
    folder = session.config.stash.get(FOLDER, None)
    if folder is not None and exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the long runs, aloud, unless they were asked for."""
    if config.getoption("--soak"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="long: runs with --soak"))


settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")
