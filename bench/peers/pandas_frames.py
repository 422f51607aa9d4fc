"""pandas: messages parsed in Python, columns cleaned as vectors."""

from __future__ import annotations

import base64
import gzip
import io
import json
from typing import Any

import numpy as np
import pandas as pd

from bench.peers.result import SCHEMA, Transformed

__all__ = ["transform"]

MARKERS = ["", "null", "NaN", "n/a"]
WORDS = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)
MEMBERS = (
    *("device_id", "ts", "time", "timestamp", "seq", "temperature_c", "temp", "humidity_pct"),
    *("hum", "pressure_hpa", "battery_v", "charging", "status", "firmware"),
)


def transform(raw: bytes) -> Transformed:
    """Transforms the lines of a raw object."""
    envelopes = pd.DataFrame([json.loads(line) for line in raw.splitlines()])
    envelopes = envelopes.sort_values(["received_at", "message_id"], ignore_index=True)
    frame, broken = _readings(envelopes)
    rows, reasons = _clean(frame, envelopes)
    reason_lists = (
        reasons.stack().dropna().groupby(level=0).agg(list)
        if reasons.size
        else pd.Series(dtype=object)
    )
    rejected = rows.index.isin(reason_lists.index)
    accepted = rows[~rejected]
    kept = accepted.drop_duplicates(["device_id", "ts"], keep="first")
    kept = kept.sort_values(["device_id", "ts"])
    bad = frame.loc[reason_lists.index, ["m", "index", "reading"]].assign(reasons=reason_lists)
    lines = _lines(envelopes, pd.concat([broken, bad]).sort_values(["m", "index"]))
    for name in ("ts", "received_at"):
        kept[name] = kept[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    csv = kept[list(SCHEMA)].to_csv(index=False, header=False)
    return Transformed(csv.encode(), lines, len(accepted) - len(kept))


def _readings(envelopes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per reading with unchanged members, and the messages without readings."""
    records: list[Any] = []
    broken: list[Any] = []
    for m, payload in enumerate(envelopes["payload"]):
        try:
            message = json.loads(base64.b64decode(payload).decode())
        except ValueError as error:
            reason = "not_utf8" if isinstance(error, UnicodeDecodeError) else "not_json"
            broken.append((m, -1, None, [reason]))
            continue
        several = "readings" in message
        device, firmware = message.get("device_id"), message.get("firmware")
        for index, reading in enumerate(message["readings"] if several else (message,)):
            record = [reading.get(name) for name in MEMBERS]
            environment = reading.get("environment") or {}
            records.append(
                (
                    *(m, index if several else -1, reading, device, firmware),
                    *(environment.get(n) for n in ("temperature", "humidity", "pressure")),
                    *record,
                )
            )
    names = ["m", "index", "reading", "device", "version", "heat", "damp", "press", *MEMBERS]
    return (
        pd.DataFrame(records, columns=names),
        pd.DataFrame(broken, columns=["m", "index", "reading", "reasons"]),
    )


def _clean(frame: pd.DataFrame, envelopes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Typed columns, and the reasons to reject each reading, one column per reason."""
    topics = envelopes["topic"].str.split("/").str[2].take(frame["m"]).set_axis(frame.index)
    arrivals = pd.to_datetime(envelopes["received_at"], unit="ms", utc=True).astype(
        "datetime64[us, UTC]"
    )
    sent = frame["ts"].fillna(frame["time"]).fillna(frame["timestamp"])
    moments = _moments(sent)
    no_time = sent.isna() | (sent == "")
    heat, odd, outside = _numbers(
        frame["temperature_c"].fillna(frame["temp"]).fillna(frame["heat"]), -127, -60, 85
    )
    damp = frame["humidity_pct"].fillna(frame["hum"]).fillna(frame["damp"])
    pressure = frame["pressure_hpa"].fillna(frame["press"])
    charging = frame["charging"].astype(object)
    words = charging[charging.notna()].map(str).str.strip().str.lower()
    sequence = pd.to_numeric(frame["seq"], errors="coerce")
    rows = pd.DataFrame(
        {
            "device_id": frame["device_id"].fillna(frame["device"]).fillna(topics),
            "ts": moments,
            "seq": sequence.where(sequence >= 0).astype("Int64"),
            "temperature_c": heat,
            "humidity_pct": _numbers(damp, None, 0, 100)[0],
            "pressure_hpa": _numbers(pressure, 0, 300, 1100)[0],
            "battery_v": _numbers(frame["battery_v"], None, 0, 6)[0],
            "charging": words.map(WORDS).reindex(frame.index).astype("boolean"),
            "status": _texts(frame["status"]),
            "firmware": _texts(frame["firmware"].fillna(frame["version"])),
            "received_at": arrivals.take(frame["m"]).set_axis(frame.index),
        }
    )
    faults = {
        "missing:ts": no_time,
        "invalid:ts": moments.isna() & ~no_time,
        "invalid:temperature_c": odd,
        "out_of_range:temperature_c": outside,
    }
    any_fault = np.logical_or.reduce(list(faults.values()))
    reasons = pd.DataFrame(
        {reason: mask[any_fault].map({True: reason}) for reason, mask in faults.items()}
    )
    return rows, reasons.astype(object)


def _numbers(
    values: pd.Series, marker: float | None, low: float, high: float
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Numbers within the limits; masks of texts that are not numbers, and of numbers outside."""
    number = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
    unread = number.isna() & values.notna()
    unread &= ~values.where(unread).isin(MARKERS)
    if marker is not None:
        number = number.mask(number == marker)
    outside = number.notna() & ~number.between(low, high)
    return number.mask(outside), unread, outside


def _moments(sent: pd.Series) -> pd.Series:
    numeric = pd.to_numeric(sent, errors="coerce")
    texts = pd.to_datetime(sent.where(numeric.isna()), format="ISO8601", utc=True, errors="coerce")
    epochs = pd.to_datetime(numeric, unit="ms", utc=True)
    return texts.astype("datetime64[us, UTC]").fillna(epochs.astype("datetime64[us, UTC]"))


def _texts(values: pd.Series) -> pd.Series:
    values = values.astype("string")
    return values.mask((values == "") | (values.str.len() > 32))


def _lines(envelopes: pd.DataFrame, rejects: pd.DataFrame) -> bytes:
    body = io.BytesIO()
    last = -1
    with gzip.GzipFile(fileobj=body, mode="wb", compresslevel=1, mtime=0) as file:
        for m, index, reading, reasons in rejects[["m", "index", "reading", "reasons"]].itertuples(
            index=False
        ):
            line = envelopes.loc[m].to_dict()
            line |= {"index": None if index < 0 else index, "reasons": reasons}
            if reading is not None:
                line["reading"] = json.dumps(reading)
            if m == last:
                line["payload"] = None
            last = m
            file.write(json.dumps(line, ensure_ascii=False, default=int).encode() + b"\n")
    return body.getvalue()
