"""Hints in the names of members, and valid names for columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from telemetry.contract.analytics import OWN_COLUMNS
from telemetry.contract.rules import SYSTEM_COLUMNS
from telemetry.layout import PARTITION

__all__ = [
    "column_name",
    "counts_or_codes",
    "identifies",
    "is_gateway",
    "is_kind",
    "is_time",
    "is_version",
    "time_rank",
    "words",
]

_UNIT_SPELLINGS = re.compile(
    r"(?<![a-z])(hPa|kPa|mPa|mV|kV|mA|kWh|kW|mW|pH|dBm|dB|MHz|kHz|kOhm)(?![a-z])"
)
"""Units with inner capitals, which are one word."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^a-z0-9]+")
RESERVED = {*SYSTEM_COLUMNS, *OWN_COLUMNS, PARTITION}
"""Names of PostgreSQL's own columns, of those of the rollups, and of the Parquet partition."""
NAME_BYTES = 56
"""Longest name of a column: its rollups' columns have up to seven bytes more, 63 in all."""

_TIMES = (
    "ts", "timestamp", "time", "datetime", "measured", "recorded", "observed", "sampled", "date",
    "epoch", "when", "at", "t", "utc", "tst", "clock", "unix", "ms", "dt", "timestamps", "times",
    "created", "sent", "received", "updated",
)  # fmt: skip
_NO_TIMES = {
    "uptime", "runtime", "lifetime", "airtime", "realtime", "downtime", "ontime", "offtime",
    "update", "worktime", "playtime", "overtime", "candidate", "mandate",
}  # fmt: skip
_LATER_TIMES = {
    "sent", "received", "updated", "created", "enqueued", "processed", "published", "arrival",
    "ingested", "ingest", "server", "gateway", "gw", "ns", "rx", "metadata", "meta", "stored",
    "boot", "start", "started", "installed", "last", "next", "expires", "minute", "update",
    "modified", "connected", "first", "sync", "birth", "manufactured", "calibrated",
}  # fmt: skip
"""Times of the message, of a gateway or of the past rather than of the measurement."""
_KINDS = {"type", "event", "kind", "method", "msgtype", "mtype", "category", "action", "message"}
_KINDS |= {"msg", "cmd", "command", "class", "mt", "op"}
_GATEWAYS = {
    "rx", "rxinfo", "gateways", "gateway", "gws", "hops", "wifi", "cells", "cell", "neighbors",
    "neighbours", "satellites", "sats", "towers", "aps", "stations", "receivers", "antennas",
}  # fmt: skip
_COUNTS = {
    "seq", "sequence", "count", "counter", "cnt", "fcnt", "frame", "frames", "uptime", "boot",
    "boots", "errors", "error", "index", "idx", "id", "port", "channel", "ch", "chan", "code",
    "state", "status", "mode", "flag", "flags", "sf", "dr", "slave", "unit", "node", "address",
    "addr", "register", "reg", "number", "num", "no", "nr", "n", "phase", "line",
    "bits", "fport", "retries", "resets", "reset", "epoch", "ticks", "serial", "imei", "pulses",
}  # fmt: skip
_IDENTIFIERS = {
    "id", "ids", "eui", "mac", "imei", "imsi", "iccid", "serial", "sn", "code", "phone",
    "number", "no", "nr", "ref", "tag", "zip", "postal", "barcode", "key", "token", "addr",
    "address", "hash", "msisdn", "uid", "uuid", "guid", "hex", "raw", "plate", "vin", "name",
    "model", "type", "article", "batch", "lot", "sku", "account", "card", "badge", "device",
    "dev", "sensor", "node", "station", "meter", "payload", "frm",
}  # fmt: skip
_VERSIONS = {"version", "ver", "fw", "firmware", "rev", "revision", "hw", "sw", "release", "build"}


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``batteryVoltage`` gives ``battery``, ``voltage``."""
    if not name.isascii():  # "Zähler" is zahler, "CO₂" is co2
        plain = unicodedata.normalize("NFKD", name)
        name = "".join(c for c in plain if not unicodedata.combining(c))
    spelled = _UNIT_SPELLINGS.sub(lambda unit: f"_{unit[0].lower()}_", name)
    return [word for word in _NO_WORD.split(_CAMEL.sub("_", spelled).lower()) if word]


def column_name(path: tuple[str, ...], taken: set[str]) -> str:
    """A plain SQL name for a path, different from those taken.

    A long one loses its first parts, which are usually the least specific.
    """
    parts = ["_".join(words(part)) for part in path]
    parts = [part for part in parts if part] or ["member"]
    while len(parts) > 1 and len("_".join(parts)) > NAME_BYTES:
        parts = parts[1:]
    name = "_".join(parts)
    if name[0].isdigit():
        name = f"m_{name}"
    name = name[:NAME_BYTES].rstrip("_")
    if name in RESERVED:
        name = f"{name}_value"
    found, number = name, 2
    while found in taken or found in RESERVED:
        suffix = f"_{number}"
        found = name[: NAME_BYTES - len(suffix)] + suffix
        number += 1
    return found


def is_time(path: tuple[str, ...]) -> bool:
    """True where a member of that name is probably a point in time."""
    found = words(path[-1])
    if any(_is_time_word(word) for word in found):
        return True
    inside = {"seconds", "sec", "value", "iso", "millis", "nanos"} & set(found)
    return bool(inside) and len(path) > 1 and is_time(path[:-1])


def _is_time_word(word: str) -> bool:
    if word in _TIMES:
        return True
    return word.endswith(("time", "timestamp", "stamp", "date", "epoch")) and word not in _NO_TIMES


def time_rank(path: tuple[str, ...]) -> tuple[bool, int]:
    """Rank of a member as time of measurement; smaller is likelier.

    The first part is true for a time of another event than the measurement, by its name or that
    of an object around it.
    """
    found = words(path[-1])
    rank = min((_TIMES.index(word) for word in found if word in _TIMES), default=len(_TIMES))
    later = any(_LATER_TIMES & set(words(part)) for part in path)
    return later, rank


def is_kind(path: tuple[str, ...]) -> bool:
    """True where a member may say which kind of message it is in."""
    return _meets(path, _KINDS)


def is_gateway(path: tuple[str, ...]) -> bool:
    """True for a list of the gateways, cells or satellites that a message was received by."""
    return _meets(path, _GATEWAYS)


def counts_or_codes(path: tuple[str, ...]) -> bool:
    """True for counters, states and numbers that identify: whole by nature."""
    found = words(path[-1])
    return bool(found) and (found[-1] in _COUNTS or found[0] in ("seq", "num", "n", "count"))


def identifies(path: tuple[str, ...]) -> bool:
    """True where digits are a name rather than a number: 007 is not 7."""
    return _meets(path, _IDENTIFIERS) or is_version(path)


def is_version(path: tuple[str, ...]) -> bool:
    """True for versions: 1.10 is not 1.1."""
    return _meets(path, _VERSIONS)


def _meets(path: tuple[str, ...], known: Iterable[str]) -> bool:
    return bool(set(words(path[-1])) & set(known))
