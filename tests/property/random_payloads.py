"""Random messages for a contract: as it has them, with values of every kind, and broken."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import cbor2
import msgpack

from functions.transform.careful import parse, value_span
from functions.transform.parts import member
from telemetry.contract import Column, Contract
from telemetry.contract.composed import sources_of

__all__ = ["random_lines"]

TIMES = {
    "iso8601": [
        '"2026-03-01T12:00:00Z"', '"2026-03-01 12:00:00"', '"2026-10-25T01:30:00+0100"',
        '"2026-10-25T01:30:00"', '"2026-03-29T01:30:00"', '"2026-03-08T02:30:00"',
    ],
    "epoch_s": ["1772366400", "1772366400.25", '"1772366401"'],
    "epoch_ms": ["1772366400000", "1772366400123.5", '"1772366401000"'],
    "epoch_auto": [
        "1772366400", "1772366400000", "1772366400.25", '"1772366401000"', "1772366400000000001",
        "1772366400000001", "99999999999", "100000000000", "99999999999.9", "1e14", "-5", "1e300",
    ],
    "epoch_us": ["1772366400000000", '"1772366400000001"'],
    "%d.%m.%Y %H:%M:%S": ['"01.03.2026 12:00:00"', '"01.03.2026 12:00:01"'],
}  # fmt: skip
ARRIVALS = [1772366400000, 1792890000000, 1792892000000]
"""At noon, 2026-03-01; and on the day when London's clocks are set back, at 01:00 and 01:33 UTC."""
WHOLE_NUMBERS = ["1", "2", "3", "7.0", '"4"', "0", "-3"]
FINE: dict[str, list[str]] = {
    "text": ['"a"', '"b"', '"é"', '"7"', '"abcd"'],
    "boolean": ["true", "false", "1", "0", '"yes"', '"a"'],
    "enum": ['"on"', '"OFF"', "1", '"a"', "0"],
    "jsonb": ['{"a":1}', "[1.50,null]", '"x"', "21.40", "true"],
    **dict.fromkeys(("smallint", "integer", "bigint"), WHOLE_NUMBERS),
    "decimal": ["1", "2.5", "21.40", '"3.25"', "12345678901234567"],
}  # fmt: skip
FINE_NUMBERS = ["1", "2", "3", "21.5", "7.0", '"4"', '"21.4"', "-3", "0"]
MESS = [
    "null", "null", "true", "false", "{}", "[]", "[1]", '{"a":1}', '[{"a":1}]', '""', '" "', '"n/a"',
    "-127", "-127.0", "0", "-0", "-0.0", "1e3", "1E+2", "1e400", "-1e-400", "21.40", "32768", "2.5",
    "2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "0.30000000000000004", "12345678901234567.5", "123456789012345678901234567890", "16777217",
    '"1e3"', '"1,5"', '"1.250,5 V"', '"21.4°C"', '" 5 "', '"-999"', '"NaN"', '"inf"', '"true"', '"1_0"',
    r'"\ud800"', r'"\u0000"', r'"\u0061"', '"x\\"y"', '"٣"', '"2026-02-29T00:00:00Z"',
    '"2026-03-01T24:00:00"', '"2026-W48-7"', '"2026-333"', '"Sun, 29 Nov 2026 11:00:00 GMT"',
    '"Mon, 29 Nov 2026 24:00:00 UTC"',  "253402300800",
    '"0001-01-01T00:00:00+00:01"', "1772366400.123456", "NaN", "01", "+1", "tru", '"\t"', "1" * 400,
    '[["a",1]]', '[["a",1,2]]', "[[]]", "[null]", '{"t":{"m":{"bn":"x"}}}', "5", '"b"',
]  # fmt: skip
BLANKS = ["", "", "", "", " ", "\n", "\t \r\n"]
WHOLE = [
    b"", b"null", b"17", b'"x"', b"[]", b"{}", b"[{}]", b"[[]]", b"[null]", b'{"a":[{}', b"{}]}", b"{",
    b'{"a":1},{"a":2}', b"{}],[{}", b"\xff", b"\xef\xbb\xbf{}", b"\xed\xa0\x80", b"\x1f\x8b\x08", b"  {} ",
    b"etl doctor canary 6a1b", b'{"a":' + b"[" * 1200 + b"]" * 1200 + b"}", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
]  # fmt: skip
SENML = {
    "bn": ['"a:"', '"b:"', '""'], "bt": ["1772366400", "1772366400.5", "0"], "bu": ['"Cel"'],
    "n": ['"t"', '"h"'], "t": ["0", "60", "-5", "1772366400"], "v": ["1", "21.5"], "bv": ["1", "0.1"],
}  # fmt: skip
PACK: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "hex": lambda content: content.hex().encode(),
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zlib": zlib.compress,
}
SENML_ODDS = {"bv": 0.1, "bn": 0.5, "bt": 0.5, "bu": 0.3}


