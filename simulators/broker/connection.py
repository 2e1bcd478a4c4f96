"""One client's TCP connection: bytes in, packets handled one after the other, bytes out, and silence noticed.

Everything happens in callbacks of the event loop, without a task or a lock: a packet is handled to its end before
the next one is looked at.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Final, cast

from simulators.broker.decoding import FrameSplitter, decode
from simulators.broker.encoding import encode
from simulators.broker.errors import MalformedPacket, Reason, UnsupportedVersion
from simulators.broker.message import Message
from simulators.broker.packets import (
    V3,
    V5,
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from simulators.broker.primitives import VARINT_MAX
from simulators.broker.properties import Property, has, number
from simulators.broker.session import PACKET_ID_MAX, Session

if TYPE_CHECKING:
    from simulators.broker.server import Broker

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

_WRITE_HIGH_BYTES: Final = 256 * 1024
"""From here on the socket counts as congested, and QoS 1 and 2 wait in the session."""


class Connection(asyncio.Protocol):
    """The life of a connection: open, CONNECT, packets, farewell. An `Outlet` for its session."""

    def __init__(self, broker: Broker) -> None:
        self.version = V3
        self.receive_max = PACKET_ID_MAX
        self.client_packet_bytes_max = VARINT_MAX
        self.will: Will | None = None
        self.session: Session | None = None
        self.is_congested = False
        self.is_open = False
        self._broker = broker
        self._settings = broker.settings
        self._loop = asyncio.get_running_loop()
        self._splitter = FrameSplitter(limit_bytes=broker.settings.packet_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._silence_s_max = 0.0
        self._heard_at_s = 0.0
        self._is_frozen = False

    @property
    def client_id(self) -> str:
        return self.session.client_id if self.session is not None else ""

    # Life

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        # Without it an answer waits for the client's delayed acknowledgement: 88 ms against 0.9 ms.
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_open = True
        if self._broker.admit(self):
            self._timer = self._loop.call_later(self._settings.connect_timeout_s, self.abort)
        else:
            self.abort()

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_at_s = self._loop.time()
        try:
            for first_byte, body in self._splitter.feed(data):
                self._handle(decode(first_byte, body, self.version))
                if not self.is_open:
                    return
        except UnsupportedVersion as error:
            self._refuse_version(error)
        except MalformedPacket as error:
            self._broker.counters.malformed += 1
            self.close(error.reason)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._cancel_timer()
        self._broker.forget(self)

    @override
    def pause_writing(self) -> None:
        self.is_congested = True

    @override
    def resume_writing(self) -> None:
        self.is_congested = self._is_frozen
        if self.session is not None:
            self.session.pump()

    def close(self, reason: Reason | None = None) -> None:
        """Say why (MQTT 5 clients that are connected), let the socket empty for a while, then cut."""
        if not self.is_open or self._transport is None:
            return
        if reason is not None and self.version == V5 and self.session is not None:
            self.send(Disconnect(reason))
        self.is_open = False
        self._cancel_timer()
        self._transport.close()
        self._timer = self._loop.call_later(self._settings.farewell_timeout_s, self._transport.abort)

    def abort(self) -> None:
        """Cut without a word."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def freeze(self, *, frozen: bool) -> None:
        """A broker that hangs: the connection stays, but nothing is read, answered or delivered any more."""
        if self._transport is None or not self.is_open or frozen == self._is_frozen:
            return
        self._is_frozen = frozen
        if frozen:
            self._transport.pause_reading()
            self.is_congested = True
        else:
            self._heard_at_s = self._loop.time()
            self._transport.resume_reading()
            self.resume_writing()

    # Out

    def send(self, packet: Packet) -> None:
        self.send_bytes(encode(packet, self.version))

    def send_bytes(self, data: bytes, *, droppable: bool = False) -> bool:
        if self._transport is None or not self.is_open:
            return False
        if droppable:
            waiting_bytes = self._transport.get_write_buffer_size()
            if self._is_frozen or waiting_bytes + len(data) > self._settings.unsent_bytes_max:
                return False
        self._transport.write(data)
        return True

    # In

    def _handle(self, packet: Packet) -> None:
        session = self.session
        if session is None:
            if not isinstance(packet, Connect):
                raise MalformedPacket("the first packet is not CONNECT", Reason.PROTOCOL_ERROR)
            self._on_connect(packet)
            return
        match packet:
            case Publish():
                self._on_publish(packet, session)
            case Ack(kind=PacketType.PUBREL):
                self._on_pubrel(packet, session)
            case Ack():
                if (answer := session.acknowledge(packet)) is not None:
                    self.send(answer)
            case Subscribe():
                self._on_subscribe(packet, session)
            case Unsubscribe():
                reasons = self._broker.unsubscribe(session, packet.filters)
                self.send(Unsuback(packet.packet_id, reasons))
            case Pingreq():
                self.send(Pingresp())
            case Disconnect():
                self._on_disconnect(packet, session)
            case Auth():
                self.close(Reason.PROTOCOL_ERROR)
            case _:
                raise MalformedPacket(f"{type(packet).__name__} from a client", Reason.PROTOCOL_ERROR)

    def _on_connect(self, packet: Connect) -> None:
        if packet.version not in self._settings.versions:
            # A broker that never heard of the version answers in its own (3.1.1, 3.1.2.2).
            self._refuse(Reason.UNSUPPORTED_VERSION)
            return
        self.version = packet.version
        if has(packet.properties, Property.AUTHENTICATION_METHOD):
            self._refuse(Reason.BAD_AUTHENTICATION_METHOD)
            return
        if not packet.client_id and self.version == V3 and not packet.clean_start:
            self._refuse(Reason.CLIENT_ID_NOT_VALID)
            return
        if len(packet.client_id.encode()) > self._broker.client_id_bytes_max:
            self._refuse(Reason.CLIENT_ID_NOT_VALID)
            return
        self.receive_max = number(packet.properties, Property.RECEIVE_MAXIMUM, PACKET_ID_MAX)
        self.client_packet_bytes_max = number(packet.properties, Property.MAXIMUM_PACKET_SIZE, VARINT_MAX)
        self.will = packet.will
        if not self._broker.open_session(self, packet):
            self._refuse(Reason.QUOTA_EXCEEDED)
            return
        self._silence_s_max = packet.keep_alive_s * self._settings.keep_alive_factor
        self._cancel_timer()
        self._watch_silence()

    def _refuse(self, reason: Reason) -> None:
        self._broker.counters.refused += 1
        self.will = None
        self.send(Connack(session_present=False, reason=reason))
        self.close()

    def _refuse_version(self, error: UnsupportedVersion) -> None:
        if self.session is None:
            self._refuse(error.reason)
        else:
            self.close(Reason.PROTOCOL_ERROR)

    def _on_publish(self, packet: Publish, session: Session) -> None:
        if has(packet.properties, Property.TOPIC_ALIAS):
            # We announce no topic aliases (3.2.2.3.8).
            raise MalformedPacket("a topic alias that was not offered", Reason.TOPIC_ALIAS_INVALID)
        if has(packet.properties, Property.SUBSCRIPTION_ID):
            raise MalformedPacket("a subscription identifier from a client", Reason.PROTOCOL_ERROR)
        is_allowed = not packet.topic.startswith("$")
        is_repeated = packet.qos == 2 and packet.packet_id in session.received_qos2
        if is_allowed and not is_repeated:
            message = Message.from_publish(packet, sender=session.client_id, now_s=self._loop.time())
            self._broker.counters.messages_in += 1
            self._broker.publish(message)
        if packet.packet_id is None:
            return
        reason = Reason.SUCCESS if is_allowed else Reason.NOT_AUTHORIZED
        kind = PacketType.PUBACK if packet.qos == 1 else PacketType.PUBREC
        if packet.qos == 2 and is_allowed:
            session.received_qos2.add(packet.packet_id)
        self.send(Ack(kind, packet.packet_id, reason))

    def _on_pubrel(self, packet: Ack, session: Session) -> None:
        is_known = packet.packet_id in session.received_qos2
        session.received_qos2.discard(packet.packet_id)
        reason = Reason.SUCCESS if is_known else Reason.PACKET_ID_NOT_FOUND
        self.send(Ack(PacketType.PUBCOMP, packet.packet_id, reason))

    def _on_subscribe(self, packet: Subscribe, session: Session) -> None:
        identifier = number(packet.properties, Property.SUBSCRIPTION_ID, 0) or None
        reasons, retained = self._broker.subscribe(session, packet.requests, identifier)
        self.send(Suback(packet.packet_id, reasons))
        self._broker.deliver_retained(session, retained)

    def _on_disconnect(self, packet: Disconnect, session: Session) -> None:
        expiry_s = number(packet.properties, Property.SESSION_EXPIRY, -1)
        if expiry_s >= 0:
            if session.expiry_s == 0 and expiry_s:
                # A session that was to end may not be saved at the last moment (3.14.2.2.2).
                raise MalformedPacket("a session expiry that CONNECT had set to 0", Reason.PROTOCOL_ERROR)
            session.expiry_s = expiry_s
        if packet.reason != Reason.DISCONNECT_WITH_WILL:
            self.will = None
        self.close()

    # Silence

    def _watch_silence(self) -> None:
        """Look again when the silence could have become too long; one timer, not one for each packet."""
        if not self._silence_s_max or not self.is_open:
            return
        left_s = self._heard_at_s + self._silence_s_max - self._loop.time()
        if self._is_frozen:
            left_s = self._silence_s_max
        if left_s <= 0:
            self._broker.counters.keep_alive_timeouts += 1
            self.close(Reason.KEEP_ALIVE_TIMEOUT)
            return
        self._timer = self._loop.call_later(left_s, self._watch_silence)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
