"""Publish one message as a device with credentials of its own: ``as-device THING TOPIC MESSAGE``."""

from __future__ import annotations

import sys
from pathlib import Path

from etl.aws.target import DEFAULT_STACK, Target
from local.devices.identity import Identity
from local.devices.mqtt import DeviceConnection
from local.stack import read


def main(state: str, thing: str, topic: str, message: str) -> None:
    local = read(Path(state))
    assert local is not None, "nothing runs"
    target = Target(DEFAULT_STACK, local.region, None, Path(state), local)
    identity = Identity(thing, Path(f"{thing}.crt"), Path(f"{thing}.key"))
    with DeviceConnection(target.broker(), identity) as connection:
        connection.publish(topic, message.encode())
        connection.drain()


if __name__ == "__main__":
    main(*sys.argv[1:])
