"""The fuzzing of the decoders works, and a few thousand inputs of it belong to every run of the tests."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.benchmarks import fuzz
from tests.benchmarks.fuzz_targets import Target, targets

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
        str(tmp_path),
    ]
    with pytest.raises(IndexError):
        fuzz.main(arguments)
    assert (tmp_path / "fuzz-broken.bin").exists()
    assert "broke it" in capsys.readouterr().err


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        fuzz.main(["--target", "nothing"])
    assert stop.value.code == 2
    assert "--list" in capsys.readouterr().err
