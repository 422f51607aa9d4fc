"""The emulator answers who has the secret of its run, and no web page."""

from __future__ import annotations

import http.client
import stat
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local.stack import LocalStack
from tests.fixtures.local import EmulatorStack

CREATE = "/2015-03-31/functions"
ACTION = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/sqs/aws4_request"}


def ask(
    emulator: EmulatorStack, method: str, path: str, headers: dict[str, str], host: str = ""
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a request without the credentials' token."""
    address = emulator.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": host or address, "Content-Length": "0", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CREATE),
        ("GET", CREATE),
        ("GET", "/"),
        ("PUT", "/bucket"),
        ("POST", "/_ministack/reset"),
        ("GET", "/_ministack/config"),
        ("POST", "/_ministack/rds/iam-auth"),
        ("POST", "/_ministack/ready"),
        ("GET", "/?Action=ListTopics"),
        ("POST", "/?Action=ConfirmSubscription"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [{}, ACTION, {**ACTION, "X-Amz-Security-Token": "guessed"}, {"X-Amz-Security-Token": "é"}],
)
def test_without_the_secret_nothing_is_done(
    emulator: EmulatorStack, method: str, path: str, headers: dict[str, str]
) -> None:
    status, _, body = ask(emulator, method, path, headers)
    assert status == 403
    assert "stack.json" in body


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize(("method", "path"), [("OPTIONS", CREATE), ("POST", CREATE), ("GET", "/")])
def test_a_web_page_gets_no_answer(
    emulator: EmulatorStack, method: str, path: str, origin: str
) -> None:
    token = {"X-Amz-Security-Token": emulator.session_token}
    status, headers, body = ask(emulator, method, path, {"Origin": origin, **token})
    assert status == 403
    assert "web pages" in body
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "[::1]:{port}"]
)
def test_a_name_that_points_at_the_loopback_is_not_this_server(
    emulator: EmulatorStack, host: str
) -> None:
    port = emulator.endpoint_url.rpartition(":")[2]
    token = {"X-Amz-Security-Token": emulator.session_token}
    status, _, body = ask(emulator, "GET", "/_ministack/ready", token, host.format(port=port))
    assert status == 403
    assert "loopback" in body


def test_two_answers_to_one_question_are_refused(emulator: EmulatorStack) -> None:
    both = f"/?X-Amz-Security-Token={emulator.session_token}&X-Amz-Security-Token=other"
    assert ask(emulator, "GET", both, {})[0] == 403


def test_who_has_the_secret_is_served(emulator: EmulatorStack) -> None:
    import boto3

    assert emulator.client("sts").get_caller_identity()["Account"] == "000000000000"
    settings = {**emulator.client_settings("sts"), "aws_session_token": "another run's"}
    calls = {
        "sts": ("get_caller_identity", {}),
        "lambda": ("list_functions", {}),
        "sqs": ("list_queues", {}),
        "s3": ("get_object", {"Bucket": "b", "Key": "k"}),
        "iot": ("list_things", {}),
    }
    for service, (call, arguments) in calls.items():
        with pytest.raises(ClientError, match=r"AccessDenied.*stack\.json"):
            getattr(boto3.client(service, **settings), call)(**arguments)


def test_a_presigned_address_carries_the_secret(emulator: EmulatorStack) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="k", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "k"})
    path = url.removeprefix(emulator.endpoint_url)
    status, headers, body = ask(emulator, "GET", path, {})
    assert (status, body) == (200, "content")
    assert not [name for name in headers if name.startswith("access-control-")]
    assert ask(emulator, "GET", "/signed/k", {})[0] == 403


def test_no_other_user_reads_the_secret(local_stack: LocalStack) -> None:
    file: Path = local_stack.state / "stack.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert local_stack.session_token in file.read_text()
    supervisor_log = (local_stack.state / "supervisor.log").read_text()
    emulator_log = local_stack.log_files["emulator"].read_text()
    assert local_stack.session_token not in supervisor_log + emulator_log
