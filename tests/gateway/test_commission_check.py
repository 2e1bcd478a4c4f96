"""A commissioning file in which anything was changed proves nothing, and the step says what was changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from doxedge.evidence import commission_file
from doxedge.evidence.check import NotProved
from doxedge.evidence.commission_file import Head, Hour, Samples, Writer
from doxedge.gateway.commission_check import check_commission
from doxedge.gateway.commission_plan import plan_of
from doxedge.quantity import HOUR_MS
from doxedge.signing import canonical
from tests.gateway.commission_bench import HOURS, made_file, site
from tests.ledger.channels import START_MS


@dataclass
class Parts:
    """A file taken apart."""

    head: Head
    hours: list[tuple[Hour, list[bytes]]]

    @classmethod
    def of(cls, data: bytes) -> Parts:
        head: Head | None = None
        hours: list[tuple[Hour, list[bytes]]] = []
        leaves: list[bytes] = []
        for frame in commission_file.read(data):
            match frame:
                case Head():
                    head = frame
                case Samples():
                    leaves += frame.leaves
                case Hour():
                    hours.append((frame, leaves))
                    leaves = []
        assert head is not None
        return cls(head, hours)

    def written(self) -> bytes:
        """The whole file again, with hashes that are right."""
        writer = Writer()
        parts = [writer.head(self.head)]
        for hour, leaves in self.hours:
            parts += [writer.leaves(leaves), writer.hour(hour)]
        return b"".join([*parts, writer.end()])

    def change(self, number: int = 1, **changes: object) -> None:
        hour, leaves = self.hours[number]
        self.hours[number] = (replace(hour, **changes), leaves)  # type: ignore[arg-type]

    def change_head(self, **changes: object) -> None:
        self.head = replace(self.head, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four hours of one unit, the last three of them witnessed."""

    async def make(folder: Path) -> bytes:
        async with site(folder) as at:
            await at.bench.measure(60 * 4 + 5)
            await at.post()
            return await made_file(at, HOURS)

    return asyncio.run(make(tmp_path_factory.mktemp("site")))


def refusal(data: bytes, **given: object) -> NotProved:
    with pytest.raises(NotProved) as refused:
        check_commission(data, plan=plan_of, **given)  # type: ignore[arg-type]
    return refused.value


def test_what_was_prepared_holds(file: bytes) -> None:
    checked = check_commission(file, plan=plan_of)
    assert [hour.start_ms for hour in checked.witnessed] == [START_MS + n * HOUR_MS for n in (1, 2, 3)]
    assert checked.statement_hash == commission_file.statement_hash(file)
    assert Parts.of(file).written() == file


def _other_leaf(parts: Parts) -> None:
    """A sample says less NOx than was measured."""
    hour, leaves = parts.hours[1]
    place = next(n for n, leaf in enumerate(leaves) if b"nox_ppb=100000" in leaf)
    leaves[place] = leaves[place].replace(b"nox_ppb=100000", b"nox_ppb=900000")
    parts.hours[1] = (hour, leaves)


def _one_leaf_less(parts: Parts) -> None:
    parts.hours[1][1].pop()


def _leaves_of_another(parts: Parts) -> None:
    parts.hours[1] = (parts.hours[1][0], parts.hours[2][1])


def _other_evidence(parts: Parts) -> None:
    parts.change(evidence=parts.hours[2][0].evidence)


def _none_witnessed(parts: Parts) -> None:
    for number in range(len(parts.hours)):
        parts.change(number, witnessed=False)


def _twice(parts: Parts) -> None:
    parts.hours.insert(1, parts.hours[0])


