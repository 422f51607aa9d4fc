"""Hypothesis strategies made from a contract: raw objects as devices fill them, mess included."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from etl.authoring.units import resolve_units
from telemetry.contract import Column, Contract, load_contract
from telemetry.contract.composed import sources_of

HERE = Path(__file__).parent
SHIPPED = HERE.parent.parent / "contracts"
CONTRACTS = {
    path.stem: resolve_units(load_contract(path))
    for path in (*sorted((HERE / "contracts").glob("*.toml")), *sorted(SHIPPED.glob("*.toml")))
}

T = TypeVar("T")
Batch = tuple[str, list[bytes]]
"""Name of a contract in :data:`CONTRACTS` (short, as it is printed), and lines."""

TIMES = st.sampled_from(
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01 12:00:00",
        "2026-03-01T12:00:00.000+00:00",
        "2026-03-01T13:00:00+0100",
        "2026-07-01T12:00:00",
        "2026-03-29T01:30:00",  # never was in London
        "2026-10-25T01:30:00",  # was twice
        "2026-03-01T12:00:00.123456789-05",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.999999Z",
        "2026-02-29T00:00:00Z",
        "2026-03-01T12:00:60Z",
        "2026-03-01T24:00:00Z",
        "2026-02-28T24:00:00.00",
        "9999-12-31T24:00:00Z",
        "2026-03-01T24:00:00.01Z",
        "2026-03-01T12:00Z",
        "2026-03-01",
        "٢026-03-01T12:00:00Z",
    ]
)
EPOCHS = st.sampled_from(
    [
        "1772366400", "1772366400000", "1772366400.5", "1772366400000000000", "1.7723664e9",
        "1772366400.123456", "1772366400123.4567", "-1", "0", "1e300", "9223372036854775807",
        "-9223372036854775808", "253402300800", "-62135596801", "0.0000005",
    ]
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-6, 301).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-1000, 1000, places=3).map(str),
    st.sampled_from(
        [
            "-0", "-0.0", "0.0", "1.0", "21.40", "1e2", "1E+2", "1e-2", "1e400", "-1e400",
            "1e22", "9007199254740993.0", "1152921504606846976.0", "12345678901234567.5",
            "0.1000000000000000055", "32767", "32768", "2147483648", "9223372036854775808",
            "340282366920938463463374607431768211456", "0.30000000000000004", "-127", "-999.0",
        ]
    ),
)  # fmt: skip
NOT_NUMBERS = st.sampled_from(["01", "+1", ".5", "1.", "NaN", "Infinity", "-", "0x1", "1_0", "tru"])
TEXTS = st.one_of(
    st.sampled_from(
        [
            "", " ", "a", "b", "none", "n/a", "NaN", "null", "true", "Yes", "OFF", "unknown",
            "a,b", 'q"', "x\ny", "\\.", "é𝄞", "\x00", "x\x00y", "\r", " 5 ", "5\u00a0", "inf",
            "nan", "-999", "+7", ".5", "5.", "1_0", "0x1", "1,5", "٣", "\ufeff", "toolongtext",
        ]
    ),
    st.text(max_size=6),
)  # fmt: skip
SPELLED_TEXTS = st.sampled_from(
    [r'"\ud800"', r'"x\udfffy"', r'"\ud834\udd1e"', r'"\u0061"', r'"\/"', r'"\u0000"', '"\t"']
)
BLANKS = st.sampled_from(["", "", "", " ", "\n", "\t \r\n"])
ODDITIES = st.sampled_from(["null", "true", "false", "{}", "[]", "[1]", '{"at":1}', '"', "nul"])


def quoted(text: str, ascii_only: bool = False) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)


@st.composite
def mostly(draw: st.DrawFn, usual: st.SearchStrategy[T], other: st.SearchStrategy[T]) -> T:
    """Seven times out of eight the usual. (``one_of`` can't weigh: it merges what is equal.)"""
    return draw(draw(st.sampled_from([usual] * 7 + [other])))


@dataclass(frozen=True)
class Values:
    """JSON texts for one column: those that give a value, and any at all."""

    fine: st.SearchStrategy[str]
    any: st.SearchStrategy[str]


def values(column: Column) -> Values:
    fine: st.SearchStrategy[str]
    near: st.SearchStrategy[str]
    low, high = column.range
    if column.type == "timestamp" and "%" in column.formats[0]:
        fine = st.sampled_from(PATTERNED).map(quoted)
        near = fine | st.sampled_from(NEARLY_PATTERNED).map(quoted) | TIMES.map(quoted) | EPOCHS
    elif column.type == "timestamp":
        good = ["2026-03-01T12:00:00Z", "2026-03-01 12:00:01", "2026-03-01T13:00:00.5+0100"]
        epochs = ["1772366400", "1772366401.25", '"1772366400"', "0.5e1"]
        texts = [quoted(text) for text in good] if "iso8601" in column.formats else []
        fine = st.sampled_from([*texts, *(epochs if column.formats != ("iso8601",) else [])])
        near = TIMES.map(quoted) | EPOCHS | EPOCHS.map(quoted)
    elif column.pattern is not None:
        fine = st.from_regex(column.pattern, fullmatch=True).map(quoted)
        near = fine.map(str.lower) | fine.map(lambda text: text[:-1] + '\\n"') | TEXTS.map(quoted)
    elif column.type == "text":
        fine = st.sampled_from(["a", "b", "é"]).map(quoted) | st.sampled_from(["7", "7.0", "true"])
        near = TEXTS.map(quoted)
    elif column.type == "boolean":
        own = [json.dumps(word) for word in (*column.true_values, *column.false_values)]
        usual = ["true", "false", "1", "0", '"yes"', '"F"', "1.0", '"0.0"']
        fine = near = st.sampled_from([*usual, *own, *[word.upper() for word in own]])
    elif column.type == "enum":
        words = [json.dumps(word) for value, also in column.values for word in (value, *also)]
        fine = st.sampled_from(words)
        near = fine.map(str.upper) | fine.map(lambda word: word + ".0") | TEXTS.map(quoted)
    elif column.type == "decimal":
        fine, near = decimals(column)
    elif column.type == "jsonb":
        fine, near = JSON, JSON | SPELLED_JSON
    elif column.type in ("real", "float"):
        some = st.floats(max(low or -1e9, -1e9), min(high or 1e9, 1e9)).map(repr)
        fine, near = some | some.map(quoted), NUMBERS | NUMBERS.map(quoted)
    else:
        some = st.integers(int(low or 0), int(low or 0) + 2).map(str)
        fine = some | some.map(quoted) | some.map(lambda text: text + ".0")
        near = NUMBERS | NUMBERS.map(quoted)
    near |= dressed(column)
    markers = st.sampled_from([json.dumps(marker) for marker in column.missing] or ["null"])
    mess = st.one_of(markers, ODDITIES, NUMBERS, NOT_NUMBERS, TEXTS.map(quoted), SPELLED_TEXTS)
    return Values(fine, near | mess)


PATTERNED = [
    "01.03.2026 12:00:00", "1.3.2026 3:04:05", "28.02.2026 01:00:01", "28.02.2026 12:00:00",
    "2603011200", "MAR 1, 2026 12:05 am", "mar 01, 2026 1:00 PM", "2026/060 12.00.00,5Z",
    "2026/060 12.00.00,123456789+0130", "01.03.2026 13:01:30",
]  # fmt: skip
NEARLY_PATTERNED = [
    "31.02.2026 12:00:00", "28.02.2026 01:00:00", "27.02.2026 12:00:00", "02.03.2026 00:00:00",
 "01.03.2026 13:01:31", "29.03.2026 02:30:00", "25.10.2026 02:30:00", "28.02.2026 24:00:00", "01.03.26 12:00:00", "9903011200", "6903011200",
    "6803011200", "260301120", "Mar 1, 2026 13:00 PM", "Mar 1, 2026 0:00 PM", "Foo 1, 2026 1:00 PM",
    "2026/366 12.00.00,5Z", "2026/000 12.00.00,5Z", "0000/001 12.00.00,5Z", "2024/366 12.00.00,5+24",
    "01.03.2026 12:00:00\n", "01.03.2026  12:00:00", "١.03.2026 12:00:00", "0001/001 00.00.00,0+0100",
]  # fmt: skip
JSON = st.recursive(
    st.sampled_from(
        ["null", "true", "1", "-0.0", "1E+2", '"x"', '""', "1e-999", "21.40", '"é\\n"']
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: "[ " + ",".join(items) + "]")
        | st.lists(st.tuples(st.sampled_from(["a", "b", "\u00e9"]), inner), max_size=3).map(
            lambda items: "{" + ", ".join(f"{quoted(k)} : {v}" for k, v in items) + "}"
        )
    ),
    max_leaves=4,
)
SPELLED_JSON = st.sampled_from(
    [
        r'["\ud800"]', r'{"\udfff":1}', r'"\ud834\udd1e"', r'{"a\u0000":1}', r'["\u0000"]', "[1e1000]",
        "1e999", "1e-1000", "1e-1001", "0e5000", "1" * 1000, "1" * 1001, "[" * 90 + "]" * 90,
        r'{"a":1,"\u0061":2}', r'"\u007f\/"',
    ]
)  # fmt: skip


