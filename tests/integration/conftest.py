"""Tests of whole processes in real time. They need a quiet machine, so they run where they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip aloud without --soak."""
    if config.getoption("--soak"):
        return
    skip = pytest.mark.skip(reason="whole processes in real time: run with --soak on a quiet machine")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)
