"""`doxedge init`: files that the daemons accept, nothing overwritten, wrong answers refused in words."""

from __future__ import annotations

import io
import json
import os
import pwd
import stat
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.gateway.settings import load_settings as load_gateway
from doxedge.keystore.keys import create_key, open_signer, public_line
from doxedge.ledger.genesis import decode_genesis
from doxedge.ledger.transaction import open_transaction
from doxedge.node.settings import load_settings as load_node
from doxedge.signing.algorithms import ED25519
from doxedge.signing.tags import channel_id, source_id
from tests.cli.doctor_bench import Ask
from tests.cli.plant_box import INSTRUMENTS, found, in_own_mounts, init, plant_flags, whole_plant


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the answers."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "init-answers.toml"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_regulator_and_plant_get_files_that_the_daemons_accept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = whole_plant(tmp_path)
    assert "differs" not in capsys.readouterr().out
    assert main(["gateway", "check", "--config", str(plant / "gateway.toml")]) == 0
    assert "analyser (teledyne_t200, 127.0.0.1:5020): gas every 2000 ms" in capsys.readouterr().out
    genesis = (plant / "north.genesis").read_bytes()
    node, regulator = load_node(plant / "node.toml"), load_node(tmp_path / "regulator" / "node.toml")
    assert node.channel[0].channel == regulator.channel[0].channel == channel_id(genesis).hex()
    assert node.channel[0].genesis.read_bytes() == genesis == regulator.channel[0].genesis.read_bytes()
    member = decode_genesis(genesis).node_party(open_signer(node.key).key_id)
    assert member is not None
    assert member.party == node.party == "alpha"
    assert member.officer_key == open_signer((plant / "keys" / "officer.pem").as_uri()).public_key
    ordering = decode_genesis(genesis).validator_set.members
    assert [one.key_id for one in ordering] == [open_signer(regulator.key).key_id]


def test_the_registration_names_the_plan_and_makes_the_source_that_the_gateway_numbers_with(
    tmp_path: Path,
) -> None:
    from doxedge.fieldbus.clock import RealClock
    from doxedge.gateway.plant import plan_units

    plant = whole_plant(tmp_path)
    settings = load_gateway(plant / "gateway.toml")
    channel = bytes.fromhex(settings.unit[0].channel)
    signed = open_transaction((plant / "alpha-1.registration").read_bytes(), channel)
    officer = open_signer((plant / "keys" / "officer.pem").as_uri())
    signed.envelope.verify(officer.public_key, object_name="tx", channel=channel)
    assert (signed.record.kind, signed.record.seq) == ("device.register", 1)
    assert signed.record.source == source_id(channel, officer.key_id)
    (planned,) = plan_units(settings, source="", clock=RealClock())
    assert signed.record.body[:5] == [
        "alpha-1-gw", "alpha-1", ED25519, open_signer(settings.key).public_key, planned.profile_hash,
    ]  # fmt: skip
    assert source_id(channel, signed.record_ids[0]).hex() == settings.unit[0].source


def test_keys_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        plant = whole_plant(tmp_path)
    finally:
        os.umask(before)
    assert mode(plant / "keys") == 0o700
    assert {mode(path) for path in (plant / "keys").iterdir()} == {0o600}
    assert mode(plant) == 0o750
    assert {mode(path) for path in plant.iterdir() if path.is_file()} == {0o640}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
def test_root_gives_the_keys_to_the_user_of_the_services(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    plant = tmp_path / "plant"
    assert init(plant, *plant_flags(), "--owner", "nobody") == 0
    assert {path.stat().st_uid for path in (plant / "keys", *(plant / "keys").iterdir())} == {nobody.pw_uid}
    card = (plant / "alpha.member.toml").stat()
    assert (card.st_uid, card.st_gid) == (0, nobody.pw_gid)
    assert plant.stat().st_gid == nobody.pw_gid


def test_a_folder_of_nobody_here_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert init(Path("~no-such-account-here/box"), *plant_flags()) == 2
    assert "there is no such account; write the path out" in capsys.readouterr().err


def test_an_owner_that_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "plant", *plant_flags(), "--owner", "no-such-user") == 2
    assert "--owner" in capsys.readouterr().err


def test_running_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant = whole_plant(tmp_path)
    before = snapshot(tmp_path)
    capsys.readouterr()
    assert init(plant) == 0
    assert init(tmp_path / "regulator") == 0
    assert snapshot(tmp_path) == before
    out = capsys.readouterr().out
    assert "written" not in out
    assert "made" not in out
    assert "was there" in out


