"""`doxedge gateway enter`: two persons enter an hour for which nothing was measured."""

from __future__ import annotations

import argparse
from typing import Any, Final

from doxedge.cli.command_line import spoken
from doxedge.cli.gateway_exchange import add_saying, document_hash
from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    ask,
    folder_of,
    print_json,
    print_section,
    printable,
    utc,
)
from doxedge.cli.outcome import Exit, Failure

SCHEMA: Final = "doxedge.gateway.enter/1"
_REFUSED: Final = frozenset(
    {"measured", "not_a_gap", "not_settled", "proposed", "confirmed", "one_person", "one_account", "too_many"}
)
_CODES: Final = {"disk": Exit.LOCAL_IO, "busy": Exit.TIMEOUT}
_EPILOG: Final = """\
  doxedge gateway enter propose --unit alpha-1 --hour 2026-01-31T13:00 --nox-g 41250 --operating-percent 100 \\
      --name 'A. Person' --reason 'portable analyser, see protocol' --document protocol.pdf
  doxedge gateway enter confirm 3 --name 'B. Person'          # another person, from another account of the machine

An entry fills a gap, or stands for a substituted hour whose gap is over. It never replaces a measured hour; what is
measured later replaces it, as a revision. The signed hour has method code 55 and names both persons, their accounts,
the reason and the document's hash.
Exit codes: 0 on record, 1 it cannot be entered so, 2 usage, 3 no gateway runs here, 4 not in the service's group, 5 no
answer: look with `enter list` before you repeat, 7 the document or the disk.
"""


def add_enter(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway enter propose`, `confirm` and `list`."""
    parser = verbs.add_parser(
        "enter",
        help="enter an hour by hand, by two persons, where nothing was measured",
        description="Two persons state the mass of an hour that nothing measured: one proposes, another confirms.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    propose = actions.add_parser(
        "propose",
        help="the first person: what the hour is, and why",
        description="Keeps a proposal on the gateway's disk and says its number. Nothing is signed before it is "
        "confirmed.",
        examples=(
            (
                "doxedge gateway enter propose --unit alpha-1 --hour 2026-01-31T13:00 --nox-g 41250 \\\n"
                "      --operating-percent 100 --name 'A. Person' --reason 'portable analyser' --document protocol.pdf"
            ),
        ),
    )
    propose.add_argument("--unit", required=True, metavar="U", help="the unit, as in gateway.toml")
    propose.add_argument(
        "--hour", type=_hour, required=True, metavar="TIME", help="its start: 2026-01-31T13:00, UTC"
    )
    propose.add_argument("--nox-g", type=_whole, required=True, metavar="G", help="NOx as NO2, whole grams")
    propose.add_argument("--energy-wh", type=_whole, default=0, metavar="WH", help="default: 0")
    propose.add_argument(
        "--operating-percent",
        type=_whole,
        default=100,
        metavar="P",
        help="how long the unit ran; default: 100",
    )
    add_saying(propose)
    propose.set_defaults(func=_propose)
    confirm = actions.add_parser(
        "confirm",
        help="the second person: it is signed",
        description="Confirms a proposal of another person, from another account of this machine; the gateway signs "
        "the hour with both names.",
        examples=("doxedge gateway enter confirm 3 --name 'B. Person'",),
    )
    confirm.add_argument("entry", type=_whole, metavar="ENTRY", help="its number, as `enter list` shows")
    confirm.add_argument(
        "--name", type=spoken, required=True, metavar="WHO", help="who confirms: not who has proposed it"
    )
    confirm.add_argument(
        "--same-account", default=None, metavar="WHY",
        help="why one account of the machine does both; stands in the signed hour",
    )  # fmt: skip
    confirm.set_defaults(func=_confirm)
    listed = actions.add_parser(
        "list",
        help="what was proposed and confirmed",
        description="Lists all entries of this gateway with their names, reasons and what became of them.",
        examples=("doxedge gateway enter list",),
    )
    listed.set_defaults(func=_list)
    for action in (propose, confirm, listed):
        add_place(action)


def _propose(options: argparse.Namespace) -> int:
    answer = _ask(
        options,
        {
            "ask": "propose-hour",
            "unit": options.unit,
            "start_ms": options.hour,
            "nox_g": options.nox_g,
            "energy_wh": options.energy_wh,
            "operating_percent": options.operating_percent,
            "name": options.name,
            "reason": options.reason,
            "document": document_hash(options.document),
        },
    )
    entry = answer["entry"]
    _show(options, answer, f"entry {entry['number']} waits for another person to confirm it")
    return Exit.OK


def _confirm(options: argparse.Namespace) -> int:
    question = {"ask": "confirm-hour", "entry": options.entry, "name": options.name}
    answer = _ask(options, {**question, "same_account": options.same_account})
    entry = answer["entry"]
    state = "is signed" if answer["signed"] else "is signed as soon as the gateway may sign"
    _show(
        options, answer, f"entry {entry['number']}: hour {utc(entry['start_ms'])} of {entry['unit']} {state}"
    )
    return Exit.OK


def _list(options: argparse.Namespace) -> int:
    entries = _ask(options, {"ask": "hour-entries"})["entries"]
    if options.output == "json":
        print_json({"schema": SCHEMA, "entries": entries})
        return Exit.OK
    rows = [
        [
            str(entry["number"]),
            entry["unit"],
            utc(entry["start_ms"]),
            str(entry["nox_g"]),
            entry["proposed"]["name"],
            entry["confirmed"]["name"] if entry["confirmed"] else "waits",
            entry["reason"],
        ]
        for entry in entries
    ]
    columns = ("entry", "unit", "hour", "nox_g", "proposed by", "confirmed by", "reason")
    print_section(Section("Hours entered by hand", columns, rows, "nothing was entered by hand"))
    return Exit.OK


def _ask(options: argparse.Namespace, question: dict[str, Any]) -> dict[str, Any]:
    answer = ask(folder_of(options), question, changes=question["ask"] != "hour-entries")
    if not answer.get("ok"):
        code = str(answer.get("code"))
        status = Exit.REFUSED if code in _REFUSED else _CODES.get(code, Exit.USAGE)
        raise Failure(status, printable(str(answer.get("reason"))))
    return answer


def _show(options: argparse.Namespace, answer: dict[str, Any], words: str) -> None:
    if options.output == "json":
        print_json({"schema": SCHEMA, **{name: value for name, value in answer.items() if name != "ok"}})
    else:
        print(printable(words))


def _hour(text: str) -> int:
    from doxedge.cli.hand_figures import start_of_hour

    try:
        return start_of_hour(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number")
    return int(text)
