"""What the commands that ask a running node have in common: its address, one question, errors as exit codes."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Final

from doxedge.cli.outcome import Exit, Failure

JOIN_THE_GROUP: Final = "be in the group of the service (sudo adduser NAME doxedge)"
"""For whoever may not speak to a service through its socket."""
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def add_node_options(parser: argparse.ArgumentParser) -> None:
    """Where the node is, and how to be let in over TCP."""
    parser.add_argument(
        "--node",
        default=None,
        metavar="ADDRESS",
        help="the node's socket, or http://127.0.0.1:PORT (default: the user's or the system's socket)",
    )
    parser.add_argument(
        "--token-file", type=Path, default=None, metavar="FILE", help="holds the node's token; for TCP only"
    )


class Asked:
    """One node, asked synchronously. Every error is a Failure with the exit code of its kind."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Raises Failure (2) for an address that is none."""
        from doxedge.backends.http_client import NodeAddress, NodeClient, default_socket

        try:
            address = NodeAddress.parse(
                _named(options.node) or str(default_socket()), token_file=options.token_file
            )
        except ValueError as error:
            raise Failure(Exit.USAGE, f"--node: {error}") from error
        self.address = address
        self._client = NodeClient(address)

    def get(self, path: str, *, missing: str | None = None) -> bytes | None:
        """The body of a good answer; None for a 404 whose code is `missing`."""
        from doxedge.backends.port import LedgerError, Rejected, Unauthorised
        from doxedge.backends.remote import error_of

        try:
            answer = self._client.request("GET", path)
            if answer.status < 400:
                return answer.body
            raise error_of(answer)
        except Unauthorised as error:
            text = f"{error}; give the node's token file with --token-file"
            raise Failure(Exit.UNAUTHORISED, text) from error
        except Rejected as error:
            if missing is not None and error.code == missing:
                return None
            raise Failure(Exit.USAGE, str(error)) from error
        except LedgerError as error:
            if isinstance(error.__cause__, PermissionError):
                text = f"{self.address.text}: {error.__cause__.strerror}; {JOIN_THE_GROUP}"
                raise Failure(Exit.UNAUTHORISED, text) from error
            raise Failure(Exit.UNREACHABLE, f"{error}; name another node with --node") from error

    def get_json(self, path: str) -> list[dict[str, object]]:
        """A list of objects. Raises Failure (3) when something that is no node of ours answers."""
        try:
            value = json.loads(self.get(path) or b"")
        except ValueError as error:
            raise Failure(Exit.UNREACHABLE, f"what answers there is no node: {error}") from error
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise Failure(Exit.UNREACHABLE, "what answers there is no node: a list of objects is missing")
        return value

    def channels(self, wanted: str | None) -> list[dict[str, object]]:
        """The node's channels, or the one that is wanted by name or by the beginning of its id (8 digits or more)."""
        found = self.get_json("/v1/channels")
        if wanted is None:
            return found
        matching = [
            channel
            for channel in found
            if wanted == channel.get("name")
            or (len(wanted) >= 8 and str(channel.get("channel")).startswith(wanted.lower()))
        ]
        if len(matching) != 1:
            names = ", ".join(
                f"{channel.get('name')} ({str(channel.get('channel'))[:16]})" for channel in found
            )
            what = "no channel" if not matching else "more than one channel"
            raise Failure(
                Exit.USAGE, f"--channel {wanted} names {what} of this node; it keeps: {names or 'none'}"
            )
        return matching

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _named(node: str | None) -> str | None:
    """A socket may be named from where one stands; a service has no such place."""
    return node if node is None or not Path(node).is_socket() else str(Path(node).absolute())


def utc_text(at_ms: int | None) -> str:
    """UTC to the minute, or a dash; the bare number where no calendar reaches: some times are told by devices."""
    if at_ms is None:
        return "–"
    try:
        return (EPOCH + dt.timedelta(milliseconds=at_ms)).strftime("%Y-%m-%d %H:%M")
    except OverflowError:
        return f"{at_ms} ms"
