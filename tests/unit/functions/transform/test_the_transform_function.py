"""The handler: which objects it reads and writes, what it answers, how it fails."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from functions.transform.handler import handle
from telemetry import layout
from telemetry.checksums import Checksum
from telemetry.contract import parse_contract
from telemetry.errors import BatchCorruptError, BatchMissingError, StorageUnavailableError
from telemetry.places import parse_footer, parse_places, place_at
from telemetry.reports import unpack
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext, aws_error
from tests.unit.functions.transform.envelopes_for import KEY, line, lines

CONTRACT = b"""
name = "lab"
topic = "lab/+"
[message]
readings = "r"
[table]
name = "lab"
key = ["id", "ts"]
[columns.id]
type = "integer"
required = true
[columns.ts]
type = "timestamp"
required = true
[columns.v]
type = "float"
[columns.note]
type = "text"
"""
DIGEST = parse_contract(CONTRACT, "lab").digest
EVENT = {"bucket": BUCKET, "key": KEY, "size": 1, "execution": "an-execution"}
RAW = lines(
    {"r": [{"id": 1, "ts": "2026-03-01T00:00:00Z", "v": 1.5, "note": ""}, {"id": 2}]},
    {"r": [{"id": 1, "ts": "2026-03-01T00:00:00Z", "v": 2.5}]},
    b"broken",
    {"r": []},
)


@pytest.fixture
def run(aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "contract.toml").write_bytes(CONTRACT)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    aws.s3.objects[KEY] = gzip.compress(RAW)
    return lambda: handle(EVENT, LambdaContext())


def test_it_answers_with_a_reference_and_the_counts(run: Any) -> None:
    assert run() == {
        "bucket": BUCKET,
        "batch_id": "batch",
        "raw_key": KEY,
        "execution": "an-execution",
        "purpose": "load",
        "report_key": "reports/batch.json",
        "copy_key": f"copy/batch.{DIGEST}.csv",
        "read": 4,
        "accepted": 1,
        "duplicates": 0,
        "conflicts": 1,
        "rejected": 2,
        "set_aside": 0,
    }


def test_why_the_batch_is_processed_goes_on_to_the_next_step(run: Any) -> None:
    assert handle({**EVENT, "purpose": "release"}, LambdaContext())["purpose"] == "release"


def test_rejects_of_before_are_replaced_by_none(run: Any, aws: FakeAws) -> None:
    run()
    key = json.loads(aws.s3.objects["reports/batch.json"])["rejected_key"]
    assert gzip.decompress(aws.s3.objects[key])
    aws.s3.objects[KEY] = gzip.compress(lines({"r": [{"id": 1, "ts": "2026-03-01T00:00:00Z"}]}))
    run()
    assert gzip.decompress(aws.s3.objects[key]) == b""


def test_it_writes_four_objects_the_report_last(run: Any, aws: FakeAws) -> None:
    run()
    assert list(aws.s3.objects) == [
        KEY,
        "clean/staged_on=2026-03-01/batch.parquet",
        f"copy/batch.{DIGEST}.csv",
        "rejected/date=2026-03-01/batch.ndjson.gz",
        "reports/batch.json",
    ]


def test_without_rejects_there_is_no_object_of_rejects(run: Any, aws: FakeAws) -> None:
    aws.s3.objects[KEY] = gzip.compress(lines({"r": [{"id": 1, "ts": "2026-03-01T00:00:00Z"}]}))
    run()
    assert not [key for key in aws.s3.objects if key.startswith("rejected/")]
    report = json.loads(aws.s3.objects["reports/batch.json"])
    assert not [key for key in report["objects"] if key.startswith("rejected/")]
    assert aws.s3.calls.count("put_object") == 3


def test_where_the_role_may_not_ask_yet_the_object_is_written(run: Any, aws: FakeAws) -> None:
    aws.s3.objects[KEY] = gzip.compress(lines({"r": [{"id": 1, "ts": "2026-03-01T00:00:00Z"}]}))
    aws.s3.fail("head_object", aws_error("403", 403))
    run()
    assert gzip.decompress(aws.s3.objects["rejected/date=2026-03-01/batch.ndjson.gz"]) == b""


def test_without_the_clean_zone_only_what_is_there_is_kept_up_to_date(
    run: Any, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "clean/staged_on=2026-03-01/batch.parquet"
    monkeypatch.setenv("WRITE_CLEAN", "false")
    run()
    assert key not in aws.s3.objects
    report = json.loads(aws.s3.objects["reports/batch.json"])
    assert key not in report["objects"]
    aws.s3.objects[key] = b"of an earlier contract"
    run()
    assert pl.read_parquet(io.BytesIO(aws.s3.objects[key]))["v"].to_list() == [1.5]


def test_groups_that_are_too_many_for_the_report_are_an_object(
    run: Any, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    packed = json.loads(aws.s3.objects["reports/batch.json"])["copy"]["groups"]
    monkeypatch.setattr("functions.transform.handler.MOST_PACKED", len(packed) - 1)
    run()
    report = json.loads(aws.s3.objects["reports/batch.json"])
    key = f"copy/batch.{DIGEST}.groups.json"
    assert report["copy"]["groups_key"] == key
    assert "groups" not in report["copy"]
    assert aws.s3.objects[key] == unpack(packed)
    assert report["objects"][key] == Checksum.of(unpack(packed)).as_dict()


LINES = b"1,2026-03-01T00:00:00.000000+00:00,1.5,\n"


def test_the_objects_hold_the_rows(run: Any, aws: FakeAws) -> None:
    run()
    content = aws.s3.objects[f"copy/batch.{DIGEST}.csv"]
    assert content[:40] == LINES
    footer = parse_footer(content)
    assert footer.lines == Checksum.of(LINES)
    assert (
        parse_places(content[40:], footer).place(0) == place_at(1772366400001) + b"m0001\0\0\0\0\1"
    )
    clean = pl.read_parquet(io.BytesIO(aws.s3.objects["clean/staged_on=2026-03-01/batch.parquet"]))
    assert clean.columns == ["id", "ts", "v", "note"]
    assert clean["v"].to_list() == [1.5]
    copy = json.loads(aws.s3.objects["reports/batch.json"])["copy"]
    assert json.loads(unpack(copy["groups"])) == {
        "columns": ["id"],
        "time": "ts",
        "groups": [
            {
                "key": ["1"],
                "offset": 0,
                "length": 40,
                "rows": 1,
                "min_time": "2026-03-01T00:00:00.000000+00:00",
                "max_time": "2026-03-01T00:00:00.000000+00:00",
            }
        ],
    }


def test_the_report_says_everything_that_was_found(run: Any, aws: FakeAws) -> None:
    run()
    report = json.loads(aws.s3.objects["reports/batch.json"])
    assert report["messages"] == 4
    assert report["empty_messages"] == 1
    assert report["rejected_by"] == {"missing:ts": 1, "not_json": 1}
    assert report["copy"].pop("groups")
    assert report["copy"] == {
        "key": f"copy/batch.{DIGEST}.csv",
        "rows": 1,
        **Checksum.of(LINES).as_dict(),
        "columns": ["id", "ts", "v", "note"],
    }
    assert report["contract"] == "lab"
    assert report["verdict"] is None
    assert report["min_time"] == report["max_time"] == "2026-03-01T00:00:00.000000+00:00"
    assert report["median_time"] == report["min_time"]


def test_the_report_has_the_checksum_of_each_object(run: Any, aws: FakeAws) -> None:
    run()
    written = json.loads(aws.s3.objects["reports/batch.json"])["objects"]
    places = ("clean/", "copy/", "rejected/")
    assert sorted(written) == sorted(key for key in aws.s3.objects if key.startswith(places))
    for key, checksum in written.items():
        assert checksum == Checksum.of(aws.s3.objects[key]).as_dict()


def test_running_it_again_writes_the_same_bytes(run: Any, aws: FakeAws) -> None:
    run()
    first = dict(aws.s3.objects)
    run()
    assert aws.s3.objects == first


def test_the_report_is_written_after_all_that_it_names(run: Any, aws: FakeAws) -> None:
    run()
    report = json.loads(aws.s3.objects["reports/batch.json"])
    assert list(aws.s3.objects)[-1] == "reports/batch.json"
    assert set(report["objects"]) < set(aws.s3.objects)


def test_an_object_that_is_gone_is_a_missing_batch(run: Any, aws: FakeAws) -> None:
    del aws.s3.objects[KEY]
    with pytest.raises(BatchMissingError):
        run()


@pytest.mark.parametrize(
    "body",
    [b"", b"not gzip", gzip.compress(RAW)[:-9], gzip.compress(RAW)[:40] + b"xx" * 30],
    ids=["empty", "no gzip", "cut off", "garbled"],
)
def test_an_object_that_is_no_whole_gzip_is_a_corrupt_batch(
    run: Any, aws: FakeAws, body: bytes
) -> None:
    aws.s3.objects[KEY] = body
    with pytest.raises(BatchCorruptError, match=r"batch\.n1"):
        run()
    assert list(aws.s3.objects) == [KEY]


def test_a_throttled_write_is_transient_and_a_repeat_completes_it(run: Any, aws: FakeAws) -> None:
    aws.s3.fail("put_object", aws_error("SlowDown", 503), times=1, skip=2)
    with pytest.raises(StorageUnavailableError):
        run()
    assert layout.report_key("batch") not in aws.s3.objects
    assert run()["read"] == 4


def test_a_batch_without_a_single_row_is_a_batch(run: Any, aws: FakeAws) -> None:
    aws.s3.objects[KEY] = gzip.compress(line(b"broken"))
    answer = run()
    assert (answer["read"], answer["accepted"], answer["rejected"]) == (1, 0, 1)
    assert aws.s3.objects[f"copy/batch.{DIGEST}.csv"] == b""


@pytest.mark.parametrize(
    "body",
    [None, b"", b"no gzip", gzip.compress(RAW)[:-9]],
    ids=["gone", "empty", "no gzip", "cut off"],
)
def test_a_batch_that_can_not_be_read_may_be_discarded(
    run: Any, aws: FakeAws, body: bytes | None
) -> None:
    aws.s3.objects.pop(KEY)
    if body is not None:
        aws.s3.objects[KEY] = body
    with pytest.raises((BatchCorruptError, BatchMissingError)):
        handle({**EVENT, "purpose": "replay"}, LambdaContext())
    answer = handle({**EVENT, "purpose": "discard"}, LambdaContext())
    messages = layout.parse_raw_key(KEY).messages
    assert (answer["read"], answer["rejected"], answer["accepted"]) == (messages, messages, 0)
    report = json.loads(aws.s3.objects[answer["report_key"]])
    assert report["messages"] == messages
    assert report["rejected_by"] == {"unreadable_batch": messages}
    assert aws.s3.objects[answer["copy_key"]] == b""
