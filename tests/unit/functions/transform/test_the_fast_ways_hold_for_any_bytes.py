"""Lines, payloads, keys and times that are read, sorted or written many at once: whatever they
hold, the result is that of the slow way."""

from __future__ import annotations

import base64
import io
import json
import random
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.clean_batch import ORDER, PLACE, CleanBatch
from functions.transform.copy import TIME_FORMAT, copy_csv
from functions.transform.envelopes import parse_envelope, read_envelopes
from functions.transform.extraction_plan import make_plan
from functions.transform.one_row_per_key import keep_one_row_per_key
from functions.transform.readings import read_readings
from telemetry.forgotten import removed_line, shortened_line, without_forgotten
from tests.unit.functions.transform.envelopes_for import contract_of

PAYLOADS = st.one_of(
    st.sampled_from([b"{}", b'{"a":1}', b"[1]", b"", b"\xff", b'{"a":"\xff"}', "{ä".encode()]),
    st.binary(max_size=8),
)
TEXTS = st.sampled_from(["", "a", "x/y", "b c", "\u00e4", 'a"b', "a\tb", "a,b", "\\", None])
ARRIVALS = st.sampled_from([0, 1, 12345, 10**14, 10**15, -1, None])
DAMAGE = st.tuples(
    st.integers(0, 10_000),
    st.integers(0, 3),
    st.sampled_from([*b'"\\\r\n\x00\x01 ,:{}x\t\xff', -1]),
)


@st.composite
def raw_objects(draw: st.DrawFn) -> bytes:
    """Lines as Extract writes them, some of them removed or shortened, with a few bytes changed."""
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        envelope = {
            "message_id": draw(TEXTS),
            "topic": draw(TEXTS),
            "client_id": draw(TEXTS),
            "received_at": draw(ARRIVALS),
            "payload": base64.b64encode(draw(PAYLOADS)).decode(),
        }
        line = json.dumps(envelope, separators=(",", ":"), ensure_ascii=draw(st.booleans()))
        kept = line.encode() + b"\n"
        others = [kept, kept, kept, removed_line(2), shortened_line(envelope, 1)]
        lines.append(draw(st.sampled_from(others)))
    raw = bytearray(b"".join(lines))
    if draw(st.booleans()):
        raw.pop()
    for at, cut, byte in draw(st.lists(DAMAGE, max_size=2)):
        raw[at % len(raw) : at % len(raw) + cut] = b"" if byte < 0 else bytes([byte])
    return bytes(raw)


def one_by_one(raw: bytes) -> list[tuple[object, ...]]:
    lines = sorted(line for line in without_forgotten(raw)[0].split(b"\n") if line.strip())
    found = [parse_envelope(line) for line in lines]
    found.sort(key=lambda m: ((m[3] is not None, m[3] or 0), (m[0] is not None, m[0] or "")))
    return found


@given(raw_objects())
def test_a_raw_object_is_read_line_by_line_however_it_is_damaged(raw: bytes) -> None:
    messages = read_envelopes(raw)
    assert messages.drop("text").rows() == one_by_one(raw)
    for payload, text in messages.select("payload", "text").iter_rows():
        assert text == (payload.decode() if _is_utf8(payload) else None)


@given(st.lists(PAYLOADS, max_size=200), st.integers(0, 200))
def test_a_payload_is_text_if_it_is_utf8_whatever_is_beside_it(
    payloads: list[bytes], sound: int
) -> None:
    sent = payloads + [b'{"a":1}'] * sound
    random.Random(sound).shuffle(sent)
    lines = [
        f'{{"message_id":"{n:03}","topic":"","client_id":"","received_at":0,'
        f'"payload":"{base64.b64encode(payload).decode()}"}}'
        for n, payload in enumerate(sent)
    ]
    texts = read_envelopes("\n".join(lines).encode())["text"].to_list()
    assert texts == [payload.decode() if _is_utf8(payload) else None for payload in sent]


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


KEYS = """
[columns.device]
type = "text"
max_length = 128
required = true
[columns.at]
type = "timestamp"
from = "when"
required = true
"""
FAR = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
MOMENTS = st.builds(
    lambda base, ms: base + timedelta(milliseconds=ms if base != FAR[1] else -ms),
    st.sampled_from([*FAR, datetime(2026, 3, 1, tzinfo=UTC)]),
    st.integers(0, 5000),
)
KEY_COLUMNS = (["device", "at"], ["id", "device", "at"], ["at"], ["id", "device"], ["device"])
NUMBERS = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))
DEVICES = st.sampled_from(
    ["", "a", "B", "b", "aa", "\u00e4", "\U0001f321", "z\u00e4", "-", "10", "9"]
)


@given(st.lists(st.tuples(NUMBERS, DEVICES, MOMENTS), max_size=60))
def test_rows_are_in_the_order_of_their_key(rows: list[tuple[int, str, datetime]]) -> None:
    for key in KEY_COLUMNS:
        contract = contract_of(KEYS, table=f"key = {json.dumps(key)}")
        schema = {"id": pl.Int64, "device": pl.String, "at": pl.Datetime("us", "UTC")}
        frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias(ORDER),
            pl.lit(None, dtype=pl.Int64).alias(PLACE),
        )
        messages = frame.with_columns(received_at=pl.lit(0, dtype=pl.Int64))
        batch = CleanBatch(messages, pl.DataFrame())
        keep_one_row_per_key(contract, batch, [frame])
        first = frame.unique(key, keep="first", maintain_order=True).sort(key)
        assert batch.rows.equals(first.drop(ORDER, PLACE))
        assert batch.places["message"].to_list() == first[ORDER].to_list()


@given(
    st.sampled_from([-62_135_596_800, -5, 0, 1_772_323_200, 253_402_300_795]),
    st.lists(st.integers(0, 4), max_size=5),
    st.lists(st.sampled_from([0, 1, 1000, 123_000, 500_000, 999_999]), max_size=6),
)
def test_a_time_is_spelled_the_same_alone_and_among_others(
    first: int, seconds: list[int], fractions: list[int]
) -> None:
    micros = [(first + second) * 10**6 + part for second in seconds for part in fractions]
    values = pl.Series("at", micros, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    rows = pl.DataFrame([pl.int_range(values.len(), eager=True).alias("id"), values])
    expected = io.BytesIO()
    rows.write_csv(expected, include_header=False, datetime_format=TIME_FORMAT)
    assert copy_csv(rows) == expected.getvalue()


@given(
    st.lists(st.sampled_from(["", "a", "a/b", "a/b/c", "/", "//", "\u00e4/b", None]), max_size=30)
)
def test_a_level_of_a_topic_is_that_of_each_topic(topics: list[str | None]) -> None:
    plan = make_plan(contract_of('[columns.level]\ntype = "text"\nfrom = "$topic[1]"'))
    lines = [
        json.dumps(
            {
                "message_id": f"{n:03}",
                "topic": topic,
                "client_id": "c",
                "received_at": 0,
                "payload": base64.b64encode(b'{"id":%d}' % n).decode(),
            }
        )
        for n, topic in enumerate(topics)
    ]
    run = read_envelopes("\n".join(lines).encode()).with_row_index("m")
    parts = read_readings(plan, run, CleanBatch(run, pl.DataFrame()), bulk=True)
    (name,) = plan.of_scope("envelope")
    found = pl.concat([part.select("m", name) for part in parts]).sort("m")[name].to_list()
    expected = [None if topic is None else topic.split("/") for topic in topics]
    assert found == [p[1] if p is not None and len(p) > 1 else None for p in expected]
