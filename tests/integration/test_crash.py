"""Kill -9 in a loop: no acknowledged record is lost, none is doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


def crashed(*, kills: int, seconds_max: int) -> dict[str, Any]:
    """What `python -m tests.crash` printed."""
    ran = subprocess.run(
        [
            sys.executable, "-m", "tests.crash", "--kills", str(kills), "--seconds-max", str(seconds_max),
            "--output", "json",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds_max + 300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stderr)  # the seed
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_lose_and_double_nothing() -> None:
    result = crashed(kills=50, seconds_max=480)
    assert result["kills"] >= 50
    assert result["node_kills"] >= 3
    assert result["acknowledged"] > 100
    wrong = ("lost", "doubled", "out_of_order", "chain_breaks", "unproved", "findings")
    assert {name: result[name] for name in wrong} == dict.fromkeys(wrong, 0)


@pytest.mark.soak
@pytest.mark.timeout(4_000)
def test_a_thousand_kills_lose_and_double_nothing() -> None:
    result = crashed(kills=1_000, seconds_max=3_600)
    assert (result["kills"] >= 1_000, result["lost"], result["doubled"]) == (True, 0, 0)
