"""A manifest names the batches of an execution, each once, with why it is processed."""

import hashlib

import pytest

from telemetry.errors import BatchCorruptError, ConfigurationError
from telemetry.manifest import (
    ExecutionInput,
    Item,
    execution_arn,
    manifest_body,
    parse_manifest,
    purpose_of,
)


def test_a_manifest_comes_back_in_the_order_of_the_keys():
    items = [Item("raw/b", 2, "replay"), Item("raw/a", 1)]
    assert parse_manifest(manifest_body(items), "m") == [items[1], items[0]]
    assert manifest_body(items) == manifest_body(reversed(items))


def test_a_batch_that_is_named_twice_is_processed_once():
    assert parse_manifest(manifest_body([Item("a", 1), Item("a", 1)]), "m") == [Item("a", 1)]


@pytest.mark.parametrize("body", [b"", b"{", b"3", b'[{"key": "a"}]', b"[1]", b'[{"size": 1}]'])
def test_what_is_no_manifest_is_named(body):
    with pytest.raises(BatchCorruptError, match="manifests/x"):
        parse_manifest(body, "manifests/x")


def test_a_purpose_is_one_of_five():
    assert purpose_of({}) == "load"
    assert purpose_of({}, "replay") == "replay"
    assert purpose_of({"purpose": "discard"}) == "discard"
    with pytest.raises(ConfigurationError, match="load, replay, repair, release, discard"):
        purpose_of({"purpose": "destroy"})


def test_the_input_of_an_execution_counts_its_batches():
    items = [
        Item("raw/2026/11/23/run/a.n10.ndjson.gz", 7),
        Item("raw/2026/11/23/run/b.n3.ndjson.gz", 5),
    ]
    given = ExecutionInput.of("bucket", "sweep-1", items, concurrency=4)
    assert given.as_dict() == {
        "bucket": "bucket",
        "manifest": "manifests/sweep-1.json",
        "batches": 2,
        "concurrency": 4,
        "messages": 13,
        "bytes": 12,
        "manifest_sha256": hashlib.sha256(manifest_body(items)).hexdigest(),
    }
    assert set(ExecutionInput.required()) == {"bucket", "manifest", "batches", "concurrency"}


def test_the_arn_of_an_execution_follows_from_its_machine():
    machine = "arn:aws:states:eu-west-1:1:stateMachine:telemetry"
    assert execution_arn(machine, "a") == "arn:aws:states:eu-west-1:1:execution:telemetry:a"


def test_another_manifest_than_the_input_names_is_refused():
    items = [Item("raw/a", 1), Item("raw/b", 2)]
    given = ExecutionInput.of("bucket", "run", items, concurrency=1)
    body = manifest_body(items)
    assert parse_manifest(body, "m", given.manifest_sha256) == items
    for altered in (manifest_body(items[:1]), body.replace(b"load", b"replay"), body + b" ", b"[]"):
        with pytest.raises(BatchCorruptError, match="manifests/x is not the one that was written"):
            parse_manifest(altered, "manifests/x", given.manifest_sha256)
