"""Tracing explains the work and never stops it."""

import json
import os
import socket
import subprocess
import sys

import pytest

from telemetry import tracing

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


class Recorder:
    """Stands for the SDK's recorder."""

    def __init__(self, broken=False):
        self.broken = broken
        self.open = []
        self.seen = []

    def begin_subsegment(self, name):
        if self.broken:
            raise RuntimeError("no daemon")
        self.open.append(self)
        self.seen.append(("begin", name))
        return self

    def end_subsegment(self):
        self.open.pop()
        self.seen.append(("end",))

    def current_subsegment(self):
        return self.open[-1] if self.open else None

    def put_annotation(self, key, value):
        self.seen.append(("annotation", key, value))

    def add_exception(self, error, stack):
        self.seen.append(("exception", type(error).__name__))


@pytest.fixture
def recorder(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(tracing, "_recorder", lambda: found)
    return found


def test_a_step_is_a_subsegment_with_its_annotations(recorder):
    with tracing.step("load"):
        tracing.annotate("batch_id", "b")
    assert recorder.seen == [("begin", "load"), ("annotation", "batch_id", "b"), ("end",)]


def test_an_exception_marks_the_step_and_passes_on(recorder):
    with pytest.raises(KeyError), tracing.step("load"):
        raise KeyError("x")
    assert recorder.seen == [("begin", "load"), ("exception", "KeyError"), ("end",)]


def test_a_broken_recorder_costs_the_trace_only(recorder):
    recorder.broken = True
    with tracing.step("load"):
        tracing.annotate("batch_id", "b")
    assert recorder.seen == []


def test_outside_lambda_the_sdk_is_not_even_imported():
    code = (
        "import sys, telemetry.tracing as t\n"
        "with t.step('x'): t.annotate('a', 1)\n"
        "assert 'aws_xray_sdk' not in sys.modules and 'botocore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_trace_id_is_the_root_of_the_header(monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", HEADER)
    assert tracing.trace_id() == "1-5759e988-bd862e3fe1be46a994272793"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "")
    assert tracing.trace_id() is None


def test_subsegments_reach_the_daemon_under_lambdas_segment(tmp_path):
    code = (
        "from telemetry.tracing import step, annotate\n"
        "with step('load.handle'):\n"
        "    annotate('execution', 'run-7')\n"
        "    with step('insert rows'): pass\n"
    )
    documents = documents_of(code, 2, tmp_path)
    inner, outer = sorted(documents, key=lambda d: d["name"] == "load.handle")
    assert (inner["name"], inner["parent_id"]) == ("insert rows", outer["id"])
    assert outer["annotations"] == {"execution": "run-7"}
    assert outer["parent_id"] == "53995c3f42cd8ad8"
    assert {d["trace_id"] for d in documents} == {tracing_root()}


def test_a_warm_function_hangs_each_invocation_below_its_own_segment(tmp_path):
    """Two batches of one execution are two invocations of one process in one trace."""
    code = (
        "import os\n"
        "from telemetry.tracing import step\n"
        "with step('first'): pass\n"
        "header = os.environ['_X_AMZN_TRACE_ID']\n"
        "os.environ['_X_AMZN_TRACE_ID'] = header.replace('53995c3f42cd8ad8', '1111111111111111')\n"
        "with step('second'): pass\n"
    )
    documents = documents_of(code, 2, tmp_path)
    parents = {document["name"]: document["parent_id"] for document in documents}
    assert parents == {"first": "53995c3f42cd8ad8", "second": "1111111111111111"}


def documents_of(code, count, folder):
    """What the real SDK sends, in a process of its own: it decides at import whether it is in
    Lambda."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        environment = {
            **os.environ,
            "LAMBDA_TASK_ROOT": str(folder),
            "_X_AMZN_TRACE_ID": HEADER,
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        }
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        return [json.loads(daemon.recv(65536).split(b"\n", 1)[1]) for _ in range(count)]


def tracing_root():
    return "1-5759e988-bd862e3fe1be46a994272793"
