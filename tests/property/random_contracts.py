"""Random contracts, from one seed each: any shape, any types, and names that look like others."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

from etl.authoring.units import resolve_units
from telemetry.contract import Contract, parse_contract
from telemetry.errors import ContractError

__all__ = ["random_contract"]

NAMES = ["a", "b", "c", "n", "t", "v", "u", "s", "bn", "bt", "vs", "id", "d", "r", "m", "key"]
ODD_NAMES = [
    "x.y",
    "^a$",
    "*",
    "é",
    "$a",
    "index",
    "fault",
    "s0",
    "v0",
    "r.n",
    "arrival",
    'q"',
    "A",
]
PLAIN_NAMES = [*NAMES, *(f"p{n}" for n in range(24))]
PARENTS = ["env", "g", "m"]
"""Names of objects in a tame contract, so that no source is within another one's value."""
TYPES = ["text", "float", "real", "smallint", "integer", "bigint", "decimal", "boolean", "enum"]
TYPES += ["timestamp", "jsonb"]
KEY_TYPES = ["text", "integer", "bigint", "smallint", "decimal", "enum", "boolean", "timestamp"]
NUMBERS = ["float", "real", "smallint", "integer", "bigint", "decimal"]
PATTERNS = ["[a-c]+", "[0-9]{1,4}", "(?i)x.*", "\\S+"]
FORMATS = [
    ["epoch_s"],
    ["iso8601", "epoch_ms"],
    ["epoch_us"],
    ["epoch_auto"],
    ["%d.%m.%Y %H:%M:%S"],
    ["%G-W%V-%u", "%a, %d %b %Y %H:%M:%S %Z", "%Y-%j"],
    ["iso8601"],
]
GROUPS = ["(?P<x>[a-z0-9]*)(?:[-;, ](?P<y>.*))?", "(?P<x>[^;]+);(?P<y>[0-9.]+)(?:;.*)?"]
UNITS = ["ns", "us", "ms", "s", "min", "h", "d"]
ZONES = ["Europe/London", "America/Vancouver", "UTC"]
AMBIGUOUS = ["by_arrival", "earliest", "latest", "reject"]
ENVELOPE = ["$topic", "$topic[1]", "$topic[-1]", "$topic[7]", "$client_id", "$received_at"]
ENVELOPE += ["$message_id", "$index"]
MARKERS: list[Any] = ["", "n/a", -127, 0, "-999", 2.5, True, "null", " ", "1e3"]
MOST_ATTEMPTS = 200


def random_contract(rng: Random) -> tuple[str, Contract]:
    """TOML of a contract that every rule accepts, and the contract."""
    for _ in range(MOST_ATTEMPTS):
        text = _toml(_tables(rng))
        try:
            return text, resolve_units(parse_contract(text.encode(), "random.toml"))
        except ContractError:
            continue
    raise AssertionError(f"none of {MOST_ATTEMPTS} contracts was accepted; the last:\n{text}")


