"""`doxedge init` for several generating units behind one gateway, and for checks with gas."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.gateway.settings import GatewaySettings
from doxedge.gateway.settings import load_settings as load_gateway
from doxedge.keystore.keys import open_signer
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.signing.tags import channel_id, source_id
from tests.cli.doctor_bench import Ask
from tests.cli.plant_box import INSTRUMENTS, first_line, found, init, process
from tests.cli.test_init_to_hours import lines_of
from tests.gateway.waiting import until

OTHERS = tuple(line.replace("127.0.0.1:50", "127.0.0.1:51") for line in INSTRUMENTS)
METER = ("meter=janitza_umg@127.0.0.1:5122",)
ZERO, UPSCALE = "zero=0/ZA1/generator", "upscale=400000/CC1234/Gas works/2027-05-01"
CHECK = f"nox_ppb,span=500000,{ZERO},{UPSCALE}"
RUNNING = ("--running", "power_w:1_000_000:500_000")
SEEN = tuple(line.replace(",calibration=0", "") for line in INSTRUMENTS)
"""The first unit's instruments with the group that says which gas is on."""


def instruments(lines: Sequence[str]) -> list[str]:
    return [word for line in lines for word in ("--instrument", line)]


def unit(name: str, lines: Sequence[str], *more: str) -> list[str]:
    return ["--unit", name, *instruments(lines), *more]


TWO = ["--company", "alpha", "--broker", "none", *unit("alpha-1", INSTRUMENTS), *unit("alpha-2", OTHERS)]


def joined(folder: Path, *flags: str) -> Path:
    """The plant's folder after founding and its second run."""
    plant = folder / "plant"
    assert init(plant, *flags) == 0
    genesis = found(folder / "regulator", plant / "alpha.member.toml")
    assert init(plant, "--channel", "join", "--genesis", str(genesis)) == 0
    return plant


def gateway(plant: Path) -> GatewaySettings:
    return load_gateway(plant / "gateway.toml")


def registration(plant: Path, name: str) -> Transaction:
    channel = channel_id((plant / "north.genesis").read_bytes())
    return open_transaction((plant / f"{name}.registration").read_bytes(), channel)


