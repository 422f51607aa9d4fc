"""A publication whose broker has gone for good ends soon and says so."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.devices import mqtt
from local.devices.identity import Identity
from local.devices.mqtt import Broker, ConnectionRefusedByBrokerError, DeviceConnection


class Client:
    """The part of paho's client that a lost connection uses: it queues and never acknowledges."""

    def publish(self, _topic: str, _payload: bytes, qos: int) -> Any:
        return SimpleNamespace(mid=qos)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeviceConnection:
    monkeypatch.setattr(mqtt, "RECONNECT_SECONDS", 0.2)
    monkeypatch.setattr(DeviceConnection, "_make_client", lambda _self: Client())
    identity = cast(Identity, SimpleNamespace(thing="box-1"))
    connection = DeviceConnection(Broker("127.0.0.1", 9, tmp_path), identity)
    connection._on_connect(None, None, None, SimpleNamespace(is_failure=False), None)
    connection.publish("t", b"1")
    connection._on_disconnect(None, None, None, "lost", None)
    return connection


def test_a_connection_that_stays_lost_ends_the_publication(lost: DeviceConnection) -> None:
    with pytest.raises(ConnectionRefusedByBrokerError, match="box-1 was lost"):
        lost.drain()
    with pytest.raises(ConnectionRefusedByBrokerError, match="box-1 was lost"):
        lost.publish("t", b"2")


def test_a_connection_that_is_back_goes_on(
    lost: DeviceConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost._on_connect(None, None, None, SimpleNamespace(is_failure=False), None)
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 3600)
    lost.publish("t", b"2")
    assert lost._published == 2
