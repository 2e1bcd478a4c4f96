"""`doxedge rules`: the rules in force, as numbered text made from the program that runs them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from importlib import resources

from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.streams import shows_all_signs
from doxedge.contracts import in_force, reading_copy
from doxedge.contracts.reading_copy import RuleText, Section

PACKAGE = "doxedge.contracts"
_EPILOG = """\
examples:
  doxedge rules list               which sections there are
  doxedge rules show transfer      one section, by its name
  doxedge rules show 7             the same, by its number
  doxedge rules show 7.8           the clause that a receipt cites, in every rule that has it
  doxedge rules show all           the whole reading copy

A clause says why an act is refused. Below it stands the condition that must hold, as the program asks it, and what its
words stand for. Where several clauses would refuse, the receipt cites the lowest.

Exit codes: 0 shown, 2 there is no such section or clause, 7 the source is not installed.
"""


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `rules list` and `rules show`."""
    parser = nouns.add_parser(
        "rules",
        help="the rules in force, as numbered text",
        description="The rules that every node runs, made from their source. A receipt cites their clauses.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listed = verbs.add_parser(
        "list",
        help="the sections, with the kinds of transactions that they judge",
        description="Lists the sections of the rules in force, with the kinds of transactions that each judges.",
        examples=("doxedge rules list",),
    )
    listed.set_defaults(func=_list)
    show = verbs.add_parser(
        "show",
        help="a section, a clause, or everything",
        description="Prints a section or a clause as numbered text.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument(
        "section", metavar="SECTION", help="name or number of a section, number of a clause, or `all`"
    )
    show.set_defaults(func=_show)
    for verb in (listed, show):
        verb.add_argument("--output", choices=("table", "json"), default="table")


def _list(options: argparse.Namespace) -> int:
    sections = reading_copy.read(_sources())
    if options.output == "json":
        found = [
            {
                "section": section.number,
                "name": section.name,
                "title": section.title,
                "kinds": [rule.kind for rule in section.rules],
                "clauses": _numbers(section.rules),
            }
            for section in sections
        ]
        print(json.dumps({"rules_version": in_force.CURRENT, "sections": found}, indent=1))
        return Exit.OK
    for section in sections:
        kinds = ", ".join(rule.kind for rule in section.rules)
        clauses = len(_numbers(section.rules))
        said = f"{clauses} clauses: {kinds}" if clauses else "refuses nothing"
        print(f"§ {section.number}  {section.name:10}  {section.title} ({said})")
    return Exit.OK


def _show(options: argparse.Namespace) -> int:
    wanted: str = options.section.removeprefix("§").strip()
    sources = _sources()
    sections = reading_copy.read(sources)
    if wanted == "all":
        return _print(options, sections, reading_copy.whole_text(sources))
    named = [section for section in sections if wanted in (section.name, str(section.number))]
    if named:
        return _print(options, named, reading_copy.section_text(named[0]) + "\n")
    citing = [rule for section in sections for rule in section.rules if wanted in _numbers([rule])]
    if not citing:
        names = ", ".join(section.name for section in sections)
        text = f"there is no section or clause `{options.section}`. Sections: {names}; a clause is a number such as 7.8"
        raise Failure(Exit.USAGE, text)
    cited = [
        dataclasses.replace(rule, clauses=tuple(clause for clause in rule.clauses if clause.number == wanted))
        for rule in citing
    ]
    if options.output == "json":
        print(
            json.dumps(
                [dataclasses.asdict(rule) for rule in cited], indent=1, ensure_ascii=not shows_all_signs()
            )
        )
    else:
        print("\n\n".join(reading_copy.rule_text(rule) for rule in cited))
    return Exit.OK


def _print(options: argparse.Namespace, sections: Sequence[Section], text: str) -> int:
    if options.output == "json":
        print(json.dumps(reading_copy.as_json(sections), indent=1, ensure_ascii=not shows_all_signs()))
    else:
        print(text, end="")
    return Exit.OK


def _numbers(rules: Sequence[RuleText]) -> list[str]:
    """The numbers of the clauses, each once."""
    return list(dict.fromkeys(clause.number for rule in rules for clause in rule.clauses))


def _sources() -> dict[str, str]:
    """The source of the rules as it is installed. Raises Failure where only compiled files are."""
    files = [file for file in resources.files(PACKAGE).iterdir() if file.name.endswith(".py")]
    if not files:
        raise Failure(Exit.LOCAL_IO, "this installation came without the source of the rules")
    return {file.name.removesuffix(".py"): file.read_text(encoding="utf-8") for file in files}
