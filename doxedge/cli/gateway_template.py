"""`doxedge gateway template`: a register map to be filled in, for an instrument whose list nobody here has."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from doxedge.cli.outcome import Exit, Failure

_PACKAGE: Final = Path(__file__).resolve().parent.parent
EPILOG: Final = """\
examples
  doxedge gateway template                                   which ones there are
  doxedge gateway template gas_analyser > /etc/doxedge/analysers/our_analyser.toml

Every ? in it is filled in from the maker's own list; a gateway that still finds one says which and does not start.
Exit codes: 0 printed, 2 there is no such template.
"""


def add_template(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    verb = verbs.add_parser(
        "template",
        help="print a register map to be filled in",
        description="Prints a register map with ? wherever only the maker's list tells: for instruments on Modbus of "
        "which no list is at hand. Without a name it says which templates there are.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("name", nargs="?", metavar="NAME", help="such as gas_analyser")
    verb.add_argument("--output", default="text", choices=("text", "json"), help="default: text")
    verb.set_defaults(func=_template)


def templates() -> dict[str, str]:
    """The texts by name, of the installed package or the checkout."""
    for parent in (_PACKAGE, _PACKAGE.parent):
        folder = parent / "firmware_configs" / "templates"
        if folder.is_dir():
            return {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.toml"))}
    return {}


def _template(options: argparse.Namespace) -> int:
    there = templates()
    if options.name is None:
        about = {name: text.splitlines()[0].removeprefix("# ") for name, text in there.items()}
        lines = [f"{name:23}{words}" for name, words in about.items()]
        sys.stdout.write(json.dumps(about) + "\n" if options.output == "json" else "\n".join(lines) + "\n")
        return Exit.OK
    if options.name not in there:
        raise Failure(Exit.USAGE, f"there is no template {options.name!r}; there are: {', '.join(there)}")
    text = there[options.name]
    sys.stdout.write(
        json.dumps({"name": options.name, "text": text}) + "\n" if options.output == "json" else text
    )
    return Exit.OK
