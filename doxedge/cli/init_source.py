"""Which source numbers the records of a new gateway: given, known to the ledger, or made by a registration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from doxedge.backends.http_client import NodeAddress, NodeClient
from doxedge.backends.port import LedgerError
from doxedge.cli.init_answers import Answers
from doxedge.cli.init_channel import (
    known_source,
    officer_head,
    registration,
    registration_head,
    registration_record,
    registration_source,
)
from doxedge.cli.init_files import Desk
from doxedge.cli.init_gateway_file import draft_text
from doxedge.cli.outcome import Exit, Failure
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.bodies import firmware_text
from doxedge.gateway.plant import plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.signing.tags import SourceId, source_id

if TYPE_CHECKING:
    from doxedge.signing.signer import Signer


def find_sources(
    answers: Answers, desk: Desk, *, channel: bytes, keys: dict[str, Signer], enrolled: bool
) -> dict[str, bytes]:
    """The source of each unit; those are left out that nobody can know yet.

    A device's source is a hash over its registration. So an officer whose numbering is known signs the registrations
    here, one number after the other, and the gateway's file is whole before anything is on the ledger.
    """
    node = _Node(Path(answers.text("socket")), channel)
    found = {}
    try:
        for unit in answers.units:
            source = _source_of(unit, answers, desk, node, channel=channel, keys=keys, enrolled=enrolled)
            if source is not None:
                found[unit.text("unit")] = source
    finally:
        node.close()
    return found


def _source_of(
    unit: Answers,
    answers: Answers,
    desk: Desk,
    node: _Node,
    *,
    channel: bytes,
    keys: dict[str, Signer],
    enrolled: bool,
) -> bytes | None:
    if unit.text("source"):
        return bytes.fromhex(unit.text("source"))
    name, officer = unit.text("unit"), keys.get("officer")
    found = known_source(node.devices(), unit=name, device=keys["device"])
    if found is not None:
        return found
    if officer is None or not enrolled:
        return None
    path = desk.folder / f"{name}.registration"
    if path.exists():
        desk.files.append((path, "was there, left as it is"))
        return registration_source(_read(path), channel=channel)
    raw, source = _sign(name, answers, desk, node, channel=channel, keys=keys)
    desk.put(path, raw)
    return source


def register_again(
    unit: Answers, answers: Answers, desk: Desk, *, channel: bytes, keys: dict[str, Signer]
) -> str | None:
    """Sign the registration anew, where the ledger refused it and would take it now; words when it waits for others.

    What was refused stays refused, and its number is used up. The new record makes another source, so that the one
    line that names the source changes in the gateway's file; nothing was accepted from the old one.
    """
    name, officer = unit.text("unit"), keys.get("officer")
    path, config = desk.folder / f"{name}.registration", desk.folder / "gateway.toml"
    if officer is None or not path.exists():
        return None
    node = _Node(Path(answers.text("socket")), channel)
    try:
        old = registration_source(_read(path), channel=channel)
        refused = node.refused(registration_record(_read(path), channel=channel))
        if refused is None:
            return None
        if name not in node.units():
            return (
                f"The registration of the device was refused ({refused}), and the channel has no unit {name} yet. "
                f"Once the regulator has registered it, run doxedge init again: it signs another registration."
            )
        text = _read(config).decode("utf-8")
        if text.count(old.hex()) != 1:
            return (
                f"The registration of the device was refused ({refused}), and {config} does not name its source "
                f"{old.hex()} once: move the file away and run doxedge init again."
            )
        raw, new = _sign(name, answers, desk, node, channel=channel, keys=keys)
        desk.replace(config, text.replace(old.hex(), new.hex()).encode())
        desk.move(path, path.with_name(f"{path.name}.refused"))
        desk.put(path, raw)
    finally:
        node.close()
    return (
        f"The registration of the device was refused ({refused}) and is signed anew: restart the gateway, which "
        f"numbers its records by the new one."
    )


def _sign(
    name: str, answers: Answers, desk: Desk, node: _Node, *, channel: bytes, keys: dict[str, Signer]
) -> tuple[bytes, SourceId]:
    """The registration with the officer's next number, and the source that it makes.

    The next number follows the ledger's, and those of registrations of other units that wait to be handed in.
    """
    officer = keys["officer"]
    seq, prev = node.officer_head(source_id(channel, officer.key_id))
    for unit in answers.units:
        path = desk.folder / f"{unit.text('unit')}.registration"
        if path.exists():
            seq, prev = max((seq, prev), registration_head(_read(path), channel=channel))
    return registration(
        channel=channel,
        officer=officer,
        device=keys["device"],
        unit=name,
        profile_hash=_profile_hash(name, answers),
        firmware=firmware_text(),
        seq=seq + 1,
        prev=prev,
    )


class _Node:
    """The node behind a socket, where one runs; a node that is not there knows nothing."""

    def __init__(self, socket: Path, channel: bytes) -> None:
        self._client = NodeClient(NodeAddress(socket_path=socket))
        self._path = f"/v1/channels/{channel.hex()}"

    def devices(self) -> list[dict[str, object]]:
        """As the channel knows them; empty without a node."""
        body = self._get("/devices")
        return [] if body is None else list(json.loads(body))

    def officer_head(self, source: bytes) -> tuple[int, bytes]:
        """Where the officer's numbering stands; at its beginning without a node."""
        return officer_head(self._get(f"/sources/{source.hex()}"))

    def units(self) -> set[str]:
        """The names of the channel's units; empty without a node."""
        body = self._get("/units")
        return set() if body is None else {str(row["unit"]) for row in json.loads(body)}

    def refused(self, record: bytes) -> str | None:
        """Why a final record was refused; None for one that was not, that waits, or without a node."""
        body = self._get(f"/records/{record.hex()}")
        status = {} if body is None else json.loads(body)
        if status.get("state") != "final" or status.get("outcome") == 0:
            return None
        return f"clause {status.get('clause')}"

    def _get(self, path: str) -> bytes | None:
        try:
            answer = self._client.request("GET", self._path + path)
        except LedgerError:
            return None
        return answer.body if answer.status == 200 else None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _profile_hash(name: str, answers: Answers) -> bytes:
    """What the gateway will measure with: the plan of its configuration says it, whatever the source is."""
    settings = parse_settings(draft_text(answers), source="gateway.toml")
    planned = plan_units(settings, source="gateway.toml", clock=RealClock())
    return next(unit.profile_hash for unit in planned if unit.table.name == name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
