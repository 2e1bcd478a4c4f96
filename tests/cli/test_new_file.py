"""What a command makes is a new file, whole, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.cli.new_file import put_new, require_free
from doxedge.cli.outcome import Exit, Failure


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "hours.commission"
    require_free(path)
    put_new(path, b"first")
    with pytest.raises(Failure, match="is there already, and is never written over") as failure:
        put_new(path, b"second")
    assert failure.value.code is Exit.USAGE
    with pytest.raises(Failure, match="is there already"):
        require_free(path)
    assert path.read_bytes() == b"first"
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Failure, match="is there already"):
        require_free(dangling)


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="x cannot be written: No such file or directory") as failure:
        put_new(tmp_path / "none" / "x", b"")
    assert failure.value.code is Exit.LOCAL_IO


def test_a_commissioning_that_has_no_place_is_not_prepared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "alpha-1.commission"
    out.touch()
    config = str(tmp_path / "not read yet.toml")
    assert main(["gateway", "commission", "prepare", "--out", str(out), "--config", config]) == 2
    assert "is there already" in capsys.readouterr().err
