"""Lambda reports an exception under its class name, and Step Functions matches that name."""

from __future__ import annotations

import json

FAILING = """
class BusyError(Exception): pass
def handle(event, context):
    raise BusyError("try again")
"""

FAILING_TWICE = """
import pathlib, tempfile
counter = pathlib.Path(tempfile.gettempdir()) / "count"
class BusyError(Exception): pass
def handle(event, context):
    seen = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(seen + 1))
    if seen < 2:
        raise BusyError("try again")
    return {"attempts": seen + 1}
"""


def task(arn, **fields):
    state = {"Type": "Task", "Resource": arn, "End": True, **fields}
    return {"StartAt": "Work", "States": {"Work": state, "Caught": {"Type": "Pass", "End": True}}}


def test_an_exception_comes_back_as_class_name_message_and_stack_trace(function, call):
    kind, payload = call(function(FAILING))
    assert kind == "Unhandled"
    assert payload["errorType"] == "BusyError"
    assert payload["errorMessage"] == "try again"
    assert "raise BusyError" in payload["stackTrace"][-1]
    assert payload["requestId"]


def test_a_catch_that_names_the_class_catches_it(function, machine, run):
    catch = [
        {"ErrorEquals": ["OtherError"], "Next": "Nowhere"},
        {"ErrorEquals": ["BusyError"], "Next": "Caught"},
    ]
    definition = task(function(FAILING), Catch=catch)
    definition["States"]["Nowhere"] = {"Type": "Fail"}
    execution = run(machine(definition))
    assert execution["status"] == "SUCCEEDED"
    caught = json.loads(execution["output"])
    assert caught["Error"] == "BusyError"
    assert json.loads(caught["Cause"])["errorMessage"] == "try again"


def test_a_retry_that_names_the_class_retries_in_the_same_environment(function, machine, run):
    retry = [
        {"ErrorEquals": ["BusyError"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 3}
    ]
    execution = run(machine(task(function(FAILING_TWICE), Retry=retry)))
    assert json.loads(execution["output"]) == {"attempts": 3}


def test_a_retry_that_names_another_class_does_not_retry(function, machine, run):
    retry = [{"ErrorEquals": ["OtherError"], "IntervalSeconds": 1, "MaxAttempts": 3}]
    execution = run(machine(task(function(FAILING), Retry=retry)))
    assert (execution["status"], execution["error"]) == ("FAILED", "BusyError")


def test_a_function_that_runs_too_long_times_out(function, call):
    kind, payload = call(function("import time\ndef handle(e, c): time.sleep(600)", Timeout=1))
    assert kind == "Unhandled"
    assert payload["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in payload["errorMessage"]


def test_a_function_whose_process_is_killed_reports_an_exit(function, call):
    arn = function("import os, signal\ndef handle(e, c): os.kill(os.getpid(), signal.SIGKILL)")
    _, payload = call(arn)
    assert payload["errorType"] == "Runtime.ExitError"
    assert "signal: kill" in payload["errorMessage"]


def test_the_next_call_after_a_crash_gets_a_new_environment(function, call):
    source = "import os\ndef handle(e, c):\n    if e: os._exit(1)\n    return 'alive'"
    arn = function(source)
    assert call(arn, True)[1]["errorMessage"].endswith("exit status 1")
    assert call(arn) == (None, "alive")


def test_a_module_that_does_not_import_is_an_import_module_error(function, call):
    _, payload = call(function("import no_such_module\ndef handle(e, c): pass"))
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert payload["errorMessage"] == (
        "Unable to import module 'module': No module named 'no_such_module'"
    )


def test_a_missing_handler_is_named(function, call):
    _, payload = call(function("x = 1"))
    assert payload["errorType"] == "Runtime.HandlerNotFound"


def test_a_result_that_is_no_json_is_a_marshal_error(function, call):
    _, payload = call(function("def handle(e, c): return object()"))
    assert payload["errorType"] == "Runtime.MarshalError"
