"""Frames of Milesight's EM300: channel, type and value, one after the other."""

import struct

FIELDS = {
    b"\x01\x75": ("battery", "<B", 1),
    b"\x03\x67": ("temperature", "<h", 10),
    b"\x04\x68": ("humidity", "<B", 2),
}


def decode(payload, _envelope):
    """One reading of all values of the frame."""
    reading, at = {}, 0
    while at < len(payload):
        name, form, divisor = FIELDS[payload[at : at + 2]]
        (value,) = struct.unpack_from(form, payload, at + 2)
        reading[name] = value / divisor
        at += 2 + struct.calcsize(form)
    return [reading]
