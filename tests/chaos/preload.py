"""Runs in each function process before the function's code, and makes planned faults happen.

It wraps three things that every function passes: the named steps (``telemetry.tracing.step``), the
calls of AWS (botocore), and the bodies it reads from S3. Each passage is a *point*, and where a
plan lies for it, the fault happens::

    <folder>/plans/<function>/<point>/<id>.<kind>   planned faults; the folder is this file's
    <folder>/bound/<subject>                        the plans a batch or execution has met
    <folder>/fired/<id>.json                        what happened, where and when
    <folder>/asked/<id>.json, answered/<id>         faults that another process commits for us

A plan fires once, whichever process comes first, and a subject (a micro-batch, or an execution for
the functions around the batches) meets the faults of one plan only: what is planned as a single
fault stays one. Imports the standard library, and what every function has.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FUNCTION = os.environ["AWS_LAMBDA_FUNCTION_NAME"].rpartition("-")[2]
PLANS = FOLDER / "plans" / FUNCTION
LONGEST_WAIT = 20.0
"""Seconds that a step waits for the other process to commit a fault."""

_subject = ""
"""Whom this invocation is about; a process serves one at a time."""


def slug(point: str) -> str:
    """A point as the name of a folder."""
    return point.replace("/", "|")


def claim(point: str) -> tuple[str, str] | None:
    """``(id, kind)`` of the plan that fires here and now, if any; it is then taken."""
    folder = PLANS / slug(point)
    try:
        names = sorted(os.listdir(folder))
        if not names or not _subject:
            return None
        with (FOLDER / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _claim(folder, names, point)
    except OSError:  # no plan here, or (planned) no byte can be written any more
        return None


def _claim(folder: Path, names: list[str], point: str) -> tuple[str, str] | None:
    met = FOLDER / "bound" / slug(_subject)
    plan_of_subject = met.read_text() if met.exists() else None
    for name in names:
        number, kind = name.split(".")
        plan, _, part = number.partition("-")
        subject_of_plan = FOLDER / "plan-of" / plan
        if not (folder / name).exists():
            continue
        if not part.endswith("free"):  # else it happens to whoever comes
            if plan_of_subject is not None and plan_of_subject != plan:
                continue
            if plan_of_subject is None and subject_of_plan.exists():
                continue
            subject_of_plan.write_text(_subject)
            met.write_text(plan)
        record = {
            "id": number, "function": FUNCTION, "point": point, "kind": kind, "subject": _subject,
            "process": os.getpid(), "time": time.time(),
        }  # fmt: skip
        fresh = FOLDER / "fired" / f"{number}.new"
        fresh.write_text(json.dumps(record))
        (folder / name).unlink()
        fresh.rename(FOLDER / "fired" / f"{number}.json")
        return number, kind
    return None


def commit(point: str) -> str | None:
    """The kind of call fault to commit at this point; others happen in here."""
    found = claim(point)
    if found is None:
        return None
    number, kind = found
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "disk_full":
        # As of a full disk, by the kernel: no byte can be added to any file. Python ignores the
        # signal that comes with it.
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    elif kind.startswith("db_"):
        ask(number, kind)
    return kind


def ask(number: str, kind: str) -> None:
    """Have the process beside the emulator commit the fault, and wait until it has."""
    fresh = FOLDER / "asked" / f"{number}.new"
    fresh.write_text(json.dumps({"id": number, "kind": kind, "subject": _subject}))
    fresh.rename(fresh.with_suffix(".json"))
    until = time.monotonic() + LONGEST_WAIT
    while not (FOLDER / "answered" / number).exists() and time.monotonic() < until:
        time.sleep(0.01)


def subject_of(event: Any, request: str) -> str:
    """The micro-batch an invocation is about, or the execution, or the messages handed over."""
    records = event.get("Records")
    if records:
        ids = "\n".join(sorted(str(record["messageId"]) for record in records))
        return f"messages {hashlib.sha256(ids.encode()).hexdigest()[:16]}"
    key = str(event.get("raw_key") or event.get("key") or "")
    if key:
        return f"batch {key.rpartition('/')[2].partition('.')[0]}"
    if "execution" in event:
        return f"execution {event['execution']}"
    return f"invocation {request}"


def forget_secrets() -> None:
    """Where reading the secret is to fail, no process may know it already: as after a cold start."""
    folder = PLANS / "GetSecretValue"
    if folder.exists() and os.listdir(folder):
        from telemetry.database import forget_credentials

        forget_credentials()


def wrap_invocations() -> None:
    """Note whom each invocation is about."""
    runtime = sys.modules["__emulator_runtime__"]
    invoke = runtime.invoke  # type: ignore[attr-defined]

    def invoke_noting(handler: Callable[..., Any], invocation: dict[str, Any]) -> Any:
        global _subject  # noqa: PLW0603
        _subject = subject_of(invocation["event"] or {}, invocation["request_id"])
        forget_secrets()
        try:
            return invoke(handler, invocation)
        finally:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    runtime.invoke = invoke_noting  # type: ignore[attr-defined]


def wrap_steps() -> None:
    """Points before and after each named step."""
    from telemetry import tracing

    step = tracing.step

    @contextmanager
    def step_with_points(name: str) -> Iterator[None]:
        commit(f"before {name}")
        with step(name):
            yield
        commit(f"after {name}")

    tracing.step = step_with_points


def call_name(operation: str, given: dict[str, Any]) -> str:
    """A call as the matrix names it: ``PutObject copy/*.groups.json``, ``ReceiveMessage``."""
    key = str(given.get("Key") or given.get("Prefix") or "")
    if not key:
        return operation
    kind = key.partition("/")[0] + "/"
    endings = [e for e in (".groups.json", ".failed.json", ".md") if key.endswith(e)]
    return f"{operation} {kind}{'*' + endings[0] if endings else ''}"


def wrap_calls() -> None:
    """Points at each call of AWS, and in the middle of the bodies that are read."""
    from botocore.client import BaseClient

    make_call = BaseClient._make_api_call

    def call_with_points(client: Any, operation: str, given: dict[str, Any]) -> Any:
        name = call_name(operation, given)
        kind = commit(name)
        if kind in ("throttled", "server_error", "timed_out"):
            raise call_error(kind, operation)
        if kind in ("torn", "truncated"):
            body = given["Body"]
            answer = make_call(client, operation, {**given, "Body": body[: len(body) // 2]})
            if kind == "torn":
                raise call_error("timed_out", operation)
            return answer
        answer = make_call(client, operation, given)
        if kind == "answer_lost":
            raise call_error("timed_out", operation)
        if operation == "GetObject" and "Body" in answer:
            answer["Body"] = BodyWithPoint(answer["Body"], f"reading {name.partition(' ')[2]}")
        return answer

    BaseClient._make_api_call = call_with_points


def call_error(kind: str, operation: str) -> Exception:
    """What botocore raises once its own attempts are used up."""
    from botocore import exceptions

    if kind == "timed_out":
        return exceptions.ReadTimeoutError(endpoint_url="https://chaos.invalid")
    code, status = {"throttled": ("ThrottlingException", 400), "server_error": ("InternalError", 500)}[kind]  # fmt: skip
    metadata = {"HTTPStatusCode": status, "RequestId": "chaos", "HostId": "", "RetryAttempts": 4}
    error = {"Error": {"Code": code, "Message": "Made by chaos"}, "ResponseMetadata": metadata}
    return exceptions.ClientError(error, operation)


class BodyWithPoint:
    """A body with a point in its middle: after the first piece, before the next."""

    def __init__(self, body: Any, point: str) -> None:
        self._body, self._point, self._reads = body, point, 0

    def read(self, size: int | None = None) -> bytes:
        self._reads += 1
        if self._reads == 2 or size is None:
            kind = commit(self._point)
            if kind == "broken_off":
                from botocore.exceptions import IncompleteReadError

                with suppress(Exception):
                    self._body.close()
                raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
        data: bytes = self._body.read(size)
        return data

    def close(self) -> None:
        self._body.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


wrap_invocations()
wrap_steps()
wrap_calls()
