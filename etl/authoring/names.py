"""Hints in the names of members: times, devices, units. Also valid names for columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from telemetry.contract.model import TimestampFormat

__all__ = ["Unit", "column_name", "device_rank", "is_time", "time_rank", "unit_of", "words"]

_UNIT_SPELLINGS = re.compile(
    r"(?<![a-z])(hPa|kPa|mPa|mV|kV|mA|kWh|kW|mW|pH|dBm|dB|MHz|kHz|kOhm)(?![a-z])"
)
"""Units with inner capitals, which are one word."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[^a-z0-9]+")
RESERVED = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
NAME_BYTES = 63
NEARLY_ALL = 0.95


class Unit(NamedTuple):
    """A unit, and the plausible range of its values."""

    symbol: str
    low: float
    high: float
    of: str
    """The quantity, as comments name it."""


CELSIUS = Unit("°C", -60, 85, "outdoor and enclosure temperatures")
PERCENT = Unit("%", 0, 100, "percentages")
HUMIDITY = Unit("%", 0, 100, "relative humidity")
HECTOPASCAL = Unit("hPa", 300, 1100, "air pressure")
PASCAL = Unit("Pa", 30_000, 110_000, "air pressure")
VOLT = Unit("V", 0, 60, "low voltages")
DUST = Unit("µg/m³", 0, 2000, "particulate matter")

_UNITS: dict[str, tuple[Unit, ...]] = {
    **dict.fromkeys(("c", "celsius", "degc", "temperature", "temp", "tmp"), (CELSIUS,)),
    **dict.fromkeys(("f", "fahrenheit", "degf"), (Unit("°F", -76, 185, "temperatures"),)),
    "kelvin": (Unit("K", 213, 358, "temperatures"),),
    **dict.fromkeys(("humidity", "hum", "rh"), (HUMIDITY,)),
    **dict.fromkeys(("pct", "percent"), (PERCENT,)),
    "hpa": (HECTOPASCAL,),
    "mbar": (Unit("mbar", 300, 1100, "air pressure"),),
    "pa": (PASCAL,),
    "kpa": (Unit("kPa", 30, 110, "air pressure"),),
    **dict.fromkeys(("pressure", "press", "baro"), (HECTOPASCAL, PASCAL)),
    **dict.fromkeys(("v", "volt", "volts", "voltage"), (VOLT,)),
    "mv": (Unit("mV", 0, 60_000, "low voltages"),),
    "lat": (Unit("°", -90, 90, "latitudes"),),
    "latitude": (Unit("°", -90, 90, "latitudes"),),
    **dict.fromkeys(("lon", "lng", "long", "longitude"), (Unit("°", -180, 180, "longitudes"),)),
    **dict.fromkeys(("rssi", "dbm"), (Unit("dBm", -200, 50, "signal strength"),)),
    "snr": (Unit("dB", -50, 100, "signal-to-noise ratios"),),
    "co2": (Unit("ppm", 0, 40_000, "carbon dioxide"),),
    **dict.fromkeys(("pm10", "pm25", "pm1"), (DUST,)),
    **dict.fromkeys(("lux", "lx"), (Unit("lx", 0, 200_000, "daylight"),)),
}
_SPELLED = (("pm2_5", DUST), ("pm_2_5", DUST))

EPOCHS: dict[TimestampFormat, float] = {
    "epoch_s": 1.0,
    "epoch_ms": 1e3,
    "epoch_us": 1e6,
    "epoch_ns": 1e9,
}
YEAR_2000, YEAR_2100 = 946_684_800, 4_102_444_800
"""Epoch seconds; a number between them may be a time."""

_TIMES: tuple[str, ...] = (
    "ts",
    "timestamp",
    "time",
    "datetime",
    "measured",
    "recorded",
    "observed",
    "date",
)
_TIMES += ("epoch", "when", "at", "t", "utc", "created", "sent", "received", "updated")
_ARRIVALS = {"sent", "received", "updated", "created"}
"""Times of the message rather than of the measurement."""
_DEVICES: tuple[str, ...] = (
    "device",
    "deviceid",
    "sensor",
    "sensorid",
    "deveui",
    "thing",
    "node",
    "station",
    "machine",
    "asset",
    "equipment",
    "vehicle",
    "meter",
    "probe",
    "logger",
    "beacon",
    "controller",
)
_DEVICES += ("gateway", "serial", "mac", "imei", "eui", "host", "tag", "uid", "client", "id")


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``batteryVoltage`` gives ``battery``, ``voltage``."""
    spelled = _UNIT_SPELLINGS.sub(lambda unit: f"_{unit[0].lower()}_", name)
    return [word for word in _NO_WORD.split(_CAMEL.sub("_", spelled).lower()) if word]


def column_name(path: tuple[str, ...], taken: set[str]) -> str:
    """A plain SQL name for a path, different from those taken."""
    name = "_".join(word for part in path for word in words(part)) or "member"
    if name[0].isdigit():
        name = f"m_{name}"
    name = name[:NAME_BYTES].rstrip("_")
    found, number = name, 2
    while found in taken or found in RESERVED:
        suffix = f"_{number}"
        found = name[: NAME_BYTES - len(suffix)] + suffix
        number += 1
    return found


def is_time(path: tuple[str, ...]) -> bool:
    """True where a member of that name is probably a point in time."""
    return any(word in _TIMES for word in words(path[-1]))


def time_rank(path: tuple[str, ...]) -> int:
    """Rank of a member as time of measurement; smaller is likelier."""
    found = words(path[-1])
    rank = min((_TIMES.index(word) for word in found if word in _TIMES), default=len(_TIMES))
    return rank + 100 * bool(_ARRIVALS & set(found))


def device_rank(path: tuple[str, ...]) -> int | None:
    """Rank of a member as name of the device; smaller is likelier, ``None``: not a device."""
    last = words(path[-1])
    if last[-1:] in (["id"], ["name"], ["eui"]) and len(path) > 1:
        last = [*words(path[-2]), *last]
    known = [_DEVICES.index(word) for word in last if word in _DEVICES]
    if not known or last[-1] in ("type", "model", "version", "time", "status"):
        return None
    return min(known)


def unit_of(path: tuple[str, ...], counts: Mapping[float, int]) -> Unit | None:
    """The unit that a name suggests, where nearly all values lie in its range."""
    found = words(path[-1])
    joined = "_".join(found)
    units = [unit for spelled, unit in _SPELLED if joined.endswith(spelled)]
    for word in reversed(found):
        units += _UNITS.get(word, ()) if len(word) > 1 or word == found[-1] else ()
    total = sum(counts.values())
    for unit in units:
        inside = sum(count for n, count in counts.items() if unit.low <= n <= unit.high)
        if total and inside >= NEARLY_ALL * total:
            return unit
    return None
