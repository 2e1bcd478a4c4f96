"""The files of strangers, as every audit reads them: by name, by a pipe, packed; and how they are refused."""

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from doxedge.cli import audit_input
from doxedge.cli.main import main

HEADER = "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,NOXRATE,OPTIME,HTINPUT"
TABLE = f"{HEADER}\n77,1,070101,0,100.5,.201,1,500\n".encode()
VECTORS = (
    b'{"part75": [{"formula": "F-26A", "inputs": {"C_ppm_wet": 150, "Q_scfh_wet": 45e6}, "expected": 806.0}]}'
)

Captured = pytest.CaptureFixture[str]


class Piped(io.TextIOWrapper):
    """Standard input that somebody pipes into."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BufferedReader(io.BytesIO(data)), encoding="ascii")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("verb", "data"), [("hours", TABLE), ("vectors", VECTORS)])
def test_a_file_may_be_packed_and_may_come_through_a_pipe(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    verb: str,
    data: bytes,
    pack: type[bytes],
) -> None:
    path = tmp_path / "packed"
    path.write_bytes(pack(data))
    assert main(["audit", verb, str(path), "--output", "json"]) == 0
    by_name = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(sys, "stdin", Piped(pack(data)))
    assert main(["audit", verb, "-", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == by_name


@pytest.mark.parametrize("verb", ["hours", "vectors", "linearity", "calibration", "bias", "substitute"])
@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", 6), (b"\x1f\x8bno gzip", 6), (gzip.compress(TABLE)[:-6], 6), (None, 7)],
    ids=["empty", "no gzip", "half a gzip", "no file"],  # a gzip names its second, and so would the test
)
def test_a_refusal_is_json_where_json_was_asked_for(
    tmp_path: Path, capsys: Captured, verb: str, data: bytes | None, code: int
) -> None:
    path = tmp_path / "stranger.csv"
    if data is not None:
        path.write_bytes(data)
    assert main(["audit", verb, str(path), "--output", "json"]) == code
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["verdict"], told["exit"]) == ("refused", code)
    assert captured.err == f"doxedge: {told['reason']}\n"
    assert main(["audit", verb, str(path)]) == code
    assert capsys.readouterr().out == ""


def test_what_is_packed_is_unpacked_no_further_than_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b" " * 100_000_000, compresslevel=1))
    assert main(["audit", "hours", str(path)]) == 6
    assert "longer than" in capsys.readouterr().err
    monkeypatch.setattr(audit_input, "MAX_JSON_BYTES", 1_000)
    assert main(["audit", "vectors", str(path)]) == 6
    assert "larger than 1000 bytes" in capsys.readouterr().err
