"""AWS Lambda: how Python functions run, fail and log.

AWS: an unhandled exception comes back as its class name, its message and a stack trace, so that a
state machine's ``Retry`` and ``Catch`` can name it; each environment writes to a log stream of its
own, the one its context object names.

MiniStack 1.5.33: the error type is always ``Runtime.HandlerError``, an exception ends the
environment, each silent invocation waits 50 ms for output, and every invocation makes a new log
stream. Remove when typed errors match in ``Retry`` without it. The environment itself is in
:mod:`local.emulator.patches.worker`.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from local.emulator.patches.tracing import invocation
from local.emulator.patches.worker import FunctionWorker

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "core.lambda_runtime._worker_class_for", "services.cloudwatch_logs._append_log_events",
    "services.cloudwatch_logs._fanout_to_subscription_filters",
    "services.cloudwatch_logs._log_groups", "services.cloudwatch_logs._make_group_arn",
    "services.lambda_svc._emit_lambda_logs", "services.lambda_svc._ensure_reaper_thread",
    "services.lambda_svc._execute_function_warm", "services.lambda_svc.acquire_worker",
    "services.lambda_svc.logger", "services.lambda_svc.release_worker",
)  # fmt: skip

Document = dict[str, Any]

_served_by: dict[str, FunctionWorker] = {}
"""The environment that served a request, until its log has been written."""


def apply() -> None:
    """Run Python functions in :class:`FunctionWorker` environments."""
    choose_class = lambda_runtime._worker_class_for

    def worker_class_for(config: Document) -> Any:
        return FunctionWorker if _is_python(config) else choose_class(config)

    lambda_runtime._worker_class_for = worker_class_for
    _replace_executor()
    _replace_logging()


def _is_python(config: Document) -> bool:
    return str(config.get("Runtime", "")).startswith("python")


def _replace_executor() -> None:
    execute_other = lambda_svc._execute_function_warm

    def execute(function: Document, event: Any, request_id: str) -> Document:
        config = function.get("config") or function
        if not _is_python(config) or not function.get("code_zip"):
            result: Document = execute_other(function, event, request_id)
            return result
        return _execute(config, function["code_zip"], event, request_id)

    lambda_svc._execute_function_warm = execute


def _execute(config: Document, code: bytes, event: Any, request_id: str) -> Document:
    """One invocation in a free environment, or in a new one."""
    lambda_svc._ensure_reaper_thread()
    qualifier = config.get("Version", "$LATEST")
    name = config["FunctionName"]
    worker, _ = lambda_svc.acquire_worker(name, config, code, qualifier=qualifier)
    try:
        with invocation(config, request_id) as trace:
            _served_by[request_id] = worker
            arn = config["FunctionArn"]
            answer = worker.invoke(
                event, request_id, trace_id=trace.header, invoked_function_arn=arn
            )
            trace.init_span, worker.init_span = worker.init_span, None
            trace.error = answer.get("error")
    except Exception as error:
        lambda_svc.logger.exception("No environment for %s", name)
        failure = {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": str(error)}
        return {"body": failure, "error": True, "log": str(error)}
    finally:
        lambda_svc.release_worker(worker)
    if trace.error is not None:
        return {"body": trace.error, "error": True, "log": answer["log"]}
    return {"body": json.loads(answer["result"]), "log": answer["log"]}


def _replace_logging() -> None:
    emit_other = lambda_svc._emit_lambda_logs

    def emit(
        function: Document,
        request_id: str,
        log: str,
        error: bool,
        duration_ms: int,
        *,
        log_source: str | None = None,
    ) -> None:
        worker = _served_by.pop(request_id, None)
        if worker is None:
            emit_other(function, request_id, log, error, duration_ms, log_source=log_source)
        else:
            _emit(function.get("config") or function, worker, request_id, log, duration_ms)

    lambda_svc._emit_lambda_logs = emit


def _emit(
    config: Document, worker: FunctionWorker, request_id: str, log: str, duration_ms: int
) -> None:
    """Write one invocation's lines to its environment's stream, between Lambda's own."""
    name = (config.get("LoggingConfig") or {}).get("LogGroup") or (
        f"/aws/lambda/{config['FunctionName']}"
    )
    now = int(time.time() * 1000)
    stream = _stream(name, worker.log_stream, now)
    memory = f"Memory Size: {config.get('MemorySize', 128)} MB"
    lines = [
        f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}",
        *log.splitlines(),
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\t"
        f"Billed Duration: {duration_ms} ms\t{memory}\t"
        f"Max Memory Used: {worker.peak_memory_mb()} MB",
    ]
    events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
    cloudwatch_logs._append_log_events(stream, events)
    sent = [{"timestamp": now, "message": line} for line in lines]
    cloudwatch_logs._fanout_to_subscription_filters(name, worker.log_stream, sent)


def _stream(group_name: str, stream_name: str, now: int) -> Document:
    """The log stream, made with its group where either is missing."""
    group = cloudwatch_logs._log_groups.get(group_name)
    if group is None:
        group = {
            "arn": cloudwatch_logs._make_group_arn(group_name),
            "creationTime": now,
            "retentionInDays": None,
            "tags": {},
            "subscriptionFilters": {},
            "streams": {},
        }
        cloudwatch_logs._log_groups[group_name] = group
    empty = {
        "events": [],
        "uploadSequenceToken": "1",
        "creationTime": now,
        "firstEventTimestamp": None,
        "lastEventTimestamp": None,
        "lastIngestionTime": None,
    }
    stream: Document = group["streams"].setdefault(stream_name, empty)
    return stream
