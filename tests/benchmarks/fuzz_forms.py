"""What people and parties hand in: records of every kind, questions to the gateway, settings, files of tests."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.hand_figures import parse_hand
from doxedge.evidence import commission_file, frames
from doxedge.evidence.check import NotProved
from doxedge.evidence.samples import check_samples
from doxedge.gateway import settings as gateway_settings
from doxedge.gateway.alarm_desk import AskAcknowledge
from doxedge.gateway.commission_check import check_commission
from doxedge.gateway.commission_plan import plan_of
from doxedge.gateway.manual_office import AskConfirm, AskEntries, AskPropose
from doxedge.gateway.meter_exchange import AskMeterExchange
from doxedge.gateway.operator_door import Answers, Refusal
from doxedge.gateway.qa_office import AskCalibrate, AskCheck, AskStop
from doxedge.gateway.qa_tests import AskEnter, AskEvent
from doxedge.gateway.reload import AskReload
from doxedge.gateway.status import AskStatus
from doxedge.ledger.bodies import SHAPES
from doxedge.ledger.transaction import TICK, Transaction
from doxedge.measurement import hour_series, qa_calibration, qa_entry, qa_rata
from doxedge.measurement.parameters import Kind
from doxedge.measurement.table_file import TableError
from doxedge.node import settings as node_settings
from doxedge.signing import canonical
from doxedge.signing.tags import tag
from tests.benchmarks.fuzz_target import Target
from tests.evidence.answer_files import one_file
from tests.gateway.commission_bench import HOURS, made_file, site
from tests.gateway.plant_settings import settings_text
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, hour, signer
from tests.measurement.qa_layouts import LINEARITY, QAL2, RATA, linearity, runs, samples

ROOT: Final = Path(__file__).resolve().parents[2]
CALIBRATION: Final = (
    "oris,location,test_num,error_rule,span,zero_measured,zero_ref,upscale_measured,upscale_ref\n"
    "1,U1,T1,ppm_span,100.000,0.500,0.000,55.300,54.900\n"
)
DAY: Final = dt.date(2026, 2, 10)


def form_targets() -> dict[str, Target]:
    """By name."""
    return {**_records(), **_sealed_files(), **_settings(), **_tables()}


def _records() -> dict[str, Target]:
    """One byte chooses the kind and who says it; the rest is the body."""
    channel = TestChannel.begin().with_units()
    channel.now_ms = START_MS + HOUR_MS
    tick = channel.author("regulator node", signer("regulator node")).say(TICK, [channel.now_ms])
    seeds = [
        bytes([SAYING.index((kind, author))]) + canonical.encode(body)
        for author, said in _bodies(channel.chain.channel).items()
        for kind, body in said.items()
    ]
    return {"record that is judged": Target(lambda data: _judged(channel, tick, data), (), seeds, 2_048)}


def _bodies(asset: bytes) -> dict[str, dict[str, list[canonical.Value]]]:
    """A body of every kind, by who may say it; each gets past its shape."""
    key, first = signer("another device"), hour("alpha-1", START_MS)
    return {
        "regulator officer": {
            "samples.request": ["alpha-1", START_MS, START_MS + HOUR_MS, START_MS + 90 * HOUR_MS, "a look"],
            "config": ["warning_percent", 30, "a reason"],
            "party.enrol": ["gamma", "company", key.alg, key.public_key, None, None],
            "key.revoke": [key.key_id, "a reason"],
            "unit.register": ["alpha-2", "alpha", "boiler", 5_000, "zone 1"],
            "account.open": ["alpha-3", "alpha", None],
            "vintage.issue": ["alpha-1", asset, 2026, [0, 500], bytes(32)],
            "source.reinstate": [bytes(16), "a reason"],
            "conflict": [b"one envelope", b"another"],
            "equivocation": [b"one vote", b"another"],
        },
        "alpha officer": {
            "key.rotate": [key.key_id, key.alg, key.public_key, bytes(64)],
            "device.register": ["gw-9", "alpha-1", key.alg, key.public_key, bytes(32), "doxedge test"],
        },
        "alpha-1 device": {
            "hour": first,
            "hour.revise": [bytes(32), "a reason", first],
            "gap": ["alpha-1", START_MS, START_MS + HOUR_MS, "outage"],
            "event": ["alpha-1", "door.open", START_MS, "in words"],
            "samples.answer": [bytes(32), bytes(32), 5, "complete", ""],
        },
        "alpha-trade account": {
            "account.fold": ["alpha-trade", 2026],
            "transfer": ["alpha-trade", "beta-1", asset, 2026, [0, 5], "for what"],
        },
        "verifier officer": {"device.commission": ["alpha-gw", bytes(32), [[START_MS, 5]], bytes(32)]},
    }


SAYING: Final = tuple(product(sorted(SHAPES), _bodies(b"")))


def _judged(channel: TestChannel, tick: Transaction, data: bytes) -> object:
    """Whatever a record says, a block can be made with it, and a receipt says what became of it."""
    try:
        body = canonical.decode(data[1:], limit=4_096)
    except canonical.NonCanonical:
        return None
    if not isinstance(body, list):
        return None
    kind, name = SAYING[data[0] % len(SAYING)]
    known = channel.authors.get(name) or channel.author(name, signer(name))
    author, head = replace(known), channel.chain.head
    assert head is not None
    extension = channel.chain.build(
        [tick, author.say(kind, body)], view=head.view + 1, parent_view=head.view, time_ms=channel.now_ms
    )
    assert len(extension.receipts) == 2
    return extension.receipts


def _sealed_files() -> dict[str, Target]:
    async def make(folder: Path) -> bytes:
        async with site(folder) as at:
            await at.bench.measure(60 * 4 + 5)
            await at.post()
            return await made_file(at, HOURS)

    with tempfile.TemporaryDirectory(prefix="doxedge-fuzz-") as folder:
        made = asyncio.run(make(Path(folder)))
    planned = lru_cache(maxsize=64)(plan_of)
    answered = one_file()
    return {
        "commission file": Target(
            lambda data: list(commission_file.read(data)),
            (commission_file.BadCommissionFile,),
            [made],
            65_536,
        ),
        "commission check, resealed": Target(
            lambda data: check_commission(_resealed(data, "commission-file"), plan=planned),
            (NotProved,),
            [_unsealed(made)],
            65_536,
        ),
        "samples check, resealed": Target(
            lambda data: check_samples(_resealed(data, "samples-file")),
            (NotProved,),
            [_unsealed(answered)],
            32_768,
        ),
    }


def _unsealed(data: bytes) -> bytes:
    """The file without its last frame."""
    return data[: -len(frames.frame(["end", bytes(32)]))]


def _resealed(data: bytes, seal: str) -> bytes:
    """With a hash at the end that fits: whoever lies can count as well."""
    return data + frames.frame(["end", hashlib.sha256(tag(seal) + data).digest()])


def _settings() -> dict[str, Target]:
    configs = ROOT / "firmware_configs"
    gateway = [settings_text().encode(), (configs / "gateway.toml").read_bytes()]
    questions = [
        b'{"ask":"status"}',
        b'{"ask":"acknowledge","alarm":1,"name":"one","reason":"seen"}',
        b'{"ask":"confirm-hour","entry":1,"name":"two"}',
        b'{"ask":"calibrate","unit":"u","level":"zero"}',
        b'{"ask":"monitor_event","unit":"u","quantity":"nox","name":"one","reason":"why"}',
    ]
    return {
        "gateway's settings": Target(
            lambda data: gateway_settings.parse_settings(_text(data), source="fuzzed.toml"),
            (ConfigError,),
            gateway,
            32_768,
        ),
        "node's settings": Target(
            lambda data: node_settings.parse_settings(_text(data), source="fuzzed.toml"),
            (ConfigError,),
            [(configs / "node.toml").read_bytes()],
            16_384,
        ),
        "question of an operator": Target(_answers().read, (ValidationError, Refusal), questions, 16_384),
    }


def _answers() -> Answers:
    async def nothing(*_: object) -> dict[str, object]:
        return {}

    answers = Answers()
    for kind in (
        AskStatus, AskAcknowledge, AskConfirm, AskEntries, AskPropose, AskMeterExchange, AskCalibrate, AskCheck,
        AskStop, AskEnter, AskEvent, AskReload,
    ):  # fmt: skip
        answers.add(kind, nothing)
    return answers


def _tables() -> dict[str, Target]:
    function = qa_entry.judge_qal2(
        (QAL2 + samples()).splitlines(), limit=Decimal(200), zero=Decimal(0), day=DAY
    ).figures[0]
    layouts: dict[str, tuple[Callable[[list[str]], object], str]] = {
        "linearity": (
            lambda lines: qa_entry.judge_linearity(lines, kind=Kind.CONCENTRATION),
            LINEARITY + linearity(),
        ),
        "rata": (lambda lines: qa_entry.judge_rata(lines, parameter="NOX"), RATA + runs()),
        "rata's tests": (
            qa_rata.read_tests,
            "oris,location,test_num,parameter,units,ref_method,op_level\n1,U1,T1,NOX,,7E,H\n",
        ),
        "calibration": (
            qa_calibration.audit,
            CALIBRATION,
        ),
        "qal2": (
            lambda lines: qa_entry.judge_qal2(lines, limit=Decimal(200), zero=Decimal(0), day=DAY),
            QAL2 + samples(),
        ),
        "ast": (
            lambda lines: qa_entry.judge_ast(lines, limit=Decimal(200), function=function, day=DAY),
            QAL2 + samples(5),
        ),
        "qal3": (qa_entry.read_qal3, "date,time,gas,reading,reference\n2026-02-01,10:00,zero,1,0\n"),
        "hours of substitution": (
            hour_series.parse,
            "ORISID,BLRID,YYMMDD,HOUR,OPTIME,NOXMASS,NOXRATE,HTINPUT\n77,B-1,070101,0,1,100.5,.201,500\n",
        ),
    }
    made = {
        f"table of {name}": Target(
            lambda data, judge=judge: judge(_text(data).splitlines()),  # type: ignore[misc]
            (TableError, qa_entry.Unfit),
            [seed.encode()],
            8_192,
        )
        for name, (judge, seed) in layouts.items()
    }
    figures = b"start,nox_g\n2026-01-31T13:00,5\n2026-01-31T14:00,7\n"
    made["figures by hand"] = Target(
        lambda data: parse_hand(data.decode("utf-8-sig")), (ValueError,), [figures]
    )
    return made


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
