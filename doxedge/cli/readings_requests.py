"""`doxedge readings request` and `readings requests`: ask a unit for raw samples, and see how each request stands."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from doxedge.cli.ask_node import Asked, add_node_options
from doxedge.cli.outcome import Exit

DUE_HOURS_DEFAULT: Final = 72
_EPILOG: Final = """\
A period is of whole hours that are over, at most 24. The gateway of the unit answers by itself, with the hash of a file
that its operator hands over; `doxedge evidence samples` judges that file.
The signed envelope is written to --out before it is handed in: after a time-out, hand the same file in again with
`doxedge transaction submit`, and never sign a second one.
"""


def add_requests(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], *, moment: Callable[[str], int]
) -> None:
    """Add `readings requests` and `readings request`; `moment` reads a time of the command line."""
    listed = verbs.add_parser(
        "requests",
        help="requests for raw samples: open, overdue, answered, late, lost",
        description="Lists every request for raw samples with its unit, period and deadline, and what came of it.",
        examples=("doxedge readings requests",),
    )
    listed.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="name or id (default: every channel)"
    )
    listed.add_argument("--output", choices=("table", "json"), default="table")
    add_node_options(listed)
    listed.set_defaults(func=_requests)
    request = verbs.add_parser(
        "request",
        help="ask for the raw samples of a unit, as an officer of the regulator",
        description="Signs a samples.request, hands it in, and waits until it is final.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(
            (
                "doxedge readings request alpha-1 --from 2026-01-31T13:00 --to 2026-01-31T15:00 \\\n"
                "      --reason 'a neighbour complained' --key file:///media/officer.pem --out request.envelope"
            ),
        ),
    )
    request.add_argument("unit", metavar="UNIT")
    request.add_argument(
        "--from", dest="from_ms", type=moment, required=True, metavar="TIME", help="2026-01-31T13:00, UTC"
    )
    request.add_argument(
        "--to", dest="to_ms", type=moment, required=True, metavar="TIME", help="end of the period, UTC"
    )
    request.add_argument(
        "--due", dest="due_ms", type=moment, default=None, metavar="TIME",
        help=f"until when an answer is wanted, UTC (default: in {DUE_HOURS_DEFAULT} hours)",
    )  # fmt: skip
    request.add_argument("--reason", required=True, metavar="TEXT", help="stands on the ledger")
    request.add_argument("--key", required=True, metavar="URI", help="the officer's key, file:///...")
    request.add_argument(
        "--anchor", default="", metavar="RECORD", help="of an officer who was enrolled later: his party.enrol"
    )
    request.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the envelope goes; must be new"
    )
    request.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="its name or id, when the node keeps several"
    )
    request.add_argument("--output", choices=("table", "json"), default="table")
    add_node_options(request)
    request.set_defaults(func=_request)


def _request(options: argparse.Namespace) -> int:
    from doxedge.cli.transaction import hand_in_files
    from doxedge.cli.transaction_sign import sign_next
    from doxedge.fieldbus.clock import from_environment
    from doxedge.quantity import HOUR_MS

    due_ms = options.due_ms
    if due_ms is None:
        due_ms = from_environment(os.environ).now_ms() + DUE_HOURS_DEFAULT * HOUR_MS
    body = [options.unit, options.from_ms, options.to_ms, due_ms, options.reason]
    sign_next(options, "samples.request", body)
    return hand_in_files(options, [options.out])


def _requests(options: argparse.Namespace) -> int:
    asked = Asked(options)
    try:
        channels: list[dict[str, Any]] = [
            {
                "channel": channel["channel"],
                "name": channel["name"],
                "requests": asked.get_json(f"/v1/channels/{channel['channel']}/requests"),
            }
            for channel in asked.channels(options.channel)
        ]
    finally:
        asked.close()
    if options.output == "json":
        print(json.dumps({"channels": channels}, indent=1))
        return Exit.OK
    for channel in channels:
        print(channel["name"])
        print("\n".join(_lines(channel["requests"])))
    return Exit.OK


def _lines(requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Two lines for each request, and a third for an answer."""
    from doxedge.evidence.content import shown, time_text

    found = []
    for row in requests:
        found.append(f"{row['request']}  {row['status'].upper()}")
        period = f"{time_text(row['from_ms'])} to {time_text(row['to_ms'])}"
        found.append(
            f"  {shown(row['unit'])}, {period}, due {time_text(row['due_ms'])}: {shown(row['reason'])}"
        )
        if (answer := row["answer"]) is not None:
            text = f": {shown(answer['text'])}" if answer["text"] else ""
            found.append(
                f"  {shown(answer['device'])} at {time_text(answer['answered_ms'])}, record {answer['record_id']}"
            )
            found.append(f"  {answer['samples']} samples, content hash {answer['content_hash']}{text}")
    return found or ["nothing was asked for"]