def decimals(column: Column) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str]]:
    places = column.scale
    low, high = column.range
    least, most = (max(low or -9, -9) if places else 0), min(high or 99, 99)
    some = st.decimals(least, most, places=places).map(str)
    finer = st.decimals(-100, 100, places=places + 3).map(str)
    digits = st.integers(-(10**40), 10**40).map(str)
    shifted = st.tuples(finer, st.integers(-30, 30)).map(lambda pair: f"{pair[0]}e{pair[1]}")
    near = NUMBERS | finer | digits | shifted
    return some | some.map(quoted), near | near.map(quoted)


def dressed(column: Column) -> st.SearchStrategy[str]:
    """Numbers with the column's units and commas, and with others."""
    bare = st.sampled_from(
        ["21.4", "-3", "0.1", "1.250,5", "", "7.5", "1,5", "1,,5", "-,-", "1.5e1"]
    )
    comma = st.booleans() if column.decimal_comma else st.just(value=False)
    units = st.sampled_from(
        ["", " ", *column.attached, *(f" {u}" for u in column.attached), "m", "\u00a0V"]
    )
    return st.tuples(bare, comma, units).map(
        lambda parts: quoted((parts[0].replace(".", ",") if parts[1] else parts[0]) + parts[2])
    )


ANYTHING = Values(st.sampled_from(["null", "1", '"x"', "[{}]", "{}"]), ODDITIES | NUMBERS)


