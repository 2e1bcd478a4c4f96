"""A real MQTT client for tests that do not run an event loop: paho with a thread of its own."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

V3, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
WAIT_S = 60.0


def properties(kind: int, **values: Any) -> Properties:
    """Properties of MQTT 5 by their names without blanks."""
    made = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(made, name, value)
    return made


class PahoClient:
    """Connected within the `with` block; every wait has an end and an assertion."""

    def __init__(
        self,
        port: int,
        client_id: str,
        *,
        version: MQTTProtocolVersion = V3,
        clean: bool = True,
        will: tuple[str, bytes, int, bool] | None = None,
        keep_alive_s: int = 30,
        holds_acks: bool = False,
        connect: dict[str, Any] | None = None,
        will_properties: Properties | None = None,
    ) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=version,
            manual_ack=holds_acks,
            reconnect_on_failure=False,
            clean_session=clean if version == V3 else None,
        )
        self.version = version
        self.inbox: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.lost = threading.Event()
        self.lost_reason = -1
        self.session_present = False
        self.greeting: Any = None
        self._up = threading.Event()
        self._answers: queue.Queue[list[int]] = queue.Queue()
        self._refusal: object = None
        self.client.max_inflight_messages_set(1_000)
        self.client.on_message = lambda _c, _u, message: self.inbox.put(message)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._answers.put(
            [r.value for r in reasons]
        )
        self.client.on_unsubscribe = lambda _c, _u, _m, reasons, _p: self._answers.put(
            [r.value for r in reasons]
        )
        if will is not None:
            self.client.will_set(*will, properties=will_properties)
        v5: dict[str, Any] = {}
        if version == V5:
            v5 = {"clean_start": clean, "properties": properties(PacketTypes.CONNECT, **(connect or {}))}
        self.client.connect("127.0.0.1", port, keep_alive_s, **v5)
        self.client.loop_start()
        assert self._up.wait(WAIT_S), "no CONNACK"
        assert self._refusal is None, self._refusal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """DISCONNECT, if there is still a connection."""
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        """Cut the connection without DISCONNECT, as a power cut does once the peer notices."""
        found = self.client.socket()
        assert isinstance(found, socket.socket)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        found.shutdown(socket.SHUT_RDWR)
        assert self.lost.wait(WAIT_S), "paho did not notice"
        self.client.loop_stop()

    def subscribe(self, topic_filter: str, qos: int = 1, **options: Any) -> int:
        """The granted QoS, or a reason of 0x80 and above."""
        if self.version == V5:
            self.client.subscribe(topic_filter, options=SubscribeOptions(qos=qos, **options))
        else:
            self.client.subscribe(topic_filter, qos)
        return self._answers.get(timeout=WAIT_S)[0]

    def unsubscribe(self, topic_filter: str) -> None:
        self.client.unsubscribe(topic_filter)
        self._answers.get(timeout=WAIT_S)

    def publish(
        self, topic: str, payload: bytes | str = b"", qos: int = 1, *, retain: bool = False, **values: Any
    ) -> None:
        """Until the broker has acknowledged."""
        given = properties(PacketTypes.PUBLISH, **values) if values else None
        info = self.client.publish(topic, payload, qos, retain, given)
        info.wait_for_publish(WAIT_S)
        assert info.is_published(), "no acknowledgement"

    def publish_all(self, topic: str, payloads: list[bytes], qos: int = 1) -> None:
        infos = [self.client.publish(topic, payload, qos) for payload in payloads]
        for info in infos:
            info.wait_for_publish(WAIT_S)
            assert info.is_published(), "no acknowledgement"

    def receive(self, count: int) -> list[paho.MQTTMessage]:
        """Exactly the next `count` messages."""
        return [self.inbox.get(timeout=WAIT_S) for _ in range(count)]

    def receive_until(self, last_payload: bytes) -> list[paho.MQTTMessage]:
        """All messages before one with this payload: how to know that something did not come."""
        found: list[paho.MQTTMessage] = []
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            message = self.inbox.get(timeout=WAIT_S)
            if message.payload == last_payload:
                return found
            found.append(message)
        raise AssertionError(f"{last_payload!r} never came")

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, given: Any) -> None:
        self.session_present, self.greeting = flags.session_present, given
        if reason.is_failure:
            self._refusal = reason
        self._up.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _given: Any) -> None:
        self.lost_reason = reason.value
        self.lost.set()
