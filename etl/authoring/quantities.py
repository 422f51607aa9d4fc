"""Units that the names of members suggest, where the values are plausible for them.

A unit is a label, no limit: a value that is not plausible stays a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from etl.authoring.names import words

__all__ = ["Unit", "is_temperature", "unit_of"]

NEARLY_ALL = 0.95


class Unit(NamedTuple):
    """A unit, and the values for which the guess is plausible."""

    symbol: str
    low: float
    high: float
    named: bool = True
    """True where the name spells the unit itself, not just the quantity."""


CELSIUS = Unit("°C", -60, 50, named=False)
DUST = Unit("µg/m³", 0, 2000, named=False)
PRESSURES = (Unit("hPa", 300, 1100, named=False), Unit("Pa", 30_000, 110_000, named=False))
DEGREES = {"lat": 90, "latitude": 90, "lon": 180, "lng": 180, "longitude": 180}

_UNITS: dict[str, tuple[Unit, ...]] = {
    **dict.fromkeys(("c", "celsius", "degc"), (Unit("°C", -273.15, 2000),)),
    **dict.fromkeys(("temperature", "temp"), (CELSIUS,)),
    **dict.fromkeys(("f", "fahrenheit", "degf"), (Unit("°F", -460, 3600),)),
    "kelvin": (Unit("K", 0, 4000),),
    **dict.fromkeys(("humidity", "rh"), (Unit("%", 0, 100, named=False),)),
    **dict.fromkeys(("pct", "percent"), (Unit("%", 0, 100),)),
    "hpa": (Unit("hPa", 0, 10_000),),
    "mbar": (Unit("mbar", 0, 10_000),),
    "pa": (Unit("Pa", -1e6, 1e8),),
    "kpa": (Unit("kPa", -1000, 1e6),),
    **dict.fromkeys(("pressure", "baro"), PRESSURES),
    **dict.fromkeys(("v", "volt", "volts"), (Unit("V", -1000, 1000),)),
    "voltage": (Unit("V", 0, 1000, named=False),),
    "mv": (Unit("mV", -1e6, 1e6),),
    **{name: (Unit("°", -most, most, named=False),) for name, most in DEGREES.items()},
    **dict.fromkeys(("rssi", "dbm"), (Unit("dBm", -200, 50, named=False),)),
    "snr": (Unit("dB", -50, 100, named=False),),
    "co2": (Unit("ppm", 0, 40_000, named=False),),
    **dict.fromkeys(("pm10", "pm25", "pm1"), (DUST,)),
    **dict.fromkeys(("lux", "lx"), (Unit("lx", 0, 200_000),)),
}
_SPELLED = (("pm2_5", DUST), ("pm_2_5", DUST))
_TEMPERATURES = {"temperature", "temp", "tmp", "celsius", "degc", "ds18b20"}


def unit_of(path: tuple[str, ...], counts: Mapping[float, int]) -> Unit | None:
    """The unit that a name suggests, where nearly all values are plausible for it.

    One letter is a unit only behind another word: ``outside_c``, but not ``v``.
    """
    found = words(path[-1])
    joined = "_".join(found)
    units = [unit for spelled, unit in _SPELLED if joined.endswith(spelled)]
    for word in reversed(found):
        if len(word) > 1 or (word == found[-1] and len(found) > 1):
            units += _UNITS.get(word, ())
    total = sum(counts.values())
    for unit in units:
        inside = sum(count for n, count in counts.items() if unit.low <= n <= unit.high)
        if total and inside >= NEARLY_ALL * total:
            return unit
    return None


def is_temperature(path: tuple[str, ...]) -> bool:
    """True where a name is that of a temperature."""
    found = {word for part in path[-2:] for word in words(part)}
    return bool(found & _TEMPERATURES) or words(path[-1])[-1:] in (["t"], ["c"])
