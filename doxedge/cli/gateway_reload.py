"""`doxedge gateway reload`: have the running gateway take up its configuration, by name."""

from __future__ import annotations

import argparse
from typing import Any, Final

from doxedge.cli.command_line import spoken
from doxedge.cli.gateway_folder import add_place, ask, folder_of, print_json, printable, utc
from doxedge.cli.outcome import Exit, Failure

_CODES: Final = {"configuration": Exit.REFUSED, "bad_question": Exit.USAGE, "busy": Exit.TIMEOUT}
_RESULTS: Final = {
    "unchanged": "nothing differs from what is measured by",
    "withdrawn": "the change that was to come does not come; it is measured as before",
    "in_force": "in force now",
}


def add_reload(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway reload`."""
    reload = verbs.add_parser(
        "reload",
        help="take up a changed configuration without losing a sample, by name",
        description="Has the running gateway read and check its file, drop-ins and register maps anew. A mistake "
        "changes nothing. How samples are kept and where an instrument is found changes at once; whatever makes hours "
        "otherwise takes over at the next full hour, and the hours name the hashes of what made them. Name, reason "
        "and this account stand in the signed event. SIGHUP (systemctl reload doxedge) does the same without a name.",
        epilog="A change of register maps, of their settings or of poll periods reopens the commissioning. What cannot "
        "change this way: state_dir, key, [node], channel and source of a unit. Exit codes: 0 taken "
        "up, 1 a mistake in the configuration, 2 no name, 3 no gateway runs here, 4 not in the service's group, "
        "5 no answer: look with `doxedge gateway events` before you repeat.",
        examples=("doxedge gateway reload --name 'A. Person' --reason 'the loop was set anew'",),
    )
    reload.add_argument("--name", type=spoken, required=True, metavar="WHO", help="who approves the change")
    reload.add_argument("--reason", type=spoken, required=True, metavar="TEXT", help="why it is made")
    add_place(reload)
    reload.set_defaults(func=_reload)


def _reload(options: argparse.Namespace) -> int:
    question = {"ask": "reload", "name": options.name, "reason": options.reason}
    answer = ask(folder_of(options), question, changes=True)
    if not answer.get("ok"):
        code = _CODES.get(str(answer.get("code")), Exit.LOCAL_IO)
        raise Failure(code, printable(str(answer.get("reason"))))
    found = answer["reload"]
    if options.output == "json":
        print_json(found)
    else:
        print("\n".join(printable(line) for line in _lines(found)))
    return Exit.OK


def _lines(found: dict[str, Any]) -> list[str]:
    said = [_RESULTS.get(found["result"]) or f"accepted: it takes over at {utc(found['from_ms'])} UTC"]
    for unit in found["units"]:
        said.append(f"  unit {unit['unit']} is {unit['change']}")
        before, after = unit["profile_hash"]
        if before and after and before != after:
            said.append(
                "    its register maps, their settings or poll periods are others: a commissioned device's hours are "
                "trial from then on, until it is commissioned anew (doxedge gateway commission)"
            )
    said += [f"  line {name} ends" for name in found["lines_ended"]]
    said += [f"  line {name} begins" for name in found["lines_begun"]]
    return said
