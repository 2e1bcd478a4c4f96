"""Checks of the doctor on files that the operator wrote: configuration, genesis, keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from doxedge.analysers.configuration import ConfigError, parse_toml, table_path, unread
from doxedge.backends.http_client import NodeAddress
from doxedge.cli.doctor_report import Finding, Site, error, ok, skipped, warning
from doxedge.cli.outcome import Exit
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.layers import read_layers
from doxedge.gateway.plan import plan_of
from doxedge.gateway.settings import GatewaySettings, try_settings
from doxedge.keystore.keys import file_of, open_signer
from doxedge.ledger.genesis import InvalidGenesis, decode_genesis
from doxedge.node.settings import NodeSettings, read_genesis
from doxedge.signing.signer import Signer
from doxedge.signing.tags import channel_id

KEYS_THERE = "every key stands in firmware_configs/{}.toml of the package"


def check_configuration(site: Site) -> Iterator[Finding]:
    """Both files and every genesis; what could be read is left in `site`."""
    if site.gateway_file is None and site.node_file is None:
        yield error(
            "config",
            "there is no gateway.toml and no node.toml",
            "make them with doxedge init",
            code=Exit.USAGE,
        )
    if site.gateway_file is not None:
        yield from _gateway_file(site, site.gateway_file)
    if site.node_file is not None:
        yield from _node_file(site, site.node_file)
    if site.gateway is not None and site.node is not None:
        yield from _fit(site, site.gateway, site.node)


def _gateway_file(site: Site, path: Path) -> Iterator[Finding]:
    check = "config gateway"
    try:
        layers = read_layers(path)
    except ConfigError as mistake:
        yield error(check, str(mistake), KEYS_THERE.format("gateway"), code=Exit.USAGE)
        return
    settings = try_settings(layers)
    if not isinstance(settings, GatewaySettings):
        yield from (
            error(check, str(mistake), KEYS_THERE.format("gateway"), code=Exit.USAGE) for mistake in settings
        )
        return
    site.gateway = settings
    try:
        plan = plan_of(layers, clock=RealClock())
    except ConfigError as mistake:
        yield error(
            check, str(mistake), "`doxedge gateway check` prints the plan when it is right", code=Exit.USAGE
        )
        return
    site.units = plan.units
    read = f"{path} and {len(layers.files) - 1} drop-ins" if len(layers.files) > 1 else str(path)
    yield ok(check, f"{read}: units {len(plan.units)}, lines {len(plan.lines)}")


def _node_file(site: Site, path: Path) -> Iterator[Finding]:
    check = "config node"
    mistakes, settings = _load(path, NodeSettings)
    if not isinstance(settings, NodeSettings):
        yield from (_mistake(check, path, mistake, "node") for mistake in mistakes)
        return
    site.node = settings
    yield ok(check, f"{path}: {settings.party} keeps {len(settings.channel)} channels")
    for index, table in enumerate(settings.channel):
        check = f"genesis {table.genesis.name}"
        try:
            data = read_genesis(table, source=str(path), index=index)
            genesis = decode_genesis(data)
        except (ConfigError, InvalidGenesis) as mistake:
            advice = f"put the regulator's file there, or change channel[{index}].genesis in {path}"
            yield error(check, str(mistake), advice, code=Exit.USAGE)
            continue
        channel = channel_id(data)
        if table.channel is not None and table.channel != channel.hex():
            text = f"it is of channel {channel.hex()}, and channel[{index}].channel says {table.channel}"
            yield error(check, text, "ask the regulator which of the two is right", code=Exit.USAGE)
            continue
        site.genesis[channel] = genesis
        yield ok(check, f"channel {genesis.name}, {channel.hex()}")


def _load(path: Path, model: type[BaseModel]) -> tuple[list[str], BaseModel | None]:
    """All mistakes in a file, each with its table and key; or the settings."""
    try:
        tables = parse_toml(path.read_text(encoding="utf-8"), source=path.name)
        return [], model.model_validate(tables)
    except (OSError, UnicodeDecodeError) as cause:
        return [unread(cause)], None
    except ConfigError as cause:
        return [cause.reason], None
    except ValidationError as cause:
        return [
            f"{table_path(found['loc']) or 'the file'}: "
            + ("no such key" if found["type"] == "extra_forbidden" else str(found["msg"]))
            for found in cause.errors(include_url=False)
        ], None


def _mistake(check: str, path: Path, text: str, name: str) -> Finding:
    return error(check, f"{path}: {text}", KEYS_THERE.format(name), code=Exit.USAGE)


def _fit(site: Site, gateway: GatewaySettings, node: NodeSettings) -> Iterator[Finding]:
    """Two files of one machine that should know of each other."""
    check = "config both"
    address = NodeAddress.parse(gateway.node.url)
    wrong = address.socket_path is not None and address.socket_path != node.listen.socket
    wrong = wrong or (address.socket_path is None and address.port != node.listen.port)
    if wrong:
        text = f"the gateway posts to {gateway.node.url}, the node listens on {node.listen.socket or node.listen.port}"
        yield error(check, text, "make node.url of the gateway and listen of the node agree", code=Exit.USAGE)
    foreign = [unit.name for unit in gateway.unit if bytes.fromhex(unit.channel) not in site.genesis]
    if foreign and site.genesis:
        text = f"the node keeps no channel of unit {', '.join(foreign)}"
        advice = f"add a [[channel]] to {site.node_file}, or change channel in {site.gateway_file}"
        yield error(check, text, advice, code=Exit.USAGE)
    if not wrong and not foreign:
        yield ok(check, "gateway and node fit together")


def check_keys(site: Site, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every key can be opened by the services and by nobody else, and is the one that the channel knows."""
    if site.node is not None:
        signer, finding = _open(site, "key node", site.node.key, environ)
        yield finding
        if signer is not None:
            yield from _node_key(site, signer, site.node.party)
    if site.gateway is not None:
        signer, finding = _open(site, "key device", site.gateway.key, environ)
        yield finding
        if signer is not None:
            yield from _device_key(site, site.gateway, signer)
    yield from _officer_key(site)


