"""`doxedge transaction`: hand in what was signed elsewhere, and wait as long as you want to know."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.ask_node import Asked, add_node_options
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.backends.port import RecordStatus, TransactionStatus, Wait

WAIT_S_MAX: Final = 60
"""A node waits no longer for one request; whoever wants to know later hands the same file in again."""
_EPILOG = """\
Each FILE holds one signed envelope as it travels. The same file again gets the same answer, however far it is by then.
--wait: `stored` on the node's disk; `seen`: other members say that they hold it too; `final`: in a certified block.
`none` does not judge what the node said. Exit codes: 0 as far as you asked, 1 refused, 5 not that far in time.
"""


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `transaction sign` and `transaction submit`."""
    from doxedge.cli.transaction_sign import add_sign

    parser = nouns.add_parser(
        "transaction",
        help="hand in signed records, and follow them",
        description="What an officer says to the ledger: a record is signed into a file where the key is, and handed "
        "in from there or from another machine.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    add_sign(verbs)
    submit = verbs.add_parser(
        "submit",
        help="hand in signed envelopes",
        description="Hands files to a node, in the order in which they are given, and waits until they are as far as "
        "asked.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(
            "doxedge transaction submit alpha-1.registration",
            "doxedge transaction submit transfer.envelope --wait seen --timeout-s 10",
        ),
    )
    submit.add_argument("files", type=Path, nargs="+", metavar="FILE")
    submit.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="its name or id, when the node keeps several"
    )
    submit.add_argument(
        "--wait",
        choices=("none", "stored", "seen", "final"),
        default="final",
        help="default: final; see below",
    )
    submit.add_argument(
        "--timeout-s", type=_seconds, default=30, metavar="S", help=f"1 to {WAIT_S_MAX} (default: 30)"
    )
    submit.add_argument("--output", choices=("table", "json"), default="table")
    add_node_options(submit)
    submit.set_defaults(func=_submit)


def _submit(options: argparse.Namespace) -> int:
    return hand_in_files(options, options.files, wait=options.wait, timeout_s=options.timeout_s)


def hand_in_files(
    options: argparse.Namespace, files: Sequence[Path], *, wait: Wait = "final", timeout_s: int = 30
) -> int:
    """Hand in the envelopes of these files, show how far they came, and return the exit code."""
    from doxedge.backends.port import SUBMISSION_ENVELOPES

    if len(files) > SUBMISSION_ENVELOPES:
        raise Failure(Exit.USAGE, f"{len(files)} files; at most {SUBMISSION_ENVELOPES} at once")
    envelopes = [_read(path) for path in files]
    asked = Asked(options)
    try:
        channels = asked.channels(options.channel)
    finally:
        asked.close()
    if len(channels) != 1:
        raise Failure(Exit.USAGE, "the node keeps several channels; name one with --channel")
    channel = bytes.fromhex(str(channels[0]["channel"]))
    statuses = asyncio.run(_hand_in(asked, channel, envelopes, wait=wait, timeout_s=timeout_s))
    _show(files, statuses, as_json=options.output == "json")
    return _exit_code(statuses, wait)


async def _hand_in(
    asked: Asked, channel: bytes, envelopes: Sequence[bytes], *, wait: Wait, timeout_s: int
) -> list[TransactionStatus]:
    from doxedge.backends.port import Rejected, Unauthorised, Unreachable
    from doxedge.backends.remote import RemoteLedger

    ledger = RemoteLedger(asked.address)
    try:
        return await ledger.submit(channel, envelopes, wait=wait, timeout_ms=timeout_s * 1_000)
    except Unauthorised as error:
        raise Failure(Exit.UNAUTHORISED, f"{error}; give the node's token file with --token-file") from error
    except Rejected as error:
        raise Failure(Exit.USAGE, str(error)) from error
    except Unreachable as error:
        if error.outcome_unknown:
            raise Failure(Exit.TIMEOUT, f"{error}; hand the same files in again, that is safe") from error
        raise Failure(Exit.UNREACHABLE, f"{error}; come back, or name another node with --node") from error
    finally:
        await ledger.close()


def _exit_code(statuses: Sequence[TransactionStatus], wait: Wait) -> Exit:
    from doxedge.backends.port import UNFINISHED

    if wait == "none":
        return Exit.OK
    records = [record for status in statuses for record in status.records]
    if any(status.tx_id is None for status in statuses) or any(map(_is_refused, records)):
        return Exit.REFUSED
    return Exit.TIMEOUT if any(record.state in UNFINISHED[wait] for record in records) else Exit.OK


def _is_refused(record: RecordStatus) -> bool:
    return record.state in {"conflict", "refused_at_admission"} or record.outcome not in {None, 0}


def _show(files: Sequence[Path], statuses: Sequence[TransactionStatus], *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    for path, status in zip(files, statuses, strict=True):
        if status.tx_id is None:
            rows.append({"file": str(path), "state": "no_transaction", "reason": status.reason})
        rows += [_row(path, status, record) for record in status.records]
    if as_json:
        json.dump(rows, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    for row in rows:
        print(f"{row.get('record_id', row['file'])}  {_words(row)}")


def _row(path: Path, status: TransactionStatus, record: RecordStatus) -> dict[str, Any]:
    return {
        "file": str(path),
        "tx_id": status.tx_id.hex() if status.tx_id else None,
        "record_id": record.record_id.hex(),
        "state": record.state,
        "seen_by": list(record.seen_by),
        "accepted": None if record.outcome is None else record.outcome == 0,
        "clause": record.clause,
        "height": record.height,
        "code": record.code,
        "reason": record.reason,
    }


def _words(row: dict[str, Any]) -> str:
    """One record in words."""
    if row["state"] == "final":
        verdict = "accepted" if row["accepted"] else f"refused under {row['clause']}"
        return f"final in block {row['height']}, {verdict}"
    if row["state"] in {"stored", "seen"}:
        return (
            f"{row['state']} by {', '.join(row['seen_by'])}" if row["seen_by"] else "stored by this node only"
        )
    return f"{row['state'].replace('_', ' ')}: {row['reason']}"


def _seconds(text: str) -> int:
    """A number of seconds, as an argument."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:3]) <= WAIT_S_MAX and len(text) < 3):
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number from 1 to {WAIT_S_MAX}")
    return int(text)


def _read(path: Path) -> bytes:
    from doxedge.signing import limits

    try:
        with path.open("rb") as file:
            data = file.read(limits.ENVELOPE_BYTES + 1)
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
    if not 0 < len(data) <= limits.ENVELOPE_BYTES:
        raise Failure(Exit.USAGE, f"{path} holds no envelope: 1 to {limits.ENVELOPE_BYTES} bytes are wanted")
    return data
