"""A mistake is told where it was made, and in words that say what was wanted."""

from __future__ import annotations

import argparse

import pytest

from doxedge.cli.command_line import SPOKEN_MAX, Parser, spoken, whole_number
from doxedge.cli.main import main


def said_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a wrong command line is answered with."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_a_flag_that_nobody_knows_is_told_with_the_usage_of_its_verb(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = said_of(capsys, "gateway", "status", "--bogus")
    assert said.startswith("usage: doxedge gateway status [-h]")
    assert said.splitlines()[-1] == (
        "doxedge gateway status: error: --bogus is not known here; doxedge gateway status --help says what is"
    )
    assert said_of(capsys, "gateway", "samples", "export", "abcd1234", "/tmp").startswith(
        "usage: doxedge gateway samples export"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["acknowledge", "x", "--name", "A", "--reason", "b"],
            "argument ALARM: `x` is no number of an alarm",
        ),
        (
            ["acknowledge", "0", "--name", "A", "--reason", "b"],
            "argument ALARM: `0` is no number of an alarm",
        ),
        (["acknowledge", "9" * 40, "--name", "A", "--reason", "b"], "is no number of an alarm"),
        (
            ["acknowledge", "7", "--name", " ", "--reason", "b"],
            "argument --name: say 1 to 500 printable signs",
        ),
        (["enter", "confirm", "3", "--name", " "], "argument --name: say 1 to 500 printable signs"),
        (["exchange-meter", "--name", "\x1b[2J"], "argument --name: say 1 to 500 printable signs"),
        (["reload", "--name", "A", "--reason", ""], "argument --reason: say 1 to 500 printable signs"),
        (["qa", "show", "one"], "argument ENTRY: `one` is no number of an entry"),
        (["probe", "--profile", "x", "--port", "http"], "argument --port: `http` is no number of a port"),
        (
            ["commission", "prepare", "--out", "x", "--count", "0"],
            "argument --count: `0` is no number of hours",
        ),
    ],
)
def test_a_wrong_value_is_told_in_words(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in said_of(capsys, "gateway", *words)


def test_what_a_person_says_is_taken_without_its_margins() -> None:
    assert spoken("  A. Person ") == "A. Person"
    for text in ("", "\t", "a\nb", "\x1b[2J", "x" * (SPOKEN_MAX + 1)):
        with pytest.raises(argparse.ArgumentTypeError):
            spoken(text)
    assert spoken("x" * SPOKEN_MAX)


def test_a_whole_number_has_a_least_one() -> None:
    number = whole_number(least=3, what="number")
    assert number("3") == 3
    for text in ("2", "-3", "3.0", "", "three"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no number"):
            number(text)


def test_paragraphs_are_folded_and_examples_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    first = "word " * 40
    example = "doxedge gateway x --unit alpha-1 --quantity nox_ppb --level zero --stop"
    helped = Parser(prog="x", epilog=first, examples=[example]).format_help()
    assert f"\nexample\n  {example}\n" in helped
    assert max(len(line) for line in helped.split("example\n")[0].splitlines()) <= 60
