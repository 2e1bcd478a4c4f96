"""Every published vector holds."""

import json
from pathlib import Path

import pytest

from doxedge.cli.main import main


def test_every_formula_hour_and_frame_of_the_published_file_holds(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = published / "data" / "vectors_formulas_protocols.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    count = sum(len(content[key]) for key in ("part75", "eu_standardisation", "hour_validity_60_13_h2"))
    count += sum(len(frames) for frames in content["protocol_frames"].values())
    assert main(["audit", "vectors", str(path), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"passed": count, "failed": 0, "failures": []}
    assert count >= 73
