"""`doxedge gateway commission`: the road from trial hours to hours that count, walked by an operator and a verifier."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.ask_node import Asked, add_node_options, utc_text
from doxedge.cli.command_line import whole_number
from doxedge.cli.commission_view import as_json, read_file, text_lines, write_sheets
from doxedge.cli.gateway_folder import (
    DEFAULT_CONFIG,
    unreadable,
)
from doxedge.cli.hand_figures import HAND_COLUMNS, read_hand
from doxedge.cli.new_file import put_new, require_free
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.gateway.commission_check import Checked
    from doxedge.gateway.commission_prepare import RegisteredDevice
    from doxedge.gateway.plant import PlannedUnit
    from doxedge.gateway.settings import GatewaySettings

HOURS_DEFAULT: Final = 9
"""Practice of Pennsylvania: nine hourly averages checked by hand at approval (figure `commission_hours_min`)."""
TOLERANCE_G_DEFAULT: Final = 1
_EPILOG: Final = """\
the road
  1. beside the gateway   doxedge gateway commission prepare --out alpha-1.commission
  2. on the verifier's own machine, which needs no network
                          doxedge gateway commission check alpha-1.commission --channel HEX --sheets
     writes alpha-1.commission.minutes.csv (the hours minute by minute), .chain.txt (the formula and its constants) and
     .hand.csv: he works the hours out by hand or with his own program, and fills in nox_g
                          doxedge gateway commission check alpha-1.commission --channel HEX --hand alpha-1.commission.hand.csv
  3. with the verifier's key, at any node of the channel
                          doxedge gateway commission sign alpha-1.commission --hand alpha-1.commission.hand.csv \\
                              --key file:///media/verifier.pem --out alpha-1.envelope
