"""The doctor on what the operator wrote: files, genesis, keys; every mistake is named by its key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.keystore.keys import create_key
from doxedge.signing.algorithms import ED25519
from tests.cli.doctor_bench import Ask, edit

CONFIGURATION = {
    "an unknown key": ("gateway.toml", "[node]", "retries = 3\nspeed = 1\n[node]", "retries: no such key"),
    "another unknown key of the same file": ("gateway.toml", "[node]", "a=3\nspeed=1\n[node]", "speed: no such key"),
    "an unknown key in a table": ("node.toml", "[listen]", "[listen]\ncolour = 1", "listen.colour: no such key"),
    "a key that is missing": ("node.toml", 'party = "alpha"', "", "party: Field required"),
    "no TOML": ("node.toml", "party", "party party", "not TOML"),
    "a register map that is not there": ("gateway.toml", "janitza_umg", "janitza", "there is no such profile"),
    "an unmeasured quantity": ("gateway.toml", "source =", "flow = 'f'\nsource =", "nothing delivers f"),
    "another channel pinned": ("node.toml", 'channel = "', 'channel = "' + "0" * 8, "channel[0].channel"),
    "no genesis": ("node.toml", "north.genesis", "south.genesis", "channel[0].genesis"),
    "two sockets": ("gateway.toml", "node.sock", "other.sock", "the gateway posts to"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGURATION)
def test_a_mistake_in_the_configuration_is_named_by_its_key(case: str, plant: Path, ask: Ask) -> None:
    file, old, new, words = CONFIGURATION[case]
    edit(plant / file, old, new)
    report = ask(plant)
    assert report.code == 2
    assert any(words in one["text"] for one in report.findings if one["verdict"] == "error"), report.findings


def test_a_genesis_of_another_channel_is_found_by_its_pin(plant: Path, tmp_path: Path, ask: Ask) -> None:
    from tests.cli.plant_box import found

    (plant / "north.genesis").write_bytes(found(tmp_path / "other").read_bytes())
    report = ask(plant)
    assert report.of("genesis")["verdict"] == "error"
    assert "channel[0].channel says" in report.of("genesis")["text"]


def test_a_gateway_of_a_channel_that_the_node_does_not_keep_is_found(plant: Path, ask: Ask) -> None:
    text = (plant / "gateway.toml").read_text()
    channel = next(line for line in text.splitlines() if line.startswith("channel ="))
    edit(plant / "gateway.toml", channel, f'channel = "{"ab" * 32}"')
    report = ask(plant)
    assert report.of("config both")["text"] == "the node keeps no channel of unit alpha-1"


def test_a_folder_without_configuration_says_doxedge_init(tmp_path: Path, ask: Ask) -> None:
    report = ask(tmp_path)
    assert report.code == 2
    assert report.of("config")["advice"] == "make them with doxedge init"


def test_a_missing_key_file_is_named(plant: Path, ask: Ask) -> None:
    (plant / "keys" / "device.pem").unlink()
    report = ask(plant)
    assert report.code == 2
    assert "device.pem cannot be read" in report.of("key device")["text"]


def test_a_key_that_others_may_read_is_an_error(plant: Path, ask: Ask) -> None:
    (plant / "keys" / "node.pem").chmod(0o640)
    assert "chmod 600" in ask(plant).of("key node")["text"]


def test_a_folder_of_keys_that_others_may_write_to_is_an_error(plant: Path, ask: Ask) -> None:
    (plant / "keys").chmod(0o777)
    report = ask(plant)
    assert report.of("key device")["advice"] == f"chmod 700 {plant / 'keys'}"
    assert report.code == 2


def test_an_officers_key_beside_the_services_is_a_warning(plant: Path, ask: Ask) -> None:
    assert ask(plant).of("key officer")["verdict"] == "warning"
    (plant / "keys" / "officer.pem").unlink()
    assert [one for one in ask(plant).findings if one["check"] == "key officer"] == []


def test_another_node_key_than_the_genesis_names_is_a_warning(plant: Path, ask: Ask) -> None:
    (plant / "keys" / "node.pem").unlink()
    create_key((plant / "keys" / "node.pem").as_uri(), ED25519)
    report = ask(plant)
    assert report.of("key node on north")["verdict"] == "warning"
    assert "names another node key for alpha" in report.of("key node on north")["text"]


def test_a_party_that_is_not_the_keys_is_an_error(plant: Path, ask: Ask) -> None:
    edit(plant / "node.toml", 'party = "alpha"', 'party = "regulator"')
    report = ask(plant)
    assert report.of("key node on north")["text"] == "it is the node key of alpha, and party says regulator"
    assert report.code == 2


def test_a_credential_of_systemd_is_left_to_the_service(plant: Path, ask: Ask) -> None:
    edit(plant / "node.toml", f"file://{plant}/keys/node.pem", "credential:node-key")
    assert ask(plant).of("key node")["verdict"] == "skipped"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at the keys of another user")
def test_a_key_that_belongs_to_somebody_else_is_an_error(plant: Path, ask: Ask) -> None:
    report = ask(plant, "--user", "nobody")
    assert "does not belong to nobody" in report.of("key device")["text"]
    assert report.of("state")["verdict"] == "error"
    assert "nobody may not write" in report.of("state")["text"]


def test_an_unknown_user_is_refused(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--dir", str(plant), "--user", "no-such-user"]) == 2
    assert "there is no user no-such-user" in capsys.readouterr().err
