"""What the kernel tells of its clock is passed on as it is."""

from __future__ import annotations

import sys

from doxedge.gateway.clock_state import boot_id, read_clock


def test_the_kernel_is_asked_and_nothing_is_set() -> None:
    reading = read_clock()
    assert reading.state in {"synchronised", "unsynchronised", "unknown"}
    assert abs(reading.offset_ms) < 24 * 3_600_000
    assert read_clock().state == reading.state


def test_asking_starts_no_program() -> None:
    read_clock()
    started: list[str] = []
    watching = True

    def watch(event: str, _: object) -> None:
        # A hook of the interpreter stays until its end.
        if watching and event == "subprocess.Popen":
            started.append(event)

    sys.addaudithook(watch)
    read_clock()
    watching = False
    assert started == []


def test_one_boot_has_one_name() -> None:
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()
