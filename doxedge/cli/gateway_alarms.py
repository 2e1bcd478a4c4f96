"""`doxedge gateway alarms` and `doxedge gateway acknowledge`: what wants a person's eye, and who has seen it."""

from __future__ import annotations

import argparse
from typing import Final

from doxedge.cli.command_line import spoken, whole_number
from doxedge.cli.gateway_folder import (
    add_place,
    ask,
    folder_of,
    print_json,
    print_section,
    printable,
    unreadable,
)
from doxedge.cli.gateway_status import alarm_section
from doxedge.cli.outcome import Exit, Failure

SCHEMA: Final = "doxedge.gateway.alarms/1"
NEWEST: Final = 200
_CODES: Final = {
    "acknowledged": Exit.REFUSED,
    "unknown_alarm": Exit.USAGE,
    "bad_question": Exit.USAGE,
    "disk": Exit.LOCAL_IO,
    "busy": Exit.TIMEOUT,
}


def add_alarms(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway alarms` and `gateway acknowledge`."""
    alarms = verbs.add_parser(
        "alarms",
        help="alarms that stand, or are over and not acknowledged",
        description="Lists the alarms that want a person's eye: those that stand, and those that are over and that "
        "nobody has acknowledged. Reads the gateway's file; the gateway need not run.",
        epilog="An alarm is acknowledged by its number: doxedge gateway acknowledge 7 --name 'A. Person' --reason "
        "'cable was loose'. That ends no alarm: it says who knows of it.",
        examples=(
            "doxedge gateway alarms",
            "doxedge gateway alarms --all --output json",
        ),
    )
    add_place(alarms)
    alarms.add_argument("--all", action="store_true", help=f"the last {NEWEST}, whatever became of them")
    alarms.set_defaults(func=_alarms)
    acknowledge = verbs.add_parser(
        "acknowledge",
        help="say by name that an alarm was seen, and why it is no longer a surprise",
        description="Tells the running gateway that a person has seen an alarm. Name, reason, time and the account of "
        "this machine stay on record for ever; the first who acknowledges stands.",
        epilog="Exit codes: 0 on record, 1 somebody was first, 2 no such alarm or no name, 3 no gateway runs here, "
        "4 not in the service's group, 5 no answer: look with `doxedge gateway alarms` before you repeat.",
        examples=("doxedge gateway acknowledge 7 --name 'A. Person' --reason 'cable was loose'",),
    )
    acknowledge.add_argument(
        "alarm",
        type=whole_number(least=1, what="number of an alarm"),
        metavar="ALARM",
        help="its number, as `gateway alarms` shows",
    )
    acknowledge.add_argument("--name", type=spoken, required=True, metavar="WHO", help="who has seen it")
    acknowledge.add_argument(
        "--reason", type=spoken, required=True, metavar="TEXT", help="what it was, or what is done"
    )
    add_place(acknowledge)
    acknowledge.set_defaults(func=_acknowledge)


def _alarms(options: argparse.Namespace) -> int:
    from doxedge.gateway.alarm_rules import rule_of
    from doxedge.gateway.status import alarm_as_dict
    from doxedge.store import look
    from doxedge.store.errors import StoreError

    path = folder_of(options) / "alarms.db"
    try:
        found = look.alarms(path, newest=NEWEST if options.all else None)
    except StoreError as error:
        raise unreadable(error) from error
    listed = [alarm_as_dict(alarm) for alarm in found if options.all or alarm.is_listed(rule_of(alarm.code))]
    if options.output == "json":
        print_json({"schema": SCHEMA, "alarms": listed})
    else:
        print_section(alarm_section(listed))
    return Exit.OK


def _acknowledge(options: argparse.Namespace) -> int:
    question = {
        "ask": "acknowledge",
        "alarm": options.alarm,
        "name": options.name,
        "reason": options.reason,
    }
    answer = ask(folder_of(options), question, changes=True)
    if not answer.get("ok"):
        code = _CODES.get(str(answer.get("code")), Exit.LOCAL_IO)
        raise Failure(code, printable(str(answer.get("reason"))))
    alarm = answer["alarm"]
    if options.output == "json":
        print_json(alarm)
    else:
        state = "still stands" if alarm["cleared_ms"] is None else "is over"
        print(
            printable(
                f"alarm {alarm['alarm']} ({alarm['code']} {alarm['subject']}) is acknowledged; it {state}"
            )
        )
    return Exit.OK
