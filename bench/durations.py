"""Resource usage of each function per micro-batch: the figures behind ``etl cost``.

Usage: ``python -m bench.durations [--quick]``; ``--quick`` only prints a few measurements. The
handlers run in this process, on the packaged contract, against the laptop's S3, SQS, Step Functions
and PostgreSQL, with batches of several sizes. Recorded for each call: processor seconds of this
process, wall-clock seconds in the database, AWS requests by operation, bytes logged. A linear model
of each (an amount per call, per message and per reading) is written to ``etl/cost/measured.json``.

Wall-clock seconds against the emulator are not used: the response times of AWS can't be measured
here, and ``etl/cost/durations.py`` has the assumed ones.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import messages
from bench.linear_fit import fit
from bench.machine import processor
from etl.aws.target import Target
from etl.deployment.laptop import bring_up
from functions.extract.batches import compress
from functions.transform.handler import transform as whole_transform
from local.stack import stop
from telemetry import clients, layout
from telemetry.contract import load_contracts

OUTPUT = Path(__file__).parents[1] / "etl" / "cost" / "measured.json"
BATCHES = ((20, 50), (200, 50), (700, 50), (200, 20), (1_500, 20), (200, 1), (2_000, 1), (8_000, 1))
"""Sizes: messages, and readings per message."""
QUICK_BATCHES = ((50, 20), (100, 1))
ROUNDS = 3
SERVICES = ("s3", "sqs", "stepfunctions", "secretsmanager")
SEND_BATCH = 10


@dataclass
class Call:
    """One call of a handler."""

    function: str
    messages: int
    readings: int
    cpu: float
    """Processor seconds of this process, all threads."""
    database: float = 0.0
    """Wall-clock seconds of Load's transaction."""
    logged: int = 0
    """Bytes on standard output."""
    requests: dict[str, int] = field(default_factory=dict)


class Probe:
    """Runs handlers, and records their resource usage."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.objects: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        self._requests: Counter[str] = Counter()
        self._database = 0.0
        for service in SERVICES:
            events = clients.client(service).meta.events
            events.register("before-call.*.*", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self._requests[model.name] += 1

    def time_the_database(self) -> None:
        """Times Load's transaction from now on."""
        from functions.load import handler

        load_batch = handler.load_batch

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return load_batch(*arguments, **options)
            finally:
                self._database += time.perf_counter() - started

        handler.load_batch = timed

    def run(
        self, name: str, size: tuple[int, int], handle: Callable[..., Any], event: dict[str, Any]
    ) -> Any:
        """Runs and records one call; returns its result."""
        self._requests.clear()
        self._database = 0.0
        output = io.StringIO()
        started = time.process_time()
        with redirect_stdout(output):
            result = handle(event, None)
        cpu = time.process_time() - started
        logged = len(output.getvalue().encode())
        requests = dict(self._requests)
        self.calls.append(Call(name, *size, cpu, self._database, logged, requests))
        return result


def set_environment(target: Target, folder: Path) -> None:
    """Sets the functions' environment variables in this process."""
    assert target.local is not None
    for name in ("stage", "load"):
        found = target.client("lambda").get_function_configuration(
            FunctionName=f"{target.stack}-{name}"
        )
        os.environ |= found["Environment"]["Variables"]
    (folder / "contract.toml").write_bytes(messages.CONTRACT.read_bytes())
    # Stage starts a state machine that does nothing: the real one would load the readings twice.
    idle = target.client("stepfunctions").create_state_machine(
        name="idle",
        roleArn="arn:aws:iam::000000000000:role/any",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
    )
    os.environ |= {
        "STATE_MACHINE_ARN": idle["stateMachineArn"],
        "AWS_ENDPOINT_URL": target.local.endpoint_url,
        "AWS_ACCESS_KEY_ID": target.local.access_key_id,
        "AWS_SECRET_ACCESS_KEY": target.local.secret_access_key,
        "AWS_SESSION_TOKEN": target.local.session_token,
        "AWS_DEFAULT_REGION": target.local.region,
        "LAMBDA_TASK_ROOT": str(folder),
        "DATABASE_SSLROOTCERT": str(target.local.database.ca_file),
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def run_batch(probe: Probe, target: Target, number: int, count: int, each: int) -> None:
    """Runs one micro-batch through all functions; its readings are newer than all before."""
    from functions.load.handler import handle as load
    from functions.transform.handler import handle as transform
    from functions.validate.handler import handle as validate

    messages.START = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number)
    raw = messages.raw_lines(count * each, each=each)
    size = (count, count * each)
    bodies = [_body(line) for line in raw.splitlines()]
    _stage(probe, size, bodies, number)
    _drain(probe, target, size, bodies, number)
    execution = f"measured-{number}"
    key = layout.raw_key(layout.raw_prefix(execution, messages.START), execution, count)
    packed = compress(raw.splitlines(keepends=True))
    target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=packed)
    event = {"bucket": target.bucket, "key": key, "size": len(packed), "execution": execution}
    event |= {"purpose": "load"}
    answer = probe.run("transform", size, transform, event)
    answer = probe.run("validate", size, validate, answer)
    probe.run("load", size, load, answer)
    _summarize(probe, target, size, execution, key, len(packed))
    objects, _report = whole_transform(raw, load_contracts().first, key, execution)
    probe.objects["raw"].append((*size, len(packed)))
    probe.objects["payload"].append((*size, sum(len(json.loads(b)["payload"]) for b in bodies)))
    probe.objects["body"].append((*size, sum(map(len, bodies))))
    for stored in objects:
        kind = stored.key.partition("/")[0] + ("_groups" if "groups" in stored.key else "")
        probe.objects[kind].append((*size, len(stored.body)))


