"""Bombs, torn streams, injections and a thief, over real MQTT, to an account that adds up."""

from __future__ import annotations

import gzip
import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from etl.aws.target import Target
from etl.operations.publishing import FleetPlan, publish_file, register_devices, simulate
from etl.operations.receipts import Receipt, new_publication, write_receipt
from local.devices.mqtt import DeviceConnection, MessageTooLargeError
from tests.end_to_end.conftest import account
from tests.integration.hostile.test_no_text_leaves_its_column import SAFE_KEY, TEXTS

CONTRACT = "tests/end_to_end/hostile.toml"
TOPIC = "telemetry/hostile/"
EVIL = """
SELECT (extract(epoch FROM ts) * 1000)::int, note FROM telemetry.hostile WHERE device = 'evil'
"""
pytestmark = pytest.mark.slow


class CutOff(Exception):
    pass


def readings(*values: dict[str, object]) -> bytes:
    return json.dumps({"readings": values}).encode()


def rows(target: Target, sql: str) -> list[tuple[object, ...]]:
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def send(target: Target, device: str, payloads: list[bytes], *, readings: int) -> None:
    """Publish as one device, with a receipt, so that the account knows of it."""
    (identity,) = register_devices(target, [device])
    publication, started = new_publication("publish")
    with DeviceConnection(target.broker(), identity) as connection:
        for payload in payloads:
            connection.publish(f"{TOPIC}{device}", payload)
    receipt = Receipt(publication, "publish", started, len(payloads), readings)
    write_receipt(target.client("s3"), target.bucket, receipt)


def test_whatever_a_device_sends_is_a_row_or_a_reject(pipeline: Target) -> None:
    texts = [text for text in TEXTS if "/" not in text]
    injections = [readings({"ts": n, "note": text}) for n, text in enumerate(texts)]
    whole = gzip.compress(readings({"ts": 1000}, {"ts": 1001, "value": 101}))
    bomb = gzip.compress(bytes(100 << 20))
    assert len(bomb) < 128 * 1024
    broken = [bomb, whole[:-3], whole + b"x", b"\x1f\x8b", b"\x00" * 50, b"[" * 50_000, b""]
    send(pipeline, "evil", [*injections, whole, *broken], readings=len(texts) + 2 + len(broken))
    found = account(pipeline)
    assert found.problems() == []
    loaded = rows(pipeline, EVIL)
    assert dict(loaded) == {**dict(enumerate(texts)), 1000: None}  # type: ignore[arg-type]
    assert found.ledger.rejected == 1 + len(broken)


def test_a_thief_is_cut_off_and_its_victim_stays_untouched(pipeline: Target) -> None:
    before = account(pipeline).rows
    (thief,) = register_devices(pipeline, ["thief"])
    with pytest.raises(CutOff), DeviceConnection(pipeline.broker(), thief) as connection:
        connection.publish(f"{TOPIC}victim", readings({"ts": 1, "value": 1}))
        deadline = time.monotonic() + 120
        while connection._client.is_connected() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not connection._client.is_connected()
        raise CutOff  # or the connection would wait for an answer that never comes
    assert account(pipeline).rows == before
    assert rows(pipeline, "SELECT 1 FROM telemetry.hostile WHERE device = 'victim'") == []


def test_a_messy_fleet_that_compresses_is_accounted_for(pipeline: Target) -> None:
    before = account(pipeline).rows
    plan = FleetPlan(
        devices=3, rate=60, duration=2, readings_per_message=30, mess=0.1, seed=5, least=120
    )
    receipt = simulate(pipeline, pipeline.contract, plan)
    found = account(pipeline)
    assert found.problems() == []
    assert receipt.rejected
    assert found.rows - before == receipt.rows


def test_a_line_too_large_for_a_message_is_named(pipeline: Target, tmp_path: Path) -> None:
    path = tmp_path / "large.ndjson"
    noise = "".join(map(chr, range(0x4E00, 0x9E00))) * 4
    path.write_text(json.dumps({"ts": 1}) + "\n" + json.dumps({"ts": 2, "note": noise}))
    with pytest.raises(MessageTooLargeError, match=r"large.ndjson, message 2: .* 131,072"):
        publish_file(pipeline, pipeline.contract, path)


def test_no_key_in_the_bucket_was_made_by_a_device(pipeline: Target) -> None:
    pages = pipeline.client("s3").get_paginator("list_objects_v2")
    keys = [
        item["Key"]
        for page in pages.paginate(Bucket=pipeline.bucket)
        for item in page.get("Contents", ())
    ]
    assert keys
    for key in keys:
        assert SAFE_KEY.fullmatch(key), key
        assert ".." not in key
