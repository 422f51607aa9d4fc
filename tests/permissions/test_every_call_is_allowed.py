"""What the pipeline does in a whole run, and what AWS does for it, is allowed by what is deployed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.permissions.machine import tasks
from tests.permissions.run import Recording
from tests.permissions.statements import statement_names
from workflow.inventory import FUNCTIONS

pytestmark = pytest.mark.slow


def test_the_run_had_every_function_at_work(recording: Recording) -> None:
    at_work = Counter(call.function for call in recording.calls)
    assert set(at_work) == {spec.name for spec in FUNCTIONS}


def test_the_run_went_through_every_kind_of_state(recording: Recording) -> None:
    kinds = {s["Resource"] for s in tasks(recording.stack).values() if s["Type"] == "Task"}
    services = {kind for kind in kinds if not kind.endswith(":lambda:invoke")}
    assert services == {
        "arn:aws:states:::sns:publish",
        "arn:aws:states:::aws-sdk:s3:putObject",
    }
    assert any("sns:publish" in str(one) for one in recording.told)
    assert any(key.endswith(".failed.json") for key in recording.keys)
    assert any(key.endswith(".quarantined.json") for key in recording.keys)


def test_every_statement_of_the_template_is_deployed(recording: Recording) -> None:
    deployed = [one.name for one in recording.policies.statements if one.name]
    assert sorted(deployed) == sorted(statement_names())


def test_all_that_is_asked_for_is_allowed(recording: Recording) -> None:
    missing = [str(r) for r in recording.asked if not recording.policies.allow(r)]
    assert missing == []


def test_what_must_be_refused_is_refused(recording: Recording) -> None:
    open_doors = [str(r) for r in recording.refused if recording.policies.allow(r)]
    assert open_doors == []