def _summarize(
    probe: Probe, target: Target, size: tuple[int, int], execution: str, key: str, stored: int
) -> None:
    """Runs Summarize over the one batch, with its prefix and its manifest."""
    from functions.summarize.handler import handle

    manifest = f"manifests/{execution}.json"
    body = json.dumps([{"key": key, "size": stored, "purpose": "load"}]).encode()
    target.client("s3").put_object(Bucket=target.bucket, Key=manifest, Body=body)
    prefix = layout.raw_prefix(execution, messages.START)
    event = {"bucket": target.bucket, "prefix": prefix, "manifest": manifest}
    answer = probe.run("summarize", size, handle, {**event, "execution": execution})
    if answer["status"] != "succeeded":
        raise AssertionError(f"the batch was not loaded: {answer}")


def _body(line: bytes) -> str:
    """An envelope as the topic rule puts it into the queue."""
    envelope = json.loads(line)
    del envelope["message_id"]
    return json.dumps(envelope, separators=(",", ":"))


def _stage(probe: Probe, size: tuple[int, int], bodies: list[str], number: int) -> None:
    """Runs Stage, as the queue trigger does."""
    from functions.extract.handler import stage

    sent = str(int(messages.START.timestamp() * 1000))
    records = [
        {"messageId": f"{number}-{place}", "body": body, "attributes": {"SentTimestamp": sent}}
        for place, body in enumerate(bodies)
    ]
    probe.run("stage", size, stage, {"Records": records})


def _drain(
    probe: Probe, target: Target, size: tuple[int, int], bodies: list[str], number: int
) -> None:
    """Sends the messages to the queue, and runs Extract."""
    from functions.extract.handler import drain

    sqs, url = target.client("sqs"), os.environ["QUEUE_URL"]
    for first in range(0, len(bodies), SEND_BATCH):
        entries = [
            {"Id": str(place), "MessageBody": body}
            for place, body in enumerate(bodies[first : first + SEND_BATCH])
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    event = {"execution": f"drained-{number}", "started": messages.START.isoformat()}
    staged = probe.run("extract", size, drain, event)
    if staged["messages"] != len(bodies):
        raise AssertionError(f"{len(bodies)} messages were sent, {staged['messages']} drained")


def minima(calls: list[Call], of: Callable[[Call], float]) -> list[tuple[int, int, float]]:
    """The minimum over the rounds for each size: other work on the machine only adds to it."""
    by_size: dict[tuple[int, int], list[float]] = defaultdict(list)
    for call in calls:
        by_size[call.messages, call.readings].append(of(call))
    return [(*size, min(values)) for size, values in by_size.items()]


def summary(probe: Probe) -> dict[str, Any]:
    """The content of the file."""
    functions: dict[str, Any] = {}
    for name in dict.fromkeys(call.function for call in probe.calls):
        calls = [call for call in probe.calls if call.function == name]
        functions[name] = {
            "cpu_seconds": fit(minima(calls, lambda c: c.cpu)),
            "logged_bytes": fit(minima(calls, lambda c: c.logged)),
            "requests": {
                operation: fit(minima(calls, lambda c, o=operation: c.requests.get(o, 0)))
                for operation in sorted({o for call in calls for o in call.requests})
            },
        }
        if name == "load":
            functions[name]["database_seconds"] = fit(minima(calls, lambda c: c.database))
    sizes = {
        kind: fit([(m, r, float(b)) for m, r, b in found]) for kind, found in probe.objects.items()
    }
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "by": "python -m bench.durations",
        "machine": processor(),
        "contract": messages.CONTRACT.name,
        "batches": [list(pair) for pair in BATCHES],
        "rounds": ROUNDS,
        "functions": functions,
        "bytes": sizes,
    }


def measure(batches: Sequence[tuple[int, int]], rounds: int) -> Probe:
    """Runs each batch ``rounds`` times, after one that imports modules and opens connections."""
    with TemporaryDirectory(prefix="etl-bench-", ignore_cleanup_errors=True) as name:
        state = Path(name) / "state"
        try:
            target = bring_up(
                state,
                "cost",
                messages.CONTRACT,
                trigger="schedule",
                schedule="rate(365 days)",
                die_with_parent=True,
            )
            set_environment(target, Path(name))
            probe = Probe()
            probe.time_the_database()
            run_batch(probe, target, 0, *batches[0])
            probe.calls.clear()
            probe.objects.clear()
            for number, (count, each) in enumerate([*batches] * rounds, 1):
                run_batch(probe, target, number, count, each)
                print(
                    f"{number}: {count} messages of {each} readings",
                    file=sys.stderr,
                    flush=True,
                )
        finally:
            stop(state)
    return probe


def main(*, quick: bool) -> None:
    """Write the file, or print a few measurements."""
    if quick:
        calls = [asdict(call) for call in measure(QUICK_BATCHES, 1).calls]
        print(json.dumps(calls), flush=True)
        return
    OUTPUT.write_text(json.dumps(summary(measure(BATCHES, ROUNDS)), indent=2) + "\n")


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
