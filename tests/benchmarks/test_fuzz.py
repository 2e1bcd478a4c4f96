"""The fuzzing of the decoders works, and a few thousand inputs of it belong to every run of the tests."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.benchmarks import fuzz
from tests.benchmarks.fuzz_record import Record, code_digest
from tests.benchmarks.fuzz_target import Target
from tests.benchmarks.fuzz_targets import targets

TARGETS = targets()
INPUTS = 300


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_takes_its_seeds_and_bears_what_comes_of_them(name: str) -> None:
    target = TARGETS[name]
    assert any(_is_taken(target, seed) for seed in target.seeds), "no seed gets past the first check"
    number = random.randrange(2**31)
    print(f"seed {number}")
    dice = random.Random(number)
    for _ in range(INPUTS):
        data = fuzz.mutated(dice.choice(list(target.seeds)), dice)[: target.bytes_max]
        try:
            target.run(data)
        except target.may_raise:
            continue


def _is_taken(target: Target, seed: bytes) -> bool:
    try:
        target.run(seed)
    except target.may_raise:
        return False
    return True


def test_a_decoder_that_crashes_is_told_with_the_input_that_did_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Target(lambda data: data[100], (), [b"short"])
    monkeypatch.setattr("tests.benchmarks.fuzz_targets.targets", lambda: {"broken": broken})
    arguments = [
        "--child",
        "--target",
        "broken",
        "--engine",
        "mutation",
        "--runs",
        "10",
        "--keep",
        str(tmp_path / "not there yet" / "kept"),
    ]
    with pytest.raises(IndexError):
        fuzz.main(arguments)
    assert (tmp_path / "not there yet" / "kept" / "fuzz-broken.bin").exists()
    assert "broke it" in capsys.readouterr().err


def test_a_folder_for_what_breaks_that_cannot_be_made_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")

    with pytest.raises(SystemExit):
        fuzz.main(["--target", "topic", "--keep", str(tmp_path / "file" / "kept")])

    assert "--keep: " in capsys.readouterr().err


def test_what_a_record_holds_for_this_code_is_not_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "record.jsonl"
    arguments = ["--target", "topic", "--engine", "mutation", "--runs", "200", "--resume", str(file)]

    assert fuzz.main(arguments) == 0
    assert "done before" not in capsys.readouterr().err
    assert fuzz.main(arguments) == 0
    assert "topic: done before, with 200 inputs" in capsys.readouterr().err
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1

    record = Record(file)
    assert record.done("topic", engine="mutation", runs=200, code=code_digest()) is not None
    assert record.done("topic", engine="mutation", runs=201, code=code_digest()) is None
    assert record.done("topic", engine="mutation", runs=200, code="other code") is None
    assert record.done("topic", engine="atheris", runs=200, code=code_digest()) is None


def test_a_broken_decoder_stays_undone(tmp_path: Path) -> None:
    record = Record(tmp_path / "record.jsonl")
    record.add("broken", {"sound": False, "runs": 900}, engine="mutation", code="c")

    assert record.done("broken", engine="mutation", runs=10, code="c") is None


def test_a_file_that_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "record.jsonl"
    file.write_text("not a record\n", encoding="utf-8")

    with pytest.raises(SystemExit) as stop:
        fuzz.main(["--resume", str(file)])

    assert stop.value.code == 2
    assert "line 1 of" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "not a record\n"


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        fuzz.main(["--target", "nothing"])
    assert stop.value.code == 2
    assert "--list" in capsys.readouterr().err
