"""The broker: which clients there are, which sessions outlive their connection, and which message goes to whom."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Final, Self

from simulators.broker.connection import Connection
from simulators.broker.errors import Reason
from simulators.broker.faults import HOLD_MS, Faults
from simulators.broker.message import Message, RetainedStore
from simulators.broker.packets import V5, Connack, Connect, SubscribeRequest, Will
from simulators.broker.properties import Properties, Property, number
from simulators.broker.session import NEVER, Counters, Delivery, Session
from simulators.broker.settings import BrokerSettings
from simulators.broker.topics import Subscription, SubscriptionTree, is_match, split_share

BROKER_NAME: Final = "doxedge simulator broker"
_SENDER: Final = ""
"""The broker's own client id, as sender of what lies below `$SYS`."""


class Broker:
    """`async with Broker(BrokerSettings(port=0)) as broker:` serves at `broker.port` until the block ends."""

    client_id_bytes_max: Final = 256

    def __init__(self, settings: BrokerSettings | None = None, *, faults: Faults | None = None) -> None:
        self.settings = settings or BrokerSettings()
        self.faults = faults or Faults()
        self.counters = Counters()
        self.host = self.settings.host
        self.port = self.settings.port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._sessions: dict[str, Session] = {}
        self._tree = SubscriptionTree()
        self._retained = RetainedStore(
            messages_max=self.settings.retained_messages_max,
            bytes_max=self.settings.retained_bytes_max,
        )
        self._late: set[asyncio.TimerHandle] = set()
        self._held: dict[str, list[Delivery]] = {}
        self._wills: dict[str, tuple[asyncio.TimerHandle, Will]] = {}
        self._endings: dict[str, asyncio.TimerHandle] = {}

    # Life

    async def start(self) -> None:
        """Listen; OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), self.settings.host, self.settings.port, ssl=self.settings.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._retained.put(
            Message("$SYS/broker/version", BROKER_NAME.encode(), qos=0, retain=True, sender=_SENDER)
        )

    async def stop(self) -> None:
        """Say goodbye to everyone. No wills: it is the broker that leaves."""
        if self._server is None:
            return
        self._server.close()
        self._emptied.clear()
        for handle in [*self._late, *self._endings.values(), *(timer for timer, _ in self._wills.values())]:
            handle.cancel()
        for connection in list(self._connections):
            connection.will = None
            connection.close(Reason.SERVER_SHUTTING_DOWN)
        if self._connections:
            async with asyncio.timeout(self.settings.farewell_timeout_s * 2):
                await self._emptied.wait()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # What a test may do to the clients; patterns are those of file names

    def client_ids(self) -> list[str]:
        """Who is connected."""
        return sorted(connection.client_id for connection in self._connected("*"))

    def disconnect(self, pattern: str = "*") -> int:
        """Cut connections without a word; how many."""
        connections = self._connected(pattern)
        for connection in connections:
            connection.abort()
        return len(connections)

    def take_over(self, pattern: str = "*") -> int:
        """Throw clients out as if others had come with their client ids; how many."""
        connections = self._connected(pattern)
        for connection in connections:
            self.counters.take_overs += 1
            connection.close(Reason.SESSION_TAKEN_OVER)
        return len(connections)

    def freeze(self, pattern: str = "*", *, frozen: bool = True) -> int:
        """Fall silent towards clients while their connections stay, or with `frozen=False` wake up again."""
        connections = self._connected(pattern)
        for connection in connections:
            connection.freeze(frozen=frozen)
        return len(connections)

    # For the connections

    def admit(self, connection: Connection) -> bool:
        """False when there are too many."""
        if len(self._connections) >= self.settings.connections_max:
            return False
        self._connections.add(connection)
        self.counters.connections += 1
        return True

    def open_session(self, connection: Connection, packet: Connect) -> bool:
        """Answer CONNECT: end the older connection of this client id, find or make the session, and let what
        has waited flow. False when there are too many sessions."""
        client_id = packet.client_id or f"auto-{secrets.token_hex(8)}"
        session = self._sessions.get(client_id)
        if session is None and len(self._sessions) >= self.settings.sessions_max:
            return False
        if session is not None and isinstance(session.outlet, Connection):
            self.counters.take_overs += 1
            self._part(session.outlet, Reason.SESSION_TAKEN_OVER)
            session = self._sessions.get(client_id)
        self._stop_timers(client_id, is_resumed=session is not None and not packet.clean_start)
        if session is not None and packet.clean_start:
            self._end_session(session)
            session = None
        is_present = session is not None
        if session is None:
            session = Session(
                client_id,
                settings=self.settings,
                counters=self.counters,
                now_s=asyncio.get_running_loop().time,
            )
            self._sessions[client_id] = session
        session.expiry_s = _session_expiry_s(packet)
        connection.session = session
        connection.send(Connack(is_present, Reason.SUCCESS, self._greeting(packet, client_id)))
        session.attach(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """The connection is gone: its will is due, and its session ends or starts to wait."""
        self._connections.discard(connection)
        self._detach(connection)
        if not self._connections:
            self._emptied.set()

    def subscribe(
        self, session: Session, requests: Iterable[SubscribeRequest], identifier: int | None
    ) -> tuple[tuple[int, ...], list[Delivery]]:
        """The answer for each request, and the retained messages that are to follow the answer."""
        reasons: list[int] = []
        retained: list[Delivery] = []
        for request in requests:
            name = request.topic_filter
            if (
                name not in session.subscriptions
                and len(session.subscriptions) >= self.settings.subscriptions_max
            ):
                reasons.append(Reason.QUOTA_EXCEEDED)
                continue
            wanted = Subscription(request.qos, request.no_local, request.retain_as_published, identifier)
            session.subscriptions[name] = wanted
            is_new = self._tree.add(name, session.client_id, wanted)
            reasons.append(request.qos)
            if request.retain_handling == 0 or (request.retain_handling == 1 and is_new):
                retained.extend(self._retained_for(name, wanted))
        return tuple(reasons), retained

    def unsubscribe(self, session: Session, filters: Iterable[str]) -> tuple[int, ...]:
        reasons: list[int] = []
        for name in filters:
            found = session.subscriptions.pop(name, None) is not None
            self._tree.remove(name, session.client_id)
            reasons.append(Reason.SUCCESS if found else Reason.NO_SUBSCRIPTION_EXISTED)
        return tuple(reasons)

    def publish(self, message: Message) -> None:
        """To everyone who wants it; a retained message is kept as well."""
        if message.retain and not self._retained.put(message):
            self.counters.dropped_retained += 1
        matches = self._tree.match(message.topic)
        for client_id, subscriptions in matches.plain.items():
            wanted = [each for each in subscriptions if not (each.no_local and client_id == message.sender)]
            if wanted and client_id in self._sessions:
                self._deliver(self._sessions[client_id], _merge(message, wanted))
        for members in matches.shared:
            sessions = [(self._sessions[name], wanted) for name, wanted in members if name in self._sessions]
            able = [pair for pair in sessions if pair[0].can_take] or sessions
            if able:
                self._deliver(able[0][0], _merge(message, [able[0][1]]))

    def deliver_retained(self, session: Session, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self._deliver(session, delivery)

    # Faults

    def _deliver(self, session: Session, delivery: Delivery) -> None:
        if self.faults.is_quiet and not self._held:
            session.offer(delivery)
            return
        message = delivery.message
        receiver = session.client_id
        fate = self.faults.decide(
            message.payload, topic=message.topic, sender=message.sender, receiver=receiver
        )
        overtaken = [] if fate.is_held else self._held.pop(receiver, [])
        for delay_ms, payload in fate.copies:
            changed = message if payload == message.payload else message.with_payload(payload)
            copy = Delivery(changed, delivery.qos, delivery.retain, delivery.identifiers)
            if fate.is_held:
                self._held.setdefault(receiver, []).append(copy)
                self._later(HOLD_MS, receiver, None)
            elif delay_ms:
                self._later(delay_ms, receiver, copy)
            else:
                session.offer(copy)
        for copy in overtaken:
            session.offer(copy)
        if fate.disconnects:
            self._soon_cut(receiver, is_take_over=False)
        elif fate.takes_over:
            self._soon_cut(receiver, is_take_over=True)

    def _later(self, delay_ms: int, receiver: str, delivery: Delivery | None) -> None:
        """Deliver after a while; None = what is held for the receiver."""

        def due() -> None:
            self._late.discard(handle)
            deliveries = self._held.pop(receiver, []) if delivery is None else [delivery]
            session = self._sessions.get(receiver)
            for each in deliveries:
                if session is not None:
                    session.offer(each)

        handle = asyncio.get_running_loop().call_later(delay_ms / 1_000, due)
        self._late.add(handle)

    def _soon_cut(self, receiver: str, *, is_take_over: bool) -> None:
        """In the next turn of the loop: a connection must not end amid the packet that it is handling."""

        def due() -> None:
            self._late.discard(handle)
            for connection in self._connected("*"):
                if connection.client_id == receiver:
                    if is_take_over:
                        self.counters.take_overs += 1
                        connection.close(Reason.SESSION_TAKEN_OVER)
                    else:
                        connection.abort()

        handle = asyncio.get_running_loop().call_later(0, due)
        self._late.add(handle)

    # Sessions, wills, retained messages

    def _connected(self, pattern: str) -> list[Connection]:
        return [
            connection
            for connection in self._connections
            if connection.is_open
            and connection.session is not None
            and fnmatchcase(connection.client_id, pattern)
        ]

    def _part(self, connection: Connection, reason: Reason) -> None:
        """End a connection now, so that another can take its session."""
        connection.close(reason)
        self._detach(connection)

    def _detach(self, connection: Connection) -> None:
        session, will = connection.session, connection.will
        connection.will = None
        if session is None or session.outlet is not connection:
            return
        session.detach()
        loop = asyncio.get_running_loop()
        if will is not None:
            self._plan_will(session, will)
        if session.expiry_s == 0:
            self._end_session(session)
        elif session.expiry_s != NEVER:
            self._endings[session.client_id] = loop.call_later(session.expiry_s, self._end_session, session)

    def _plan_will(self, session: Session, will: Will) -> None:
        """Now, or after the will delay, or when the session ends, whichever is first (3.1.3.2.2)."""
        delay_s = min(number(will.properties, Property.WILL_DELAY, 0), session.expiry_s)
        if delay_s == 0:
            self._publish_will(session.client_id, will)
            return
        handle = asyncio.get_running_loop().call_later(delay_s, self._will_due, session.client_id)
        self._wills[session.client_id] = (handle, will)

    def _will_due(self, client_id: str) -> None:
        planned = self._wills.pop(client_id, None)
        if planned is not None:
            planned[0].cancel()
            self._publish_will(client_id, planned[1])

    def _publish_will(self, client_id: str, will: Will) -> None:
        self.counters.wills += 1
        self.publish(Message.from_publish(will, sender=client_id, now_s=asyncio.get_running_loop().time()))

    def _stop_timers(self, client_id: str, *, is_resumed: bool) -> None:
        """The client is back: its session no longer ends, and its will is void if the session goes on."""
        if client_id in self._endings:
            self._endings.pop(client_id).cancel()
        if is_resumed and client_id in self._wills:
            self._wills.pop(client_id)[0].cancel()

    def _end_session(self, session: Session) -> None:
        self._will_due(session.client_id)
        if client_timer := self._endings.pop(session.client_id, None):
            client_timer.cancel()
        for name in session.subscriptions:
            self._tree.remove(name, session.client_id)
        if self._sessions.get(session.client_id) is session:
            del self._sessions[session.client_id]
        self._held.pop(session.client_id, None)

    def _retained_for(self, topic_filter: str, wanted: Subscription) -> list[Delivery]:
        group, plain = split_share(topic_filter)
        if group is not None:
            # No retained messages for a shared subscription (4.8.2).
            return []
        identifiers = () if wanted.identifier is None else (wanted.identifier,)
        now_s = asyncio.get_running_loop().time()
        return [
            Delivery(message, min(message.qos, wanted.qos), retain=True, identifiers=identifiers)
            for message in self._retained.all(now_s=now_s)
            if is_match(plain, message.topic)
        ]

    def _greeting(self, packet: Connect, client_id: str) -> Properties:
        if packet.version != V5:
            return ()
        found: Properties = ((Property.MAXIMUM_PACKET_SIZE, self.settings.packet_bytes_max),)
        if not packet.client_id:
            found += ((Property.ASSIGNED_CLIENT_ID, client_id),)
        return found


def _session_expiry_s(packet: Connect) -> int:
    """3.1.1 knows only two kinds of session: one that ends with its connection, and one that stays."""
    if packet.version == V5:
        return number(packet.properties, Property.SESSION_EXPIRY, 0)
    return 0 if packet.clean_start else NEVER


def _merge(message: Message, subscriptions: list[Subscription]) -> Delivery:
    """One delivery for all the subscriptions of a client that overlap, at the highest QoS of them (3.3.4)."""
    qos = min(message.qos, max(wanted.qos for wanted in subscriptions))
    retain = message.retain and any(wanted.retain_as_published for wanted in subscriptions)
    identifiers = tuple(wanted.identifier for wanted in subscriptions if wanted.identifier is not None)
    return Delivery(message, qos, retain, identifiers)