FORGED: dict[str, tuple[int, Callable[[Parts], None]]] = {
    "nothing is witnessed": (1, _none_witnessed),
    "an hour twice": (1, _twice),
    "another profile hash": (3, lambda p: p.change_head(profile_hash=bytes(32))),
    "another rules hash": (3, lambda p: p.change_head(rules_hash=bytes(32))),
    "another unit": (3, lambda p: p.change_head(unit="beta-1")),
    "another numbering": (3, lambda p: p.change_head(source=bytes(16))),
    "another mass of a ppm": (
        3,
        lambda p: p.change_head(settings=p.head.settings.replace(b"2.0525", b"1.0525")),
    ),
    "no settings": (3, lambda p: p.change_head(settings=b"[]")),
    "settings without end": (3, lambda p: p.change_head(settings=b"[" * 60_000)),
    "no register maps": (3, lambda p: p.change_head(maps=(("teledyne_t200", b""),))),
    "a register map that leaves its folder": (3, lambda p: p.change_head(maps=(("../x", b""),))),
    "another map": (
        3,
        lambda p: p.change_head(
            maps=tuple((name, text.replace(b"ppb", b"ppm")) for name, text in p.head.maps)
        ),
    ),
    "evidence of another hour": (4, _other_evidence),
    "a clock that ran faster": (4, lambda p: p.change_head(clock_speed=1_000)),
    "another record": (4, lambda p: p.change(record_id=bytes(32))),
    "a byte of the evidence": (4, lambda p: p.change(evidence=b"\x00" + p.hours[1][0].evidence)),
    "another sample": (5, _other_leaf),
    "a sample less": (5, _one_leaf_less),
    "samples of another hour": (5, _leaves_of_another),
    "another sheet": (6, lambda p: p.change(sheet=p.hours[1][0].sheet.replace(b"1", b"2"))),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_file_is_refused_at_its_step(file: bytes, case: str) -> None:
    step, forge = FORGED[case]
    parts = Parts.of(file)
    forge(parts)
    forged = parts.written()
    assert forged != file
    assert refusal(forged).step == step


def test_no_tolerance_lets_another_mass_pass(file: bytes) -> None:
    stated = {hour.start_ms: hour.stated.nox_g for hour in check_commission(file, plan=plan_of).witnessed}
    start_ms, nox_g = min(stated.items())
    near, far = {**stated, start_ms: nox_g - nox_g // 100}, {**stated, start_ms: nox_g - nox_g // 100 - 1}
    check_commission(file, plan=plan_of, hand=near, tolerance_g=10**9)
    found = refusal(file, hand=far, tolerance_g=10**9)
    assert (found.step, f"allowed are {nox_g // 100} g" in str(found)) == (7, True)


async def test_hours_of_a_unit_that_stood_still_witness_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        await at.bench.measure(60 + 5, power_w=0)
        await at.post()
        data = await made_file(at, 1, said_to_run=True)
    found = refusal(data)
    assert (found.step, "did not run" in str(found)) == (6, True)


def test_another_device_name_changes_the_hash_that_is_signed(file: bytes) -> None:
    """The device's name is judged by the ledger (clause 4.14); what was checked is what is signed."""
    parts = Parts.of(file)
    parts.change_head(device="another")
    checked = check_commission(parts.written(), plan=plan_of)
    assert checked.statement_hash != commission_file.statement_hash(file)


def test_damage_anywhere_is_damage(file: bytes) -> None:
    chance = random.Random(7)
    for _ in range(40):
        place = chance.randrange(len(file))
        damaged = bytearray(file)
        damaged[place] ^= 1 << chance.randrange(8)
        assert refusal(bytes(damaged)).step in (1, 4), place
    for length in (0, 1, 100, len(file) - 1):
        assert refusal(file[:length]).step == 1
    assert refusal(file + b"\x00").step == 1


def test_the_channel_and_the_figures_by_hand_are_compared(file: bytes) -> None:
    assert refusal(file, channel=bytes(32)).step == 2
    stated = {hour.start_ms: hour.stated.nox_g for hour in check_commission(file, plan=plan_of).witnessed}
    assert check_commission(file, plan=plan_of, hand=stated).witnessed[0].hand_g is not None
    first = min(stated)
    assert refusal(file, hand={**stated, first: stated[first] + 1}).step == 7
    assert check_commission(
        file, plan=plan_of, hand={**stated, first: stated[first] + 1}, tolerance_g=1
    ).witnessed
    assert refusal(file, hand={**stated, first - 5 * HOUR_MS: 1}).step == 7
    assert refusal(file, hand={}).step == 7


def test_a_leaf_that_is_no_sample_is_refused(file: bytes) -> None:
    parts = Parts.of(file)
    parts.hours[1][1][0] = canonical.encode(["alpha-1.analyser", START_MS, b"x"])
    assert refusal(parts.written()).step == 5
