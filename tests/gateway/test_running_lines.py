"""One line takes over from another on a port that only one may hold: a real socket, and a server that counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.line_plan import PlannedLine, plan_lines
from doxedge.gateway.plant import plan_units
from doxedge.gateway.running_lines import RunningLines
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.sample import Sample
from tests.gateway.plant_settings import settings_text, unit_text
from tests.gateway.waiting import until

FLOW, METER = 7, 9
PERIOD_MS = 20


@dataclass
class CountingServer:
    """Speaks Modbus TCP, reads zeros, and knows who holds it."""

    port: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    """By unit id."""
    held: int = 0
    held_max: int = 0
    delay_s: float = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.held += 1
        self.held_max = max(self.held_max, self.held)
        try:
            while True:
                head = await reader.readexactly(7)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                count = int.from_bytes(body[3:5], "big")
                size = -(-count // 8) if body[0] in (1, 2) else 2 * count
                await asyncio.sleep(self.delay_s)
                answer = bytes([body[0], size]) + bytes(size)
                writer.write(head[:4] + (len(answer) + 1).to_bytes(2, "big") + head[6:7] + answer)
                await writer.drain()
                self.answered[head[6]] += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.held -= 1
            writer.close()


@asynccontextmanager
async def counting_server() -> AsyncIterator[CountingServer]:
    made = CountingServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def lines(port: int, *, flow_high: int) -> tuple[PlannedLine, ...]:
    """Flow and meter behind one port."""
    text = settings_text(units={}) + unit_text("north-1", flow=port, meter=port, flow_high=str(flow_high))
    text = text.replace("settings = { flow_high", f"unit_id = {FLOW}\npoll_ms = {{ channels = {PERIOD_MS} }}\n"
                        "timeout_ms = 1000\nsettings = { flow_high")  # fmt: skip
    meter = (
        f'profile = "janitza_umg"\nunit_id = {METER}\npoll_ms = {{ energy = {PERIOD_MS} }}\ntimeout_ms = 1000'
    )
    text = text.replace('profile = "janitza_umg"', meter)
    units = plan_units(parse_settings(text, source="g.toml"), source="g.toml", clock=RealClock())
    return tuple(line for line in plan_lines(units) if line.address.port == port)


async def test_a_device_beside_one_that_changes_loses_no_answer_and_nobody_holds_the_port_twice() -> None:
    taken: list[Sample] = []
    clock = RealClock()
    async with counting_server() as server:
        old, new = lines(server.port, flow_high=576_300), lines(server.port, flow_high=600_000)
        running = RunningLines(
            old, clock=clock, chance=lambda: 0.5, on_sample=taken.append, on_state=lambda _: None
        )
        kept = frozenset({"north-1.meter"})
        async with asyncio.TaskGroup() as group:
            running.start(group)
            (first,) = running.lines
            await until(lambda: len(taken) > 20, what="samples")
            border_ms = clock.now_ms() + 100
            running.end_at(old, border_ms, stay=kept)
            await clock.sleep(0.1)
            await running.take_over(group, ended=old, begun=new, from_ms=border_ms, came=kept)
            (second,) = running.lines
            assert second is not first
            after = len(taken)
            await until(lambda: len(taken) > after + 20, what="samples of the new line")
            running.end_at(new, clock.now_ms())
            await running.take_over(group, ended=new, begun=(), from_ms=clock.now_ms())
            assert running.lines == []
    assert server.held_max == 1
    meter = [sample for sample in taken if sample.device == "north-1.meter"]
    per_poll = server.answered[METER] / len(meter)
    assert per_poll == int(per_poll), "an answer of the meter was not delivered"
    flow = [sample for sample in taken if sample.device == "north-1.flow"]
    polls = sum(line.counters["north-1.flow"].polls for line in (first, second))
    assert 0 <= polls - len(flow) <= 1


async def test_what_a_slow_device_answers_after_the_border_by_old_settings_is_nobodys() -> None:
    taken: list[Sample] = []
    clock = RealClock()
    async with counting_server() as server:
        server.delay_s = 0.1
        old = lines(server.port, flow_high=576_300)
        running = RunningLines(
            old, clock=clock, chance=lambda: 0.5, on_sample=taken.append, on_state=lambda _: None
        )
        kept = frozenset({"north-1.meter"})
        async with asyncio.TaskGroup() as group:
            running.start(group)
            await until(lambda: server.held == 1, what="a question is under way")
            border_ms = clock.now_ms()
            running.end_at(old, border_ms, stay=kept)
            await running.take_over(group, ended=old, begun=(), from_ms=border_ms, came=kept)
    devices = {sample.device for sample in taken if sample.at_ms >= border_ms}
    assert devices <= kept


def test_a_change_that_is_taken_back_leaves_every_line_where_it_is() -> None:
    planned = lines(5021, flow_high=576_300)
    running = RunningLines(
        planned, clock=RealClock(), chance=lambda: 0.5, on_sample=lambda _: None, on_state=lambda _: None
    )
    before = running.lines
    running.end_at(planned, 5)
    running.end_at(planned, None)
    assert running.lines == before
    assert not before[0].has_done_its_part
