"""`doxedge transaction sign`: fields become a body of the kind's own shape, numbered after what the node knows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from doxedge.cli.main import main
from doxedge.cli.outcome import Failure
from doxedge.cli.transaction_sign import body_of
from doxedge.ledger.bodies import SHAPES
from doxedge.ledger.transaction import open_transaction
from tests.gateway.key_files import write_key
from tests.web.small_node import SmallNode, served

UNIT = ["unit=alpha-9", "party=alpha", "kind=boiler", "capacity_kw=200000", "zone=zone = 1"]


def test_fields_become_a_body_in_any_order() -> None:
    body = ["alpha-9", "alpha", "boiler", 200_000, "zone = 1"]
    assert body_of("unit.register", UNIT) == body_of("unit.register", UNIT[::-1]) == body
    assert body_of("account.open", ["account=a", "party=p", "unit="]) == ["a", "p", None]
    issue = ["account=a", f"asset={'ab' * 32}", "vintage=2026", "amount=[0, 5]", f"basis_hash={'00' * 32}"]
    assert body_of("vintage.issue", issue) == ["a", bytes([0xAB] * 32), 2026, [0, 5], bytes(32)]


WRONG = {
    "an unknown kind": ("unit.close", [], "`unit.close` is no kind; there are: account.fold"),
    "a field that is missing": ("unit.register", UNIT[1:], "missing: unit"),
    "a field of another kind": ("unit.register", [*UNIT, "colour=red"], "not one of its fields: colour=red"),
    "a field without a value": ("unit.register", [*UNIT[1:], "unit"], "not one of its fields: unit"),
    "a field twice": ("unit.register", [*UNIT, UNIT[0]], "one is doubled"),
    "a number in words": (
        "unit.register",
        [*UNIT[:3], "capacity_kw=many", UNIT[4]],
        "capacity_kw is a whole number",
    ),
    "a fraction": ("unit.register", [*UNIT[:3], "capacity_kw=0.5", UNIT[4]], "capacity_kw is a whole number"),
    "no hexadecimal": ("key.revoke", ["key_id=xyz", "reason=lost"], "key_id is hexadecimal"),
    "a list that is none": ("hour.revise", ["record_id=00", "reason=r", "hour=7"], "hour is list"),
    "a fraction in a list": (
        "hour.revise",
        ["record_id=00", "reason=r", "hour=[0.5]"],
        "0.5 is no whole number",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_body_is_refused_in_words(case: str) -> None:
    kind, fields, words = WRONG[case]
    with pytest.raises(Failure) as caught:
        body_of(kind, fields)
    assert words in str(caught.value)
    assert caught.value.code == 2


def test_the_help_names_every_kind_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["transaction", "sign", "--help"])
    page = capsys.readouterr().out
    assert [kind for kind, shape in SHAPES.items() if f"  {kind}: {shape.words}" not in page] == []


async def test_signed_records_follow_each_other_and_are_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = SmallNode.begin()
    channel = node.ledger.channel
    key = write_key(tmp_path / "officer.pem", "regulator officer")
    async with served(node, tmp_path):
        asked = ["--node", str(tmp_path / "node.sock")]
        for number, fields in enumerate((UNIT, [f"unit=alpha-{10}", *UNIT[1:]])):
            out = tmp_path / f"{number}.envelope"
            sign = ["transaction", "sign", "unit.register", *fields, "--key", key, "--out", str(out), *asked]
            assert await asyncio.to_thread(main, sign) == 0
            assert await asyncio.to_thread(main, sign) == 2  # a signed file is never written over
            assert await asyncio.to_thread(main, ["transaction", "submit", str(out), *asked]) == 0
            signed = open_transaction(out.read_bytes(), channel)
            said = capsys.readouterr()
            assert signed.record_ids[0].hex() in said.out
            assert f"doxedge transaction submit {out} --node {asked[1]}\n" in said.err
        out = tmp_path / "json.envelope"
        again = ["transaction", "sign", "unit.register", *UNIT, "--key", key, "--out", str(out), *asked]
        assert await asyncio.to_thread(main, [*again, "--output", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        record = open_transaction(out.read_bytes(), channel).record
        assert (told["kind"], told["seq"], told["file"]) == (record.kind, record.seq, str(out))
        stranger = write_key(tmp_path / "stranger.pem", "a stranger")
        sign = [
            "transaction",
            "sign",
            "unit.register",
            *UNIT,
            "--key",
            stranger,
            "--out",
            str(tmp_path / "x"),
            *asked,
        ]
        assert await asyncio.to_thread(main, sign) == 2
        assert "knows no numbering of key" in capsys.readouterr().err
        assert not (tmp_path / "x").exists()


def test_without_a_node_nothing_is_numbered(tmp_path: Path) -> None:
    key = write_key(tmp_path / "officer.pem", "regulator officer")
    sign = ["transaction", "sign", "unit.register", *UNIT, "--key", key, "--out", str(tmp_path / "x")]
    assert main([*sign, "--node", str(tmp_path / "node.sock")]) == 3
