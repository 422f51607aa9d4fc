"""RMC sentences of NMEA 0183, one a line; other sentences are not readings."""

from functools import reduce


def degrees(text, half, digits):
    """Degrees of DDMM.MMM or DDDMM.MMM, negative in the south and in the west."""
    value = int(text[:digits]) + float(text[digits:]) / 60
    return -value if half in "SW" else value


def decode(payload, _envelope):
    """A reading for each position; a wrong checksum costs the message."""
    readings = []
    for line in payload.decode("ascii").split():
        body, _, checksum = line.removeprefix("$").partition("*")
        if reduce(lambda a, b: a ^ b, body.encode()) != int(checksum, 16):
            raise ValueError(line)
        kind, time, status, lat, ns, lon, ew, speed, _, date, *_ = body.split(",") + [""] * 10
        if kind.endswith("RMC") and status == "A":
            where = {"latitude": degrees(lat, ns, 2), "longitude": degrees(lon, ew, 3)}
            readings.append({"time": time, "date": date, "speed": speed, **where})
    return readings
