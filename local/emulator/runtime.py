"""The program a function runs in: what AWS Lambda's Python runtime does, over two pipes.

Started with ``-I -S``, so that nothing of the emulator's environment is importable; the path holds
the standard library, the function, its layers, and a folder with boto3 and what boto3 needs, as in
Lambda. Invocations come in on one pipe, a JSON object a line, and their results go out on another,
so that whatever a function prints is log. A thread waits on the incoming pipe: when the emulator
ends, in whatever way, the pipe closes and this process exits at once, also while the handler runs.

Arguments: the two pipes' numbers. Environment: Lambda's own variables, and where the emulator was
started with one, the file of a preload: Python that runs before the function's own, so that a test
can make things go wrong in there which no API can.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

END_OF_LOG = "\x00end-of-log "
"""Begins the line that ends an invocation's output, so that its end needs no timeout."""

MAX_RESPONSE_BYTES = 6 * 1024 * 1024
"""Lambda's limit of a synchronous response."""

Handler = Callable[[Any, Any], Any]


class FunctionFault(Exception):  # noqa: N818  # Lambda's runtime calls these faults
    """Raised for what the runtime itself reports, under an error type such as Runtime.*."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Context:
    """The context object of one invocation."""

    def __init__(self, invocation: dict[str, Any]) -> None:
        environment = os.environ
        self.aws_request_id: str = invocation["request_id"]
        self.invoked_function_arn: str = invocation["function_arn"]
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environment["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environment["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline: float = invocation["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation."""
        return max(0, int((self._deadline - time.time()) * 1000))


class LogHandler(logging.Handler):
    """The root logger's handler: Lambda's plain text format."""

    request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record to standard error."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"[{record.levelname}]\t{moment}.{int(record.msecs):03d}Z\t{self.request_id}"
        sys.stderr.write(f"{head}\t{self.format(record)}\n")


def load_handler() -> Handler:
    """Import the handler that ``_HANDLER`` names; raises :class:`FunctionFault` as Lambda does."""
    module_name, _, function_name = os.environ["_HANDLER"].rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise FunctionFault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise FunctionFault("Runtime.UserCodeSyntaxError", message) from error
    handler: Handler | None = getattr(module, function_name, None)
    if handler is None:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise FunctionFault("Runtime.HandlerNotFound", message)
    return handler


def load_preload(file: str) -> None:
    """Run a file as the module ``emulator_preload``."""
    spec = importlib.util.spec_from_file_location("emulator_preload", file)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    sys.modules["emulator_preload"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def serialize(result: Any) -> str:
    """The handler's result as JSON; raises :class:`FunctionFault` where Lambda would refuse it."""
    try:
        text = json.dumps(result)
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        raise FunctionFault("Runtime.MarshalError", message) from error
    if len(text) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({len(text)} bytes)"
        raise FunctionFault("Function.ResponseSizeTooLarge", message)
    return text


def report(error: BaseException, request_id: str) -> dict[str, Any]:
    """The error object that callers of the function see, as Lambda's runtime makes it."""
    if isinstance(error, FunctionFault):
        name, frames = error.error_type, []
    else:
        name = type(error).__name__
        own = os.path.abspath(__file__)
        stack = [one for one in traceback.extract_tb(error.__traceback__) if one.filename != own]
        frames = traceback.format_list(stack)
    return {
        "errorMessage": str(error),
        "errorType": name,
        "requestId": request_id,
        "stackTrace": frames,
    }


def invoke(handler: Handler, invocation: dict[str, Any]) -> dict[str, Any]:
    """Run one invocation; the answer holds ``result`` (JSON text) or ``error``."""
    trace_header = invocation.get("trace_header")
    if trace_header:
        os.environ["_X_AMZN_TRACE_ID"] = trace_header
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        return {"result": serialize(handler(invocation["event"], Context(invocation)))}
    except Exception as error:
        details = report(error, invocation["request_id"])
        lines = "".join(details["stackTrace"])
        sys.stderr.write(f"[ERROR] {details['errorType']}: {details['errorMessage']}\n{lines}")
        return {"error": details}


def read_invocations(pipe: int, waiting: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Queue each line of the pipe; exit the process when the emulator has closed its end."""
    with os.fdopen(pipe, "rb") as lines:
        for line in lines:
            waiting.put(json.loads(line))
    os._exit(0)


def main() -> None:
    """Load the handler, report that, and serve invocations one after the other."""
    incoming, outgoing = int(sys.argv[1]), int(sys.argv[2])
    for pipe in (incoming, outgoing):
        os.set_inheritable(pipe, False)
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=read_invocations, args=(incoming, waiting), daemon=True).start()
    search = json.loads(os.environ.pop("_EMULATOR_SEARCH_PATH"))
    sys.path[:0] = search["before"]
    sys.path.extend(search["after"])
    preload = os.environ.pop("_EMULATOR_PRELOAD", "")
    if preload:
        load_preload(preload)
    log_handler = LogHandler()
    logging.getLogger().addHandler(log_handler)
    handler, fault = None, None
    try:
        handler = load_handler()
    except Exception as error:
        fault = error
    with os.fdopen(outgoing, "w", encoding="utf-8") as answers:
        _answer(answers, {"ready": fault is None})
        while True:
            invocation = waiting.get()
            log_handler.request_id = request_id = invocation["request_id"]
            if handler is None:
                assert fault is not None  # noqa: S101
                answer: dict[str, Any] = {"error": report(fault, request_id)}
                sys.stderr.write(f"[ERROR] {answer['error']['errorMessage']}\n")
            else:
                answer = invoke(handler, invocation)
            sys.stdout.flush()
            sys.stderr.write(f"{END_OF_LOG}{request_id}\n")
            sys.stderr.flush()
            _answer(answers, answer)


def _answer(answers: Any, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    # Importable by its tests and by what a handler might import under this name.
    sys.modules["__emulator_runtime__"] = sys.modules["__main__"]
    main()
