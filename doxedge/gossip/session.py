"""A lasting connection to one MQTT broker: paho-mqtt behind asyncio, with every queue bounded.

The broker is hostile and lossy by assumption (ledger.md 3): whoever must be sure sends again. This file owes three
things: to notice a dead connection, to come back without a stampede, and never to grow. paho only cuts and joins
packets: the event loop watches its socket, each connection gets a fresh client (so that no stale packet is sent for
ever), and its callbacks only hand over to the loop: no lock, no publish (paho holds locks while it calls some).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from doxedge.gossip.link import Link
from doxedge.gossip.topics import (
    PACKET_BYTES,
    RECEIVE_MAX,
    BrokerSettings,
    Counters,
    MessageTooLarge,
    Outbox,
    Outgoing,
    Presence,
    State,
    StateChange,
    TlsFiles,
)
from doxedge.signing.limits import MESSAGE_BYTES

__all__ = [
    "BrokerSession",
    "BrokerSettings",
    "MessageTooLarge",
    "Presence",
    "State",
    "StateChange",
    "TlsFiles",
]

_V3, _V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
_NAMES: Final = {_V3: "3.1.1", _V5: "5"}
_UNSUPPORTED_VERSION: Final = 0x84
_TICK_S: Final = 0.5
"""How often deadlines and keep-alive are looked at."""

_SHORT_LIVES: Final = 3
"""MQTT 3.1.1 and mosquitto 2.0 do not say why they hang up; so many short lives in a row look like a client id that
is used twice."""


class BrokerSession:
    """Keeps one broker connected while `run` runs. All methods are for the event loop's own thread."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: str,
        on_message: Callable[[str, bytes], None],
        on_state: Callable[[StateChange], None],
        jitter: Callable[[], float],
        presences: Sequence[Presence] = (),
    ) -> None:
        """`jitter` gives chance in [0, 1). What the two callbacks raise ends `run`: it is a bug of theirs.
        Raises ValueError for TLS files that cannot be used."""
        self.settings = settings
        self.client_id = client_id
        self.counters = Counters()
        self.connected = asyncio.Event()
        self._on_message, self._on_state, self._jitter = on_message, on_state, jitter
        self._presences = tuple(presences)
        self._tls = _tls_context(settings.tls)
        self._filters: dict[str, int] = {}
        self._outbox = Outbox(
            self.counters,
            messages_max=settings.queue_messages_max,
            bytes_max=settings.queue_bytes_max,
            age_s_max=settings.queue_age_s_max,
        )
        self._link: Link | None = None
        self._connecting: asyncio.Future[Any] | None = None
        self._level = _V3 if settings.protocol == "3.1.1" else _V5
        self._is_v5_refused = False
        self._packet_bytes_max = PACKET_BYTES
        self._last_change: StateChange | None = None

    @property
    def protocol(self) -> str | None:
        return _NAMES[self._level] if self.connected.is_set() else None

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Send now or when it can be. False when the queue is full of QoS 1 messages. QoS 0 may be dropped for
        newer ones; QoS 1 is sent again after a lost connection, so that receivers may see it twice. Raises
        MessageTooLarge, and ValueError for a topic with wildcards or another QoS."""
        message = Outgoing(topic, payload, qos, retain, asyncio.get_running_loop().time())
        if message.size_bytes > self._packet_bytes_max:
            raise MessageTooLarge(f"{message.size_bytes} bytes, the broker takes {self._packet_bytes_max}")
        is_taken = self._outbox.put(message)
        self.pump()
        return is_taken

    def subscribe(self, filters: Sequence[tuple[str, int]]) -> None:
        """Filters with their QoS, now and after every reconnect."""
        self._filters.update(filters)
        if self._link is not None and self._link.accepted_at_s is not None:
            self._send_subscribe(self._link, filters)

    async def run(self) -> None:
        """Connect, serve, wait, and again, until cancelled; then say offline and leave in good order."""
        failures = short_lives = 0
        while True:
            link = await self._open()
            lived_s = await self._serve(link) if link is not None else None
            if link is not None and self._choose_protocol(link):
                continue
            is_stable = lived_s is not None and lived_s >= self.settings.stable_after_s
            is_short = link is not None and lived_s is not None and not is_stable and link.is_hung_up
            short_lives = short_lives + 1 if is_short else 0
            if link is not None and (link.is_taken_over or short_lives == _SHORT_LIVES):
                self.counters.take_overs += 1
                sure = (
                    "the broker says so" if link.is_taken_over else "suspected: it hangs up again and again"
                )
                self._tell(State.TAKEN_OVER, f"someone else uses client id {self.client_id}: {sure}")
            failures = 0 if is_stable else failures + 1
            await asyncio.sleep(self.settings.pause_s(failures, chance=self._jitter()))

    async def _open(self) -> Link | None:
        """TCP and TLS, in a thread because paho waits; None when there is no way through."""
        settings, loop = self.settings, asyncio.get_running_loop()
        if self._connecting is not None and not self._connecting.done():
            # A look-up of a name can hang for long; a second thread would only hang beside it.
            await asyncio.wait({self._connecting}, timeout=settings.connect_timeout_s)
            return None
        link = Link(self._new_client(), self)
        connect = partial(link.client.connect, settings.host, settings.port, settings.keepalive_s)
        if self._level is _V5:
            wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wanted.ReceiveMaximum, wanted.MaximumPacketSize = RECEIVE_MAX, PACKET_BYTES
            connect = partial(connect, clean_start=True, properties=wanted)
        self._connecting = connecting = loop.run_in_executor(None, connect)
        try:
            async with asyncio.timeout(settings.connect_timeout_s * 3):
                await asyncio.shield(connecting)
            link.attach()
        except (OSError, ValueError) as error:
            # ValueError: a host name that is none.
            connecting.add_done_callback(link.discard)
            self.counters.connect_failures += 1
            text = str(error) or type(error).__name__
            self._tell(State.UNREACHABLE, f"{settings.host}:{settings.port}: {text}")
            return None
        except asyncio.CancelledError:
            connecting.add_done_callback(link.discard)
            await asyncio.wait({connecting}, timeout=settings.connect_timeout_s)
            raise
        return link

    def _new_client(self) -> paho.Client:
        version = CallbackAPIVersion.VERSION2
        client = paho.Client(version, self.client_id, protocol=self._level, reconnect_on_failure=False)
        client.connect_timeout = self.settings.connect_timeout_s
        client.max_inflight_messages_set(self.settings.window)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._presences:
            client.will_set(self._presences[0].topic, self._presences[0].offline, qos=1, retain=True)
        return client

    async def _serve(self, link: Link) -> float | None:
        """Until the connection is lost; how long it lived since the broker accepted it, None if it never did."""
        loop = asyncio.get_running_loop()
        self._link = link
        link.due_s[0] = loop.time() + self.settings.puback_deadline_s
        try:
            while not link.lost.done():
                await asyncio.wait({link.lost}, timeout=_TICK_S)
                self._check(link, now_s=loop.time())
                self.pump()
            reason = link.lost.result()
        except asyncio.CancelledError:
            await self._leave(link)
            raise
        finally:
            self._link = None
            link.close("left")
            self._outbox.put_back_in_flight()
            self.counters.disconnects += self.connected.is_set()
            self.connected.clear()
        if link.accepted_at_s is None:
            self._tell(State.REFUSED, reason)
            return None
        self._tell(State.DISCONNECTED, reason)
        return loop.time() - link.accepted_at_s

    def _check(self, link: Link, *, now_s: float) -> None:
        """The keep-alive of paho and our own deadlines."""
        link.client.loop_misc()
        oldest = next(iter(self._outbox.in_flight.values()), None)
        if any(due_s < now_s for due_s in link.due_s.values()) or (oldest is not None and oldest[1] < now_s):
            self.counters.forced_reconnects += 1
            link.close(f"no answer within {self.settings.puback_deadline_s} s")

    def pump(self) -> None:
        """Hand to paho what the window and the socket take: nothing waits inside paho."""
        link, loop = self._link, asyncio.get_running_loop()
        while link is not None and self.connected.is_set() and link.takes_more:
            message = self._outbox.take(window=link.window, now_s=loop.time())
            if message is None:
                return
            if message.size_bytes > self._packet_bytes_max:
                self.counters.dropped_oversize += 1
                continue
            info = link.client.publish(message.topic, message.payload, message.qos, message.retain)
            if message.qos:
                self._outbox.in_flight[info.mid] = (message, loop.time() + self.settings.puback_deadline_s)
            self.counters.sent += 1
            link.client.loop_write()

    async def _leave(self, link: Link) -> None:
        """Say offline and DISCONNECT, if the socket takes it within a second."""
        if self.connected.is_set() and not link.lost.done():
            for presence in self._presences:
                link.client.publish(presence.topic, presence.offline, retain=True)
        link.client.disconnect()
        await asyncio.wait({link.lost}, timeout=1)

    def _choose_protocol(self, link: Link) -> bool:
        """For the next connection, if there is a choice. True when it is the protocol that was refused, so that
        there is no reason to wait. A broker may also hang up on what it does not know: then they take turns."""
        if self.settings.protocol != "auto":
            return False
        if link.accepted_at_s is not None:
            self._level = _V3 if self._is_v5_refused else _V5
            return False
        is_news = link.is_version_refused and self._level is _V5 and not self._is_v5_refused
        self._is_v5_refused = is_news or (self._is_v5_refused and self._level is _V5)
        self._level = _V3 if self._level is _V5 else _V5
        return is_news

    # What the broker says

    def accepted(self, link: Link, reason: ReasonCode, properties: Properties) -> None:
        del link.due_s[0]
        if reason.is_failure:
            self.counters.refused_by_broker += 1
            link.is_version_refused = reason.value == _UNSUPPORTED_VERSION
            link.close(f"the broker refuses us: {reason}")
            return
        link.accepted_at_s = asyncio.get_running_loop().time()
        link.window = min(self.settings.window, getattr(properties, "ReceiveMaximum", self.settings.window))
        self._packet_bytes_max = min(PACKET_BYTES, getattr(properties, "MaximumPacketSize", PACKET_BYTES))
        if self._filters:
            self._send_subscribe(link, list(self._filters.items()))
        else:
            self._ready()

    def _send_subscribe(self, link: Link, filters: Sequence[tuple[str, int]]) -> None:
        wanted: list[Any] = list(filters)
        if self._level is _V5:
            # Our own echo is of no use; 3.1.1 cannot say so, and the receiver must know his own messages.
            wanted = [(name, SubscribeOptions(qos=qos, noLocal=True)) for name, qos in filters]
        _, message_id = link.client.subscribe(wanted)
        if message_id is not None:
            link.due_s[message_id] = asyncio.get_running_loop().time() + self.settings.puback_deadline_s

    def subscribed(self, link: Link, message_id: int, reasons: Sequence[ReasonCode]) -> None:
        link.due_s.pop(message_id, None)
        if any(reason.is_failure for reason in reasons):
            self.counters.refused_by_broker += 1
            self._tell(State.SUBSCRIPTION_REFUSED, ", ".join(str(reason) for reason in reasons))
        if not self.connected.is_set() and not link.due_s:
            self._ready()

    def _ready(self) -> None:
        self.connected.set()
        self.counters.connects += 1
        self._tell(State.CONNECTED, "")
        for presence in self._presences:
            self.publish(presence.topic, presence.online, qos=1, retain=True)
        self.pump()

    def acknowledged(self, message_id: int, reason: ReasonCode) -> None:
        if self._outbox.in_flight.pop(message_id, None) is not None:
            self.counters.acknowledged += not reason.is_failure
            self.counters.refused_by_broker += reason.is_failure
            self.pump()

    def received(self, topic: str, payload: bytes) -> None:
        if len(payload) > MESSAGE_BYTES:
            self.counters.received_oversize += 1
            return
        self.counters.received += 1
        self._on_message(topic, payload)

    def _tell(self, state: State, reason: str) -> None:
        change = StateChange(state, reason, _NAMES[self._level])
        if change != self._last_change:
            self._last_change = change
            self._on_state(change)


def _tls_context(files: TlsFiles | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        if files.cert_file is not None:
            # An empty pass phrase: else OpenSSL would ask for one on the terminal.
            context.load_cert_chain(files.cert_file, files.key_file, password="")
    except OSError as error:
        raise ValueError(f"{files}: {error}") from error
    return context
