"""Which executions and days a sweep looks at, what it reads of them, and what it reports."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from functions.sweep import handler, starting
from telemetry import metrics
from telemetry.layout import day_prefix, manifest_key
from telemetry.manifest import Item, manifest_body, parse_manifest
from tests.fixtures.aws_fakes import FakeAws, LambdaContext
from tests.integration.functions.sweep.test_the_sweep_function import ago, end, stage, sweep

__all__ = ["sweep"]


def test_a_manifest_says_more_exactly_than_a_prefix_what_is_processed(aws: FakeAws, sweep):
    prefix = f"{day_prefix(ago(0).date())}dead/"
    aws.states.started["listing"] = {"prefix": prefix}
    in_progress, left = stage(aws, "one"), stage(aws, "two")
    aws.s3.objects[manifest_key("listing")] = manifest_body([Item(in_progress, 10)])
    result = sweep()
    assert (result["running"], result["due"]) == (1, 1)
    name = result["execution"]
    assert parse_manifest(aws.s3.objects[manifest_key(name)], "m") == [Item(left, 10, "load")]


def test_the_manifest_is_the_one_that_the_execution_was_given(aws: FakeAws, sweep):
    aws.states.started["replay"] = {"manifest": "manifests/elsewhere.json"}
    key = stage(aws, "one")
    aws.s3.objects["manifests/elsewhere.json"] = manifest_body([Item(key, 10, "replay")])
    assert sweep()["running"] == 1


@pytest.mark.parametrize("text", [b"[{", b"{}", b'[{"size": 1}]'])
def test_a_manifest_that_can_not_be_read_stops_no_sweep(aws: FakeAws, sweep, text):
    aws.states.started["drain"] = {}
    aws.s3.objects[manifest_key("drain")] = text
    stage(aws, "its own", execution="drain")
    stage(aws, "lost")
    result = sweep()
    assert (result["running"], result["due"], result["started"]) == (1, 1, 1)


@pytest.mark.parametrize("given", ["[]", "null", "no JSON"])
def test_any_input_of_an_execution_is_lived_with(aws: FakeAws, sweep, monkeypatch, given):
    aws.states.started["odd"] = {}
    describe = aws.states.describe_execution
    monkeypatch.setattr(
        aws.states, "describe_execution", lambda **named: describe(**named) | {"input": given}
    )
    stage(aws, "its own", execution="odd")
    assert sweep()["running"] == 1


def test_a_settled_batch_is_settled_though_an_execution_runs_over_it(aws: FakeAws, sweep):
    key = stage(aws, "one")
    end(aws, key, "loaded")
    aws.states.started["replay"] = {"manifest": manifest_key("replay")}
    aws.s3.objects[manifest_key("replay")] = manifest_body([Item(key, 10, "replay")])
    result = sweep()
    assert (result["settled"], result["running"]) == (1, 0)


def test_of_two_failures_in_one_second_the_last_by_name_decides(aws: FakeAws, sweep):
    key, at = stage(aws, "one", age=9000), ago(8000)
    for by, error in (("a", "DatabaseBusyError"), ("b", "BatchCorruptError")):
        aws.s3.modified[end(aws, key, "failed", error=error, by=by)] = at
    assert sweep()["permanent"] == 1


def test_a_day_that_begins_tomorrow_is_looked_at(aws: FakeAws, sweep):
    stage(aws, "ahead", days=-1)
    assert sweep()["due"] == 1


def test_as_many_days_back_are_looked_at_as_are_asked_for(aws: FakeAws, sweep):
    for back in (0, 2, 3):
        stage(aws, f"b{back}", days=back)
    assert sweep(days=2, dry_run=True)["due"] == 2
    assert sweep(days=3, dry_run=True)["due"] == 3


def test_two_running_executions_keep_each_its_batches(aws: FakeAws, sweep):
    for name in ("one", "two"):
        key = stage(aws, name)
        aws.states.started[name] = {"manifest": manifest_key(name)}
        aws.s3.objects[manifest_key(name)] = manifest_body([Item(key, 10, "replay")])
    assert sweep()["running"] == 2


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"{"])
def test_an_outcome_of_another_shape_is_a_failure_of_unknown_kind(aws: FakeAws, sweep, body):
    key = stage(aws, "one", age=9000)
    aws.s3.objects[end(aws, key, "failed", age=8000)] = body
    assert sweep()["due"] == 1


def test_an_outcome_that_is_gone_is_a_failure_of_unknown_kind(aws: FakeAws, sweep, monkeypatch):
    key = stage(aws, "one", age=9000)
    outcome = end(aws, key, "failed", age=8000)
    describe = aws.s3.get_object

    def get_object(**named):
        if named["Key"] == outcome:
            aws.s3.objects.pop(outcome, None)
        return describe(**named)

    monkeypatch.setattr(aws.s3, "get_object", get_object)
    assert sweep()["due"] == 1


def test_outcomes_are_listed_after_the_batches(aws: FakeAws, sweep, monkeypatch):
    """One that ends between the two listings is settled; the other way round it would be due."""
    key = stage(aws, "one")
    pages = aws.s3.paginate

    def paginate(*, Bucket, Prefix):
        yield from list(pages(Bucket=Bucket, Prefix=Prefix))
        if key.startswith(Prefix):
            end(aws, key, "loaded")

    monkeypatch.setattr(aws.s3, "paginate", paginate)
    assert sweep()["settled"] == 1


def test_an_execution_that_ends_while_the_sweep_looks_is_taken_for_running(
    aws: FakeAws, sweep, monkeypatch
):
    """Its batches may have been loaded by it a moment later: they are left to the next sweep."""
    key = stage(aws, "one")
    aws.states.started["replay"] = {"manifest": manifest_key("replay")}
    aws.s3.objects[manifest_key("replay")] = manifest_body([Item(key, 10, "replay")])
    pages = aws.s3.paginate

    def paginate(*, Bucket, Prefix):
        yield from list(pages(Bucket=Bucket, Prefix=Prefix))
        aws.states.ended["replay"] = ago(0)

    monkeypatch.setattr(aws.s3, "paginate", paginate)
    result = sweep()
    assert (result["running"], result["due"]) == (1, 0)


def test_the_oldest_batches_come_first(aws: FakeAws, sweep, monkeypatch):
    monkeypatch.setattr(handler, "MOST_BATCHES", 2)
    keys = [stage(aws, name, age=age) for name, age in (("a", 100), ("b", 300), ("c", 200))]
    name = sweep()["execution"]
    items = parse_manifest(aws.s3.objects[manifest_key(name)], "m")
    assert [item.key for item in items] == [keys[1], keys[2]]


def test_what_waits_for_a_person_is_named_as_far_as_it_fits_and_counted(
    aws: FakeAws, sweep, capsys
):
    for number in range(15):
        end(aws, stage(aws, f"bad{number:02}"), "failed", error="BatchCorruptError")
    for number in range(10):
        key = stage(aws, f"odd{number:02}", age=90_000)
        for attempt in range(10):
            end(aws, key, "failed", error="Unknown", age=80_000, by=f"run-{attempt}")
    result = sweep()
    assert (result["permanent"], result["exhausted"]) == (15, 10)
    assert len(result["for_a_person"]) == 20
    assert sum("odd" in key for key in result["for_a_person"]) == 5
    assert metric("BatchesNeedAttention", capsys) == [25]


def test_batches_are_counted_as_swept_only_where_an_execution_was_started(
    aws: FakeAws, sweep, capsys
):
    stage(aws, "lost")
    assert sweep(dry_run=True)["due"] == 1
    assert metric("BatchesSwept", capsys) == [0]
    name = sweep()["execution"]
    assert metric("BatchesSwept", capsys) == [1]
    aws.states.ended[name] = ago(5)
    result = sweep()
    assert (result["due"], result["execution"], result["started"]) == (1, None, 0)
    assert metric("BatchesSwept", capsys) == [0]


def test_an_execution_over_the_same_batches_that_runs_already_is_the_answer(
    aws: FakeAws, sweep, monkeypatch
):
    stage(aws, "lost")
    name = sweep()["execution"]
    # It was started after this sweep had listed the executions.
    monkeypatch.setattr(aws.states, "paginate", lambda **_: iter(()))
    assert sweep()["execution"] == name
    assert list(aws.states.started) == [name]


def test_executions_that_end_without_a_trace_are_followed_so_often_and_no_oftener(
    aws: FakeAws, sweep, capsys
):
    stage(aws, "lost", age=9000)
    for number in range(starting.MOST_ATTEMPTS):
        name = sweep()["execution"]
        assert name is not None, number
        aws.states.ended[name] = ago(timedelta(hours=1).total_seconds())
    assert '"level":"ERROR"' not in capsys.readouterr().out
    assert sweep()["execution"] is None
    assert '"level":"ERROR"' in capsys.readouterr().out  # a person is to look


def metric(name: str, capsys) -> list[float]:
    """The values of a metric since the last look."""
    metrics.flush()
    found = []
    for line in capsys.readouterr().out.splitlines():
        content = json.loads(line)
        if "_aws" in content and name in content:
            value = content[name]
            found += value if isinstance(value, list) else [value]
    return found


def test_the_function_answers_lambda(aws: FakeAws, sweep):
    assert handler.handle({}, LambdaContext())["days"] == handler.DAYS
