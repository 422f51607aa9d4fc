"""AWS IoT disconnects a device that sends more than 128 KB; the publisher says so before."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.certificates import write_certificates
from local.devices.identity import Identity
from local.devices.mqtt import MESSAGE_BYTES, Broker, DeviceConnection, MessageTooLargeError


@pytest.fixture
def connection(tmp_path: Path) -> DeviceConnection:
    write_certificates(tmp_path, "127.0.0.1")
    identity = Identity("box-1", tmp_path / "server.crt", tmp_path / "server.key")
    return DeviceConnection(Broker("127.0.0.1", 1, tmp_path / "ca.crt"), identity)


def test_one_byte_too_many_is_refused_before_it_is_sent(connection: DeviceConnection) -> None:
    with pytest.raises(MessageTooLargeError, match=r"131,073 bytes .* 131,072"):
        connection.publish("lab/box-1", bytes(MESSAGE_BYTES + 1))
    assert connection._published == 0
    connection.publish("lab/box-1", bytes(MESSAGE_BYTES))
    assert connection._published == 1