def _toml(value: Any) -> str:
    """A document; tables below the top level are written inline."""
    return "\n".join(f"{json.dumps(key)} = {_value(member)}" for key, member in value.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return json.dumps(value, ensure_ascii=False)


def _tables(rng: Random) -> dict[str, Any]:
    wild = rng.random() < 0.25
    message = _message(rng, wild=wild)
    columns = {f"c{n}": _column(rng, message, wild=wild) for n in range(rng.randint(1, 6))}
    parts = _parts(rng, message, columns, wild=wild) if rng.random() < 0.2 else {}
    if "melt" in message and rng.random() < 0.8:
        columns["value"] = {"type": rng.choice(["float", "text", "decimal"]), "from": "$value"}
        columns["value"] |= _of_type(rng, columns["value"]["type"], key=False)
    key = _key(rng, columns, message, wild=wild)
    table: dict[str, Any] = {"name": "random", "key": key}
    policy = rng.choice(["keep_first", "keep_last", "fill_missing", "keep_greatest"])
    table["on_conflict"] = policy
    if policy == "keep_greatest":
        others = [n for n, c in columns.items() if c["type"] in (*NUMBERS, "timestamp")]
        others = [name for name in others if name not in key]
        table |= {"greatest": rng.choice(others)} if others else {"on_conflict": "keep_first"}
    head = {"name": "random", "topic": "lab/+", "table": table}
    more = {"message": message, "parts": parts}
    return {**head, **{name: table for name, table in more.items() if table}, "columns": columns}


def _parts(
    rng: Random, message: dict[str, Any], columns: dict[str, Any], *, wild: bool
) -> dict[str, Any]:
    """Parts of texts, and a column or two of them."""
    steps = rng.choice([["x", "y"], ["x"], [0, 1, -1], [0, 3]])
    named = isinstance(steps[0], str)
    for step in steps:
        kind = rng.choice(["text", "float", "integer", "timestamp"])
        source = f"$parts.p.{step}" if named else f"$parts.p[{step}]"
        columns[f"part{step}".replace("-", "_")] = {
            "type": kind,
            "from": rng.choice([source, [source, "a"], f"{{{source}}}-{{$index}}"]),
            "on_invalid": rng.choice(["null", "reject"]),
        }
    taken = {"pattern": rng.choice(GROUPS)} if named else {"split": rng.choice([";", ", ", "1"])}
    return {"p": {"from": _sources(rng, message, wild=wild), **taken}}


def _sources(rng: Random, message: dict[str, Any], *, wild: bool) -> list[str]:
    """Sources of values that are read as texts."""
    some = [_source(rng, message, wild=wild) for _ in range(rng.choice([1, 1, 2]))]
    return list(dict.fromkeys("$index" if s == "$received_at" else s for s in some))


def _path(rng: Random, *, wild: bool) -> str:
    length = rng.choice([1, 1, 1, 2, 2, 3]) if wild else rng.choice([1, 1, 2])
    names = [
        rng.choice(NAMES if rng.random() < 0.9 or not wild else ODD_NAMES) for _ in range(length)
    ]
    if not wild:
        names = [*(rng.choice(PARENTS) for _ in names[1:]), rng.choice(PLAIN_NAMES)]
    return ".".join(_step(rng, name, wild=wild) for name in names)


def _step(rng: Random, name: str, *, wild: bool) -> str:
    """A name, and now and then the place of an element of an array there."""
    text = name if name.isalnum() else '"' + name.replace('"', '\\"') + '"'
    while rng.random() < (0.12 if wild else 0.06):
        text += rng.choice(["[0]", "[0]", "[1]", "[-1]", "[-2]"])
    return text


def _message(rng: Random, *, wild: bool) -> dict[str, Any]:
    message: dict[str, Any] = {}
    shape = rng.choice(["objects"] * 5 + ["rows", "pairs", "senml", "senml", "keyed", "parallel"])
    if shape != "objects":
        message["shape"] = shape
    if rng.random() < (0.6 if shape in ("objects", "senml") else 1):
        message["readings"] = "$message" if rng.random() < 0.5 else "list"
        if wild and rng.random() < 0.4:
            message["readings"] = _path(rng, wild=wild)
    if message.get("readings", "$message") != "$message" and rng.random() < 0.3:
        message["readings"] = (
            rng.choice(["nodes", "nodes", "g", "$message"]) + "[]." + message["readings"]
        )
    if shape == "rows":
        message["fields"] = rng.sample([*NAMES, *(ODD_NAMES if wild else [])], rng.randint(2, 6))
    if shape == "pairs" and rng.random() < 0.6:
        message["pairs"] = {"name": rng.choice(["n", "id", "m.n"])}
        if rng.random() < 0.7:
            message["pairs"]["value"] = rng.choice(["v", "d.v", "n"])
        if rng.random() < 0.6:
            message["pairs"]["by"] = rng.choice([["t"], ["ts"], ["t", "a"]])
    if rng.random() < 0.25:
        metrics = [_path(rng, wild=wild) for _ in range(rng.randint(1, 3))]
        message["melt"] = rng.choice(
            [
                metrics if shape == "parallel" else "numbers",
                metrics,
                metrics,
                {f"m{n}": path for n, path in enumerate(metrics)},
            ]
        )
    if rng.random() < 0.15:
        asked = rng.choice(
            [_path(rng, wild=wild), "$client_id", "$topic[1]", "$topic", "$received_at"]
        )
        wanted = [
            "a",
            1,
            True,
            [1, "a", 2.5, False],
            "lab/a",
            {"present": True},
            {"present": False},
        ]
        message["only"] = {asked: rng.choice(wanted)}
    if rng.random() < 0.1:
        message["compression"] = "gzip"
    if rng.random() < 0.15:
        message["unpack"] = _unpack(rng, message, wild=wild)
    return message


def _unpack(rng: Random, message: dict[str, Any], *, wild: bool) -> dict[str, Any]:
    """A packed member: where the readings are, or beside them."""
    member = message.get("readings", "").split("[].")[0].split(".")[0]
    if member in ("", "$message") or rng.random() < 0.2:
        member = rng.choice([_path(rng, wild=wild), "env", "g"])
    encoding = rng.choice([[], ["base64"], ["hex"], ["base64", "gzip"], ["base64", "zlib"]])
    formats = ["json", "json", "json", "cbor", "msgpack"] if encoding else ["json"]
    return {"member": member, "format": rng.choice(formats)} | (
        {"encoding": encoding} if encoding else {}
    )


def _source(rng: Random, message: dict[str, Any], *, wild: bool) -> str:
    odds = rng.random()
    if odds < 0.6:
        if "fields" in message and rng.random() < 0.9:
            name = rng.choice(message["fields"])
            return name if name.isalnum() else '"' + name.replace('"', '\\"') + '"'
        by = message.get("pairs", {}).get("by")
        if by and rng.random() < 0.3:
            return rng.choice(by)
        return _path(rng, wild=wild)
    if odds < 0.78:
        around = "parent" if "[]." in message.get("readings", "") and odds < 0.7 else "message"
        return f"${around}.{_path(rng, wild=wild)}"
    places = ["$value", "$metric"] if "melt" in message else []
    places += ["$key", "$value"] if message.get("shape") == "keyed" else []
    return rng.choice(places if places and rng.random() < 0.7 else ENVELOPE)


def _column(
    rng: Random,
    message: dict[str, Any],
    types: list[str] = TYPES,
    *,
    key: bool = False,
    wild: bool,
) -> dict[str, Any]:
    column: dict[str, Any] = {"type": rng.choice(types)}
    if column["type"] == "jsonb" and not wild and rng.random() < 0.6:
        column["type"] = "float"
    sources = dict.fromkeys(
        _source(rng, message, wild=wild) for _ in range(rng.choice([1, 1, 1, 2, 3]))
    )
    column["from"] = list(sources)
    if column["type"] != "jsonb" and rng.random() < 0.08:
        pieces = [_sources(rng, message, wild=wild)[0] for _ in range(rng.choice([1, 2, 2, 3]))]
        made = rng.choice(["-", " ", ""]).join(f"{{{piece}}}" for piece in pieces)
        column["from"].insert(rng.choice([0, 1]), made)
    if key and not wild and all(source.startswith("$") for source in sources):
        column["type"] = "text"
    if column["type"] == "jsonb" and rng.random() < 0.3:
        column["from"] = ["$rest"]
    if key or rng.random() < 0.1:
        column["required"] = True
    elif rng.random() < 0.5:
        column["on_invalid"] = "null"
    if rng.random() < 0.05 and not key:
        column["constant"] = rng.choice(["a", 1, True, 2.5, "2026-03-01T12:00:00Z"])
    if column["type"] != "jsonb" and rng.random() < 0.3:
        column["missing"] = rng.sample(MARKERS, rng.randint(0, 3))
    if column["type"] == "timestamp" and rng.random() < 0.2:
        column["plus"] = {"from": _sources(rng, message, wild=wild), "unit": rng.choice(UNITS)}
        if rng.random() < 0.6:
            more = _sources(rng, message, wild=wild)
            column["plus"]["every"] = rng.choice([60, -1, 0.5, more])
    column |= _of_type(rng, column["type"], key=key)
    if column["type"] in ("float", "real") and "unit" not in column and rng.random() < 0.06:
        units = rng.choice([["degC", "degF"], {"degF": ["F", "a"], "degC": ["C", "1"]}])
        column |= {"unit": "degC", "unit_from": {"from": _sources(rng, message, wild=wild)}}
        column["unit_from"] |= {"units": units}
        column["unit_from"] |= {"constant": "degF"} if rng.random() < 0.3 else {}
    return column


def _of_type(rng: Random, kind: str, *, key: bool) -> dict[str, Any]:
    """Keys that only this type has."""
    found: dict[str, Any] = {}
    if kind == "text":
        if key or rng.random() < 0.3:
            found["max_length"] = rng.choice([1, 3, 64])
            found |= {"on_too_long": "truncate"} if not key and rng.random() < 0.4 else {}
        found |= {"pattern": rng.choice(PATTERNS)} if rng.random() < 0.15 else {}
    if kind == "decimal":
        found["precision"] = rng.choice([1, 5, 18, 38])
        found["scale"] = rng.randint(0, min(found["precision"], 6))
    if kind == "enum":
        found["values"] = {"on": ["a", 1], "off": ["b", 0, False], "other": []}
    if kind == "boolean" and rng.random() < 0.4:
        found |= {"true_values": ["a", 2], "false_values": ["b", -127]}
    if kind == "timestamp":
        found |= {"formats": rng.choice(FORMATS)} if rng.random() < 0.7 else {}
        found |= {"timezone": rng.choice(ZONES)} if rng.random() < 0.3 else {}
        found |= {"ambiguous": rng.choice(AMBIGUOUS)} if rng.random() < 0.2 else {}
        found |= {"nonexistent": "shift"} if rng.random() < 0.1 else {}
        found |= {"max_age": "36h"} if rng.random() < 0.15 else {}
        found |= {"max_future": "5min"} if rng.random() < 0.15 else {}
    if kind in NUMBERS:
        found |= {"range": rng.choice([[-5, 100], [0, math.inf]])} if rng.random() < 0.25 else {}
        found |= {"attached": ["V", "°C"]} if rng.random() < 0.12 else {}
        found |= {"decimal_comma": True} if rng.random() < 0.1 else {}
    if kind in ("float", "real") and rng.random() < 0.06:
        found |= {"unit": "degC", "unit_from": "degF"}
    if kind in NUMBERS and kind != "decimal" and rng.random() < 0.12:
        found["round"] = rng.choice([0, 2]) if kind in ("float", "real") else 0
    return found


def _key(rng: Random, columns: dict[str, Any], message: dict[str, Any], *, wild: bool) -> list[str]:
    """Adds the columns of the key, a time last."""
    columns["k0"] = _column(rng, message, KEY_TYPES[:-1], key=True, wild=wild)
    if message.get("shape") == "senml" and not wild:
        columns["k0"] = {"type": "text", "from": "n", "required": True, "max_length": 64}
    key = ["k0"]
    if rng.random() < 0.5:
        columns["k1"] = _column(rng, message, KEY_TYPES, key=True, wild=wild)
        key.append("k1")
    return key
