"""A channel for a real node: its genesis, and the registrations that make unit `alpha-1` ready to be measured."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from doxedge.ledger.chain import Extension
from doxedge.ledger.transaction import Transaction
from tests.ledger.channels import TestChannel

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


@dataclass
class RegisteredChannel(TestChannel):
    """Remembers what was registered, so that a node can be told the same."""

    __test__ = False
    registrations: list[Transaction] = field(default_factory=list)

    @override
    def block(self, *transactions: Transaction) -> Extension:
        self.registrations += transactions
        return super().block(*transactions)


def registered_channel(name: str) -> RegisteredChannel:
    """The channel with units, accounts and devices of both companies."""
    begun = TestChannel.begin(name)
    channel = RegisteredChannel(begun.chain)
    channel.with_units()
    return channel
