"""Hostile text in every place a device can fill: it ends in its own column, letter for letter.

Through the functions as they are, from the body of a queue's message to rows of PostgreSQL.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from functions.extract import handler as extract
from functions.load import handler as load
from functions.transform import handler as transform
from functions.validate import handler as validate
from telemetry.contract import ContractSet, parse_contract
from tests.fixtures.aws_fakes import BUCKET, FakeAws
from tests.fixtures.telemetry_database import TelemetryDatabase

CONTRACT = parse_contract(
    b"""
    name = "hostile"
    topic = "lab/+"
    [message]
    readings = "r"
    [table]
    name = "hostile"
    key = ["device", "n"]
    [columns.device]
    type = "text"
    from = "$topic[1]"
    required = true
    max_length = 500
    missing = []
    [columns.n]
    type = "integer"
    required = true
    [columns.client]
    type = "text"
    from = "$client_id"
    missing = []
    [columns.topic]
    type = "text"
    from = "$topic"
    [columns.note]
    type = "text"
    missing = []
    [columns.extra]
    type = "jsonb"
    from = "$rest"
    [checks]
    max_reject_share = 1.0
    """,
    "hostile.toml",
)
TEXTS = [
    "'); DROP TABLE telemetry.hostile; --", '"; DROP SCHEMA etl CASCADE; --', "'", "''", "$$", "$1",
    "E'\\x41'", "/* ", "--", ";", "%s %(n)s %% {0}", "${jndi:ldap://x}", "\\", "\\\\", "\\.", "\\N",
    "\n\\.\n", "\r\n\\.\r\n", "\\.\nlab,1,2,3", '",1,2,3\n"evil"', ",,,,", '"', '""', '","', "NULL",
    "null", "", " ", "\t", "\n", "\r", "=1+1", "=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1:A9)",
    "<script>alert(1)</script>", "../../../etc/passwd", "..\\..\\", "//", "%2e%2e%2f%00", "~root",
    "\u202egnp.exe", "\u200b", "\ufeff", "\u00e9", "e\u0301", "\u0130", "\ufb03", "\U0001f4a3",
    "\x01\x07\x1b[31m\x7f", "\u0085\u2028\u2029", "\ufdd0\uffff", "x" * 500, "#{`id`}", "*", "^$",
    '{"message_id":"m"}',
]  # fmt: skip
FORBIDDEN = ["\x00", "a\x00b", "'\x00; DROP TABLE telemetry.hostile; --"]
TABLES = {
    "etl.batch_locks", "etl.conflicts", "etl.erasures", "etl.ledger", "etl.retention",
    "etl.telemetry.hostile.load_lock", "telemetry.hostile",
}  # fmt: skip
SAFE_KEY = re.compile(r"[A-Za-z0-9/._=-]+")


def body(payload: Any, topic: str = "lab/box", client: str = "box") -> str:
    """As the topic rule writes it; JSON keeps any text, bytes are taken as they are."""
    sent = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    envelope = {
        "payload": base64.b64encode(sent).decode(),
        "topic": topic,
        "client_id": client,
        "received_at": 1795414200000,
    }
    return json.dumps(envelope)


class Pipeline:
    """Extract, Transform, Validate and Load over one queue, in this process."""

    def __init__(self, aws: FakeAws, database: TelemetryDatabase) -> None:
        self.aws, self.database = aws, database

    def run(self, *bodies: str) -> list[dict[str, Any]]:
        self.aws.sqs.send(*bodies)
        staged = extract.drain({"execution": "run", "started": "2026-11-23T06:00:00Z"}, None)
        assert staged["messages"] >= len(bodies)
        assert self.aws.sqs.left == 0
        keys = sorted(key for key in self.aws.s3.objects if key.startswith("raw/"))
        assert sum(int(key.split(".n")[1].split(".")[0]) for key in keys) == staged["messages"]
        return [self._one(key) for key in keys]

    def _one(self, key: str) -> dict[str, Any]:
        item = {"bucket": BUCKET, "key": key, "size": 1, "execution": "run"}
        result: dict[str, Any] = load.handle(
            validate.handle(transform.handle(item, None), None), None
        )
        return result

    def rows(self) -> list[tuple[Any, ...]]:
        return self.database.query(
            "SELECT device, n, client, topic, note, extra FROM telemetry.hostile ORDER BY n"
        )

    def is_sound(self) -> None:
        """No table more or less, nothing unaccounted for, no key that a text got into."""
        tables = self.database.query(
            "SELECT schemaname || '.' || tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        assert ("telemetry.hostile",) in tables
        assert {name for (name,) in tables} <= TABLES
        read, ended = self.database.query(
            "SELECT sum(read), sum(inserted + unchanged + conflicts_in_table + duplicates + conflicts "
            "+ rejected) FROM etl.ledger"
        )[0]
        assert read == ended
        for key in self.aws.s3.objects:
            assert SAFE_KEY.fullmatch(key), key
            assert ".." not in key
            assert "//" not in key
            assert len(key) < 200


@pytest.fixture
def pipeline(empty_database: TelemetryDatabase, aws: FakeAws, monkeypatch) -> Pipeline:
    empty_database.migrate(CONTRACT)
    for module in (transform, validate, load):
        monkeypatch.setattr(module, "load_contracts", lambda: ContractSet((CONTRACT,)))
    empty_database.serve_functions(aws, monkeypatch)
    return Pipeline(aws, empty_database)


def test_a_value_is_data_whatever_it_says(pipeline: Pipeline) -> None:
    readings = [{"n": n, "note": text, text or "empty": text} for n, text in enumerate(TEXTS)]
    pipeline.run(body({"r": readings}))
    told = [(note, extra) for *_, note, extra in pipeline.rows()]
    assert told == [(text, {text or "empty": text}) for text in TEXTS]
    pipeline.is_sound()


def test_so_are_topic_and_client_id_and_none_gets_into_a_key(pipeline: Pipeline) -> None:
    bodies = [
        body({"r": [{"n": n, "note": "x"}]}, topic=f"lab/{text}", client=text)
        for n, text in enumerate(TEXTS)
    ]
    pipeline.run(*bodies)
    told = [(device, client, topic) for device, _, client, topic, *_ in pipeline.rows()]
    assert told == [(text.split("/")[0], text, f"lab/{text}") for text in TEXTS]
    pipeline.is_sound()


def test_what_postgresql_cannot_hold_is_a_reject_and_its_neighbours_are_rows(
    pipeline: Pipeline,
) -> None:
    bodies = [body({"r": [{"n": -1, "note": "before"}]})]
    for n, text in enumerate(FORBIDDEN):
        bodies += [
            body({"r": [{"n": n, "note": text}, {"n": 100 + n, "note": "beside"}]}),
            body({"r": [{"n": 200 + n}]}, client=text),
            body({"r": [{"n": 300 + n}]}, topic=f"lab/{text}"),
            body({"r": [{"n": 400 + n, "m": {text: text}}]}),
        ]
    half = "\\" + "ud800"
    bodies += [
        body(f'{{"r":[{{"n":500,"note":"{half}"}},{{"n":501,"{half}":1}}]}}'.encode()),
        body(b"\x00" * 100),
        body(b""),
        "\x00 not from the rule",
    ]
    (result,) = pipeline.run(*bodies)
    assert [n for _, n, *_ in pipeline.rows()] == [-1, 100, 101, 102]
    (rejected,) = pipeline.database.query("SELECT rejected_by FROM etl.ledger")[0]
    assert rejected == {
        "invalid:note": 4,
        "invalid:client": 3,
        "invalid:device": 3,
        "invalid:extra": 4,
        "not_json": 3,
    }
    assert result["inserted"] == 4
    pipeline.is_sound()


def test_texts_that_look_alike_stay_apart(pipeline: Pipeline) -> None:
    alike = ["\u00e9", "e\u0301", "E\u0301", "e", "e ", "\u0435", "e\u200b", "\ufeffe"]
    pipeline.run(*(body({"r": [{"n": 1}]}, topic=f"lab/{text}") for text in alike))
    assert sorted(device for device, *_ in pipeline.rows()) == sorted(alike)
    pipeline.run(*(body({"r": [{"n": 1}]}, topic=f"lab/{text}") for text in alike))
    assert len(pipeline.rows()) == len(alike)


@pytest.mark.parametrize("topic", ["lab", "", "/", "lab/", "lab//", "x" * 100_000, "lab/" * 9999])
def test_a_topic_of_any_form_ends_as_a_row_or_a_reject(pipeline: Pipeline, topic: str) -> None:
    (result,) = pipeline.run(body({"r": [{"n": 1}]}, topic=topic), body({"r": [{"n": 2}]}))
    assert ("box", 2) in [(device, n) for device, n, *_ in pipeline.rows()]
    assert result["inserted"] in (1, 2)
    pipeline.is_sound()


def test_a_message_as_large_as_a_queue_takes_is_processed(pipeline: Pipeline) -> None:
    """AWS IoT stops at 128 KB; an operator's tool could put 1 MiB into the queue."""
    readings = [{"n": n, "note": "x" * 1000} for n in range(700)]
    large = body({"r": readings})
    assert 0.9 * 2**20 < len(large) < 2**20
    torn = body(json.dumps({"r": readings}).encode()[:-1])
    (result,) = pipeline.run(large, torn, "x" * 2**20, body({"r": [{"n": 9999}]}))
    assert result["inserted"] == 701
    pipeline.is_sound()


def test_deep_nesting_costs_only_its_own_message(pipeline: Pipeline) -> None:
    deep = b'{"r":[{"n":1,"d":' + b"[" * 60_000 + b"]" * 60_000 + b"}]}"
    fine = b'{"r":[{"n":2,"d":' + b"[" * 900 + b"]" * 900 + b"}]}"
    torn = b'{"r":' * 20_000
    (result,) = pipeline.run(body(deep), body(torn), body(fine), body({"r": [{"n": 3}]}))
    assert [n for _, n, *_ in pipeline.rows()] == [2, 3]
    assert result["inserted"] == 2
    pipeline.is_sound()
