"""What an instrument can be told: to take zero gas, to take span gas, to measure again.

A map has all three commands or none, each a few steps that its source names. A command is one thing that every
instrument of the map does by itself; nothing else of an instrument can be changed from here.
"""

from __future__ import annotations

from collections.abc import Sequence

from doxedge.analysers.driver import Driver, RegisterDriver
from doxedge.analysers.phrase_driver import PhraseDriver
from doxedge.analysers.question import Command as Step
from doxedge.analysers.question import Order, WriteCoil


def steps_of(driver: Driver, name: str) -> Sequence[Step]:
    """The steps of a command, in their order; none when the map has no such command."""
    if isinstance(driver, RegisterDriver):
        return [
            WriteCoil(driver.unit_id, coil.address, coil.on)
            for command in driver.profile.commands
            if command.name == name
            for coil in command.coils
        ]
    if isinstance(driver, PhraseDriver):
        dialect = driver.profile.transport.dialect
        return [
            Order(driver.unit_id, dialect, text)
            for command in driver.profile.commands
            if command.name == name
            for text in command.orders
        ]
    return []
