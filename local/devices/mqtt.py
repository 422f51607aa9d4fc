"""One device's MQTT connection: TLS with its own certificate, at-least-once publishing.

``paho-mqtt`` does the protocol; what is ours is back-pressure (a bounded number of messages
without acknowledgement) and the certainty that :meth:`DeviceConnection.drain` returns only when
the broker has acknowledged every message.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from local.devices.identity import Identity, expired_at
from telemetry.errors import UserError

__all__ = [
    "Broker",
    "ConnectionRefusedByBrokerError",
    "DeviceConnection",
    "MessageTooLargeError",
    "QoS",
]

QoS = Literal[0, 1]
"""Quality of service, of which AWS IoT Core has no 2: at most once, or at least once."""

CONNECT_SECONDS = 60.0
CONNECT_ATTEMPTS = 4
ACKNOWLEDGE_SECONDS = 60.0
RECONNECT_SECONDS = 60.0
"""Seconds in which a lost connection must be back before a publication gives up."""
IN_FLIGHT = 100
"""Messages without acknowledgement per connection, as many as AWS IoT Core keeps
(AWS IoT Core message broker and protocol limits, "Maximum inbound unacknowledged QoS 1 publish
requests": 100; AWS General Reference, read 2026-11)."""


MESSAGE_BYTES = 128 * 1024
"""Largest payload that AWS IoT Core takes; it disconnects who sends more (message broker limits,
"Maximum payload size"; AWS General Reference, read 2026-11)."""


class MessageTooLargeError(UserError):
    """Raised, before anything is sent, for a payload that AWS IoT would refuse."""


class ConnectionRefusedByBrokerError(UserError):
    """Raised when the broker refuses a device or never answers; the message says which."""


@dataclass(frozen=True)
class Broker:
    """Address of the broker; ``ca`` is the file that its certificate is verified with."""

    host: str
    port: int
    ca: Path


def _no_acknowledgement() -> None:
    """Called when a message of QoS 0 has left this machine, which says nothing of the broker."""


class DeviceConnection:
    """A connected device. Use as a context manager; leaving it waits for what is in flight."""

    def __init__(self, broker: Broker, identity: Identity) -> None:
        self.identity = identity
        self._broker = broker
        self._room = threading.BoundedSemaphore(IN_FLIGHT)
        self._connected = threading.Event()
        self._failure: str | None = None
        self._lost_at: float | None = None
        """Time at which the connection was lost (monotonic seconds); ``None`` while it stands."""
        self._acknowledged = 0
        self._published = 0
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._early: set[int] = set()
        """Ids of messages acknowledged before :meth:`publish` could note their callback."""
        self._callbacks_lock = threading.Lock()
        self._client = self._make_client()

    def _make_client(self) -> Any:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.identity.thing,
            protocol=paho.MQTTv311,
            clean_session=True,
        )
        context = ssl.create_default_context(cafile=str(self._broker.ca))
        context.load_cert_chain(str(self.identity.certificate), str(self.identity.key))
        client.tls_set_context(context)
        client.max_inflight_messages_set(IN_FLIGHT)
        client.on_connect = self._on_connect
        client.connect_timeout = CONNECT_SECONDS
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self._failure = str(reason)
        self._lost_at = None
        self._connected.set()

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        if not self._connected.is_set():  # closed in our face, as for an unknown certificate
            self._failure = str(reason)
            self._connected.set()
        elif self._lost_at is None:
            self._lost_at = time.monotonic()

    def _on_publish(self, _c: Any, _u: Any, mid: Any, _reason: Any, _p: Any) -> None:
        with self._callbacks_lock:
            callback = self._callbacks.pop(mid, None)
            if callback is None:
                self._early.add(mid)
        if callback is not None:
            callback()
        self._acknowledged += 1
        self._room.release()

    def __enter__(self) -> DeviceConnection:
        where = f"{self._broker.host}:{self._broker.port}"
        try:
            self._reach()
        except OSError as error:  # of which ssl.SSLError is one
            raise ConnectionRefusedByBrokerError(f"{where}: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(CONNECT_SECONDS) or self._failure:
            self._client.loop_stop()
            why = self._failure or f"no answer in {CONNECT_SECONDS:.0f} s"
            end = expired_at(self.identity.certificate)
            if end is not None:  # a broker closes the connection and gives no reason
                why = (
                    f"its certificate expired on {end:%Y-%m-%d %H:%M} UTC. Set that certificate "
                    "to inactive: the next publication registers another"
                )
            raise ConnectionRefusedByBrokerError(f"{where} refused {self.identity.thing}: {why}")
        return self

    @retry(
        retry=retry_if_exception_type((TimeoutError, ConnectionError)),
        stop=stop_after_attempt(CONNECT_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        reraise=True,
    )
    def _reach(self) -> None:
        """Connect; a broker that is busy or just starting is asked again, as devices do."""
        self._client.connect(self._broker.host, self._broker.port, keepalive=30)

    def publish(
        self,
        topic: str,
        payload: bytes,
        acknowledged: Callable[[], None] = lambda: None,
        *,
        qos: QoS = 1,
    ) -> None:
        """Queue one message; waits while too many are unacknowledged.

        ``acknowledged`` is called, mostly by the network's thread, once the broker has taken over
        the message (PUBACK), and never for a message that was lost with the connection, nor with
        QoS 0, which has no acknowledgement.

        Raises ``ConnectionRefusedByBrokerError`` when nothing is acknowledged for a minute or the
        connection is lost for as long, and ``MessageTooLargeError``.
        """
        if len(payload) > MESSAGE_BYTES:
            raise MessageTooLargeError(
                f"a message of {len(payload):,} bytes is more than the {MESSAGE_BYTES:,} that AWS "
                "IoT takes: send its readings in several messages"
            )
        self._wait_for_room()
        if qos == 0:
            acknowledged = _no_acknowledgement
        # No lock around this call: the network's thread holds one of paho's own in the callback.
        mid = self._client.publish(topic, payload, qos=qos).mid
        with self._callbacks_lock:
            early = mid in self._early
            self._early.discard(mid)
            if not early:
                self._callbacks[mid] = acknowledged
        if early:
            acknowledged()
        self._published += 1

    def _wait_for_room(self) -> None:
        deadline = time.monotonic() + ACKNOWLEDGE_SECONDS
        self._check_connection()
        while not self._room.acquire(timeout=0.5):
            self._check_connection()
            if time.monotonic() > deadline:
                raise ConnectionRefusedByBrokerError(self._stalled())

    def _check_connection(self) -> None:
        lost_at = self._lost_at
        if lost_at is not None and time.monotonic() - lost_at > RECONNECT_SECONDS:
            raise ConnectionRefusedByBrokerError(
                f"{self._broker.host}:{self._broker.port}: the connection of {self.identity.thing} "
                f"was lost and could not be made again in {RECONNECT_SECONDS:.0f} s"
            )

    def drain(self) -> None:
        """Return when the broker has acknowledged everything published so far."""
        deadline = time.monotonic() + ACKNOWLEDGE_SECONDS
        seen = self._acknowledged
        while self._acknowledged < self._published:
            if self._acknowledged != seen:
                seen, deadline = self._acknowledged, time.monotonic() + ACKNOWLEDGE_SECONDS
            self._check_connection()
            if time.monotonic() > deadline:
                raise ConnectionRefusedByBrokerError(self._stalled())
            time.sleep(0.01)

    def _stalled(self) -> str:
        waiting = self._published - self._acknowledged
        return (
            f"{self.identity.thing}: the broker has acknowledged nothing for "
            f"{ACKNOWLEDGE_SECONDS:.0f} s; {waiting} messages are waiting"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.drain()
        finally:
            self._client.disconnect()
            self._client.loop_stop()
