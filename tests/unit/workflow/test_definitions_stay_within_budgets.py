"""Payloads and histories are bounded by reading the definition, for any number of batches."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest

from functions.inventory import function
from telemetry.manifest import MOST_DRAINS
from workflow.budgets import history_events, largest_payloads
from workflow.editor import WorkflowEditor
from workflow.limits import HISTORY_EVENTS, PAYLOAD, definition_problems

OWN = "arn:aws:lambda:eu-central-1:123456789012:function:own"


@pytest.fixture
def changed(definition: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(definition)


def problems(definition: dict[str, Any]) -> str:
    return "\n".join(definition_problems(definition))


def test_every_state_has_a_bound_and_it_is_within_the_limit(definition):
    bounds = largest_payloads(definition)
    maps = (definition["States"][name] for name in ("Load batches", "Load drained batches"))
    children = {name for state in maps for name in state["ItemProcessor"]["States"]}
    assert set(bounds) == set(definition["States"]) | children
    assert max(bounds.values()) <= PAYLOAD.most, bounds


def test_references_are_a_few_kilobytes_and_only_errors_are_long(definition):
    bounds = largest_payloads(definition)
    for name in ("Extract", "Load batches", "Summarize", "Transform", "Validate", "Load"):
        assert bounds[name] < PAYLOAD.most / 4, name
    assert max(bounds, key=lambda name: bounds[name]) == "Notify: error"


def test_the_history_is_bounded_with_every_retry_of_every_state(definition):
    retries = sum(
        retry["MaxAttempts"]
        for state in definition["States"].values()
        for retry in state.get("Retry", ())
    )
    assert retries < history_events(definition) < HISTORY_EVENTS.most / 2


def test_a_drain_loop_leaves_room_for_states_of_ones_own(definition):
    editor = WorkflowEditor(definition)
    for number in range(3):
        editor.insert_after("Extract", editor.invoke(f"Own {number}", OWN))
    assert list(definition_problems(editor.definition())) == []


def test_without_its_wait_the_drain_loop_is_refused(changed):
    states = changed["States"]
    del states["Wait for the next drain"]
    states["Load drained batches"]["Next"] = "Extract"
    states["Anything staged?"]["Choices"][1]["Next"] = "Extract"
    assert "['Anything staged?', 'Extract', 'Load drained batches'] form a loop" in problems(
        changed
    )


def test_a_payload_that_grows_with_each_drain_is_refused(changed):
    changed["States"]["Extract"]["OutputPath"] = "$.input"  # with all that came with it
    assert "its payload may become without bound" in problems(changed)


def test_a_map_that_keeps_its_results_is_refused(changed):
    changed["States"]["Load batches"]["ResultPath"] = "$.results"
    assert "Load batches: its payload may become without bound" in problems(changed)
    assert largest_payloads(changed)["Summarize"] == math.inf


def test_a_map_in_the_history_of_its_machine_is_refused(changed):
    each = changed["States"]["Load batches"]
    each["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}
    assert "the history grows with the items" in problems(changed)


def test_a_loop_is_refused(changed):
    changed["States"]["Summarize"]["Next"] = "Already staged?"
    assert "form a loop" in problems(changed)


def test_a_catch_that_leads_back_is_a_loop(changed):
    changed["States"]["Summarize"]["Catch"][0]["Next"] = "Load batches"
    assert "['Load batches', 'Summarize']" in problems(changed)


def test_too_many_retries_are_refused(changed):
    changed["States"]["Extract"]["Retry"][0]["MaxAttempts"] = 5_000
    assert "events, 25,000 at most" in problems(changed)


def test_a_function_whose_answer_has_no_bound_is_refused(changed):
    changed["States"]["Summarize"]["Parameters"]["FunctionName"] = "${MigrateFunctionArn}"
    assert "Summarize: its payload may become without bound" in problems(changed)


def test_an_error_is_reported_once_not_many_times(changed):
    message = changed["States"]["Notify: error"]["Parameters"]
    message["Message.$"] = "States.Format('{}{}', States.JsonToString($), States.JsonToString($))"
    assert "Notify: error: its payload may become" in problems(changed)


KEY = "raw/2026/11/23/" + "e" * 80 + "/" + "b" * 920
LONGEST = {
    "extract": {
        "bucket": "b" * 63,
        "prefix": KEY,
        "manifest": KEY,
        "batches": 10**9,
        "messages": 10**12,
        "bytes": 10**15,
        "concurrency": 1000,
        "manifest_sha256": "f" * 64,
        "again": {
            "at": "2026-11-23T10:00:00.000Z",
            "until": "2026-11-23T10:00:00.000Z",
            "every": 1 / 3,
            "drain": 10**9,
            "loaded": list(range(MOST_DRAINS)),
        },
        "whole": {"manifest": KEY, "manifest_sha256": "f" * 64, "batches": 10**9},
    },
    "transform": {
        "bucket": "b" * 63,
        "batch_id": KEY,
        "raw_key": KEY,
        "execution": "e" * 80,
        "purpose": "release",
        "report_key": KEY,
        "copy_key": KEY,
        **dict.fromkeys(
            ("read", "accepted", "duplicates", "conflicts", "rejected", "set_aside"), 10**12
        ),
    },
    "load": {
        "batch_id": KEY,
        "status": "quarantined",
        **dict.fromkeys(("inserted", "updated", "unchanged"), 10**12),
        "repeated": False,
    },
}


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_keys_fit_the_answers_bound(name):
    assert len(KEY) >= 1010
    assert len(json.dumps(LONGEST[name])) < function(name).answer
