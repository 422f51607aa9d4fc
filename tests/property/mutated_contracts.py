"""Valid contracts with entries replaced, added and removed at random, from one seed each."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["BASES", "mutated_contract"]

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "contracts"
BASES = [
    path.read_text(encoding="utf-8")
    for path in (*sorted((HERE / "contracts").glob("*.toml")), *sorted(EXAMPLES.rglob("*.toml")))
]
"""Contracts that use every key of the language."""


class Written(str):
    """TOML that is written as it is: spellings of numbers that Python would not write."""


NUMBERS: list[Any] = [
    0, 1, -1, 2, 38, 39, 60, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**300, 10**400,
    0.0, -0.0, 0.5, 1.5, 5e-324, 1.7e308, math.inf, -math.inf, math.nan, 1_000_000_000,
    Written("0x" + "f" * 5_000), Written("9" * 4_299), Written("9" * 5_000), Written("-1e400"),
]  # fmt: skip
TEXTS = [
    "", " ", "a", "ts", "$rest", "$topic", "$topic[-9]", "$topic[99]", "$received_at", "$value",
    "$key", "$metric", "$message.a", "$nothing", "a..b", '"a', "a\\", "\\", ".", "null", "1e999",
    "9" * 5_000, "NaN", "x" * 64, "ä" * 32, "é", "日本語", "\x00", "\x1b[2J", "\u202e", "%", "%Q",
    "%Y-%m-%d", "%Y%Y", "%Y-%m-%dT%H:%M:%S%z", "epoch_s", "epoch_ms", "iso8601", "UTC", "utc",
    "Europe/London", "Mars/Base", "../../etc/passwd", "degC", "degF", "m", "m**999999", "Pa/s",
    "m**-0.5", "1/0", "1e9999 m", "lambda: 1", "(", "(a+)+", "(a|a)*b", "[a-z]{1,3}", "(?=a)", "a{5000}",
    "((((a{99}){99}){99}){99})", r"\p{L}", "(?i)x", "[[a]]", r"\1", "(?P<n>a)", "a{2,1}", "a{99999999999}",
    "(" * 5_000 + ")" * 5_000, "(?:a?){60}a{60}", r"[\d-z]",
    "text", "float", "real", "decimal", "bigint", "boolean", "enum", "timestamp", "jsonb", "reject",
    "keep_last", "keep_greatest", "rows", "pairs", "keyed", "senml", "objects", "numbers", "daily",
    "xmin", "public", "pg_x", "etl", "select", "a/b/+", "+/+", "#", "1h", "999999999d", "1.5h",
]  # fmt: skip
OTHERS: list[Any] = [
    True, False, [], {}, [[]], [{}], [1], ["a"], ["a", "a"], [1, 2], [2, 1], ["a", 1], {"a": 1},
    {"a": {"b": []}}, {"present": True}, {"present": 1}, [math.nan, math.nan], [0.5, 10**400],
    [-math.inf, math.inf], [math.inf, -math.inf], ["$rest", "$rest"], ["x"] * 5_000,
    list(range(3_000)), date(2026, 3, 1), time(12, 0), datetime(2026, 3, 1, 12), [date(1, 1, 1)],
    Written("[" * 60 + "]" * 60), Written("[" * 3_000 + "]" * 3_000),
    Written("2026-03-01T12:00:00+23:59"), Written("2026-13-01"), Written('"""a\nb"""'),
    Written("[0x" + "f" * 5_000 + ", 0x" + "f" * 5_001 + "]"),
]  # fmt: skip
KEYS = [
    "type", "from", "constant", "required", "on_invalid", "missing", "range", "max_length", "formats",
    "timezone", "unit", "unit_from", "plus", "parts", "split", "every", "units", "precision", "scale", "values", "true_values", "false_values",
    "pattern", "on_too_long", "attached", "decimal_comma", "round", "max_age", "max_future",
    "ambiguous", "nonexistent", "description", "name", "topic", "table", "message", "columns",
    "checks", "analytics", "schema", "key", "on_conflict", "greatest", "partition", "indexes",
    "readings", "shape", "fields", "melt", "only", "compression", "format", "delimiter", "max_reject_share", "completeness",
    "volume", "drift", "min_readings", "conflict_share", "max_age_minutes", "views", "rollups",
    "metrics", "", "a", "é", "a.b", "x" * 64, "xmin", "hour", "\x1b[31m", "$topic[1]", "$rest",
]  # fmt: skip
MOST_CHANGES = 3


def mutated_contract(rng: Random) -> bytes:
    """The text of a contract with a few changes; most of them are no longer valid."""
    text = rng.choice(BASES)
    tables = tomllib.loads(text)
    for _ in range(rng.randint(1, MOST_CHANGES)):
        _change(rng, tables)
    written = "\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in tables.items())
    return _damaged(rng, written) if rng.random() < 0.1 else written.encode("utf-8", "replace")


def _change(rng: Random, tables: dict[str, Any]) -> None:
    holder = rng.choice(list(_holders(tables)))
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    what = rng.random()
    if what < 0.15 and keys:
        del holder[rng.choice(keys)]
    elif what < 0.5 and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = _value(rng)
    elif keys:
        holder[rng.choice(keys)] = _value(rng)


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def _value(rng: Random) -> Any:
    chosen = rng.choice(rng.choice([NUMBERS, TEXTS, TEXTS, OTHERS]))
    if isinstance(chosen, list):
        return list(chosen)
    return dict(chosen) if isinstance(chosen, dict) else chosen


def _toml(value: Any) -> str:
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _damaged(rng: Random, text: str) -> bytes:
    """The text with some bytes replaced, doubled or cut out."""
    found = bytearray(text.encode())
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(found))
        odd = rng.choice(
            [b"", b"\x00", b"\xff", b'"', b"[", b"]", b"{", b"=", b"\n", b".", b"\xed\xa0\x80"]
        )
        found[at : at + rng.randint(0, 2)] = odd
    return bytes(found)