From the hour after the last witnessed one on, the hours of the unit count. A gateway that measures with another
register map is commissioned anew in the same way; `doxedge readings status` says where each device stands.
"""  # noqa: E501 - commands stand on one line


def add_commission(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway commission prepare`, `check` and `sign`."""
    parser = verbs.add_parser(
        "commission",
        help="have a verifier witness hours by hand, so that the hours of the unit count",
        description="Until a verifier has recomputed some of a device's hours and signed so, its hours are on trial.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_prepare(actions)
    _add_check(actions)
    _add_sign(actions)


def _add_prepare(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prepare = actions.add_parser(
        "prepare",
        help="beside the gateway: one file with trial hours and all that they were made from",
        description="Takes the newest trial hours that are final on the ledger, that the unit ran in, and that their "
        "raw samples give again, with samples, register maps, settings and evidence. The gateway may run meanwhile.",
        examples=("doxedge gateway commission prepare --unit alpha-1 --count 9 --out alpha-1.commission",),
    )
    prepare.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    prepare.add_argument("--unit", default=None, metavar="UNIT", help="needed when the gateway has several")
    prepare.add_argument(
        "--count",
        type=whole_number(least=1, what="number of hours"),
        default=HOURS_DEFAULT,
        metavar="N",
        help=f"how many hours (default: {HOURS_DEFAULT})",
    )
    prepare.add_argument(
        "--hours", type=_hour, nargs="+", default=None, metavar="TIME",
        help="exactly these hours instead, by their start: 2026-01-31T13:00, UTC",
    )  # fmt: skip
    prepare.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file; must be new")
    prepare.add_argument("--output", default="table", choices=("table", "json"))
    add_node_options(prepare)
    prepare.set_defaults(func=_prepare)


def _add_check(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = actions.add_parser(
        "check",
        help="on the verifier's machine: recompute every hour, and compare with figures found by hand",
        description="Needs no node and no network. Checks evidence, Merkle roots, register maps and settings against "
        "the signed hours, and makes every hour anew from its raw samples. Exit codes: 0 all of it holds, 6 something "
        "does not, 7 a file cannot be read.",
        examples=(
            (
                "doxedge gateway commission check alpha-1.commission --sheets \\\n"
                "      --channel 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            ),
        ),
    )
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--channel", type=_hex32, default=None, metavar="HEX", help="the channel it must be of, 64 digits"
    )
    _add_hand(check, required=False)
    check.add_argument(
        "--sheets", action="store_true",
        help="write FILE.minutes.csv, FILE.chain.txt and FILE.hand.csv, for the work by hand",
    )  # fmt: skip
    check.add_argument("--output", choices=("table", "json"), default="table")
    check.set_defaults(func=_check)


def _add_sign(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sign = actions.add_parser(
        "sign",
        help="sign device.commission as a verifier or the regulator, and hand it in",
        description="Checks the file as `check` does, against the figures found by hand, and signs only what holds. "
        "The record carries the hash of the file: keep the file.",
        examples=(
            (
                "doxedge gateway commission sign alpha-1.commission --hand alpha-1.commission.hand.csv \\\n"
                "      --key file:///media/verifier.pem --out alpha-1.envelope"
            ),
        ),
    )
    sign.add_argument("file", type=Path, metavar="FILE")
    _add_hand(sign, required=True)
    sign.add_argument("--key", required=True, metavar="URI", help="the officer's key, file:///...")
    sign.add_argument(
        "--anchor", default="", metavar="RECORD", help="of an officer who was enrolled later: his party.enrol"
    )
    sign.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the envelope goes; must be new"
    )
    sign.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="its name or id, when the node keeps several"
    )
    sign.add_argument(
        "--hold",
        action="store_true",
        help="only write the envelope; `doxedge transaction submit` hands it in",
    )
    sign.add_argument("--output", choices=("table", "json"), default="table")
    add_node_options(sign)
    sign.set_defaults(func=_sign)


def _add_hand(parser: argparse.ArgumentParser, *, required: bool) -> None:
    columns = ",".join(HAND_COLUMNS)
    parser.add_argument(
        "--hand", type=Path, default=None, required=required, metavar="CSV",
        help=f"the verifier's own figures: {columns}, whole grams, every witnessed hour",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance-g", type=whole_number(what="whole number of grams"), default=TOLERANCE_G_DEFAULT, metavar="G",
        help=f"how far they may differ, for the rounding by hand (default: {TOLERANCE_G_DEFAULT}); at most a hundredth",
    )  # fmt: skip


def _prepare(options: argparse.Namespace) -> int:
    from doxedge.gateway.commission_check import check_commission
    from doxedge.gateway.commission_plan import plan_of
    from doxedge.gateway.settings import load_settings

    require_free(options.out)
    settings = _configured(lambda: load_settings(options.config))
    planned = _planned(settings, options)
    options.node = options.node or settings.node.url
    options.token_file = options.token_file or settings.node.token_file
    asked = Asked(options)
    try:
        data = prepared(settings, planned, asked, count=options.count, wanted=options.hours)
    finally:
        asked.close()
    checked = _proved(
        lambda: check_commission(data, plan=plan_of, channel=bytes.fromhex(planned.table.channel))
    )
    put_new(options.out, data)
    if options.output == "json":
        told = {"file": str(options.out), "bytes": len(data), **as_json(checked, TOLERANCE_G_DEFAULT)}
        print(json.dumps(told, indent=1))
        return Exit.OK
    print(options.out)
    for hour in checked.witnessed:
        print(f"  {utc_text(hour.start_ms)}  {hour.stated.nox_g} g", file=sys.stderr)
    print(
        f"doxedge: {len(checked.witnessed)} hours of device {checked.head.device}, {len(data)} bytes; on the "
        f"verifier's machine: doxedge gateway commission check {options.out} --channel "
        f"{checked.head.channel.hex()} --sheets",
        file=sys.stderr,
    )
    return Exit.OK


def prepared(
    settings: GatewaySettings,
    planned: PlannedUnit,
    asked: Asked,
    *,
    count: int,
    wanted: list[int] | None = None,
) -> bytes:
    """A commissioning file of the unit, made from the gateway's stores and a node. Raises Failure."""
    from doxedge.gateway import commission_prepare
    from doxedge.gateway.commission_prepare import NotPrepared
    from doxedge.store import look
    from doxedge.store.errors import StoreError

    channel, folder = planned.table.channel, settings.state_dir / "gateway"
    device = _device(asked, planned)
    try:
        choice = commission_prepare.choose(
            commission_prepare.candidates(folder / "outbox.db", planned),
            planned,
            from_ms=commission_prepare.first_hour_ms(device, planned),
            count=count,
            wanted=wanted,
            leaves_of=lambda hour: look.hour_leaves(
                folder / "samples.db", hour.unit, hour.start_ms, samples=hour.samples, root=hour.samples_root
            ),
        )
        return commission_prepare.file_bytes(
            choice,
            settings=settings,
            planned=planned,
            device=device.name,
            evidence_of=lambda record_id: asked.get(
                f"/v1/channels/{channel}/evidence/{record_id.hex()}", missing="unknown_record"
            ),
        )
    except NotPrepared as error:
        raise Failure(Exit.REFUSED, str(error)) from error
    except StoreError as error:
        raise unreadable(error) from error


def _device(asked: Asked, planned: PlannedUnit) -> RegisteredDevice:
    from doxedge.gateway.commission_prepare import RegisteredDevice

    for row in asked.get_json(f"/v1/channels/{planned.table.channel}/devices"):
        if row.get("source") == planned.table.source and row.get("unit") == planned.table.name:
            reopened: Any = row.get("reopened") or {}
            counts_from_ms: Any = row.get("counts_from_ms")
            return RegisteredDevice(
                str(row["device"]),
                bytes.fromhex(str(row["profile_hash"])),
                counts_from_ms,
                bytes.fromhex(reopened["profile_hash"]) if reopened else None,
                int(reopened["from_ms"]) if reopened else 0,
            )
    raise Failure(
        Exit.REFUSED,
        f"the channel has no device of unit {planned.table.name} with source {planned.table.source}; register it first",
    )


def _check(options: argparse.Namespace) -> int:
    try:
        checked = _judged(options, read_file(options.file), channel=options.channel)
    except Failure as failure:
        if options.output == "json":
            print(
                json.dumps(
                    {"verdict": "refused", "exit": int(failure.code), "reason": str(failure)}, indent=1
                )
            )
        raise
    if options.sheets:
        write_sheets(options.file, checked)
    if options.output == "json":
        print(json.dumps(as_json(checked, options.tolerance_g), indent=1))
    else:
        print("\n".join(text_lines(checked, options.tolerance_g)))
    return Exit.OK


def _sign(options: argparse.Namespace) -> int:
    from doxedge.cli.transaction import hand_in_files
    from doxedge.cli.transaction_sign import say_signed, sign_next

    asked = Asked(options)
    try:
        channels = asked.channels(options.channel)
    finally:
        asked.close()
    if len(channels) != 1:
        raise Failure(Exit.USAGE, "the node keeps several channels; name one with --channel")
    channel = bytes.fromhex(str(channels[0]["channel"]))
    checked = _judged(options, read_file(options.file), channel=channel)
    transaction = sign_next(options, "device.commission", commission_body(checked))
    if options.hold:
        say_signed(options, transaction)
        return Exit.OK
    return hand_in_files(options, [options.out])


def commission_body(checked: Checked) -> list[Any]:
    """The body of `device.commission` for what a checked file shows."""
    witnessed = [[hour.start_ms, hour.stated.nox_g] for hour in checked.witnessed]
    return [checked.head.device, checked.head.profile_hash, witnessed, checked.statement_hash]


def _judged(options: argparse.Namespace, data: bytes, *, channel: bytes | None) -> Checked:
    from doxedge.gateway.commission_check import check_commission
    from doxedge.gateway.commission_plan import plan_of

    if options.tolerance_g < 0:
        raise Failure(Exit.USAGE, "--tolerance-g is whole grams, 0 or more")
    hand: Mapping[int, int] | None = None if options.hand is None else read_hand(options.hand)
    return _proved(
        lambda: check_commission(
            data, plan=plan_of, channel=channel, hand=hand, tolerance_g=options.tolerance_g
        )
    )


def _proved(judge: Any) -> Checked:
    from doxedge.evidence.check import NotProved

    try:
        checked: Checked = judge()
    except NotProved as refusal:
        raise Failure(Exit.UNVERIFIED, f"REFUSED at {refusal}. The file proves nothing.") from refusal
    return checked


def _planned(settings: GatewaySettings, options: argparse.Namespace) -> PlannedUnit:
    from doxedge.fieldbus.clock import from_environment
    from doxedge.gateway.plant import plan_units

    units = _configured(
        lambda: plan_units(settings, source=str(options.config), clock=from_environment(os.environ))
    )
    named = [unit for unit in units if options.unit in (None, unit.table.name)]
    if len(named) != 1:
        names = ", ".join(unit.table.name for unit in units)
        raise Failure(Exit.USAGE, f"name one unit with --unit; the gateway has: {names}")
    planned: PlannedUnit = named[0]
    return planned


def _configured(make: Any) -> Any:
    from doxedge.analysers.configuration import ConfigError

    try:
        return make()
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error


def _hour(text: str) -> int:
    from doxedge.cli.hand_figures import start_of_hour

    try:
        return start_of_hour(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _hex32(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != 32:
        raise argparse.ArgumentTypeError("64 hexadecimal digits are wanted")
    return data
