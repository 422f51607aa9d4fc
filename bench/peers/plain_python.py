"""A loop over records in plain Python, the most common first implementation.

It is written for this one contract (nothing about a column is looked up), and checks the type of a
value before it converts it, so that the usual case takes the shortest path.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bench.peers.result import Transformed

__all__ = ["accepted_rows", "transform"]

TEXT_MARKERS = frozenset(("", "null", "NaN", "n/a"))
Fault = str | None


Loads = Callable[[bytes | str], Any]
Rejects = list[dict[str, Any]]


def transform(raw: bytes, loads: Loads = json.loads) -> Transformed:
    """Transforms the lines of a raw object; ``loads`` is ``json.loads`` or ``orjson.loads``."""
    rows, rejects, duplicates = _clean(raw, loads)
    return Transformed(_csv(rows), _lines(rejects), duplicates)


def accepted_rows(raw: bytes, loads: Loads) -> list[list[Any]]:
    """Only the clean rows, one per key, with Python values."""
    return list(_clean(raw, loads)[0].values())


def _clean(raw: bytes, loads: Loads) -> tuple[dict[tuple[str, datetime], list[Any]], Rejects, int]:
    envelopes = [loads(line) for line in raw.splitlines()]
    envelopes.sort(key=lambda envelope: (envelope["received_at"], envelope["message_id"]))
    rows: dict[tuple[str, datetime], list[Any]] = {}
    rejects: Rejects = []
    duplicates = 0
    for envelope in envelopes:
        try:
            message = loads(base64.b64decode(envelope["payload"]).decode())
        except UnicodeDecodeError:
            rejects.append({**envelope, "index": None, "reasons": ["not_utf8"]})
            continue
        except ValueError:
            rejects.append({**envelope, "index": None, "reasons": ["not_json"]})
            continue
        arrival = datetime.fromtimestamp(envelope["received_at"] / 1000, UTC)
        readings = message.get("readings")
        several = readings is not None
        for index, reading in enumerate(readings if several else (message,)):
            row, reasons = _row(reading, message, envelope["topic"], arrival)
            if reasons:
                place = index if several else None
                rejects.append(
                    {**envelope, "index": place, "reasons": reasons, "reading": json.dumps(reading)}
                )
                continue
            key = row[0], row[1]
            if key in rows:
                duplicates += 1
            else:
                rows[key] = row
    return rows, rejects, duplicates


def _row(
    reading: dict[str, Any], message: dict[str, Any], topic: str, arrival: datetime
) -> tuple[list[Any], list[str]]:
    reasons = []
    get = reading.get
    environment = get("environment") or {}
    device = get("device_id") or message.get("device_id") or topic.split("/")[2]
    if len(device) > 64:
        reasons.append("too_long:device_id")
    moment = get("ts", get("time", get("timestamp")))
    if moment is None or moment == "":
        reasons.append("missing:ts")
    else:
        moment = _moment(moment)
        if moment is None:
            reasons.append("invalid:ts")
    heat = get("temperature_c", get("temp", environment.get("temperature")))
    heat, fault = _number(heat, -127, -60, 85)
    if fault:
        reasons.append(f"{fault}:temperature_c")
    damp = get("humidity_pct", get("hum", environment.get("humidity")))
    pressure = get("pressure_hpa", environment.get("pressure"))
    row = [
        device,
        moment,
        _whole(get("seq")),
        heat,
        _number(damp, None, 0, 100)[0],
        _number(pressure, 0, 300, 1100)[0],
        _number(get("battery_v"), None, 0, 6)[0],
        _boolean(get("charging")),
        _text(get("status")),
        _text(get("firmware") or message.get("firmware")),
        arrival,
    ]
    return row, reasons


def _number(  # noqa: PLR0911 - the usual value takes the shortest path
    value: Any, marker: float | None, low: float, high: float
) -> tuple[float | None, Fault]:
    if value is None:
        return None, None
    kind = type(value)
    if kind is str:
        value = value.strip()
        if value in TEXT_MARKERS:
            return None, None
        try:
            value = float(value)
        except ValueError:
            return None, "invalid"
        if not math.isfinite(value):
            return None, "invalid"
    elif kind is not float and kind is not int:
        return None, "invalid"
    if value == marker:
        return None, None
    if not low <= value <= high:
        return None, "out_of_range"
    return float(value), None


def _whole(value: Any) -> int | None:
    if type(value) is int:
        return value if 0 <= value < 2**63 else None
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, TypeError):
        return None
    return int(number) if number.is_integer() and 0 <= number < 2**63 else None


def _boolean(value: Any) -> bool | None:
    if value is True or value is False or value is None:
        return value
    word = str(value).strip().lower()
    if word in ("true", "t", "yes", "y", "on", "1"):
        return True
    return False if word in ("false", "f", "no", "n", "off", "0") else None


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    value = str(value)
    return value if len(value) <= 32 and "\x00" not in value else None


def _moment(value: Any) -> datetime | None:
    try:
        if type(value) is str:
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _csv(rows: dict[tuple[str, datetime], list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for key in sorted(rows):
        row = rows[key]
        row[1] = row[1].isoformat(timespec="microseconds")
        row[10] = row[10].isoformat(timespec="microseconds")
        writer.writerow(row)
    return text.getvalue().encode()


def _lines(rejects: Rejects) -> bytes:
    """The rejects as lines; like ours, only a message's first reject has the payload."""
    body = io.BytesIO()
    last = None
    with gzip.GzipFile(fileobj=body, mode="wb", compresslevel=1, mtime=0) as file:
        for reject in rejects:
            line = reject if reject["message_id"] != last else {**reject, "payload": None}
            last = reject["message_id"]
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return body.getvalue()