@st.composite
def objects(draw: st.DrawFn, members: dict[str, Any]) -> str:
    """JSON text of an object: in any order, mostly complete and with little or no mess."""
    names = draw(st.permutations(sorted(members)))
    kind = draw(st.sampled_from(["fine", "fine", "fine", "messy", "thin", "twice", "wild"]))
    messy: set[str] = set()
    if kind == "wild":
        messy = set(names)
    elif kind == "messy":
        messy = set(names[: draw(st.integers(1, 2))])
    elif kind == "thin":
        names = names[draw(st.integers(1, 3)) :]
    elif kind == "twice":
        names = [*names, names[0]]
    parts = []
    for name in names:
        below = members[name]
        if isinstance(below, dict):
            value = draw(objects(below))
        elif isinstance(below, Values):
            value = draw(below.any if name in messy else below.fine)
        else:
            value = draw(below)
        spelled = quoted(name) if draw(st.integers(0, 60)) else f'"\\u{ord(name[0]):04x}{name[1:]}"'
        parts.append(f"{draw(BLANKS)}{spelled}{draw(BLANKS)}:{value}{draw(BLANKS)}")
    return "{" + ",".join(parts) + "}"


def _tree(contract: Contract, scope: str) -> dict[str, Any]:
    tree: dict[str, Any] = {"unknown": ANYTHING}
    if any(source.scope == "rest" for column in contract.columns for source in column.sources):
        tree = {"unknown": Values(JSON, JSON | SPELLED_JSON), "other": Values(JSON, SPELLED_JSON)}
    for column in contract.columns:
        for source in sources_of(column):
            if source.scope == scope:
                _plant(tree, source.path, values(column))
            if scope == "reading" and source.scope == "place" and source.path == ("value",):
                for metric in contract.melt if isinstance(contract.melt, tuple) else ():
                    _plant(tree, metric.path, values(column))
    if scope == "message":
        for condition in contract.only:
            if condition.source.scope == "message" and condition.values:
                wanted = st.sampled_from([json.dumps(value) for value in condition.values])
                _plant(tree, condition.source.path, Values(wanted, wanted | ODDITIES | NUMBERS))
    if scope == "reading" and contract.shape == "senml":
        tree |= SENML
    if contract.melt == "numbers":
        tree |= {"a": ANYTHING, "b": Values(NUMBERS, NUMBERS)}
    return tree


