"""A plant as `doxedge init` sets it up, and the doctor to look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.cli.main import main
from tests.cli.doctor_bench import Ask, Report
from tests.cli.plant_box import whole_plant


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run the doctor in this process."""

    def run(folder: Path, *flags: str) -> Report:
        capsys.readouterr()
        code = main(["doctor", "--dir", str(folder), "--output", "json", *flags])
        return Report(code, capsys.readouterr().out)

    return run


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A plant of alpha whose channel was founded beside it."""
    return whole_plant(tmp_path)
