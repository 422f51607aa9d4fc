"""``etl status``: each check is one line, and its exit status says whether a person is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli import status
from etl.cli.context import message_of
from etl.cli.main import app
from etl.operations import pipeline_status
from etl.operations.alarms import Alarm
from etl.operations.arrival_latency import ArrivalLatency
from etl.operations.pipeline_status import LedgerFacts, PipelineStatus, in_words
from etl.operations.triggers import Trigger
from etl.operations.verdict import Reason, Verdict
from telemetry.errors import ContractError


class Refusal(psycopg2.ProgrammingError):
    """An error of PostgreSQL with the SQLSTATE that psycopg2 would read of its answer."""

    pgcode = ""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.pgcode = code


AT = datetime(2026, 11, 29, 9, tzinfo=UTC)
LEDGER = LedgerFacts(quarantined=0, last_load_seconds=8, newest_reading_seconds=150)
HEALTHY = PipelineStatus(
    at=AT,
    queued=12,
    oldest_message_seconds=65,
    dead_lettered=0,
    rule_errors=0,
    executions={"succeeded": 3},
    failed=0,
    unprocessed={},
    ledger=LEDGER,
    verdict=Verdict((Reason("under way", "12 messages are in the queue"),)),
    triggers=(Trigger("queue", True, "6a1b"), Trigger("schedule", True, "s", "rate(1 minute)")),
)
ALARM = Alarm(
    name="telemetry-batches-failed",
    short="batches-failed",
    state="ALARM",
    since=AT,
    reason="Threshold crossed",
    description="Batches failed. See docs/runbook.md#batches-failed.",
    actions=(),
)
NEED_ATTENTION: dict[str, tuple[dict[str, Any], str, str]] = {
    "a failed execution left batches": (
        {"failed": 2, "unprocessed": {"exec-1": 3}},
        "2 in the last 24 hours; 1 of them left 3 batches unprocessed",
        "etl replay --failed",
    ),
    "the last execution failed": (
        {"failed": 1, "last_failed": "exec-9"},
        "the last execution among them: exec-9",
        "etl trace exec-9",
    ),
    "an alarm is firing": (
        {"firing": (ALARM,)},
        "Batches failed (alarm batches-failed). Firing since 2026-11-29 09:00 UTC.",
        "docs/runbook.md#batches-failed",
    ),
    "dead letters": (
        {"dead_lettered": 1},
        "1 message in the dead-letter queue",
        "etl dlq redrive",
    ),
    "errors of the topic rule": (
        {"rule_errors": 2},
        "2 messages in the topic rule's error queue",
        "etl dlq redrive --queue rule-errors",
    ),
    "quarantine": (
        {"ledger": replace(LEDGER, quarantined=2)},
        "2 batches in quarantine",
        "etl quarantine list",
    ),
    "readings are missing": (
        {"verdict": Verdict((Reason("not balanced", "1 batch failed", "etl replay --batch b"),))},
        "1 batch failed",
        "etl replay --batch b",
    ),
    "messages wait and each trigger is off": (
        {"triggers": (Trigger("queue", False, "6a1b"),)},
        "12 messages wait in the queue, and no trigger drains it: the queue's trigger is off",
        "etl triggers enable",
    ),
    "the triggers can't be read": (
        {"triggers": None},
        "may not read them",
        "etl settings policy reader",
    ),
    "the database can't be reached": (
        {"ledger": None, "verdict": None, "database_error": "refused"},
        "can't be read: refused",
        "etl doctor",
    ),
}


def test_messages_that_are_under_way_need_nobody() -> None:
    assert HEALTHY.healthy
    assert not HEALTHY.as_dict()["problems"]
    lines = {check.name: check.sentence for check in HEALTHY.checks}
    assert lines["backlog"] == "12 messages in the queue, the oldest waiting for 65 seconds"
    assert lines["lag"] == (
        "rows were last loaded 8 seconds ago; the newest reading is 2 minutes old"
    )
    assert lines["failed executions"] == "none in the last 24 hours"
    assert "latency" not in lines  # nothing was loaded in the last hour


def test_the_latency_of_the_last_hour_only_informs() -> None:
    latency = ArrivalLatency(newest=0.25, oldest=1.2, longest=65)
    fresh = replace(HEALTHY, ledger=replace(LEDGER, latency=latency))
    line = next(check for check in fresh.checks if check.name == "latency")
    assert line.well is None
    assert line.sentence == (
        "in the last hour, rows followed the arrival of their message by 250 ms (newest of a "
        "batch) to 1.20 s (oldest), 1 min 5 s at most"
    )
    assert fresh.as_dict()["latency_seconds"] == {"newest": 0.25, "oldest": 1.2, "longest": 65}
    assert HEALTHY.as_dict()["latency_seconds"] is None


def test_a_trigger_that_is_off_is_no_problem_while_the_other_one_drains_or_nothing_waits() -> None:
    off, on = Trigger("queue", False, "6a1b"), Trigger("schedule", True, "s", "rate(1 minute)")
    lines = {check.name: check for check in replace(HEALTHY, triggers=(off, on)).checks}
    sentence = "the queue's trigger is off; the schedule rate(1 minute) is on"
    assert (lines["triggers"].sentence, lines["triggers"].well) == (sentence, None)
    assert replace(HEALTHY, queued=0, triggers=(off,)).healthy


def test_a_failed_execution_whose_batches_were_loaded_since_needs_nobody() -> None:
    repaired = replace(HEALTHY, failed=2)
    assert repaired.healthy
    assert repaired.checks[0].sentence == (
        "2 in the last 24 hours; their batches were processed since"
    )


@pytest.mark.parametrize("case", NEED_ATTENTION)
def test_what_needs_attention_is_one_line_with_its_remedy(case: str) -> None:
    changes, sentence, remedy = NEED_ATTENTION[case]
    found = replace(HEALTHY, **changes)
    assert not found.healthy
    problems = found.as_dict()["problems"]
    assert sentence in problems[-1]["sentence"]
    assert problems[-1]["remedy"] == remedy


@pytest.mark.parametrize(
    ("found", "exit_code"), [(HEALTHY, 0), (replace(HEALTHY, dead_lettered=1), 1)]
)
@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_status_says_whether_a_person_is_needed(
    monkeypatch: pytest.MonkeyPatch, found: PipelineStatus, exit_code: int, as_json: bool
) -> None:
    monkeypatch.setattr(status, "target_of", lambda _options: SimpleNamespace())
    monkeypatch.setattr(status, "_facts", lambda _target: {"stack": "plant"})
    monkeypatch.setattr(status, "gather_status", lambda _target: found)
    command = ["--region", "eu-central-1", "status", *(["--json"] if as_json else [])]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == exit_code
    if as_json:
        shown = json.loads(result.stdout)
        assert (shown["stack"], shown["healthy"]) == ("plant", exit_code == 0)
    else:
        assert ("✗ dead letters" in result.stdout) == (exit_code == 1)


def test_wrong_arguments_have_an_exit_status_of_their_own() -> None:
    assert CliRunner().invoke(app, ["status", "--jsn"]).exit_code == 2


def test_a_database_that_is_away_leaves_only_its_own_facts_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: Any) -> None:
        raise psycopg2.OperationalError("connection\nrefused")

    monkeypatch.setattr(psycopg2, "connect", refuse)
    target: Any = SimpleNamespace(database_settings=dict)
    assert pipeline_status._of_database(target) == (None, None, "connection refused")


@pytest.mark.parametrize("secret", ["no json", "[]", '{"username": "loader"}'])
def test_a_secret_without_a_login_is_named_and_not_quoted(secret: str) -> None:
    vault = SimpleNamespace(get_secret_value=lambda **_: {"SecretString": secret})
    target = Target("plant", "eu-central-1", _clients={"secretsmanager": vault})
    target.__dict__["outputs"] = {"LoaderSecretArn": "arn"}
    facts, verdict, error = pipeline_status._of_database(target)
    assert (facts, verdict) == (None, None)
    assert "database role loader holds no login" in error
    assert secret not in error


def test_a_table_that_is_missing_or_refused_is_a_sentence_with_what_helps() -> None:
    missing = Refusal("42P01", 'relation "etl.ledger" does not exist\nLINE 1: ...')
    assert message_of(missing) == (
        "The database is not as this version expects it; `etl deploy` migrates it: relation "
        '"etl.ledger" does not exist'
    )
    refused = Refusal("42501", "permission denied for table ledger")
    assert "`etl deploy` grants it again" in str(message_of(refused))
    assert message_of(Refusal("42601", "syntax error")) is None


@pytest.mark.parametrize("error", [ContractError("no TOML"), psycopg2.OperationalError("away")])
def test_a_script_gets_json_where_nothing_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_target: Any) -> None:
        raise error

    monkeypatch.setattr(status, "target_of", lambda _options: SimpleNamespace())
    monkeypatch.setattr(status, "_facts", refuse)
    result = CliRunner().invoke(app, ["--region", "eu-central-1", "status", "--json"])
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert (shown["healthy"], len(shown["problems"])) == (False, 1)
    assert str(error) in shown["problems"][0]["sentence"]


def test_a_script_gets_json_where_there_is_no_stack(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--state", str(tmp_path), "status", "--json"])
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert (shown["healthy"], shown["problems"][0]["check"]) == (False, "stack")
    assert "`etl up`" in shown["problems"][0]["sentence"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (5_400, "90 minutes"),
     (7_200, "2 hours"), (200_000, "2 days"), (-5, "0 seconds")],
)  # fmt: skip
def test_durations_are_in_units_that_a_person_reads(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
