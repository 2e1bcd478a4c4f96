"""`doxedge init`: from a few answers to keys and configuration files of a new plant or a new channel."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doxedge.cli.init_answers import Answers, add_flags, from_keyboard
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.cli.init_files import Desk
    from doxedge.ledger.genesis import Genesis
    from doxedge.signing.signer import Signer

DESCRIPTION: Final = """\
Asks what only the site knows, and writes the configuration and the keys of a gateway, a node, or both.
Every question is also a flag; with --yes nobody is asked, and what has no default must be given.

Nothing is overwritten: a file that is there stays, and the summary says so. Only a registration that the ledger
refused is signed anew, once the unit is there. Run the same command again after an interruption, or when the
genesis file has come: the earlier answers are remembered.
"""

EPILOG: Final = """\
examples
  a company, first run: make keys and the member card that the regulator needs
    doxedge init --yes --company Alpha --unit alpha-1 --broker broker.example:1883 \\
      --instrument analyser=teledyne_t200@192.168.1.20,oxygen=0 \\
      --instrument flow=generic_analogue_input@192.168.1.21:502/1,flow_high=576300 \\
      --instrument moisture=configured_moisture,moisture_percent=12 \\
      --calibration "nox_ppb,span=500000,zero=0/ZA1/generator,upscale=400000/CC1234/Gas works/2027-05-01"
  two units behind one gateway: what is said of a unit follows its --unit
    doxedge init --yes --company Alpha --unit alpha-1 --instrument ... --unit alpha-2 --instrument ...
  the regulator: found the channel of these companies
    doxedge init --yes --role node --channel found --channel-name north --place "the north geofence" \\
      --member alpha.member.toml --member beta.member.toml --broker broker.example:1883
  the company again, when the genesis file has come
    doxedge init --yes --channel join --genesis north.genesis
"""


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `init`."""
    from doxedge.cli.init_questions import QUESTIONS, SYSTEM_FOLDER

    parser = nouns.add_parser(
        "init",
        help="a new plant or a new channel: a few questions, then keys and configuration",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=SYSTEM_FOLDER,
        metavar="DIR",
        help=f"where files go (default {SYSTEM_FOLDER})",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing: flags, earlier answers and defaults")
    parser.add_argument(
        "--owner",
        default=None,
        metavar="USER",
        help="whom root gives the keys to (default: doxedge, if there is one)",
    )
    parser.add_argument("--output", default="table", choices=("table", "json"))
    add_flags(parser.add_argument_group("answers"), QUESTIONS)
    parser.set_defaults(func=_run)


@dataclass
class _Result:
    """What the summary says."""

    keys: dict[str, str] = field(default_factory=dict)
    """Purpose to the public line."""
    channel: str | None = None
    sources: dict[str, str] = field(default_factory=dict)
    """Unit to what numbers its records."""
    remarks: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)


def _run(options: argparse.Namespace) -> int:
    from doxedge.cli.init_files import Desk, owner_of_services
    from doxedge.cli.init_memory import read_earlier
    from doxedge.cli.init_questions import QUESTIONS
    from doxedge.cli.init_units import gather_all

    try:
        folder = options.dir.expanduser().absolute()
    except RuntimeError as error:  # `~name` of nobody here
        raise Failure(
            Exit.USAGE, f"--dir {options.dir}: there is no such account; write the path out"
        ) from error
    answers = Answers(folder)
    flags = {question.name: getattr(options, question.name) for question in QUESTIONS}
    unit_flags = getattr(options, "unit_flags", [])
    earlier = read_earlier(folder)
    desk = Desk(folder, owner_of_services(options.owner))
    if options.yes:
        gather_all(QUESTIONS, answers, flags, unit_flags, earlier=earlier, ask=None)
        desk.open_folders()
    else:
        # Before the first question: whoever may not write here is told before he has typed for minutes.
        desk.open_folders()
        print("Answer with Enter for what stands in brackets, with ? for an explanation.", file=sys.stderr)
        try:
            gather_all(QUESTIONS, answers, flags, unit_flags, earlier=earlier, ask=from_keyboard)
        except (Failure, KeyboardInterrupt):
            _remember(answers, desk)
            raise
    _remember(answers, desk)
    result = _set_up(answers, desk)
    _remember(answers, desk)
    _show(answers, desk, result, as_json=options.output == "json")
    return Exit.OK


def _remember(answers: Answers, desk: Desk) -> None:
    """Keep the answers for the next run: the one file that is written anew each time."""
    from doxedge.cli.init_memory import ANSWERS_FILE, answers_text
    from doxedge.cli.init_unit_questions import UNIT_QUESTIONS

    of_unit = frozenset(question.name for question in UNIT_QUESTIONS)
    desk.replace(desk.folder / ANSWERS_FILE, answers_text(answers, of_unit).encode())


