"""What `doxedge init` asks about a box and its channel: the table, and the check of each answer."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from doxedge.backends.http_client import SOCKET_PATH_BYTES_MAX
from doxedge.cli.init_answers import Answers, Question, WrongAnswer
from doxedge.cli.init_channel import read_genesis_file, read_member_card
from doxedge.cli.init_unit_questions import UNIT_QUESTIONS
from doxedge.cli.outcome import Failure
from doxedge.contracts.figures import FIGURES
from doxedge.contracts.rule import REGULATOR, is_name
from doxedge.signing.limits import TEXT_BYTES

SYSTEM_FOLDER: Final = Path("/etc/doxedge")
_BROKER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\],]+)(?::(\d{1,5}))?")


def _absolute(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # `~name` of nobody here
        raise WrongAnswer(
            f"{text} begins with the home of an account that is not here; write the path out"
        ) from error


def _role(text: str, _: Answers) -> str:
    if text not in ("gateway", "node", "both"):
        raise WrongAnswer(f"`{text}` is none of gateway, node, both")
    return text


def _channel(text: str, answers: Answers) -> str:
    if text not in ("join", "found", "later"):
        raise WrongAnswer(f"`{text}` is none of join, found, later")
    if text == "found" and answers.has_gateway:
        raise WrongAnswer(
            "who founds a channel is its regulator, who keeps its ledger and has no units: the role is node"
        )
    return text


def _channel_default(answers: Answers) -> str:
    if answers.text("genesis") or len(_genesis_files(answers.folder)) == 1:
        return "join"
    return "found" if answers.text("channel_name") else "later"


def _genesis_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.genesis")) if folder.is_dir() else []


def _genesis_default(answers: Answers) -> str | None:
    there = _genesis_files(answers.folder)
    return str(there[0]) if len(there) == 1 else None


def _genesis(text: str, _: Answers) -> str:
    path = _absolute(text)
    try:
        read_genesis_file(path)
    except Failure as failure:
        raise WrongAnswer(str(failure)) from failure
    return str(path)


def _party(text: str, _: Answers) -> str:
    if not is_name(text):
        raise WrongAnswer("a name has 1 to 64 characters that can be seen, without a space at either end")
    return text


def _place(text: str, _: Answers) -> str:
    if not text or len(text.encode()) > TEXT_BYTES:
        raise WrongAnswer("say in a few words where the geofence is")
    return text


def _member(text: str, answers: Answers) -> str:
    path = _absolute(text)
    try:
        card = read_member_card(path)
    except Failure as failure:
        raise WrongAnswer(str(failure)) from failure
    others = [read_member_card(Path(other)).party for other in answers.items("member")]
    if card.party in [answers.text("company"), *others]:
        raise WrongAnswer(f"{path} is a second card of {card.party}")
    return str(path)


def _figure(text: str, _: Answers) -> str:
    name, _sign, value = text.partition("=")
    bounds = FIGURES.get(name)
    if bounds is None:
        raise WrongAnswer(f"there is no figure `{name}`; there are: {', '.join(FIGURES)}")
    try:
        number = int(value)
    except ValueError as error:
        raise WrongAnswer(f"write {name}=NUMBER, from {bounds.low} to {bounds.high}") from error
    if not bounds.low <= number <= bounds.high:
        raise WrongAnswer(f"{name} is {bounds.low} to {bounds.high} ({bounds.about})")
    return f"{name}={number}"


def _broker(text: str, _: Answers) -> str:
    if text == "none":
        return text
    match = _BROKER.fullmatch(text)
    if match is None or not 1 <= int(match[2] or 1883) <= 65_535:
        raise WrongAnswer(f"`{text}` is not HOST:PORT (or none: the node stays alone)")
    return text


def _brokers(items: Sequence[str], _: Answers) -> None:
    if "none" in items and len(items) > 1:
        raise WrongAnswer("`none` stands alone")
    if len(set(items)) < len(items):
        raise WrongAnswer("a broker is given twice")


def _file_or_nothing(text: str, _: Answers) -> str:
    if not text or text == "none":
        return ""
    path = _absolute(text)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise WrongAnswer(f"{path} is no file that can be read")
    return str(path)


def _folder_or_nothing(text: str, _: Answers) -> str:
    if text and not Path(text).is_dir():
        raise WrongAnswer(f"{text} is no folder")
    return str(Path(text).absolute()) if text else ""


def _path(text: str, _: Answers) -> str:
    return str(_absolute(text))


def _socket(text: str, _: Answers) -> str:
    path = _absolute(text)
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise WrongAnswer(
            f"{path} is longer than the {SOCKET_PATH_BYTES_MAX} bytes that a socket's path may have"
        )
    return str(path)


def _is_system(answers: Answers) -> bool:
    return answers.folder == SYSTEM_FOLDER


QUESTIONS: Final = (
    Question(
        "role", "what this box is: gateway, node, or both", "gateway (reads analysers), node (keeps a ledger) or "
        "both in one box", _role, default=lambda _: "both", metavar="ROLE",
    ),
    Question(
        "channel", "the channel: join (a genesis file is here), found (you are the regulator), or later",
        "join a channel whose genesis file you have, found a new one as its regulator, or later: make keys and a "
        "member card now, which the regulator needs for the genesis", _channel, default=_channel_default,
        metavar="HOW",
    ),
    Question(
        "company", "the name of your company or office", "the member that this box belongs to, as the channel "
        "names it", _party, default=lambda a: REGULATOR if a.text("channel") == "found" else None, metavar="NAME",
    ),
    Question(
        "genesis", "the genesis file", "the file that the regulator gave out", _genesis, default=_genesis_default,
        applies=lambda a: a.text("channel") == "join", metavar="FILE",
    ),
    Question(
        "channel_name", "a short name for the new channel", "names the new channel, for people", _party,
        applies=lambda a: a.text("channel") == "found", metavar="NAME",
    ),
    Question(
        "place", "its geofence, in words", "where the new channel is, in words", _place,
        applies=lambda a: a.text("channel") == "found",
    ),
    Question(
        "member", "member card of a company (a file that its `doxedge init` made; empty: no more)",
        "a member card NAME.member.toml; may be repeated. Members can also be enrolled later", _member,
        default=lambda _: "", applies=lambda a: a.text("channel") == "found", many=True, metavar="FILE",
    ),
    Question(
        "figure", "a figure that differs from its default", "a figure of the new channel, NAME=NUMBER; may be "
        f"repeated: {', '.join(FIGURES)}", _figure, default=lambda _: "",
        applies=lambda a: a.text("channel") == "found", many=True, asked=False, metavar="NAME=NUMBER",
    ),
    Question(
        "broker", "MQTT broker of the channel, HOST:PORT (none: this node stays alone)",
        "an MQTT broker that carries what the members tell each other; may be repeated; none for none", _broker,
        default=lambda _: "127.0.0.1:1883", applies=lambda a: a.has_node, many=True, check_all=_brokers,
        metavar="HOST:PORT",
    ),
    Question(
        "broker_ca", "who signed the broker's certificate (a file; empty: no TLS)",
        "PEM file of the authority that signed the brokers' certificates; without it there is no TLS",
        _file_or_nothing, default=lambda _: "", applies=lambda a: a.has_node and a.items("broker") != ["none"],
        metavar="FILE",
    ),
    Question(
        "profiles", "own register maps", "a folder of register maps that goes before /etc/doxedge/analysers and the "
        "package's own", _folder_or_nothing, default=lambda _: "", applies=lambda a: a.has_gateway, asked=False,
        metavar="DIR",
    ),
    *UNIT_QUESTIONS,
    Question(
        "officer_key", "the officer's key", "where the key lies with which an officer acts for the company (default: "
        "DIR/keys/officer.pem); made when it is missing", lambda text, _: text,
        default=lambda a: (a.folder / "keys" / "officer.pem").as_uri(), asked=False, metavar="URI",
    ),
    Question(
        "state_dir", "state folder", "where ledger, outbox and samples are kept (default: /var/lib/doxedge, or "
        "DIR/state for another DIR)", _path,
        default=lambda a: "/var/lib/doxedge" if _is_system(a) else str(a.folder / "state"), asked=False,
        metavar="DIR",
    ),
    Question(
        "socket", "the node's socket", "where gateway and commands reach the node (default: /run/doxedge/node.sock, "
        "or DIR/node.sock for another DIR)", _socket,
        default=lambda a: "/run/doxedge/node.sock" if _is_system(a) else str(a.folder / "node.sock"),
        asked=False, metavar="PATH",
    ),
)  # fmt: skip
"""In the order in which they are asked; an answer may depend on those before it."""
