"""`gateway.toml` and the registrations of its units' device; what is to be done about both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.init_answers import Answers
from doxedge.cli.init_calibrations import is_unchecked
from doxedge.cli.init_files import Desk
from doxedge.cli.init_gateway_file import gateway_text
from doxedge.cli.init_source import find_sources, register_again
from doxedge.cli.outcome import Exit, Failure
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.plant import plan_units
from doxedge.gateway.settings import load_settings
from doxedge.keystore.keys import file_of, public_line

if TYPE_CHECKING:
    from doxedge.signing.signer import Signer

T = TypeVar("T")


def configure_gateway(
    answers: Answers, desk: Desk, *, channel: bytes, keys: dict[str, Signer], enrolled: bool
) -> tuple[list[str], dict[str, str]]:
    """Write the file, where every source is known: what to do then, and the source of each unit that it names.

    Raises Failure.
    """
    config, todo = desk.folder / "gateway.toml", []
    if config.exists():
        desk.files.append((config, "was there, left as it is"))
        told = [register_again(unit, answers, desk, channel=channel, keys=keys) for unit in answers.units]
        todo += [text for text in told if text]
    else:
        sources = find_sources(answers, desk, channel=channel, keys=keys, enrolled=enrolled)
        unknown = [unit.text("unit") for unit in answers.units if unit.text("unit") not in sources]
        if unknown:
            text = f"gateway.toml waits for the device's source: have the device of {', '.join(unknown)} registered "
            text += f"with the key `{public_line(keys['device'])}`; then, with the node running: "
            return [f"{text}doxedge init{dir_flag(answers)} --yes (or add --source HEX)"], {}
        ordered = [sources[unit.text("unit")] for unit in answers.units]
        desk.put(config, gateway_text(answers, channel=channel, sources=ordered).encode())
    found = checked(lambda: _sources_in(config))
    todo += _units_left_out(answers, config, found)
    todo += _checking(answers)
    todo += _registering(answers, desk)
    todo += _taking_away(answers, desk)
    return todo, found


def _sources_in(path: Path) -> dict[str, str]:
    """The source of each unit, after the whole plan was made as the gateway makes it. Raises ConfigError."""
    settings = load_settings(path)
    plan_units(settings, source=str(path), clock=RealClock())
    return {unit.name: unit.source for unit in settings.unit}


def _units_left_out(answers: Answers, config: Path, found: dict[str, str]) -> list[str]:
    """Units that were answered for when the file was there already."""
    missing = [unit.text("unit") for unit in answers.units if unit.text("unit") not in found]
    if not missing:
        return []
    text = f"{config} was there and does not name {', '.join(missing)}: move it away and run doxedge init again, "
    return [f"{text}or add [[unit]] tables by hand."]


def _registering(answers: Answers, desk: Desk) -> list[str]:
    files = {unit.text("unit"): desk.folder / f"{unit.text('unit')}.registration" for unit in answers.units}
    there = {name: path for name, path in files.items() if path.exists()}
    if not there:
        return []
    names, files_there = ", ".join(there), " ".join(map(str, there.values()))
    many = len(there) > 1
    units, accounts = ("units", "their accounts") if many else ("unit", "its account")
    order = ", in this order" if many else ""
    submit = f"doxedge transaction submit --node {answers.text('socket')} {files_there}"
    return [
        f"Ask the regulator to register the {units} {names} and to open {accounts} (doxedge transaction sign --help).",
        f"Then register the device{order}: {submit}",
    ]


def _checking(answers: Answers) -> list[str]:
    """Analysers that the rule set wants checked each day, and that nobody has said how to check."""
    unchecked = [unit.text("unit") for unit in answers.units if is_unchecked(unit)]
    if not unchecked:
        return []
    text = f"Say how the analyser of {', '.join(unchecked)} is checked with gas, as its rule set wants it each day: "
    return [f"{text}[[unit.calibration]] in gateway.toml (firmware_configs/gateway.toml explains it)."]


def _taking_away(answers: Answers, desk: Desk) -> list[str]:
    officer = file_of(answers.text("officer_key"))
    if officer is None or officer.parent != desk.folder / "keys" or not officer.exists():
        return []
    return [f"Then take {officer} away from this box, to where the officer signs: no service needs it here."]


def checked(load: Callable[[], T]) -> T:
    """What was written is loaded as the daemons load it. Raises Failure (2)."""
    try:
        return load()
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error


def dir_flag(answers: Answers) -> str:
    """` --dir DIR`, where it is not the usual folder."""
    from doxedge.cli.init_questions import SYSTEM_FOLDER

    return "" if answers.folder == SYSTEM_FOLDER else f" --dir {answers.folder}"
