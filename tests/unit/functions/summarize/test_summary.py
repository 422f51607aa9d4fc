"""How an execution is judged from what was staged and how each batch ended."""

import json

import pytest

from functions.inventory import function
from functions.summarize.summary import summarize

PREFIX = "raw/2026/11/23/run/"


def key(number: int) -> str:
    return f"{PREFIX}run-abcdef-{number:04d}.n10.ndjson.gz"


def loaded(number: int, status="loaded", **counts):
    known = {"read": 10, "accepted": 8, "duplicates": 1, "rejected": 1}
    rows = {"inserted": 5, "updated": 2, "unchanged": 1}
    return {"raw_key": key(number), "status": status, **known, **rows, **counts}


def broken(number: int, cause="why", error="BatchCorruptError"):
    return {"raw_key": key(number), "status": "failed", "error": error, "cause": cause}


def judge(staged: int, outcomes, tolerated=0.0):
    keys = [key(number) for number in range(staged)]
    return summarize(keys, outcomes, execution="run", tolerated=tolerated)


def test_all_loaded_is_a_success_and_adds_up():
    result = judge(2, [loaded(0), loaded(1, inserted=7, updated=0)])
    assert result["status"] == "succeeded"
    assert (result["batches"], result["loaded"], result["failed"]) == (2, 2, 0)
    assert (result["read"], result["duplicates"], result["rejected"]) == (20, 2, 2)
    assert (result["inserted"], result["updated"], result["unchanged"]) == (12, 2, 2)
    assert result["failures"] == []
    assert "2 of 2 batches loaded" in result["message"]
    assert "etl replay" not in result["message"]


def test_messages_set_aside_add_up_and_are_reported():
    result = judge(2, [loaded(0, set_aside=3), loaded(1)])
    assert result["set_aside"] == 3
    assert "3 set aside" in result["message"]


def test_a_quarantined_batch_is_no_failure():
    rows = {"inserted": 0, "updated": 0, "unchanged": 0}
    result = judge(2, [loaded(0), loaded(1, "quarantined", **rows)])
    assert (result["status"], result["loaded"], result["quarantined"]) == ("succeeded", 1, 1)


def test_a_discarded_batch_is_no_failure():
    result = judge(1, [loaded(0, "discarded")])
    assert (result["status"], result["loaded"], result["discarded"]) == ("succeeded", 0, 1)
    assert "1 discarded" in result["message"]


def test_a_failed_batch_fails_the_execution_and_says_how_to_repair_it():
    result = judge(2, [loaded(0), broken(1)])
    assert (result["status"], result["failed"]) == ("failed", 1)
    assert result["failures"] == [{"raw_key": key(1), "error": "BatchCorruptError", "cause": "why"}]
    assert key(1) in result["message"]
    assert "etl replay --execution run" in result["message"]


@pytest.mark.parametrize(
    ("tolerated", "status"), [(0.0, "failed"), (0.24, "failed"), (0.25, "partial"), (1, "partial")]
)
def test_a_tolerated_share_makes_it_partial(tolerated, status):
    outcomes = [loaded(0), loaded(1), loaded(2), broken(3)]
    assert judge(4, outcomes, tolerated)["status"] == status


def test_a_batch_that_ended_without_a_trace_failed():
    result = judge(2, [loaded(0)])
    assert result["failures"][0]["raw_key"] == key(1)
    assert result["failures"][0]["error"] == "BatchLost"


@pytest.mark.parametrize("turned", [False, True])
def test_a_batch_that_failed_and_then_was_loaded_is_loaded(turned):
    outcomes = [broken(0), loaded(0)]
    result = judge(1, outcomes[::-1] if turned else outcomes)
    assert (result["status"], result["loaded"]) == ("succeeded", 1)


def test_outcomes_of_other_batches_do_not_count():
    assert judge(1, [loaded(0), loaded(7)])["read"] == 10


def test_unreadable_outcomes_leave_their_batch_failed():
    assert judge(1, [{}, {"status": "loaded"}])["failed"] == 1


def test_five_failures_are_reported_and_the_rest_counted():
    result = judge(9, [broken(number) for number in range(9)])
    assert (len(result["failures"]), result["failed"]) == (5, 9)
    assert "and 4 more" in result["message"]


def test_a_cause_is_cut_and_taken_out_of_lambdas_json():
    cause = json.dumps({"errorMessage": "x" * 400, "errorType": "E", "stackTrace": ["y" * 9000]})
    told = judge(1, [broken(0, cause)])["failures"][0]["cause"]
    assert told == "x" * 299 + "…"
    assert judge(1, [broken(0, "[" * 99_999)])["failures"][0]["cause"].startswith("[[[")


def test_the_result_stays_small_however_many_fail():
    result = judge(10_000, [broken(number, "c" * 5000) for number in range(10_000)])
    assert len(json.dumps(result)) < function("summarize").answer


def test_nothing_staged_is_nothing_failed():
    assert judge(0, [])["status"] == "succeeded"


def test_what_a_device_sent_is_one_escaped_line_of_the_email():
    cause = "refused\nDETAIL: (\x1b]0;x\x07, \u202e\x00)\r\nExecution run: 9 of 9 batches loaded"
    for text in (cause, json.dumps({"errorMessage": cause})):
        message = judge(1, [broken(0, text)])["message"]
        assert [line for line in message.splitlines() if line.startswith("Execution")] == (
            message.splitlines()[:1]
        )
        assert all(character.isprintable() or character == "\n" for character in message)
        assert r"refused DETAIL: (\x1b]0;x\x07, \u202e\x00) Execution run" in message