SENML_NUMBERS = st.sampled_from(
    [
        "0", "1", "-5.25", "1.772366400e9", "1772366401", "268435456", "268435455", "1e30", "-0",
        "1e400", "0.1", "1e-30", "12345678901234567890.5", "1e999999", "1e99999999999999999999",
    ]
)  # fmt: skip
SENML_TIMES = st.sampled_from(["1772366400", "1772366401", "0", "5", "-5", "268435455"])
SENML = {
    "bn": Values(st.sampled_from(['"a:"', '"b:"', '""']), ODDITIES | NUMBERS),
    "bt": Values(SENML_TIMES, ODDITIES | SENML_NUMBERS.map(quoted)),
    "bu": Values(st.sampled_from(['"Cel"', "null"]), ODDITIES),
    "bv": Values(SENML_NUMBERS, ODDITIES),
    "bs": Values(SENML_NUMBERS, ODDITIES),
    "n": Values(st.sampled_from(['"t"', '"h"']), ODDITIES | NUMBERS),
    "t": Values(SENML_TIMES, ODDITIES | SENML_NUMBERS.map(quoted)),
    "v": Values(SENML_NUMBERS, ODDITIES | NUMBERS),
}


def _plant(tree: dict[str, Any], path: tuple[str, ...], value: Values) -> None:
    *parents, leaf = path
    for name in parents:
        tree = tree.setdefault(name, {})
    tree[leaf] = value


@st.composite
def rows(draw: st.DrawFn, contract: Contract) -> str:
    """An array with a value for each position, now and then one too many or too few."""
    tree = _tree(contract, "reading")
    parts = []
    for name in contract.fields:
        usual = tree.get(name, ANYTHING)
        parts.append(draw(mostly(usual.fine, usual.any)))
    change = draw(st.sampled_from([0, 0, 0, 0, 0, -1, -2, 1]))
    parts = [*parts, "1"] if change > 0 else parts[: len(parts) + change]
    return "[" + draw(BLANKS) + ",".join(parts) + "]"


@st.composite
def pairs(draw: st.DrawFn, contract: Contract) -> str:
    """An array of names and values, some of them no pairs."""
    parts = []
    for name, value in sorted(_tree(contract, "reading").items()):
        text = draw(mostly(value.fine, value.any))
        usual = st.just(f"[{quoted(name)},{text}]")
        odd = st.sampled_from(
            ["5", "[]", "null", '["n"]', "[null,1]", "[5,1]", "[true,1]", "[[],1]"]
        )
        parts.append(draw(mostly(mostly(usual, st.just(f"[{quoted(name)},{text},1]")), odd)))
    return "[" + ",".join(draw(st.permutations(parts))) + "]"


@st.composite
def keyed(draw: st.DrawFn, contract: Contract) -> str:
    """An object of which each member is a reading."""
    key = next(c for c in contract.columns for s in c.sources if s.path == ("key",))
    value = next((c for c in contract.columns for s in c.sources if s.path == ("value",)), None)
    one = objects(_tree(contract, "reading"))
    item = (one | values(value).fine | values(value).any) if value else one
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(mostly(values(key).fine, TEXTS.map(quoted)))
        parts.append(f"{name if name.startswith(chr(34)) else quoted(name)}:{draw(item)}")
    parts += draw(st.sampled_from([[], [], ['"device":"d"'], ['"device":{}']]))
    return "{" + ",".join(parts) + "}"