def test_the_medium_that_the_genesis_came_on_may_be_gone_later(tmp_path: Path) -> None:
    plant = whole_plant(tmp_path)
    (tmp_path / "regulator" / "north.genesis").unlink()
    (plant / "node.toml").unlink()
    assert init(plant) == 0
    assert load_node(plant / "node.toml").channel[0].genesis == plant / "north.genesis"


def test_a_folder_may_have_any_name(tmp_path: Path, ask: Ask) -> None:
    plant = whole_plant(tmp_path / 'Werk "Süd" 50%20 #1')
    before = snapshot(plant)
    assert init(plant) == 0
    assert snapshot(plant) == before
    report = ask(plant)
    assert report.of("key device")["verdict"] == report.of("config both")["verdict"] == "ok"
    assert report.of("key officer")["verdict"] == "warning"
    assert main(["gateway", "check", "--config", str(plant / "gateway.toml")]) == 0


def test_a_file_that_the_operator_changed_is_left_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = whole_plant(tmp_path)
    edited = "block_interval_ms = 500\n" + (plant / "node.toml").read_text()
    (plant / "node.toml").write_text(edited)
    capsys.readouterr()
    assert init(plant) == 0
    assert (plant / "node.toml").read_text() == edited
    assert (
        f"{plant / 'node.toml'}: was there, differs from these answers, left as it is"
        in capsys.readouterr().out
    )


def test_a_key_that_is_there_is_used_and_never_made_anew(tmp_path: Path) -> None:
    signer = create_key((tmp_path / "plant" / "keys" / "officer.pem").as_uri(), ED25519)
    assert init(tmp_path / "plant", *plant_flags()) == 0
    card = (tmp_path / "plant" / "alpha.member.toml").read_text()
    assert f'officer = "{public_line(signer)}"' in card


