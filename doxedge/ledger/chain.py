"""What a node holds of a channel in memory: the head, the history frontier, the state; and how a block extends them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from doxedge.consensus import certificate as certificates
from doxedge.consensus.certificate import Certificate, InvalidCertificate, VoteKind, decode_certificate
from doxedge.consensus.header import Header, InvalidBlock
from doxedge.consensus.validators import ValidatorSet
from doxedge.ledger.block import Block, check_body, wire_id
from doxedge.ledger.execution import Execution, Setting, execute, execution_clock_ms
from doxedge.ledger.genesis import Genesis, initial_state
from doxedge.ledger.state import State
from doxedge.ledger.transaction import Transaction, open_transaction
from doxedge.signing import merkle
from doxedge.signing.canonical import NonCanonical
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.record import InvalidRecord
from doxedge.signing.tags import BlockId, ChannelId

AHEAD_MS_MAX = 15_000
"""Header time may be so much after the own clock (wire.md 1)."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A block that was executed here: ready to be stored and taken over."""

    header: Header
    transactions: tuple[Transaction, ...]
    execution: Execution
    receipts: tuple[bytes, ...]
    """Encoded, in the order of the transactions."""


class ChainState:
    """One channel in memory. It changes only by `take`."""

    def __init__(
        self,
        genesis_bytes: bytes,
        *,
        head: Header | None = None,
        state: State | None = None,
        frontier: merkle.Frontier | None = None,
    ) -> None:
        """From the genesis, or as restored from the disk. Raises InvalidGenesis, or InvalidBlock when they disagree."""
        self.genesis: Genesis
        self.channel: ChannelId
        self.genesis_bytes = genesis_bytes
        self.genesis, self.channel, first = initial_state(genesis_bytes)
        self.validators: ValidatorSet = self.genesis.validator_set
        self.head = head
        self.state = first if state is None else state
        self.frontier = frontier or merkle.Frontier()
        if head is not None and self.state.root != head.state_root:
            raise InvalidBlock(
                f"the stored state has the root {self.state.root.hex()}, the head of height {head.height} certifies "
                f"{head.state_root.hex()}: the file was changed"
            )
        if self.frontier.size != self.height:
            raise InvalidBlock(f"{self.frontier.size} block ids for {self.height} blocks")

    @property
    def height(self) -> int:
        """Of the head; 0 before the first block."""
        return self.head.height if self.head else 0

    @property
    def head_id(self) -> BlockId:
        """Of the head; the channel id before the first block."""
        return self.head.block_id if self.head else BlockId(self.channel)

    @property
    def clock_ms(self) -> int:
        """The execution clock."""
        return execution_clock_ms(self.state)

    @property
    def setting(self) -> Setting:
        """What execution needs beside the leader of a view."""
        return Setting(self.channel, self.validators, self.genesis.rules_version)

    def build(
        self,
        transactions: Sequence[Transaction],
        *,
        view: int,
        parent_view: int,
        time_ms: int,
        verified: Container[bytes] = frozenset(),
    ) -> Extension:
        """Execute a new block on the head and make its header. The first transaction is the tick."""
        execution = self._execute(transactions, view=view, time_ms=time_ms, verified=verified)
        receipts = execution.encoded_receipts
        header = Header(
            channel=self.channel,
            epoch=self.validators.epoch,
            view=view,
            parent_view=parent_view,
            parent_id=self.head_id,
            height=self.height + 1,
            time_ms=time_ms,
            tx_count=len(transactions),
            tx_root=merkle.root([transaction.wire_id for transaction in transactions]),
            receipt_root=merkle.root(receipts),
            state_root=execution.sealed.root,
            history_root=self.frontier.root(),
            rules_version=self.genesis.rules_version,
            next_validators_hash=None,
        )
        return Extension(header, tuple(transactions), execution, receipts)

    def check(
        self, block: Block, *, now_ms: int | None, verified: Container[bytes] = frozenset()
    ) -> Extension:
        """Verify a block of somebody else's: certificate, place, body, execution, every root.

        `now_ms` bounds its time; None leaves it open for blocks that are long final. Raises InvalidBlock naming what
        differs.
        """
        header = block.header
        self._check_place(header)
        self.check_certificate(header, decode_certificate(block.certificate))
        if now_ms is not None and header.time_ms > now_ms + AHEAD_MS_MAX:
            raise InvalidBlock(f"the block is {header.time_ms - now_ms} ms ahead of this node's clock")
        check_body(header, block.transactions)
        transactions = []
        for raw in block.transactions:
            try:
                transactions.append(open_transaction(raw, self.channel))
            except (InvalidEnvelope, NonCanonical, InvalidRecord) as error:
                raise InvalidBlock(f"transaction {wire_id(raw).hex()}: {error}") from error
        execution = self._execute(transactions, view=header.view, time_ms=header.time_ms, verified=verified)
        receipts = execution.encoded_receipts
        _same("receipt root", merkle.root(receipts), header.receipt_root)
        _same("state root", execution.sealed.root, header.state_root)
        return Extension(header, tuple(transactions), execution, receipts)

    def check_certificate(self, header: Header, certificate: Certificate) -> None:
        """Raise InvalidCertificate unless a quorum finalized exactly this header."""
        if certificate.kind is not VoteKind.FINALIZE:
            raise InvalidCertificate("only a finalization makes a block final")
        if (certificate.view, certificate.block_id) != (header.view, header.block_id):
            raise InvalidCertificate("the certificate is of another block")
        certificates.check(certificate, channel=self.channel, validators=self.validators)

    def take(self, extension: Extension) -> None:
        """The block is durable: it is the head now."""
        if extension.header.parent_id != self.head_id:
            raise InvalidBlock("the block does not extend the head")
        self.state.merge(extension.execution.sealed)
        self.head = extension.header
        self.frontier.append(extension.header.block_id)

    def _execute(
        self, transactions: Sequence[Transaction], *, view: int, time_ms: int, verified: Container[bytes]
    ) -> Execution:
        """Run the rules. The header's time, which validators hold to their own clocks, bounds the tick from above."""
        setting = replace(self.setting, leader_key_id=self.validators.leader(view).key_id)
        execution = execute(self.state, transactions, setting=setting, verified=verified)
        if execution.clock_ms > time_ms:
            raise InvalidBlock(
                f"the tick is {execution.clock_ms - time_ms} ms later than the block: rules would run ahead"
            )
        return execution

    def _check_place(self, header: Header) -> None:
        _same("channel", header.channel, self.channel)
        if header.epoch != self.validators.epoch or header.next_validators_hash is not None:
            raise InvalidBlock(f"epoch {self.validators.epoch} is the only one, and no block seals it")
        if header.height != self.height + 1:
            raise InvalidBlock(f"height {header.height} does not follow {self.height}")
        _same("parent", header.parent_id, self.head_id)
        if self.head is not None and header.time_ms <= self.head.time_ms:
            raise InvalidBlock("the block is not later than its parent")
        parent_view = self.head.view if self.head else 0
        if header.parent_view != parent_view or header.view <= parent_view:
            raise InvalidBlock(
                f"view {header.view} on {header.parent_view} does not follow view {parent_view}"
            )
        _same("history root", header.history_root, self.frontier.root())
        if header.rules_version != self.genesis.rules_version:
            raise InvalidBlock(f"rules version {header.rules_version} is not in force")


def _same(what: str, found: bytes, expected: bytes) -> None:
    if found != expected:
        raise InvalidBlock(f"{what}: {found.hex()} where {expected.hex()} is due")