def arrays(contract: Contract) -> st.SearchStrategy[str]:
    """What stands at the path of ``readings``."""
    if contract.shape == "keyed":
        return keyed(contract)
    element = objects(_tree(contract, "reading"))
    if contract.shape == "senml":
        tree = _tree(contract, "reading")
        plain = {name: value for name, value in tree.items() if name not in ("bv", "bs")}
        element = mostly(objects(plain), element)
    if contract.shape == "rows":
        element = rows(contract)
    if contract.shape == "pairs":
        element = pairs(contract)
    found = st.lists(mostly(element, ODDITIES | st.just("[]")), max_size=4).map(
        lambda items: "[" + ",".join(items) + "]"
    )
    return mostly(found, element) if contract.shape == "pairs" else found


def messages(contract: Contract) -> st.SearchStrategy[bytes]:
    """Payloads: mostly as the contract has them, some of them broken in some way."""
    whole = _tree(contract, "reading") | _tree(contract, "message")
    text = objects(whole)
    if contract.readings == ():
        text = mostly(arrays(contract), text)
    elif contract.readings:
        tree = _tree(contract, "message")
        holder = tree
        for name in contract.readings[:-1]:
            holder = holder.setdefault(name, {})
        holder[contract.readings[-1]] = mostly(arrays(contract), ODDITIES)
        text = mostly(objects(tree), text)
    good = text.map(lambda found: found.encode("utf-8", "surrogatepass"))
    return mostly(good, broken(good))


def broken(good: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Torn, glued, wrapped or invented messages; some try to reach into their neighbours."""
    return st.one_of(
        st.binary(max_size=30),
        st.tuples(good, st.integers(1, 40)).map(lambda pair: pair[0][: -pair[1]]),
        st.tuples(good, st.sampled_from([b"", b",", b"\n", b"x", b"\x00", b"]"]), good).map(b"".join),
        good.map(lambda found: b"[" + found + b"]"),
        good.map(lambda found: b"\xef\xbb\xbf" + found),
        good.map(lambda found: found.replace(b'"', b"\xff", 1)),
        st.sampled_from(
            [
                b"", b"null", b"17", b'"x"', b"[]", b"{}", b"{} ", b'{"a":[{}', b"{}]}", b'{"a":[[{}',
                b'{}]},{"b":[{}', b"{}],[{}", b'{"a":1},{"a":2}', b'{"readings":[{}', b"{}}", b"{",
                b'{"a":NaN}', b'{"a":-Infinity}', b"{'a':1}", b'{"a":1,}', b'{"a" 1}', b"\xed\xa0\x80",
                b'{"a":' + b"[" * 1200 + b"]" * 1200 + b"}", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
            ]
        ),
    )  # fmt: skip


@st.composite
def lines(draw: st.DrawFn, contract: Contract) -> bytes:
    """One line of a raw object."""
    if not draw(st.integers(0, 30)):
        return draw(st.binary(max_size=40) | st.sampled_from([b"{}", b"[1]", b'"payload"', b"  "]))
    topic = contract.topic.replace("+", draw(st.sampled_from(["a", "b", "é", ""])))
    envelope = {
        "message_id": draw(st.sampled_from(["m1", "m2", "m3", 'm"', "é"])),
        "topic": draw(st.sampled_from([topic, topic, topic, None, ""])),
        "client_id": draw(st.sampled_from(["a", None, "\u00e9\\"])),
        "received_at": draw(
            st.sampled_from([1772366400000, 1772366400001, 1792892000000, None, 0, 2**62])
        ),
        "payload": base64.b64encode(draw(messages(contract))).decode(),
    }
    compact = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return json.dumps(envelope, separators=compact, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """The lines of a raw object, some of them delivered twice."""
    name = draw(st.sampled_from(sorted(CONTRACTS)))
    sent = draw(st.lists(lines(CONTRACTS[name]), max_size=12))
    if sent and draw(st.booleans()):
        sent = [*sent, draw(st.sampled_from(sent))]
    return name, [line.replace(b"\n", b"") for line in sent]