def random_lines(rng: Random, contract: Contract, number: int) -> list[bytes]:
    """Lines of a raw object, some of them delivered twice."""
    writer = _Writer(rng, contract)
    lines = [_line(rng, writer.payload(), n) for n in range(number)]
    return lines + [rng.choice(lines) for _ in range(rng.randint(0, 2))]


def _line(rng: Random, payload: bytes, number: int) -> bytes:
    if rng.random() < 0.02:
        return rng.choice([b"{}", b"[1]", b'"payload"', b"\xff", b"  x"])
    envelope = {
        "message_id": f"m{number}",
        "topic": rng.choice(["lab/a", "lab/a", "lab/b", "lab/é", None, ""]),
        "client_id": rng.choice(["a", "a", "b", None, "1"]),
        "received_at": rng.choice([*(at + number for at in ARRIVALS), *ARRIVALS, None, 0, 2**62]),
        "payload": base64.b64encode(payload).decode(),
    }
    compact = rng.choice([(",", ":"), (", ", ": ")])
    return json.dumps(envelope, separators=compact, ensure_ascii=rng.random() < 0.5).encode()


PIECES = [
    '"d0;20;50"', '"a;1.5"', '"x-2026-03-01T12:00:00Z"', '" b, 7"', '"F"', '"degC"', '" a "', "1",
    "250", "1.50", '"60"', "-3", "2026", '"29"', '" 11 "', '""', "9223372036854775807", "1e3", "{}",
    '"9e18"', "null", "true", "0.1", '"1772366400"',
]  # fmt: skip
"""Values that texts are made of or taken apart into, and numbers and units beside others."""