def test_each_unit_has_its_instruments_its_registration_and_its_source(
    tmp_path: Path, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = joined(tmp_path, *TWO)
    told = capsys.readouterr().out
    assert "register the units alpha-1, alpha-2 and to open their accounts" in told
    assert f"{plant}/alpha-1.registration {plant}/alpha-2.registration" in told
    settings = gateway(plant)
    assert [one.name for one in settings.unit] == ["alpha-1", "alpha-2"]
    assert [one.instrument[0].port for one in settings.unit] == [5020, 5120]
    channel = channel_id((plant / "north.genesis").read_bytes())
    first, second = registration(plant, "alpha-1"), registration(plant, "alpha-2")
    # One officer signs both, so the second follows the first.
    assert (first.record.seq, second.record.seq) == (1, 2)
    assert second.record.prev == first.record_ids[0]
    assert [one.record.body[1] for one in (first, second)] == ["alpha-1", "alpha-2"]
    assert [source_id(channel, one.record_ids[0]).hex() for one in (first, second)] == [
        one.source for one in settings.unit
    ]
    assert open_signer(settings.key).public_key == first.record.body[3] == second.record.body[3]
    assert main(["gateway", "check", "--config", str(plant / "gateway.toml")]) == 0
    assert "alpha-2" in capsys.readouterr().out
    assert ask(plant).of("config both")["verdict"] == "ok"


def test_running_again_keeps_all_units_and_json_names_their_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = joined(tmp_path, *TWO)
    before = (plant / "gateway.toml").read_bytes()
    (plant / "gateway.toml").unlink()
    capsys.readouterr()
    assert init(plant, "--output", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (plant / "gateway.toml").read_bytes() == before
    sources = {one.name: one.source for one in gateway(plant).unit}
    assert (told["sources"], told["source"]) == (sources, sources["alpha-1"])


def test_a_unit_that_shares_a_stack_brings_its_meter_only(
    tmp_path: Path, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = [METER[0].replace("51", "52", 1)]
    plant = joined(
        tmp_path, *TWO, *RUNNING, *unit("alpha-3", meter, "--shares-stack-of", "alpha-2", *RUNNING)
    )
    assert [one.shares_stack_of for one in gateway(plant).unit] == [None, None, "alpha-2"]
    assert "how the analyser of alpha-1, alpha-2 is checked" in capsys.readouterr().out
    assert main(["gateway", "check", "--config", str(plant / "gateway.toml")]) == 0
    assert ask(plant).of("config both")["verdict"] == "ok"


def test_who_names_units_names_all_and_each_keeps_what_was_said_of_it(tmp_path: Path) -> None:
    plant = joined(tmp_path, *TWO)
    (plant / "gateway.toml").unlink()
    assert init(plant, "--unit", "alpha-1", "--unit", "alpha-2", "--max-power-w", "50000000") == 0
    first, second = gateway(plant).unit
    assert (first.energy.max_power_w, second.energy.max_power_w) == (None, Decimal(50_000_000))
    assert second.instrument[0].port == 5120
    (plant / "gateway.toml").unlink()
    assert init(plant, "--unit", "alpha-2", "--unit", "alpha-1") == 0
    turned = gateway(plant).unit
    assert [(one.name, one.instrument[0].port, one.energy.max_power_w) for one in turned] == [
        ("alpha-2", 5120, Decimal(50_000_000)),
        ("alpha-1", 5020, None),
    ]
    assert [one.source for one in turned] == [second.source, first.source]
    (plant / "gateway.toml").unlink()
    assert init(plant, "--unit", "alpha-2") == 0
    (only,) = gateway(plant).unit
    assert (only.name, only.instrument[0].port, only.source) == ("alpha-2", 5120, second.source)


def test_a_unit_that_comes_when_the_file_is_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = joined(tmp_path, *TWO)
    capsys.readouterr()
    third = [line.replace("127.0.0.1:50", "127.0.0.1:52") for line in INSTRUMENTS]
    assert init(plant, "--unit", "alpha-1", "--unit", "alpha-2", *unit("alpha-3", third)) == 0
    assert (
        "was there and does not name alpha-3: move it away and run doxedge init again"
        in capsys.readouterr().out
    )
    sources = [one.source for one in gateway(plant).unit]
    (plant / "gateway.toml").rename(plant / "old.toml")
    assert init(plant) == 0
    settings = gateway(plant)
    assert [one.source for one in settings.unit][:2] == sources
    assert registration(plant, "alpha-3").record.seq == 3


WRONG = {
    "one name twice": ([*TWO, *unit("alpha-2", OTHERS)], "unit alpha-2: --unit: there is a unit alpha-2 already"),
    "a second unit without instruments": ([*TWO[:-8]], "unit alpha-2: --instrument is missing"),
    "a stack of nobody": ([*TWO, "--shares-stack-of", "alpha-9"], "unit alpha-2: --shares-stack-of: `alpha-9` is none"),
    "a stack of a unit that always runs": (
        [*TWO, "--shares-stack-of", "alpha-1"], "alpha-1 counts as running always, and of units on one stack each says",
    ),
    "a unit on a stack that does not say when it runs": (
        [*TWO[:4], *unit("a", INSTRUMENTS, *RUNNING), *unit("b", METER, "--shares-stack-of", "a")],
        "unit b: --running is missing",
    ),
    "a stack of the first unit": (
        [*TWO[:4], "--shares-stack-of", "alpha-2", *TWO[4:]], "--shares-stack-of does not go with the other answers",
    ),
    "a check of a unit on a stack": (
        [
            *TWO[:4], *unit("a", INSTRUMENTS, *RUNNING),
            *unit("b", METER, "--shares-stack-of", "a", *RUNNING, "--calibration", CHECK),
        ],
        "unit b: --calibration does not go with the other answers",
    ),
    "a unit in capitals": ([*TWO, "--unit", "B 3"], "unit B 3: --unit: `B 3` is no name"),
    "an instrument of the other unit": (
        [*TWO, "--running", "steam_w:2:1"],
        "unit alpha-2: --running: these answers: unit[1].instrument: nothing delivers steam_w",
    ),
    "a rule set that is none": ([*TWO, "--rule-set", "us75"], "--rule-set: `us75` is none of us60, eu, alberta"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_names_the_unit_and_what_would_be_right(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, words = WRONG[case]
    assert init(tmp_path / "box", *flags) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "box" / "alpha.member.toml").exists()


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))


FIRST = ("both", "later", "alpha", "none", "", "alpha-1", "", *SEEN, "", "power_w:2:1", "")
"""Role, channel, company, broker and no more; unit, rule set, instruments and no more, running, power."""
GASES = ("nox_ppb", "500000", "0/ZA1/generator", "400000/CC1234/Gas works")


def test_a_person_is_asked_for_checks_and_for_another_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = tmp_path / "plant"
    second = ("Alpha", "alpha-1", *METER, "", "", "power_w:2:1", "")
    type_in(
        monkeypatch, *FIRST, "so2_ppb", *GASES, "", "", "",  # the gateway switches the gas, at the usual time; no more
        "?", "alpha-1", "alpha-2", *second, "",
    )  # fmt: skip
    assert main(["init", "--dir", str(plant)]) == 0
    said = capsys.readouterr().err
    assert "nothing delivers 'so2_ppb'; there are: " in said
    assert "one gateway can measure several generating units" in said
    assert "there is a unit alpha-1 already" in said
    assert "`Alpha` is none of the units that were named before: alpha-1" in said
    assert "there is no default" in said, "a unit on a shared stack says when it runs"
    genesis = found(tmp_path / "regulator", plant / "alpha.member.toml")
    assert init(plant, "--channel", "join", "--genesis", str(genesis)) == 0
    first, shares = gateway(plant).unit
    assert [one.daily_at.isoformat() for one in first.calibration if one.daily_at] == ["06:00:00"]
    assert (shares.shares_stack_of, shares.operating.on_above if shares.operating else 0) == ("alpha-1", 2)


def test_answers_about_a_second_unit_survive_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = tmp_path / "plant"
    type_in(monkeypatch, *FIRST, "", "alpha-2", "", "")
    assert main(["init", "--dir", str(plant)]) == 2
    assert "run `doxedge init` again to go on" in capsys.readouterr().err
    assert init(plant) == 2
    assert "unit alpha-2: --instrument: a unit is measured by" in capsys.readouterr().err
    type_in(monkeypatch, *[""] * 5, "", "", "", "", "", "", "", "", *OTHERS, "", "", "", "", "")
    assert main(["init", "--dir", str(plant)]) == 0, capsys.readouterr().err
    genesis = found(tmp_path / "regulator", plant / "alpha.member.toml")
    assert init(plant, "--channel", "join", "--genesis", str(genesis)) == 0
    assert [one.name for one in gateway(plant).unit] == ["alpha-1", "alpha-2"]


def checked(tmp_path: Path, line: str, *flags: str) -> Path:
    return joined(
        tmp_path,
        "--company",
        "alpha",
        "--broker",
        "none",
        *unit("alpha-1", SEEN),
        "--calibration",
        line,
        *flags,
    )


@pytest.mark.parametrize(
    ("rule_set", "line", "control", "at"),
    [
        ("us60", CHECK, "commands", "06:00:00"),
        ("alberta", CHECK, "commands", "06:00:00"),
        ("eu", f"{CHECK},s_ams=2000", "commands", None),
        ("us60", f"{CHECK},at=none", "commands", None),
        ("us60", f"{CHECK},control=by_hand", "by_hand", None),
        ("us60", f"{CHECK},control=by_hand,at=23:59,settle_s=240,read_s=120", "by_hand", "23:59:00"),
    ],
)
def test_a_check_has_the_schedule_that_its_rules_ask_for_unless_another_is_given(
    tmp_path: Path, ask: Ask, rule_set: str, line: str, control: str, at: str | None
) -> None:
    plant = checked(tmp_path, line, "--rule-set", rule_set)
    (only,) = gateway(plant).unit
    (table,) = only.calibration
    assert (only.rule_set, table.control) == (rule_set, control)
    assert (None if table.daily_at is None else table.daily_at.isoformat()) == at
    assert (table.span, table.zero.reference, table.upscale.reference) == (
        Decimal(500_000),
        Decimal(0),
        Decimal(400_000),
    )
    assert (table.upscale.vendor, str(table.upscale.expires)) == ("Gas works", "2027-05-01")
    assert main(["gateway", "check", "--config", str(plant / "gateway.toml")]) == 0
    assert ask(plant).of("config both")["verdict"] == "ok"


def test_an_analyser_that_nobody_checks_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = "Say how the analyser of alpha-1 is checked with gas"
    joined(tmp_path / "without", "--company", "alpha", "--broker", "none", *unit("alpha-1", SEEN))
    assert told in capsys.readouterr().out
    checked(tmp_path / "with", CHECK)
    assert told not in capsys.readouterr().out


WRONG_CHECKS = {
    "no span": (f"nox_ppb,{ZERO},{UPSCALE}", "a check of nox_ppb wants span too"),
    "no gas": (f"nox_ppb,span=500000,{ZERO}", "a check of nox_ppb wants upscale too"),
    "no bottle": (f"nox_ppb,span=500000,zero=0,{UPSCALE}", "zero is REFERENCE/BOTTLE/VENDOR or"),
    "a reference in words": (f"nox_ppb,span=500000,zero=none/A/B,{UPSCALE}", "the reference of zero is a number"),
    "a day that is none": (f"nox_ppb,span=500000,{ZERO},upscale=400000/A/B/2027-02-30", "ends on a day, YYYY-MM-DD"),
    "a span in words": (f"nox_ppb,span=500ppm,{ZERO},{UPSCALE}", "span is a number, not `500ppm`"),
    "a quantity nobody delivers": (CHECK.replace("nox_ppb", "so2_ppb"), "nothing delivers so2_ppb"),
    "an hour that is none": (f"{CHECK},at=24:00", "at is a time of day in UTC, HH:MM, or none"),
    "a control that is none": (f"{CHECK},control=me", "control is by_hand or commands"),
    "a key that is none": (f"{CHECK},bottle=1", "not `bottle`"),
    "a key twice": (f"{CHECK},span=1", "each once"),
    "another form": ("nox_ppb=500000", "has not the form QUANTITY,span=VALUE"),
    "commands of a map without any": (
        CHECK.replace("nox_ppb", "moisture_percent") + ",control=commands",
        "no register map of this unit has commands for the gas of moisture_percent",
    ),
    "a reading too short": (f"{CHECK},read_s=1", "read_s"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_CHECKS)
def test_a_check_that_cannot_be_is_refused_in_words(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, words = WRONG_CHECKS[case]
    flags = ["--company", "alpha", "--broker", "none", *unit("alpha-1", SEEN), "--calibration", line]
    assert init(tmp_path / "box", *flags) == 2
    said = capsys.readouterr().err
    assert "--calibration: " in said
    assert words in said


def test_one_quantity_has_one_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--company", "alpha", "--broker", "none", *unit("alpha-1", SEEN)]
    assert init(tmp_path / "box", *flags, "--calibration", CHECK, "--calibration", CHECK) == 2
    assert "nox_ppb has a check already" in capsys.readouterr().err


@pytest.mark.slow
async def test_the_doctor_finds_nothing_wrong_with_two_units_when_all_of_it_runs(
    tmp_path: Path, ask: Ask
) -> None:
    simulators = ["simulators", "plant", "--names", "alpha-1,alpha-2", "--always-on", "--until-stdin-closes"]
    async with process(*simulators) as child:
        units = (await first_line(child))["units"]
        flags = ["--company", "alpha", "--broker", "none"]
        for told in units:
            flags += unit(told["name"], lines_of(told))
        plant = await asyncio.to_thread(joined, tmp_path, *flags)
        async with process("doxedge", "node", "run", "--config", str(plant / "node.toml")):
            await until((plant / "node.sock").is_socket, within_s=60, what="the plant's node")
            report = await asyncio.to_thread(ask, plant)
    assert (report.code, report.errors()) == (0, []), report.findings
    assert report.of("device of alpha-2")["verdict"] == "warning", "it is not registered yet"