def _open(site: Site, check: str, uri: str, environ: Mapping[str, str]) -> tuple[Signer | None, Finding]:
    if uri.startswith("credential:") and "CREDENTIALS_DIRECTORY" not in environ:
        return None, skipped(check, f"{uri} is handed out by systemd, to the service only")
    try:
        signer = open_signer(uri, environ=environ)
    except ConfigError as mistake:
        return None, error(check, str(mistake), "keys are made by doxedge init", code=Exit.USAGE)
    path = file_of(uri)
    if path is not None:
        if site.user is not None and path.stat().st_uid != site.user.pw_uid:
            text = f"{path} does not belong to {site.user.pw_name}, who must read it"
            return signer, error(check, text, f"chown {site.user.pw_name}: {path}", code=Exit.USAGE)
        if path.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            text = f"others may put another key into {path.parent}"
            return signer, error(check, text, f"chmod 700 {path.parent}", code=Exit.USAGE)
    return signer, ok(check, f"{signer.key_id.hex()}, readable by its owner only")


def _officer_key(site: Site) -> Iterator[Finding]:
    """A stolen gateway must not be able to sell: where an officer signs is no place of the services."""
    uris = [settings.key for settings in (site.node, site.gateway) if settings is not None]
    folders = {path.parent for uri in uris if (path := _file_or_none(uri)) is not None}
    for officer in sorted(folder / "officer.pem" for folder in folders):
        if officer.exists():
            text = f"{officer} lies beside the keys of the services"
            yield warning("key officer", text, "take it to where the officer signs: no service needs it here")


def _file_or_none(uri: str) -> Path | None:
    """The key file of a URI; a URI that is none was reported with its key."""
    try:
        return file_of(uri)
    except ConfigError:
        return None


def _node_key(site: Site, signer: Signer, party: str) -> Iterator[Finding]:
    for channel, genesis in site.genesis.items():
        check = f"key node on {genesis.name}"
        member = genesis.node_party(signer.key_id)
        if member is not None and member.party == party:
            yield ok(check, f"the node key of {party}")
        elif member is not None:
            text = f"it is the node key of {member.party}, and party says {party}"
            yield error(check, text, f"change party or key in {site.node_file}", code=Exit.USAGE)
        elif any(known.party == party and known.node_key for known in genesis.members):
            text = f"the genesis names another node key for {party} than {signer.key_id.hex()}"
            advice = "unless it was rotated since: put back the key file that belongs to the genesis"
            yield warning(check, text, advice)
        else:
            text = f"the genesis of {channel.hex()[:16]} does not name {party}"
            yield warning(check, text, "right after an enrolment; before, the others do not hear this node")


def _device_key(site: Site, gateway: GatewaySettings, signer: Signer) -> Iterator[Finding]:
    planned = {unit.table.name: unit for unit in site.units}
    for unit in gateway.unit:
        check = f"device of {unit.name}"
        devices = site.devices.get(unit.channel)
        if devices is None:
            yield skipped(check, "the node cannot be asked how the device is registered")
            continue
        row = next((row for row in devices if row.get("source") == unit.source), None)
        if row is None:
            text = f"no device of the channel has the source {unit.source}: its records wait here"
            yield warning(
                check,
                text,
                "register it: doxedge transaction submit UNIT.registration (doxedge init made it; "
                "if the ledger refused it, doxedge init makes another)",
            )
        elif row.get("key_id") != signer.key_id.hex() or row.get("unit") != unit.name:
            there = f"unit {row.get('unit')}, key {row.get('key_id')}"
            text = f"source {unit.source} is of {there}; the key here is {signer.key_id.hex()}"
            advice = f"change source or key in {site.gateway_file}, or rotate the key on the ledger"
            yield error(check, text, advice, code=Exit.USAGE)
        elif unit.name in planned and row.get("profile_hash") != planned[unit.name].profile_hash.hex():
            text = "the instruments or register maps differ from those that were registered"
            yield warning(
                check, text, "undo the change, or have the device registered anew and tell the regulator"
            )
        else:
            yield ok(check, f"registered as {row.get('device')} with this key")


def default_user() -> str | None:
    """The account of the services, where we are root."""
    return "doxedge" if os.geteuid() == 0 else None
