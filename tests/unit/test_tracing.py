"""Tracing explains the work and never stops it."""

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
    """The real SDK, in a process of its own: it decides at import whether it is in Lambda."""
    import json
    import os
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        code = (
            "from telemetry.tracing import step, annotate\n"
            "with step('load.handle'):\n"
            "    annotate('execution', 'run-7')\n"
            "    with step('insert rows'): pass\n"
        )
        environment = {
            **os.environ,
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "_X_AMZN_TRACE_ID": HEADER,
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        }
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        documents = [json.loads(daemon.recv(65536).split(b"\n", 1)[1]) for _ in range(2)]
    inner, outer = sorted(documents, key=lambda d: d["name"] == "load.handle")
    assert (inner["name"], inner["parent_id"]) == ("insert rows", outer["id"])
    assert outer["annotations"] == {"execution": "run-7"}
    assert outer["parent_id"] == "53995c3f42cd8ad8"
    assert {d["trace_id"] for d in documents} == {tracing_root()}


def tracing_root():
    return "1-5759e988-bd862e3fe1be46a994272793"
