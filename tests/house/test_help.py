"""Whoever asks a command for help is taught: what it does, and what each of its flags is for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

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
