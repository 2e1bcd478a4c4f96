"""Whoever asks a command for help is taught: what it does, and what each of its flags is for."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

import pytest

from doxedge.cli.command_line import Parser
from doxedge.cli.main import build_parser

SPEAK_FOR_THEMSELVES = frozenset({"--output", "--log-level"})
"""Their choices say it, and they are the same everywhere."""


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Of every noun, verb and command."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


def test_every_command_says_what_it_does() -> None:
    assert [parser.prog for parser in parsers(build_parser()) if not parser.description] == []


def test_every_flag_says_what_it_is_for() -> None:
    silent = [
        f"{parser.prog} {action.option_strings[0]}"
        for parser in parsers(build_parser())
        for action in parser._actions
        if action.option_strings and not action.help and action.option_strings[0] not in SPEAK_FOR_THEMSELVES
    ]
    assert silent == []


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """What does something when it is called."""
    return (one for one in parsers(parser) if one.get_default("func") is not None)


def test_every_command_shows_an_example() -> None:
    lacking = [
        parser.prog
        for parser in commands(build_parser())
        if f" {parser.prog}" not in (parser.epilog or "") + (parser.description or "")
    ]
    assert lacking == []


@pytest.mark.parametrize("wanted", [parser.prog for parser in commands(build_parser())])
def test_what_an_example_shows_can_be_said(wanted: str) -> None:
    program = build_parser()
    (shown,) = [parser for parser in commands(program) if parser.prog == wanted]
    assert isinstance(shown, Parser)
    for example in shown.examples:
        words = shlex.split(example.replace("\\\n", " "), comments=True)
        assert words[0] == "doxedge"
        assert program.parse_args(words[1:]).func is shown.get_default("func"), example


def test_every_command_that_ends_speaks_json_too() -> None:
    """The daemons do not end; their log is for journald."""
    silent = [
        parser.prog
        for parser in commands(build_parser())
        if "json"
        not in [
            choice
            for one in parser._actions
            if "--output" in one.option_strings
            for choice in one.choices or ()
        ]
        and not parser.prog.endswith(" run")
    ]
    assert silent == []
