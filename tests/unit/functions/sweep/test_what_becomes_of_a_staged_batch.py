"""The sweep's decision: which staged batches nobody takes care of, and what to do about each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.sweep.batch_state import Running, classify, execution_name, wait_after
from telemetry.batches import Batch, Outcome
from telemetry.errors import PermanentError, TransientError, names_of
from telemetry.layout import OutcomeKey, parse_raw_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GRACE = timedelta(minutes=15)
KEY = "raw/2026/11/23/staging/batch-1.n10.ndjson.gz"


def batch(*outcomes: Outcome, age: timedelta = timedelta(days=1), key: str = KEY) -> Batch:
    raw = parse_raw_key(key)
    assert raw is not None
    return Batch(raw, key, 100, NOW - age, tuple(sorted(outcomes, key=lambda o: o.written_at)))


def ended(status: str, age: timedelta = timedelta(hours=5), execution: str = "run") -> Outcome:
    return Outcome(OutcomeKey(KEY, execution, status), NOW - age)


def decide(*outcomes, error: str = "", age=timedelta(days=1), running: Running | None = None):
    one = batch(*outcomes, age=age)
    return classify(one, {KEY: error}, running or Running(), now=NOW, grace=GRACE)


def test_a_batch_without_any_outcome_is_due_after_its_grace():
    assert decide() == "due"
    assert decide(age=GRACE) == "due"
    assert decide(age=GRACE - timedelta(seconds=1)) == "young"


@pytest.mark.parametrize("status", ["loaded", "quarantined", "discarded"])
def test_what_has_a_ledger_row_is_settled_whatever_else_happened(status):
    assert decide(ended(status)) == "settled"
    assert decide(ended("failed"), ended(status, execution="later")) == "settled"
    assert decide(ended(status), ended("failed", execution="later")) == "settled"


@pytest.mark.parametrize(
    "running",
    [
        Running(names={"staging"}),
        Running(keys={KEY}),
        Running(prefixes={"raw/2026/11/23/"}),
    ],
    ids=["staged by it", "named by its manifest", "below its prefix"],
)
def test_what_a_running_execution_deals_with_is_left_to_it(running):
    assert decide(running=running) == "running"
    assert decide(ended("failed"), error="DatabaseBusyError", running=running) == "running"


def test_other_executions_that_run_do_not_matter():
    others = Running(names={"stag"}, keys={KEY + "x"}, prefixes={"raw/2026/11/24/"})
    assert decide(running=others) == "due"


@pytest.mark.parametrize("error", names_of(PermanentError))
def test_what_failed_for_good_is_left_for_a_person(error):
    assert decide(ended("failed"), error=error) == "permanent"


@pytest.mark.parametrize("error", sorted({*names_of(TransientError)} - {"SchemaBehindError"}))
def test_what_failed_for_a_while_is_tried_again_for_ever(error):
    failures = [ended("failed", execution=f"run-{n}") for n in range(50)]
    assert decide(*failures, error=error) == "due"


@pytest.mark.parametrize(
    "error", ["Lambda.Unknown", "States.Timeout", "", "KeyError", "SchemaBehindError"]
)
def test_what_may_never_pass_is_tried_ten_times(error):
    failures = [ended("failed", execution=f"run-{n}") for n in range(10)]
    assert decide(*failures[:9], error=error) == "due"
    assert decide(*failures, error=error) == "exhausted"


def test_a_schema_that_stays_behind_needs_attention_after_hours_longer_than_a_deployment():
    waits = sum((wait_after(n, GRACE) for n in range(1, 10)), timedelta())
    assert timedelta(hours=6) < waits < timedelta(hours=12)


def test_it_rests_longer_after_each_failure():
    waits = [wait_after(n, GRACE) / GRACE for n in range(1, 6)]
    assert waits == [1, 2, 4, 4, 4]  # an hour at most
    assert decide(ended("failed", GRACE), error="DatabaseBusyError") == "due"
    just_now = [ended("failed", timedelta(minutes=29)), ended("failed", timedelta(days=1), "b")]
    assert decide(*just_now, error="DatabaseBusyError") == "waiting"


@given(st.integers(1, 10**6), st.integers(1, 10**5))
def test_a_rest_has_an_end(failures, seconds):
    grace = timedelta(seconds=seconds)
    rest = wait_after(failures, grace)
    assert grace <= rest <= max(timedelta(hours=1), grace)
    assert wait_after(failures + 1, grace) >= rest


def test_the_same_batches_with_the_same_history_give_the_same_name():
    first, second = batch(), batch(key=KEY.replace("batch-1", "batch-2"))
    name = execution_name([first, second])
    assert execution_name([second, first]) == name
    assert execution_name([first]) != name
    assert execution_name([batch(ended("failed")), second]) != name
    assert execution_name([first, second], attempt=1) == f"{name}-1"
    assert len(name) <= 70
