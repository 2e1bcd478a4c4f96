"""One connection to a broker: paho's client, whose socket the event loop watches, and why it ended."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from paho.mqtt import client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from doxedge.gossip.topics import Counters

_SESSION_TAKEN_OVER: Final = 0x8E
_INCOMING_BYTES_MAX: Final = 4 * 1024 * 1024
"""3.1.1 cannot say what is too large. Up to here it is read and dropped: else one such retained message would cut us
off again after every reconnect."""


class Session(Protocol):
    """Who is told what the broker says."""

    @property
    def counters(self) -> Counters:
        """What is counted of all its connections."""
        ...

    def accepted(self, link: Link, reason: ReasonCode, properties: Properties) -> None:
        """CONNACK."""
        ...

    def subscribed(self, link: Link, message_id: int, reasons: Sequence[ReasonCode]) -> None:
        """SUBACK."""
        ...

    def received(self, topic: str, payload: bytes) -> None:
        """A message."""
        ...

    def acknowledged(self, message_id: int, reason: ReasonCode) -> None:
        """PUBACK."""
        ...

    def pump(self) -> None:
        """The socket takes more."""
        ...


class Link:
    """One connection: paho's client, its socket watched by the event loop, and why it ended."""

    def __init__(self, client: paho.Client, session: Session) -> None:
        self.client = client
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why; or, as exception, what a callback of the caller raised."""

        self.due_s: dict[int, float] = {}
        """Deadlines: of CONNACK (0), and of each SUBACK by its message id."""

        self.accepted_at_s: float | None = None
        self.window = 0
        self.is_version_refused = self.is_taken_over = self.is_hung_up = False
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._is_reading = False

    @property
    def takes_more(self) -> bool:
        return not self.lost.done() and not self.client.want_write()

    def attach(self) -> None:
        """From now on the event loop watches the socket that paho has opened, and its callbacks reach us."""
        found, client, session = self.client.socket(), self.client, self._session
        if not isinstance(found, socket.socket):
            raise ConnectionError("the connection ended as it began")
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = found
        client.on_socket_close = lambda *_: self._unwatch()
        client.on_socket_register_write = lambda *_: self._loop.add_writer(found, self._write)
        client.on_socket_unregister_write = lambda *_: self._unwatch_write()
        client.on_connect = lambda _c, _u, _f, reason, said: self._hand(session.accepted, self, reason, said)
        client.on_subscribe = lambda _c, _u, mid, said, _p: self._hand(session.subscribed, self, mid, said)
        client.on_message = lambda _c, _u, it: self._hand(session.received, it.topic, it.payload)
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._loop.add_reader(found, self._read)
        self._write()

    def close(self, reason: str) -> None:
        """Cut, with or without paho's knowledge; the first reason counts."""
        if not self.lost.done():
            self.lost.set_result(reason)
        found = self.client.socket()
        if found is not None:
            self._unwatch()
            found.close()
            # paho finds its socket closed, and tidies up.
            self.client.loop_read()

    def discard(self, connecting: asyncio.Future[Any]) -> None:
        """For a connection that came too late, or not at all."""
        if not connecting.cancelled() and connecting.exception() is None:
            self.close("came too late")

    def _read(self) -> None:
        """One packet or a few. Paho has no bound on what comes in, so the size is looked at behind its back."""
        self._is_reading = True
        try:
            self.client.loop_read()
            # What TLS has already decrypted does not wake the event loop again.
            while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                self.client.loop_read()
        except Exception as error:  # noqa: BLE001 - a hostile broker makes paho stumble in many ways
            self.close(f"bytes that are not MQTT: {type(error).__name__}")
        finally:
            self._is_reading = False
        coming: dict[str, Any] = getattr(self.client, "_in_packet", {})
        if coming.get("remaining_length", 0) > _INCOMING_BYTES_MAX:
            self._session.counters.received_oversize += 1
            self.close("a packet over the limit")

    def _write(self) -> None:
        self.client.loop_write()
        if not self.client.want_write():
            self._hand(self._session.pump)

    def _unwatch_write(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)

    def _unwatch(self) -> None:
        self._unwatch_write()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket = None

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        # While we write, paho means that a message of QoS 0 is out; while we read, it is an acknowledgement.
        if self._is_reading:
            self._hand(self._session.acknowledged, mid, reason)

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        told = flags.is_disconnect_packet_from_server
        self.is_hung_up = not self.lost.done()
        self.is_taken_over = told and reason.value == _SESSION_TAKEN_OVER
        self._hand(self.close, f"the broker says: {reason}" if told else str(reason))

    def _hand(self, letter: Callable[..., None], *arguments: Any) -> None:
        """From a callback of paho to the loop's next turn, in order."""
        self._loop.call_soon(self._open_letter, letter, arguments)

    def _open_letter(self, letter: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self.lost.done():
            return
        try:
            letter(*arguments)
        except Exception as error:  # noqa: BLE001 - handed on: `run` raises it
            if not self.lost.done():
                self.lost.set_exception(error)