class _Writer:
    """Writes messages for one contract."""

    def __init__(self, rng: Random, contract: Contract) -> None:
        self._rng, self._contract = rng, contract
        sources = [(s, column) for column in contract.columns for s in sources_of(column)]
        self._reading = [(s.path, column) for s, column in sources if s.scope == "reading"]
        self._message = [(s.path, column) for s, column in sources if s.scope == "message"]
        self._parent = [(s.path, column) for s, column in sources if s.scope == "parent"]
        asked = [c for c in contract.only if c.source.scope == "message"]
        self._message += [(c.source.path, None) for c in asked]
        self._conditions = {
            str(c.source.path[-1]): [json.dumps(v) for v in c.values] for c in asked
        }
        taken = [c for s, c in sources if s.scope == "place" and s.path == ("value",)]
        for metric in contract.melt if isinstance(contract.melt, tuple) else ():
            self._reading += [(metric.path, column) for column in taken or [None]]
        self._keys = [c for s, c in sources if s.scope == "place" and s.path == ("key",)]
        self._nested = self._array
        self._level = rng.choice([0.0, 0.0, 0.03, 0.1, 0.4])
        """Share of values that are of any kind."""

    def payload(self) -> bytes:
        rng, contract = self._rng, self._contract
        if rng.random() < 0.025:
            body = rng.choice(WHOLE)
        else:
            body = self._packed(self._text()).encode("utf-8", "surrogatepass")
        if rng.random() < 0.05:
            body = self._mutated(body)
        if contract.compression and rng.random() < 0.7:
            body = gzip.compress(body, mtime=0)
            body = self._mutated(body) if rng.random() < 0.1 else body
        return body

    def _packed(self, text: str) -> str:
        """The text with its packed members as they are sent, most of them."""
        rng = self._rng
        for one in reversed(self._contract.unpack):
            try:
                if member(parse(text), one.path) is None or rng.random() < 0.1:
                    continue
            except ValueError:
                continue
            start, end = value_span(text, one.path)
            content = text[start:end].encode("utf-8", "surrogatepass")
            if rng.random() < 0.1:
                content = self._mutated(content)
            elif one.format != "json":
                dumps = cbor2.dumps if one.format == "cbor" else msgpack.packb
                try:
                    content = dumps(json.loads(content))
                except (ValueError, OverflowError, RecursionError):
                    continue
            for step in one.encoding:
                content = PACK[step](content)
                content = self._mutated(content) if rng.random() < 0.03 else content
            packed = json.dumps(content.decode("latin-1"), ensure_ascii=rng.random() < 0.5)
            text = text[:start] + packed + text[end:]
        return text

    def _text(self) -> str:
        readings = self._contract.readings
        if readings is None or self._rng.random() < 0.08:
            return self._object([*self._reading, *self._message])
        if self._contract.parents is not None:
            return self._of_parents(self._contract.parents)
        if readings == () and self._contract.shape not in ("keyed", "parallel"):
            return self._array()
        return self._object(self._message, holder=readings)

    def _of_parents(self, path: tuple[str | int, ...]) -> str:
        """A message with arrays on two levels."""
        if path:
            self._nested = self._parents
            text = self._object(self._message, holder=path)
            self._nested = self._array
            return text
        return self._parents()

    def _parents(self) -> str:
        rng, holder = self._rng, self._contract.readings
        self._nested = self._array
        items = []
        for _ in range(rng.choice([0, 1, 2, 2, 3])):
            leaves = self._parent if rng.random() > 0.1 else [*self._parent, *self._reading]
            whole = rng.random() < self._level / 3
            items.append(rng.choice(MESS) if whole else self._object(leaves, holder=holder))
        return "[" + rng.choice(BLANKS) + ",".join(items) + "]"

    def _array(self) -> str:
        rng, shape = self._rng, self._contract.shape
        if shape == "keyed":
            return self._keyed()
        if shape == "parallel":
            return self._parallel()
        if self._contract.pairs is not None:
            return self._named()
        if shape == "pairs" and rng.random() < 0.1:
            return self._element()
        odd = self._level / 3
        items = [
            rng.choice(MESS) if rng.random() < odd else self._element()
            for _ in range(rng.choice([0, 1, 1, 2, 3]))
        ]
        return "[" + rng.choice(BLANKS) + ",".join(items) + rng.choice(BLANKS) + "]"

    def _named(self) -> str:
        """Objects with name and value, several of each group."""
        rng, pairs = self._rng, self._contract.pairs
        assert pairs is not None
        columns: dict[Any, list[Any]] = {}
        for path, column in self._reading:
            columns.setdefault(path[0], []).append((path[1:], column))
        items = []
        for _ in range(rng.choice([0, 1, 1, 2])):
            group = {name: rng.choice(["1", "2", '"1"', "true", "21.40"]) for name in pairs.by}
            group = {n: t for n, t in group.items() if rng.random() < 0.9}
            names = [name for name in columns if name not in pairs.by] + ["other"]
            for name in names + (["other"] if rng.random() < 0.1 else []):
                own = {}
                texts = [(pairs.name, json.dumps(name))]
                value = self._member_text(columns.get(name, [((), None)]), None)
                texts += [] if pairs.value is None else [(pairs.value, value)]
                for path, text in texts:
                    for step in reversed(path[1:]):
                        text = f"{{{json.dumps(step)}:{text}}}"  # noqa: PLW2901
                    own[str(path[0])] = text
                if pairs.value is None and value.startswith('{"'):
                    items.append(value[:-1] + "," + self._object([], group | own)[1:])
                else:
                    items.append(self._object([], group | own))
                if rng.random() < self._level / 6:
                    items.append(rng.choice([*MESS, items[-1]]))
        rng.shuffle(items)
        return "[" + rng.choice(BLANKS) + ",".join(items) + "]"

    def _element(self) -> str:
        rng, shape = self._rng, self._contract.shape
        if shape == "rows":
            by_name = {path[0]: column for path, column in self._reading}
            items = [self._value(by_name.get(name)) for name in self._contract.fields]
            return "[" + ",".join(items[: rng.choice([len(items)] * 6 + [1])]) + "]"
        if shape == "pairs":
            pairs = [
                f"[{json.dumps(path[0])},{self._value(column)}]" for path, column in self._reading
            ]
            rng.shuffle(pairs)
            return "[" + ",".join(pairs) + "]"
        if shape != "senml":
            return self._object(self._reading)
        wanted = {path[0] for path, _ in self._reading}
        own = {
            name: rng.choice(texts if rng.random() > self._level / 4 else MESS)
            for name, texts in SENML.items()
            if rng.random() < SENML_ODDS.get(name, 0.9)
        }
        rest = [(path, column) for path, column in self._reading if path[0] not in own]
        return self._object(rest if wanted - own.keys() else [], own)

    def _parallel(self) -> str:
        rng = self._rng
        size = rng.choice([0, 1, 2, 2, 3])
        names: dict[Any, list[Any]] = {}
        for path, column in self._reading:
            names.setdefault(path[0], []).append((path[1:], column))
        if not any(path[1:] for path, _ in self._message):
            names |= {path[0]: [((), c)] for path, c in self._message if path[0] not in names}
        texts = []
        for name, members in names.items():
            number = size if rng.random() > self._level / 3 else rng.choice([0, 1, 4])
            items = [self._member_text(members, None) for _ in range(number)]
            array = "[" + ",".join(items) + "]"
            texts.append(self._member(name, array if rng.random() > self._level / 4 else "null"))
        return "{" + ",".join(texts) + "}"

    def _keyed(self) -> str:
        parts = []
        for _ in range(self._rng.randint(0, 3)):
            column = self._rng.choice(self._keys) if self._keys else None
            name = self._value(column)
            name = name if name.startswith('"') and name.endswith('"') else '"' + "x1" + '"'
            item = self._object(self._reading) if self._rng.random() < 0.8 else self._value(None)
            parts.append(f"{name}:{item}")
        return "{" + ",".join(parts) + "}"

    def _object(
        self,
        leaves: list[tuple[tuple[str | int, ...], Column | None]],
        own: dict[str, str] | None = None,
        holder: tuple[str | int, ...] | None = None,
    ) -> str:
        """An object with these leaves, and the readings at ``holder``."""
        rng = self._rng
        if holder == ():
            return self._nested()
        below: dict[Any, list[Any]] = {}
        for path, column in leaves:
            below.setdefault(path[0], []).append((path[1:], column))
        texts = dict(own or {})
        for name, members in below.items():
            inner = holder[1:] if holder and holder[0] == name else None
            texts[name] = self._member_text(members, inner)
        if holder and rng.random() > self._level / 4 and not (holder[0] in texts and holder[1:]):
            texts[holder[0]] = self._object([], holder=holder[1:])
        if rng.random() < 0.2:
            texts.setdefault(rng.choice(["unknown", "a", "z"]), rng.choice([*MESS, "1"]))
        parts = [self._member(n, t) for n, t in texts.items() if rng.random() > self._level / 4]
        if parts and rng.random() < self._level / 4:
            parts.append(self._member(rng.choice(list(texts)), rng.choice(MESS)))
        rng.shuffle(parts)
        return "{" + ",".join(parts) + rng.choice(BLANKS) + "}"

    def _member_text(self, members: list[Any], holder: Any) -> str:
        """The value of a member of which these parts are taken."""
        rng = self._rng
        direct = [column for path, column in members if not path]
        deeper = [(path, column) for path, column in members if path]
        if not deeper or (direct and rng.random() < 0.5) or rng.random() < self._level / 4:
            return self._value(rng.choice(direct) if direct else None)
        places = [(path, column) for path, column in deeper if isinstance(path[0], int)]
        if not places or (len(places) < len(deeper) and rng.random() < 0.5):
            named = [(path, column) for path, column in deeper if not isinstance(path[0], int)]
            return self._object(named, holder=holder)
        parts: dict[int, list[Any]] = {}
        size = rng.choice([3, 3, 3, 2, 1, 0])
        for path, column in places:
            parts.setdefault(path[0] % 3, []).append((path[1:], column))
        items = [self._member_text(parts.get(n, [((), None)]), None) for n in range(size)]
        return "[" + rng.choice(BLANKS) + ("," + rng.choice(BLANKS)).join(items) + "]"

    def _member(self, name: str, text: str) -> str:
        if self._conditions.get(name) and self._rng.random() < 0.9:
            text = self._rng.choice(self._conditions[name])
        blank = self._rng.choice(BLANKS)
        spelled = json.dumps(name, ensure_ascii=False)
        if self._rng.random() < 0.01 and isinstance(name, str):  # a place isn't
            spelled = f'"\\u{ord(name[0]):04x}' + json.dumps(name[1:])[1:]
        return f"{blank}{spelled}{blank}:{blank}{text}"

    def _value(self, column: Column | None) -> str:
        if column is None or self._rng.random() < self._level:
            return self._rng.choice(MESS)
        composed = any(s.scope in ("part", "template") for s in column.sources)
        if (composed or column.plus or column.unit_member) and self._rng.random() < 0.6:
            return self._rng.choice(PIECES)
        if column.type == "timestamp":
            return self._rng.choice(TIMES.get(self._rng.choice(column.formats), TIMES["iso8601"]))
        return self._rng.choice(FINE.get(column.type, FINE_NUMBERS))

    def _mutated(self, body: bytes) -> bytes:
        rng = self._rng
        at, end = sorted((rng.randint(0, len(body)), rng.randint(0, len(body))))
        return rng.choice(
            [
                body[:at],
                body[:at] + body[end:],
                body[:at] + rng.choice([b",", b"]", b"}", b'"', b"\\", b"0", b" ", b"\xff"]) + body[at:],
                body[:end] + body[at:],
                b"[" + body + b"]",
                body + b"," + body,
                body + body,
                body.replace(b":", b": ").replace(b",", b" ,"),
                body[:at] + rng.randbytes(1) + body[at + 1 :],
            ]
        )  # fmt: skip
