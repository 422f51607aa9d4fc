"""The laptop's stack starts once, stops clean, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import psycopg2
import pytest

from local import stack
from local.emulator.launcher import Emulator, EmulatorError
from local.health import read_health
from tests.fixtures.local import state_folder

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def state():
    with state_folder() as folder:
        yield folder
        stack.stop(folder)


def alive(processes):
    """Those that still run; one that nobody has reaped has ended."""
    running = []
    for one in processes:
        try:
            if one.status() != psutil.STATUS_ZOMBIE:
                running.append(one)
        except psutil.NoSuchProcess:
            continue
    return running


def all_gone(processes, patience=120.0):
    deadline = time.monotonic() + patience
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(processes)


def whole_tree(running):
    """The supervisor and everything below it."""
    supervisor = psutil.Process(running.processes["supervisor"].pid)
    return [supervisor, *supervisor.children(recursive=True)]


def client(running, service):
    return boto3.client(service, **running.client_settings(service))


def query(running, statement):
    with psycopg2.connect(running.database.dsn()) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def call_a_function(running):
    """Deploy a function and call it once, so that the emulator has a worker process."""
    from tests.integration.local.emulator.conftest import ROLE, zipped

    code = {"ZipFile": zipped({"module.py": "def handle(e, c): return 1"})}
    lambdas = client(running, "lambda")
    lambdas.create_function(
        FunctionName="f",
        Runtime="python3.13",
        Role=ROLE,
        Handler="module.handle",
        Code=code,
        Timeout=120,
    )
    lambdas.invoke(FunctionName="f")


def test_everything_is_reachable_and_on_record(local_stack):
    assert client(local_stack, "sts").get_caller_identity()["Account"] == "000000000000"
    assert client(local_stack, "xray").batch_get_traces(TraceIds=["1-0-0"])["Traces"] == []
    assert query(local_stack, "SELECT current_user, current_database()") == [
        ("telemetry_owner", "telemetry")
    ]
    assert local_stack.mqtt_ca.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert all(file.exists() for file in local_stack.log_files.values())
    recorded = json.loads((local_stack.state / "stack.json").read_text())
    assert recorded["endpoint_url"] == local_stack.endpoint_url


def test_everything_listens_on_the_loopback_only(local_stack):
    listening = set()
    for process in whole_tree(local_stack):
        with suppress(psutil.NoSuchProcess):  # PostgreSQL's workers come and go
            found = process.net_connections()
            listening |= {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_starting_again_returns_the_running_stack(local_stack, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)  # no process is started for it
    assert stack.start(local_stack.state) == local_stack


def test_a_second_supervisor_of_the_same_folder_steps_back(local_stack):
    command = [sys.executable, "-m", "local.supervisor", "--state", str(local_stack.state)]
    done = subprocess.run(
        command, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "another supervisor" in done.stdout
    assert stack.read(local_stack.state) == local_stack


def test_two_stacks_run_side_by_side(local_stack, state):
    other = stack.start(state, die_with_parent=True)
    assert other.endpoint_url != local_stack.endpoint_url
    client(other, "s3").create_bucket(Bucket="only-here")
    query(other, "CREATE TABLE only_here (a int)")
    buckets = client(local_stack, "s3").list_buckets()["Buckets"]
    assert "only-here" not in {one["Name"] for one in buckets}
    assert query(local_stack, "SELECT to_regclass('only_here')") == [(None,)]
    stack.stop(state)
    assert stack.read(local_stack.state) == local_stack


def test_stopping_ends_every_process_and_empties_the_temporary_folder(state):
    running = stack.start(state)
    call_a_function(running)
    processes = whole_tree(running)
    assert len(processes) > 5
    assert stack.stop(state)
    assert not alive(processes)
    assert stack.read(state) is None
    assert not (state / "emulator" / "tmp").exists()
    assert stack.stop(state) is False


def test_the_database_survives_down_and_up_with_its_port_and_password(state):
    first = stack.start(state, die_with_parent=True)
    query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    stack.stop(state)
    second = stack.start(state, die_with_parent=True)
    assert query(second, "SELECT answer FROM kept") == [(42,)]
    assert second.database == first.database


def test_killing_the_supervisor_leaves_no_process_and_the_next_start_cleans_up(state):
    running = stack.start(state, die_with_parent=True)
    call_a_function(running)
    query(running, "CREATE TABLE kept AS SELECT 42 AS answer")
    processes = whole_tree(running)
    os.kill(running.processes["supervisor"].pid, signal.SIGKILL)
    assert all_gone(processes), [one.cmdline() for one in alive(processes)]
    assert stack.read(state) is None
    again = stack.start(state, die_with_parent=True)
    assert query(again, "SELECT answer FROM kept") == [(42,)]
    unpacked = state / "emulator" / "tmp" / "unpacked"
    assert not unpacked.exists() or not list(unpacked.iterdir())


def test_a_stack_that_dies_with_its_parent_ends_with_the_process_that_started_it(state):
    program = f"""
        import time
        from pathlib import Path
        from local import stack
        stack.start(Path({str(state)!r}), die_with_parent=True)
        print("up", flush=True)
        time.sleep(600)
    """
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    with starter:
        assert starter.stdout.readline() == b"up\n"
        processes = whole_tree(stack.read(state))
        starter.kill()
    assert all_gone(processes)
    assert "the process that started this one ended" in (state / "supervisor.log").read_text()


def wait_until(met, patience=120.0):
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs_again(state, role, old):
    """True once another process of a role is on record and no server is down."""
    now = stack.read(state)
    return now.processes[role] != old.processes[role] and not stack.down_servers(state)


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "it was killed by SIGKILL"), (signal.SIGINT, "it was stopped from outside")],
)
def test_a_postgresql_that_dies_is_started_again_on_the_same_data(state, number, words):
    running = stack.start(state)
    query(running, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(running.processes["postgres"].pid, number)
    wait_until(lambda: runs_again(state, "postgres", running))
    again = stack.read(state)
    assert again.database == running.database
    assert query(again, "SELECT answer FROM kept") == [(42,)]
    assert again.processes["emulator"] == running.processes["emulator"]
    health = read_health(state).servers["postgres"]
    assert health.restarts == 1
    assert health.reason.startswith(words)
    assert words in (state / "supervisor.log").read_text()


@pytest.mark.parametrize("role", ["emulator", "traces"])
def test_the_other_servers_come_back_at_the_same_address(state, role):
    running = stack.start(state)
    url = client(running, "sqs").create_queue(QueueName="q")["QueueUrl"]
    written = state / "emulator/keys/sqs.json"
    wait_until(lambda: written.exists() and url in written.read_text())
    client(running, "sqs").send_message(QueueUrl=url, MessageBody="kept")
    os.kill(running.processes[role].pid, signal.SIGKILL)
    wait_until(lambda: runs_again(state, role, running))
    again = stack.read(state)
    assert replace(again, processes={}) == replace(running, processes={})
    assert client(again, "xray").batch_get_traces(TraceIds=["1-0-0"])["Traces"] == []
    [message] = client(again, "sqs").receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "kept"


def test_a_server_that_can_not_start_is_tried_until_it_can_and_the_reason_is_on_record(state):
    running = stack.start(state)
    query(running, "CREATE TABLE kept AS SELECT 42 AS answer")
    control = state / "postgres/data/global/pg_control"
    away = control.with_suffix(".away")
    control.rename(away)
    os.kill(running.processes["postgres"].pid, signal.SIGKILL)
    wait_until(lambda: any("can't be started" in one.reason for one in stack.down_servers(state)))
    [down] = stack.down_servers(state)
    assert "PostgreSQL is down since" in down.sentence()
    assert "pg_control" in down.reason
    with pytest.raises(stack.LocalStackError, match="PostgreSQL is down since"):
        stack.start(state)
    away.rename(control)
    wait_until(lambda: not stack.down_servers(state))
    assert query(stack.read(state), "SELECT answer FROM kept") == [(42,)]


def test_down_keeps_the_account_and_delete_ends_it(state):
    running = stack.start(state, die_with_parent=True)
    client(running, "s3").create_bucket(Bucket="kept")
    client(running, "s3").put_object(Bucket="kept", Key="k", Body=b"1")
    stack.stop(state)
    again = stack.start(state, die_with_parent=True)
    assert client(again, "s3").get_object(Bucket="kept", Key="k")["Body"].read() == b"1"
    assert stack.has_data(state)
    stack.delete(state)
    assert not stack.has_data(state)
    assert stack.read(state) is None
    fresh = stack.start(state, die_with_parent=True)
    assert client(fresh, "s3").list_buckets()["Buckets"] == []


def test_a_killed_supervisor_is_told_from_a_stopped_one(state):
    running = stack.start(state)
    assert stack.death_of(state) is None
    os.kill(running.processes["supervisor"].pid, signal.SIGKILL)
    wait_until(lambda: stack.read(state) is None)
    assert "its supervisor was killed" in stack.death_of(state)
    stack.start(state)
    stack.stop(state)
    assert stack.death_of(state) is None


def test_a_recycled_process_number_is_left_alone(state):
    running = stack.start(state)
    stack.stop(state)
    innocent = subprocess.Popen(["sleep", "600"])
    try:
        pretended = stack.ProcessId(innocent.pid, psutil.Process(innocent.pid).create_time() - 100)
        stack.write(stack.LocalStack(**{**vars(running), "processes": {"supervisor": pretended}}))
        assert stack.read(state) is None
        assert stack.clear_leftovers(state) == []
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_a_missing_emulator_environment_is_named(tmp_path):
    with pytest.raises(stack.LocalStackError, match="no /nowhere/python"):
        stack.start(tmp_path, emulator_python=Path("/nowhere/python"))
    assert stack.read(tmp_path) is None


def test_another_version_of_the_emulator_is_refused(tmp_path):
    # This project's own environment has no ministack at all.
    server = Emulator(tmp_path, xray_port=9, python=Path(sys.executable))
    with pytest.raises(
        EmulatorError, match=r"patches need ministack [\d.]+, but its environment has none"
    ):
        server.start()
