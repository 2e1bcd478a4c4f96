"""Every decoder of bytes that come from outside, with the errors it may raise and some inputs that it accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.dialects import (
    ak,
    bayern_hessen,
    clink,
    codec,
    eco_physics,
    hj212,
    horiba,
    modbus_rtu,
    orders,
    serinus_advanced,
)  # fmt: skip
from doxedge.analysers.dialects.framing import FrameError, FrameReader
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import (
    Function,
    Order,
    Phrase,
    ReadBits,
    ReadRegisters,
    WriteCoil,
    unpack_evidence,
)
from doxedge.commitments import amount
from doxedge.consensus.certificate import decode_certificate
from doxedge.consensus.header import InvalidBlock, decode_header
from doxedge.evidence import answer_file
from doxedge.evidence import check as evidence_check
from doxedge.evidence import format as evidence_format
from doxedge.fieldbus.errors import NotBound
from doxedge.fieldbus.modbus_pdu import bind
from doxedge.fieldbus.modbus_tcp import HEADER, whole_frame
from doxedge.fieldbus.rtu_frame import find_answer, question_frame
from doxedge.gossip import message, topics
from doxedge.ledger.block import decode_block
from doxedge.ledger.genesis import InvalidGenesis, decode_genesis
from doxedge.ledger.receipt import InvalidReceipt, decode_receipt
from doxedge.ledger.transaction import open_transaction
from doxedge.measurement.hourly_file import HourlyFileError, parse
from doxedge.signing import canonical, envelope, record
from tests.benchmarks.fuzz_forms import form_targets
from tests.benchmarks.fuzz_target import Target
from tests.evidence.answer_files import one_file
from tests.evidence.evidence_files import Archive
from tests.fieldbus.hostile_bus import BusQuestion
from tests.fieldbus.hostile_text import ANSWERS, OTHERS, PHRASES
from tests.ledger.channels import HOUR_MS, START_MS, certified, hour

ROOT: Final = Path(__file__).resolve().parents[2]
COIL: Final = WriteCoil(1, 20, True)
ORDERS: Final = (
    (Order(42, "clink", "set zero"), b"set zero ok\r"),
    (Order(0, "ak", "SNGA K0"), b"\x02 SNGA 0\x03"),
    (Order(1, "serinus_advanced", "mode span"), orders.encode(Order(1, "serinus_advanced", "mode span"))),
)
OPENING: Final = (envelope.InvalidEnvelope, canonical.NonCanonical, record.InvalidRecord)


def targets() -> dict[str, Target]:
    """By name. Building the seeds takes a real channel with a block and its evidence."""
    return {**_signed_things(), **_gossip(), **_lines(), **_files(), **form_targets()}


def _signed_things() -> dict[str, Target]:
    archive = Archive.begin()
    device = archive.channel.authors["alpha-1 device"]
    archive.channel.now_ms = START_MS + HOUR_MS
    extension = archive.block(device.say("hour", hour("alpha-1", START_MS)))
    block = certified(extension, archive.channel.chain)
    proof = archive.evidence(extension, 1)
    opened = evidence_format.decode(proof)
    channel = extension.header.channel
    sealed = envelope.decode(opened.transaction)
    shapes: list[canonical.Value] = [
        [1, "hour", b"\x01" * 16, 7, b"\x02" * 32, [None, True, -5, 2**64 - 1]], [[[[[[[[]]]]]]]], "naïve", -(2**63),
    ]  # fmt: skip
    bad_cbor = (canonical.NonCanonical,)
    return {
        "canonical": Target(canonical.decode, bad_cbor, [canonical.encode(shape) for shape in shapes]),
        "envelope": Target(envelope.decode, (envelope.InvalidEnvelope,), [opened.transaction]),
        "record": Target(record.decode_payload, OPENING, [sealed.payload]),
        "transaction": Target(lambda data: open_transaction(data, channel), OPENING, [opened.transaction]),
        "header": Target(decode_header, (InvalidBlock,), [opened.header]),
        "certificate": Target(decode_certificate, (InvalidBlock,), [opened.certificate]),
        "receipt": Target(decode_receipt, (InvalidReceipt,), [opened.receipt]),
        "block": Target(decode_block, (InvalidBlock,), [block.encode()], 16_384),
        "genesis": Target(decode_genesis, (InvalidGenesis,), [opened.genesis]),
        "evidence": Target(evidence_format.decode, (evidence_format.BadEvidence,), [proof], 16_384),
        "evidence check": Target(evidence_check.check, (evidence_check.NotProved,), [proof], 16_384),
        "samples": Target(
            lambda data: list(answer_file.read(data)), (answer_file.BadAnswerFile,), [one_file()], 32_768
        ),
        "amount": Target(_amount, (ValueError,), [canonical.encode([0, 5]), canonical.encode([0, 2**63])]),
    }


def _amount(data: bytes) -> object:
    try:
        value = canonical.decode(data)
    except canonical.NonCanonical:
        return None
    return amount.parse(value)


def _gossip() -> dict[str, Target]:
    file = ROOT / "tests" / "vectors" / "gossip_messages.json"
    vectors = json.loads(file.read_text(encoding="utf-8"))["messages"]
    messages = [bytes.fromhex(vector["message"]) for vector in vectors]
    channel, member, other = b"doxedge/1/b3313a4badf51066", b"0f" * 16, b"aa" * 16
    names = [b"%s/tx/%s" % (channel, member), b"%s/in/%s/%s" % (channel, member, other)]
    return {
        "gossip message": Target(message.open_message, (message.InvalidMessage,), messages, 16_384),
        "topic": Target(
            lambda data: topics.parse(data.decode("utf-8", errors="replace")),
            (topics.InvalidTopic,),
            names,
            256,
        ),
    }


def _lines() -> dict[str, Target]:
    asked = ReadRegisters(1, Function.INPUT_REGISTERS, 30, 10)
    bits = ReadBits(1, Function.DISCRETE_INPUTS, 0, 22)
    rtu = [BusQuestion(question_frame(each), 1).answer() for each in (asked, bits)]
    head = HEADER.pack(7, 0, 6, 1)
    tcp = [HEADER.pack(7, 0, len(rtu[0]) - 2, 1) + rtu[0][1:-2]]
    made = {
        "modbus rtu answer": Target(
            lambda data: find_answer(asked, data), (NotBound,), [*rtu, question_frame(asked)]
        ),
        "modbus rtu written coil": Target(
            lambda data: find_answer(COIL, data),
            (NotBound,),
            [question_frame(COIL), question_frame(COIL) * 2],
        ),
        "modbus tcp answer": Target(lambda data: _modbus_tcp(asked, head, data), (NotBound,), tcp),
        "raw evidence of a poll": Target(unpack_evidence, (ValueError,), [b"\0\3abc\0\0"]),
    }
    for order, answer in ORDERS:
        made[f"{order.dialect} order"] = Target(
            lambda data, order=order: orders.find_answer(order, data),  # type: ignore[misc]
            (codec.Ambiguous,),
            [answer, orders.encode(order) + answer],
        )
    for dialect, phrase in PHRASES.items():
        made[f"{dialect} answer"] = Target(
            lambda data, phrase=phrase: _dialect(phrase, data),  # type: ignore[misc]
            (codec.Ambiguous,),
            [ANSWERS[dialect], OTHERS[dialect], codec.encode(phrase) + ANSWERS[dialect]],
        )
    readers: dict[str, tuple[Callable[[], FrameReader[Any]], list[bytes]]] = {
        "ak stream": (ak.reader, [ANSWERS["ak"]]),
        "bayern_hessen stream": (bayern_hessen.reader, [ANSWERS["bayern_hessen"]]),
        "clink stream": (clink.reader, [ANSWERS["clink"]]),
        "eco_physics stream": (eco_physics.reader, [ANSWERS["eco_physics"]]),
        "hj212 stream": (hj212.reader, [b"##0008ST=32;CN7A39\r\n"]),
        "horiba stream": (horiba.reader, [ANSWERS["horiba"]]),
        "modbus rtu stream": (modbus_rtu.response_reader, rtu),
        "serinus_advanced stream": (serinus_advanced.reader, [ANSWERS["serinus_advanced"]]),
    }
    for name, (reader, seeds) in readers.items():
        made[name] = Target(lambda data, reader=reader: _stream(reader(), data), (), seeds)  # type: ignore[misc]
    return made


def _modbus_tcp(asked: ReadRegisters, head: bytes, data: bytes) -> object:
    frame = whole_frame(bytearray(data), head)
    return None if frame is None else bind(asked, frame[HEADER.size :])


def _dialect(phrase: Phrase, data: bytes) -> object:
    found = codec.find_answer(phrase, data)
    if found is None or found.refusal is not None:
        return None
    values = []
    for place in ("0", "1", "50", "errors", "000.status", "value", "flags"):
        for read in (codec.value_in, codec.bits_in):
            try:
                values.append(read(phrase, found.frame, place))
            except FrameError:
                continue
    return values


def _stream(reader: FrameReader[Any], data: bytes) -> object:
    """In two pieces, the cut being as arbitrary as the bytes; then silence."""
    place = data[0] % len(data) if data else 0
    return [*reader.feed(data[:place]), *reader.feed(data[place:]), *reader.silence()]


def _files() -> dict[str, Target]:
    maps = sorted((ROOT / "firmware_configs" / "analysers").glob("*.toml"))
    hours = b"ORISID,BLRID,YYMMDD,HOUR,OPTIME,NOXMASS,NOXRATE,HTINPUT\n77,B-1,070101,0,1,100.5,.201,500\n"
    return {
        "register map": Target(
            lambda data: parse_profile(data.decode("utf-8", errors="replace"), source="fuzzed.toml"),
            (ConfigError,),
            [file.read_bytes() for file in maps],
            16_384,
        ),
        "hourly file": Target(
            lambda data: parse(data.decode("utf-8", errors="replace").splitlines()),
            (HourlyFileError,),
            [hours],
        ),
    }
