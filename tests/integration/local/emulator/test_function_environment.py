"""A function sees what it would see in Lambda: its layers and boto3, and nothing of the emulator."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil

from .conftest import zipped

ENVIRONMENT = "import os\ndef handle(e, c): return dict(os.environ)"


def test_it_can_import_boto3_and_reach_the_emulator(function, call, emulator):
    arn = function(
        "import boto3\n"
        "def handle(e, c): return boto3.client('sts').get_caller_identity()['Account']"
    )
    assert call(arn) == (None, "000000000000")


def test_the_emulators_own_packages_are_not_importable(function, call):
    arn = function("import cryptography\ndef handle(e, c): pass")
    assert call(arn)[1]["errorType"] == "Runtime.ImportModuleError"
    names = ["ministack", "yaml", "hypercorn", "pip", "setuptools", "local"]
    source = f"""
import importlib.util
def handle(e, c): return [n for n in {names!r} if importlib.util.find_spec(n)]
"""
    assert call(function(source)) == (None, [])


def test_a_layer_is_importable_and_without_it_the_function_fails(function, call, emulator):
    layer = emulator.client("lambda").publish_layer_version(
        LayerName="greeting", Content={"ZipFile": zipped({"python/greeting.py": "text = 'hello'"})}
    )
    source = "import greeting\ndef handle(e, c): return greeting.text"
    assert call(function(source, Layers=[layer["LayerVersionArn"]])) == (None, "hello")
    assert call(function(source))[1]["errorType"] == "Runtime.ImportModuleError"


def test_a_later_layer_wins_over_an_earlier_one(function, call, emulator):
    arns = []
    for text in ("first", "second"):
        content = zipped({"python/which.py": f"text = {text!r}"})
        answer = emulator.client("lambda").publish_layer_version(
            LayerName=f"layer-{text}", Content={"ZipFile": content}
        )
        arns.append(answer["LayerVersionArn"])
    source = "import which\ndef handle(e, c): return which.text"
    assert call(function(source, Layers=arns)) == (None, "second")


def test_lambdas_variables_are_set_and_the_developers_are_not(function, call, monkeypatch):
    arn = function(ENVIRONMENT, Environment={"Variables": {"MINE": "1"}}, MemorySize=256)
    _, environment = call(arn)
    assert environment["MINE"] == "1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == arn.rsplit(":", maxsplit=1)[-1]
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert environment["AWS_XRAY_DAEMON_ADDRESS"].startswith("127.0.0.1:")
    assert os.path.isabs(environment["LAMBDA_TASK_ROOT"])
    assert not {"VIRTUAL_ENV", "HOME", "GATEWAY_PORT", "PYTEST_CURRENT_TEST"} & environment.keys()


def test_files_beside_the_code_are_found_by_task_root(function, call):
    source = """
import os
def handle(e, c): return open(os.environ["LAMBDA_TASK_ROOT"] + "/contract.toml").read()
"""
    assert call(function(source, files={"contract.toml": "name = 'x'"})) == (None, "name = 'x'")


def test_the_context_says_time_and_identity(function, call):
    source = """
def handle(e, c):
    return [c.get_remaining_time_in_millis(), c.function_name, c.aws_request_id, c.log_stream_name]
"""
    remaining, name, request_id, stream = call(function(source, Timeout=900))[1]
    assert 700_000 < remaining <= 900_000
    assert name.startswith("f-")
    assert len(request_id) == 36
    assert "[$LATEST]" in stream


def test_what_a_function_prints_never_breaks_its_answer(function, call):
    source = """
import os, sys
def handle(e, c):
    print('{"status": "ok"}')
    os.write(1, b'{"result": "no"}')
    sys.stderr.write("no newline")
    return "right"
"""
    assert call(function(source)) == (None, "right")


def test_a_silent_call_does_not_wait_for_a_log_line(function, call):
    arn = function("def handle(e, c): return 1")
    call(arn)
    limit = time.monotonic() + 120
    while True:  # a busy machine is slow at times, not always
        began = time.perf_counter()
        call(arn)
        if time.perf_counter() - began < 0.04:
            break
        assert time.monotonic() < limit


def test_what_a_function_prints_and_logs_reaches_its_log_group(function, call, emulator):
    arn = function(
        "import logging\n"
        "def handle(e, c):\n"
        "    print('printed', c.log_stream_name)\n"
        "    logging.warning('logged')\n"
    )
    call(arn)
    call(arn)
    logs = emulator.client("logs")
    group = f"/aws/lambda/{arn.rsplit(':', maxsplit=1)[-1]}"
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert len(streams) == 1, "one environment, one stream"
    stream = streams[0]["logStreamName"]
    messages = [one["message"] for one in logs.filter_log_events(logGroupName=group)["events"]]
    assert messages.count(f"printed {stream}") == 2
    assert sum("logged" in one and one.startswith("[WARNING]\t") for one in messages) == 2
    assert sum(one.startswith("REPORT RequestId") for one in messages) == 2


def test_concurrent_workers_share_one_unpacked_copy(function, call, emulator, machine, run):
    source = "import time\ndef handle(e, c):\n    time.sleep(0.3)\n    return __file__"
    state = {
        "Type": "Task",
        "Resource": function(source, files={"ballast": "x" * 100_000}),
        "End": True,
    }
    definition = {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "ItemsPath": "$",
                "ItemProcessor": {"StartAt": "Work", "States": {"Work": state}},
                "End": True,
            }
        },
    }
    files = json.loads(run(machine(definition), [1, 2, 3, 4])["output"])
    assert len(set(files)) == 1
    assert files[0].startswith(str(emulator.folder / "tmp"))


def test_a_functions_temporary_folder_lies_in_the_emulators(function, call, emulator):
    _, folder = call(function("import tempfile\ndef handle(e, c): return tempfile.gettempdir()"))
    assert folder.startswith(str(emulator.folder / "tmp"))


def test_functions_end_when_the_emulator_is_killed(tmp_path):
    from local.emulator.launcher import Emulator

    server = Emulator(tmp_path, xray_port=9)
    endpoint = server.start()
    try:
        import boto3

        client = boto3.client(
            "lambda",
            endpoint_url=endpoint.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            aws_session_token=endpoint.session_token,
        )
        source = (
            "import os, time\ndef handle(e, c):\n    if e: time.sleep(600)\n    return os.getpid()"
        )
        client.create_function(
            FunctionName="f",
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/any",
            Handler="module.handle",
            Code={"ZipFile": zipped({"module.py": source})},
            Timeout=900,
        )
        idle = json.loads(client.invoke(FunctionName="f")["Payload"].read())
        client.invoke(FunctionName="f", InvocationType="Event", Payload=b"true")
        client.invoke(FunctionName="f", InvocationType="Event", Payload=b"true")
        deadline = time.monotonic() + 120
        while len(workers := psutil.Process(server.process.pid).children(recursive=True)) < 2:
            assert time.monotonic() < deadline, workers
            time.sleep(0.05)
        assert idle in {one.pid for one in workers}
        assert len(workers) == 2
        os.kill(server.process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=120)
        assert not alive
    finally:
        server.stop()
    assert not (tmp_path / "tmp").exists()