def _set_up(answers: Answers, desk: Desk) -> _Result:
    """Keys, card, genesis, configuration: each stage goes as far as what is known allows."""
    from doxedge.cli.init_channel import card_name, card_text
    from doxedge.cli.init_gateway import dir_flag
    from doxedge.keystore.keys import public_line

    result = _Result()
    keys: dict[str, Signer] = {}
    if not (answers.text("role") == "gateway" and all(unit.text("source") for unit in answers.units)):
        keys["officer"] = desk.key(answers.text("officer_key"))
    if answers.has_node:
        keys["node"] = desk.key(_uri(answers, "node"))
    if answers.has_gateway:
        keys["device"] = desk.key(_uri(answers, "device"))
    result.keys = {purpose: public_line(signer) for purpose, signer in keys.items()}
    party = answers.text("company")
    if answers.text("channel") != "found" and "officer" in keys:
        card = desk.folder / card_name(party)
        desk.put(card, card_text(party, officer=keys["officer"], node=keys.get("node")).encode())
        if answers.text("channel") == "later":
            result.todo = [
                f"Send {card} to the regulator. It holds public keys only; compare the key ids by telephone.",
                f"When the genesis file has come: doxedge init{dir_flag(answers)} --channel join --genesis FILE",
            ]
            return result
    genesis_path, data, genesis = _genesis(answers, desk, keys)
    _configure(answers, desk, result, keys, (genesis_path, data, genesis))
    return result


def _genesis(answers: Answers, desk: Desk, keys: dict[str, Signer]) -> tuple[Path, bytes, Genesis]:
    """The genesis that was founded or is joined, as a file in the folder."""
    from doxedge.cli.init_channel import card_name, found_channel, read_genesis_file, read_member_card
    from doxedge.fieldbus.clock import from_environment

    if answers.text("channel") == "join":
        given = Path(answers.text("genesis"))
        data, genesis = read_genesis_file(given)
        path = desk.folder / given.name
        if not desk.put(path, data):
            raise Failure(
                Exit.USAGE, f"{path} is there and is another channel's; move it away or give another --dir"
            )
        # The medium that it came on may be gone when init runs again.
        answers.values["genesis"] = str(path)
        return path, data, genesis
    name = card_name(answers.text("channel_name")).replace(".member.toml", ".genesis")
    path = desk.folder / name
    if not path.exists():
        desk.put(
            path,
            found_channel(
                name=answers.text("channel_name"),
                place=answers.text("place"),
                founder=answers.text("company"),
                officer=keys["officer"],
                node=keys["node"],
                cards=[read_member_card(Path(item)) for item in answers.items("member")],
                figures=answers.items("figure"),
                now_ms=from_environment(os.environ).now_ms(),
            ),
        )
    else:
        desk.files.append((path, "was there: the channel is founded, and its genesis is never changed"))
    return path, *read_genesis_file(path)


def _configure(
    answers: Answers,
    desk: Desk,
    result: _Result,
    keys: dict[str, Signer],
    channel_file: tuple[Path, bytes, Genesis],
) -> None:
    from doxedge.cli.init_channel import membership_doubts
    from doxedge.cli.init_files import node_text
    from doxedge.cli.init_gateway import checked, configure_gateway, dir_flag
    from doxedge.signing.tags import channel_id

    path, data, genesis = channel_file
    channel = channel_id(data)
    result.channel = channel.hex()
    result.remarks += membership_doubts(
        genesis, answers.text("company"), officer=keys.get("officer"), node=keys.get("node")
    )
    if answers.text("channel") == "found":
        names = ", ".join(member.party for member in genesis.members)
        result.todo += [
            f"Give {path} to every member ({names}), and tell them the channel's name by another road.",
        ]
    if answers.has_node:
        node = desk.folder / "node.toml"
        desk.put(node, node_text(answers, genesis=path, channel=channel).encode())
        checked(lambda: _check_node(node))
    registering: list[str] = []
    if answers.has_gateway:
        registering, result.sources = configure_gateway(
            answers, desk, channel=channel, keys=keys, enrolled=not result.remarks
        )
    result.todo += [*_starts(answers), *registering, f"Look at it with: doxedge doctor{dir_flag(answers)}"]


def _check_node(path: Path) -> str:
    from doxedge.node.settings import load_settings, read_genesis

    settings = load_settings(path)
    for index, table in enumerate(settings.channel):
        read_genesis(table, source=str(path), index=index)
    return settings.party


def _uri(answers: Answers, name: str) -> str:
    from doxedge.cli.init_files import key_uri

    return key_uri(answers, name)


def _starts(answers: Answers) -> list[str]:
    folder = answers.folder
    gateway, node = f"--gateway {folder / 'gateway.toml'}", f"--node {folder / 'node.toml'}"
    command = {
        "both": f"doxedge run {gateway} {node}",
        "node": f"doxedge node run --config {folder / 'node.toml'}",
        "gateway": f"doxedge gateway run --config {folder / 'gateway.toml'}",
    }[answers.text("role")]
    check = f"Read the poll plan: doxedge gateway check --config {folder / 'gateway.toml'}"
    return [
        *([check] if answers.has_gateway else []),
        f"Start it: {command} (or its service, systemd/README.md)",
    ]


def _show(answers: Answers, desk: Desk, result: _Result, *, as_json: bool) -> None:
    if as_json:
        told = {
            "folder": str(answers.folder),
            "files": [{"path": str(path), "what": what} for path, what in desk.files],
            "keys": result.keys,
            "channel": result.channel,
            "source": next(iter(result.sources.values()), None),
            "sources": result.sources,
            "remarks": result.remarks,
            "next": result.todo,
        }
        print(json.dumps(told, indent=1))
        return
    print("Files")
    for path, what in desk.files:
        print(f"  {path}: {what}")
    print("Public keys (algorithm, key id, key)")
    for purpose, line in result.keys.items():
        print(f"  {purpose}: {line}")
    if result.channel is not None:
        print(f"Channel\n  {result.channel}")
    for remark in result.remarks:
        print(f"Note\n  {remark}")
    print("What to do next")
    for number, text in enumerate(result.todo, 1):
        print(f"  {number}. {text}")