def test_the_first_run_of_a_plant_stops_at_the_card_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = tmp_path / "plant"
    assert init(plant, *plant_flags(), "--output", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["channel"] is None
    assert set(told["keys"]) == {"officer", "node", "device"}
    assert f"{plant}/alpha.member.toml" in told["next"][0]
    assert f"doxedge init --dir {plant} --channel join --genesis FILE" in told["next"][1]
    assert not (plant / "node.toml").exists()
    assert not (plant / "gateway.toml").exists()


def test_a_gateway_whose_device_is_registered_needs_no_officer(tmp_path: Path) -> None:
    genesis = found(tmp_path / "regulator")
    flags = [*plant_flags()[:4], "--role", "gateway", "--channel", "join", "--genesis", str(genesis)]
    for line in INSTRUMENTS:
        flags += ["--instrument", line]
    assert init(tmp_path / "gateway", *flags, "--source", "ab" * 16) == 0
    assert load_gateway(tmp_path / "gateway" / "gateway.toml").unit[0].source == "ab" * 16
    assert [path.name for path in (tmp_path / "gateway" / "keys").iterdir()] == ["device.pem"]


def test_who_is_not_in_the_genesis_gets_a_node_and_waits_with_the_gateway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genesis = found(tmp_path / "regulator")
    assert init(tmp_path / "plant", *plant_flags(), "--channel", "join", "--genesis", str(genesis)) == 0
    out = capsys.readouterr().out
    assert "does not name alpha" in out
    assert "gateway.toml waits for the device's source" in out
    assert (tmp_path / "plant" / "node.toml").exists()
    assert not (tmp_path / "plant" / "gateway.toml").exists()


def test_another_key_than_the_genesis_names_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = whole_plant(tmp_path)
    (plant / "keys" / "node.pem").unlink()
    assert init(plant) == 2
    assert "names another node key for alpha" in capsys.readouterr().err


def test_another_channels_genesis_of_the_same_name_is_not_put_over_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = whole_plant(tmp_path)
    other = found(tmp_path / "other")
    assert init(plant, "--genesis", str(other)) == 2
    assert "another channel's" in capsys.readouterr().err


WRONG = {
    "a role that is none": (["--role", "mill"], "--role: `mill` is none of gateway, node, both"),
    "founding without a node": (["--role", "gateway", "--channel", "found"], "--channel: who founds a channel"),
    "a name with a line feed": (["--company", "al\npha"], "--company: a name has 1 to 64 characters"),
    "a genesis that is not there": (["--channel", "join", "--genesis", "no.genesis"], "--genesis:"),
    "a unit in capitals": (["--unit", "Unit 1"], "--unit: `Unit 1` is no name"),
    "a broker without a host": (["--broker", ":1883"], "--broker: `:1883` is not HOST:PORT"),
    "a port that is none": (["--broker", "b:70000"], "--broker:"),
    "a broker beside none": (["--broker", "none", "--broker", "b"], "--broker: `none` stands alone"),
    "a certificate that is not there": (["--broker", "b", "--broker-ca", "no.pem"], "--broker-ca:"),
    "an unknown register map": (["--instrument", "a=horiba@h"], "there is no such profile; there are: "),
    "no address": (["--instrument", "teledyne_t200"], "--instrument: teledyne_t200 is polled: give its address"),
    "a setting that is missing": (["--instrument", "generic_analogue_input@h"], "flow_high"),
    "a setting out of its bounds": (["--instrument", "configured_moisture,moisture_percent=61"], "moisture_percent"),
    "a setting that is none": (["--instrument", "configured_moisture,colour=1"], "no setting or group `colour`"),
    "an address of a constant": (["--instrument", "configured_moisture@h,moisture_percent=9"], "has no address"),
    "a unit that nothing measures": (
        ["--instrument", INSTRUMENTS[0]], "nothing delivers flow_m3_per_h, moisture_percent, stack_pressure_kpa",
    ),
    "one quantity twice": (
        [word for line in (*INSTRUMENTS, "second=teledyne_t200@other") for word in ("--instrument", line)],
        "comes from alpha-1.analyser and from alpha-1.second",
    ),
    "one name twice": (["--instrument", INSTRUMENTS[0], "--instrument", INSTRUMENTS[0]], "give another name"),
    "running by an unmeasured quantity": (["--running", "steam_w:2:1"], "nothing delivers steam_w"),
    "running between swapped bounds": (["--running", "power_w:1:2"], "--running:"),
    "a power in words": (["--max-power-w", "120 MW"], "`120 MW` is no number of watts"),
    "a power of nothing": (["--max-power-w", "0"], "the unit generates something"),
    "a power that is none": (["--max-power-w", "nan"], "--max-power-w:"),
    "a source too short": (["--source", "abc"], "--source: a source has 32 hexadecimal digits"),
    "a socket of nobody here": (["--socket", "~no-such-account/s"], "begins with the home of an account"),
    "a genesis of nobody here": (["--channel", "join", "--genesis", "~no-such-account/g"], "write the path out"),
    "a socket with a long path": (["--socket", "/" + "s" * 120], "--socket:"),
    "an officer's key that is a path": (["--officer-key", "/k/o.pem"], "did you mean file:///k/o.pem"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_refused_with_its_flag_and_what_would_be_right(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags, words = WRONG[case]
    given = [name for name in flags if name.startswith("--")]
    good = plant_flags()
    pairs = [pair for pair in zip(good[::2], good[1::2], strict=True) if pair[0] not in given]
    assert init(tmp_path / "box", *(word for pair in pairs for word in pair), *flags) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "box" / "gateway.toml").exists()
    assert not (tmp_path / "box" / "alpha.member.toml").exists()


FOUNDING = {
    "no name": (["--place", "somewhere"], "--channel-name is missing"),
    "no place": (["--channel-name", "north"], "--place is missing"),
    "an unknown figure": (["--channel-name", "n", "--place", "p", "--figure", "tax=1"], "no figure `tax`"),
    "a figure out of its bounds": (
        ["--channel-name", "n", "--place", "p", "--figure", "pending_max=257"], "pending_max is 1 to 256",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUNDING)
def test_a_channel_is_founded_with_name_place_and_figures_in_their_bounds(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, words = FOUNDING[case]
    assert init(tmp_path / "box", "--role", "node", "--channel", "found", *flags) == 2
    assert words in capsys.readouterr().err


def test_a_card_with_a_changed_digit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "plant", *plant_flags()) == 0
    card = tmp_path / "plant" / "alpha.member.toml"
    text = card.read_text()
    line = next(line for line in text.splitlines() if line.startswith("officer"))
    words = line.split()
    words[3] = ("0" if words[3][0] != "0" else "1") + words[3][1:]
    card.write_text(text.replace(line, " ".join(words)))
    founding = ["--role", "node", "--channel", "found", "--channel-name", "n", "--place", "p"]
    capsys.readouterr()
    assert init(tmp_path / "regulator", *founding, "--member", str(card)) == 2
    assert "the key id of officer does not fit its key" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["party", "party = " + "[" * 4_000, "\ufeffparty"])
def test_what_another_company_sends_for_a_card_is_refused_in_words(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (card := tmp_path / "beta.member.toml").write_text(text, encoding="utf-8")
    founding = ["--role", "node", "--channel", "found", "--channel-name", "n", "--place", "p"]
    assert init(tmp_path / "regulator", *founding, "--member", str(card)) == 2
    assert f"{card} is no member card: beta.member.toml: not TOML" in capsys.readouterr().err


def test_one_card_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "plant", *plant_flags()) == 0
    card = str(tmp_path / "plant" / "alpha.member.toml")
    founding = ["--role", "node", "--channel", "found", "--channel-name", "n", "--place", "p"]
    assert init(tmp_path / "regulator", *founding, "--member", card, "--member", card) == 2
    assert "a second card of alpha" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_exit_code_7(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert init(tmp_path / "file" / "box", *plant_flags()) == 7
    assert "cannot be made" in capsys.readouterr().err


def test_a_read_only_file_system_is_exit_code_7() -> None:
    script = 'mount -t tmpfs -o ro x /mnt; shift 0; exec "$@"'
    flags = [sys.executable, "-m", "doxedge", "init", "--yes", "--dir", "/mnt/box", *plant_flags()]
    done = in_own_mounts(script, *flags)
    assert done.returncode == 7, done.stderr
    assert "/mnt/box cannot be made: Read-only file system" in done.stderr


def test_a_key_that_others_may_read_is_refused_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = whole_plant(tmp_path)
    (plant / "keys" / "device.pem").chmod(0o644)
    assert init(plant) == 2
    assert f"chmod 600 {plant / 'keys' / 'device.pem'}" in capsys.readouterr().err
    assert mode(plant / "keys" / "device.pem") == 0o644


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))


CONVERSATION = (
    "both", "later", "", "alpha", "none", "", "?", "alpha-1", "",
    "horiba", "teledyne_t200", "analyser", "127.0.0.1:5020", "oxygen calibration diagnostics",
    "",  # no more instruments, which does not suffice
    INSTRUMENTS[1], "configured_moisture", "moisture", "12", "", "", "",
    "", "",  # no check with gas, no other unit
)  # fmt: skip


def test_a_person_is_asked_again_until_the_answers_suffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, *CONVERSATION)
    assert main(["init", "--dir", str(tmp_path / "plant")]) == 0
    out, words = capsys.readouterr()
    assert "there is no default" in words
    assert "the unit that emits, as the regulator registers it" in words
    assert "there is no register map 'horiba'" in words
    assert "nothing delivers flow_m3_per_h" in words
    assert "What to do next" in out
    genesis = found(tmp_path / "regulator", tmp_path / "plant" / "alpha.member.toml")
    assert init(tmp_path / "plant", "--channel", "join", "--genesis", str(genesis)) == 0
    assert main(["gateway", "check", "--config", str(tmp_path / "plant" / "gateway.toml")]) == 0


def test_what_the_unit_can_generate_bounds_its_energy_counter(tmp_path: Path) -> None:
    plant = whole_plant(tmp_path)
    assert init(plant, "--max-power-w", "1.2e8") == 0  # the file that is there stays
    assert load_gateway(plant / "gateway.toml").unit[0].energy.max_power_w is None
    (plant / "gateway.toml").unlink()
    assert init(plant) == 0
    assert load_gateway(plant / "gateway.toml").unit[0].energy.max_power_w == Decimal(120_000_000)


def test_answers_survive_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = tmp_path / "plant"
    type_in(monkeypatch, *CONVERSATION[:8])
    assert main(["init", "--dir", str(plant)]) == 2
    assert "run `doxedge init` again to go on" in capsys.readouterr().err
    flags = [word for line in INSTRUMENTS for word in ("--instrument", line)]
    assert init(plant, *flags) == 0
    assert 'party = "alpha"' in (plant / "alpha.member.toml").read_text()


def test_a_program_that_answers_wrongly_for_ever_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, *["nonsense"] * 100)
    assert main(["init", "--dir", str(tmp_path / "plant")]) == 2
    assert "--role: 5 wrong answers" in capsys.readouterr().err
