"""docs/repair.md, command by command against the whole pipeline; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli import context
from etl.cli.main import app
from etl.deployment.laptop import bring_up
from etl.operations.backfill import Backfill
from etl.operations.batches import batches_of, start_over
from etl.operations.executions import follow, start
from etl.operations.reconciliation import reconcile
from etl.operations.time_range import TimeRange
from telemetry.ddl import qualified
from tests.fixtures.wait_lines import without_wait_lines
from tests.unit.functions.transform.envelopes_for import line

CONTRACT = "contracts/fleet.toml"
TRIGGER = "schedule"  # which never comes: only this test starts anything
PAGE = Path(__file__).parents[2] / "docs" / "repair.md"
STEP = re.compile(r"<!-- test: (.*?) -->|(?<=```console\n)(.*?)(?=```)", re.DOTALL)
WIDTH = 100

pytestmark = pytest.mark.slow


def message(number: int, *temperatures: float) -> dict[str, object]:
    readings = [
        {"ts": f"2026-11-23T06:{number:02}:{second:02}Z", "temperature_c": value, "seq": second}
        for second, value in enumerate(temperatures)
    ]
    return {"device_id": "box-1", "readings": readings}


MONDAY = [message(n, 20.5, 21.0, 21.5, 99.0 if n < 2 else 22.0) for n in range(5)]
KILN = [message(10 + n, *[88.0 + n] * 30, 80.0) for n in range(4)]
TORN = [message(20, 19.0, 19.5)]
HOSTILE = b'\x1b]0;owned\x07{"temp": =1+1}'


class Story:
    """What happens between the commands of the page, and the day on which it happens."""

    def __init__(self, target: Target, folder: Path, today: date) -> None:
        self.target = target
        self.folder = folder
        self.today = today
        self.bodies = {
            "monday": self.body(MONDAY, extra=HOSTILE),
            "kiln": self.body(KILN),
            "torn": self.body(TORN),
        }

    def body(self, messages: list[dict[str, object]], extra: bytes | None = None) -> bytes:
        topic = {"topic": "telemetry/fleet/box-1", "client_id": "box-1"}
        lines = [line(m, n, **topic) for n, m in enumerate(messages, 1)]
        if extra is not None:
            other = {"topic": "telemetry/fleet/box-2", "client_id": "box-2"}
            lines.append(line(extra, 99, **other))
        return b"\n".join(lines)

    def key(self, batch: str) -> str:
        messages = self.bodies[batch].count(b"\n") + 1
        return f"raw/{self.today:%Y/%m/%d}/drain-1/{batch}.n{messages}.ndjson.gz"

    def put(self, batch: str, cut: int | None = None) -> None:
        body = gzip.compress(self.bodies[batch], mtime=0)[:cut]
        s3 = self.target.client("s3")
        s3.put_object(Bucket=self.target.bucket, Key=self.key(batch), Body=body)

    def begin(self) -> None:
        """An execution whose batches end in all the ways there are."""
        self.put("monday")
        self.put("kiln")
        self.put("torn", cut=40)
        keys = [self.key(batch) for batch in self.bodies]
        arn = start_over(self.target, batches_of(self.target, keys), "load", name="drain-1")
        *_, (execution, _) = follow(self.target, arn)
        assert "etl replay --execution drain-1" in (execution.cause or "")

    def put_the_whole_object_back(self) -> None:
        self.put("torn")

    def stage_a_batch_beyond_repair(self) -> None:
        self.bodies["beyond"] = self.body([message(50, 1.0), message(51, 2.0)])
        self.put("beyond", cut=40)

    def deploy_the_corrected_contract(self) -> None:
        corrected = self.folder / "corrected.toml"
        text = Path(CONTRACT).read_text(encoding="utf-8")
        corrected.write_text(
            text.replace("range = [-60, 85]", "range = [-60, 150]"), encoding="utf-8"
        )
        daily = "rate(1 day)"
        where = (self.target.state, self.target.stack, corrected)
        bring_up(*where, trigger="schedule", schedule=daily, sweep=daily)
        for name in ("outputs", "contract", "_description", "parameters"):
            self.target.__dict__.pop(name, None)

    def two_dead_letters_and_a_rule_error(self) -> None:
        sqs, outputs = self.target.client("sqs"), self.target.outputs
        payload = base64.b64encode(json.dumps(message(30, 18.0)).encode()).decode()
        for number in range(2):
            body = {"payload": payload, "topic": "telemetry/fleet/box-1", "client_id": "box-1"}
            body |= {"received_at": 1795414200000 + number}
            sqs.send_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody=json.dumps(body))
        error = {
            "ruleName": "TopicRule",
            "topic": "telemetry/fleet/box-1",
            "clientId": "box-1",
            "base64OriginalPayload": payload,
            "failures": [{"failedAction": "SqsAction", "errorMessage": "access denied"}],
        }
        sqs.send_message(QueueUrl=outputs["RuleErrorQueueUrl"], MessageBody=json.dumps(error))

    def table(self) -> list[tuple[object, ...]]:
        """Every row, with the transaction that wrote it."""
        with closing(self.target.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"SELECT xmin::text, * FROM {qualified(self.target.contract)} ORDER BY 2, 3"
            )
            found: list[tuple[object, ...]] = cursor.fetchall()
        return found

    def killed(self, command: str, until: Callable[[], list[str]]) -> list[str]:
        """Give a command, and kill it (SIGKILL) once the condition holds; what it gave."""
        given = ["--stack", self.target.stack, "--state", str(self.target.state)]
        process = subprocess.Popen(
            [sys.executable, "-m", "etl.cli.main", *given, *shlex.split(command)]
        )
        deadline = time.monotonic() + 120
        while not (found := until()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.wait()
        return found

    def normalized(self, text: str) -> str:
        """The output with everything that differs from one run to the next put aside."""
        text = re.sub(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", "2026-11-23 06:30:00", text)
        for separator in "-/":
            days = {f"{self.today + timedelta(days=n)}": f"2026-11-{23 + n}" for n in range(3)}
            days = {a.replace("-", separator): b.replace("-", separator) for a, b in days.items()}
            # All at once: one of the page's days may be another of today's.
            text = re.sub("|".join(days), lambda found, of=days: of[found[0]], text)
        text = re.sub(r"\b(replay|release|discard)-[0-9a-f]{16}\b", r"\1-5d0c3a7be1f24986", text)
        text = re.sub(r"\bbackfill-[0-9a-f]{12}", "backfill-2f61c09be8d7", text)
        text = re.sub(r"(?<=d7)-[0-9a-f]{16}\b", "-5d0c3a7be1f24986", text)
        text = re.sub(r"\([0-9a-f]{12}\)", "(7c19e02ab4f3)", text)
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "0b1f6c6e-message-id", text)
        return "\n".join(each.rstrip() for each in text.rstrip().splitlines())

    def etl(self, command: str) -> str:
        """What a command prints, on both of its streams."""
        day = datetime(2026, 11, 23).date()
        for ahead in range(3):
            then, now = day + timedelta(days=ahead), self.today + timedelta(days=ahead)
            command = command.replace(f"{then}", f"<{ahead}>").replace(f"<{ahead}>", f"{now}")
        program, *arguments = shlex.split(command)
        assert program == "etl"
        given = ["--stack", self.target.stack, "--state", str(self.target.state), *arguments]
        result = CliRunner().invoke(app, given)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        status = f"\n(exit status {result.exit_code})" if result.exit_code else ""
        return self.normalized(without_wait_lines(result.output)) + status

    def act(self, found: re.Match[str]) -> str:
        """One step of the page, as it should stand there."""
        if found[1]:
            step: Callable[[], None] = getattr(self, found[1].replace(" ", "_"))
            step()
            return found[0]
        lines = []
        for command in re.findall(r"^\$ (.*)$", found[2], re.MULTILINE):
            lines += [f"$ {command}", self.etl(command)]
        return "\n".join(each for each in lines if each) + "\n"


@pytest.fixture(scope="module")
def today() -> date:
    """The day of the story, to its end: midnight may come between two tests."""
    return datetime.now(UTC).date()


@pytest.fixture
def story(pipeline: Target, tmp_path: Path, today: date, monkeypatch: pytest.MonkeyPatch) -> Story:
    for console in (context.console, context.notes):
        monkeypatch.setattr(console, "_width", WIDTH)
    return Story(pipeline, tmp_path, today)


def test_the_page_shows_what_the_commands_print_and_nothing_is_lost_or_doubled(
    story: Story,
) -> None:
    story.begin()
    page = PAGE.read_text(encoding="utf-8")
    shown = STEP.sub(story.act, page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(shown, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == shown, (
        "docs/repair.md is not what the commands print now. Where the change is meant, run the "
        "test with UPDATE_GOLDEN=1 and review the difference."
    )
    readings = [r for m in (*MONDAY, *KILN, *TORN) for r in m["readings"]]  # type: ignore[attr-defined]
    redriven = 1  # the same reading from three letters
    *_, (drained, _) = follow(story.target, start(story.target, {}))
    assert drained.status == "SUCCEEDED"
    found = reconcile(story.target, 0)
    assert found.problems() == []
    assert found.rows == len(readings) + redriven
    kept = {(row[2].isoformat(), row[4]) for row in story.table()}  # type: ignore[attr-defined]
    sent = {(r["ts"].replace("Z", "+00:00"), r["temperature_c"]) for r in readings}
    assert kept == sent | {("2026-11-23T06:30:00+00:00", 18.0)}
    assert found.ledger.rejected_by == {"not_json": 1, "unreadable_batch": 2}


def test_everything_replayed_twice_changes_no_row(story: Story) -> None:
    before = story.table()
    assert before
    for _ in range(2):
        span = f"--from {story.today} --to {story.today + timedelta(days=2)}"
        assert "SUCCEEDED" in story.etl(f"etl replay {span} --yes")
        assert story.table() == before
        assert reconcile(story.target, 0).problems() == []


def test_a_backfill_that_is_killed_is_followed_and_finished(story: Story) -> None:
    began = datetime.now(UTC)
    for number in range(5):
        name = f"more-{number}"
        story.bodies[name] = story.body([message(40 + number, 15.0, 15.5)])
        story.put(name)
    span = TimeRange(began - timedelta(seconds=1), began + timedelta(hours=1))
    work = Backfill.of(story.target, span)
    # Throttled, the last step keeps the first execution running until the command is dead.
    functions = story.target.client("lambda")
    last = {"FunctionName": story.target.outputs["SummarizeFunctionName"]}
    functions.put_function_concurrency(**last, ReservedConcurrentExecutions=0)
    try:
        first = story.killed(
            f"backfill --from {span.start.isoformat()} --to {span.end.isoformat()} "
            "--piece 2 --concurrency 1 --yes",
            until=work.running,
        )
    finally:
        functions.delete_function_concurrency(**last)
    assert 0 < len(list(work.left())) <= 5
    ended = [step.execution for step in work.run(2, 1) if step.ended]
    assert {execution.status for execution in ended} == {"SUCCEEDED"}
    assert len({*first, *(execution.name for execution in ended)}) == 3
    # One outcome each: no batch went through it twice.
    own = [[o for o in b.outcomes if o.execution.startswith(work.id)] for b in work.all()]
    assert [len(outcomes) for outcomes in own] == [1] * 5
    assert list(work.left()) == []
    assert reconcile(story.target, 0).problems() == []
