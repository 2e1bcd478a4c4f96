"""`doxedge transaction sign`: an officer's statement from the command line, signed into a file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doxedge.cli.ask_node import Asked, add_node_options
from doxedge.cli.new_file import put_new
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.ledger.transaction import Transaction
    from doxedge.signing.canonical import Value
    from doxedge.signing.signer import Signer

_EPILOG: Final = """\
A field is text, a whole number, bytes in hexadecimal, or a list as JSON; an empty value stands for none where the
kind allows it.
Grams are the second number of an amount: amount=[0,5000000].

examples (the regulator, who has the key of an officer of the genesis)
  doxedge transaction sign unit.register unit=alpha-1 party=alpha kind=boiler capacity_kw=200000 zone=1 \\
      --key file:///media/officer/officer.pem --out unit.envelope
  doxedge transaction sign account.open account=alpha-1 party=alpha unit=alpha-1 --key ... --out account.envelope
  doxedge transaction submit unit.envelope
Hand each file in before the next is signed: a record names the one before it. An account numbers its own records: give
--anchor with the record id of its account.open; for an officer who was enrolled later, that of his party.enrol.

kinds and their fields
"""


def add_sign(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `transaction sign`."""
    from doxedge.ledger.bodies import SHAPES

    kinds = "\n".join(f"  {kind}: {shape.words}" for kind, shape in sorted(SHAPES.items()))
    sign = verbs.add_parser(
        "sign",
        help="sign a record as an officer, into a file",
        description="Asks the node where the numbering of the key stands, signs the next record, and writes the "
        "envelope to a file. Nothing is handed in.",
        epilog=_EPILOG + kinds,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sign.add_argument("kind", metavar="KIND", help="one of the kinds below")
    sign.add_argument("fields", nargs="*", metavar="FIELD=VALUE")
    sign.add_argument("--key", required=True, metavar="URI", help="the officer's key, file:///...")
    sign.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the envelope goes; must be new"
    )
    sign.add_argument(
        "--anchor", default="", metavar="RECORD", help="the record id that made the numbering (64 digits)"
    )
    sign.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="its name or id, when the node keeps several"
    )
    sign.add_argument("--output", default="table", choices=("table", "json"))
    add_node_options(sign)
    sign.set_defaults(func=_sign)


def _sign(options: argparse.Namespace) -> int:
    transaction = sign_next(options, options.kind, body_of(options.kind, options.fields))
    say_signed(options, transaction)
    return Exit.OK


def say_signed(options: argparse.Namespace, transaction: Transaction) -> None:
    """What was signed, and how it is handed in at the node that was asked."""
    record, record_id = transaction.record, transaction.record_ids[0].hex()
    if options.output == "json":
        told = {"record_id": record_id, "kind": record.kind, "seq": record.seq, "file": str(options.out)}
        print(json.dumps(told, indent=1))
        return
    print(f"{record_id}  {record.kind} number {record.seq} in {options.out}")
    where = "" if options.node is None else f" --node {options.node}"
    print(f"doxedge: hand it in with: doxedge transaction submit {options.out}{where}", file=sys.stderr)


def sign_next(options: argparse.Namespace, kind: str, body: list[Value]) -> Transaction:
    """Sign the next record of the key's numbering into `options.out`. Raises Failure."""
    from doxedge.analysers.configuration import ConfigError
    from doxedge.keystore.keys import open_signer
    from doxedge.ledger.transaction import sign_record
    from doxedge.signing.record import Record
    from doxedge.signing.tags import RecordId, SourceId, source_id

    anchor = _hex(options.anchor, "--anchor")
    try:
        signer: Signer = open_signer(options.key)
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    asked = Asked(options)
    try:
        channels = asked.channels(options.channel)
        if len(channels) != 1:
            raise Failure(Exit.USAGE, "the node keeps several channels; name one with --channel")
        channel = bytes.fromhex(str(channels[0]["channel"]))
        source = SourceId(source_id(channel, anchor or signer.key_id))
        head = asked.get(f"/v1/channels/{channel.hex()}/sources/{source.hex()}", missing="unknown_source")
    finally:
        asked.close()
    if head is None:
        text = f"the channel knows no numbering of key {signer.key_id.hex()}"
        raise Failure(Exit.USAGE, f"{text}; is the key enrolled? Accounts and later officers need --anchor")
    standing = json.loads(head)
    record = Record(kind, source, standing["seq"] + 1, RecordId(bytes.fromhex(standing["prev"])), body)
    transaction = sign_record(record, channel=channel, signer=signer)
    put_new(options.out, transaction.raw)
    return transaction


def body_of(kind: str, fields: list[str]) -> list[Value]:
    """The body of a record, from `field=value` in any order. Raises Failure (2) that says what the kind wants."""
    from doxedge.ledger.bodies import SHAPES

    shape = SHAPES.get(kind)
    if shape is None:
        raise Failure(Exit.USAGE, f"`{kind}` is no kind; there are: {', '.join(sorted(SHAPES))}")
    names = shape.words.split(", ")
    given = dict(field.partition("=")[::2] for field in fields if "=" in field)
    wrong = [field for field in fields if field.partition("=")[0] not in names or "=" not in field]
    missing = [name for name in names if name not in given]
    if wrong or missing or len(given) < len(fields):
        what = (
            f"not one of its fields: {wrong[0]}"
            if wrong
            else f"missing: {', '.join(missing) or 'none, one is doubled'}"
        )
        raise Failure(Exit.USAGE, f"{kind} wants {shape.words}, each once as FIELD=VALUE; {what}")
    allowed = [{row[place] for row in shape.types} for place in range(len(names))]
    return [_value(name, given[name], types) for name, types in zip(names, allowed, strict=True)]


def _value(name: str, text: str, types: set[type]) -> Value:
    """One field in the type that the kind wants. Raises Failure (2)."""
    if not text and type(None) in types:
        return None
    if str in types:
        return text
    if bytes in types:
        return _hex(text, name)
    try:
        value: Value = int(text) if int in types else json.loads(text, parse_float=_no_float)
    except ValueError as error:
        raise Failure(
            Exit.USAGE, f"{name} is {'a whole number' if int in types else 'a list as JSON'}: {error}"
        ) from error
    if type(value) not in types:
        raise Failure(
            Exit.USAGE, f"{name} is {' or '.join(sorted(one.__name__ for one in types))}, not `{text}`"
        )
    return value


def _no_float(text: str) -> Value:
    raise ValueError(f"{text} is no whole number")


def _hex(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{name} is hexadecimal, not `{text}`") from error
