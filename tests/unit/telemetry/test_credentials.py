import pytest

from telemetry import database
from telemetry.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
)
from tests.fixtures.aws_fakes import FakeAws


def test_a_secret_is_read_once_per_process(aws: FakeAws):
    aws.secrets.hold("arn", "loader", "hunter2")
    assert database.credentials("arn").username == "loader"
    assert database.credentials("arn").password == "hunter2"
    assert aws.secrets.calls == ["get_secret_value"]


def test_a_password_shows_in_no_representation(aws: FakeAws):
    aws.secrets.hold("arn", "loader", "hunter2")
    found = database.credentials("arn")
    assert "hunter2" not in f"{found} {found!r}"


@pytest.mark.parametrize("value", ["hunter2", '{"username": "hunter2"}', "[]", '"hunter2"'])
def test_a_malformed_secret_is_named_and_not_shown(aws: FakeAws, value):
    aws.secrets.values["arn:of:secret"] = value
    with pytest.raises(ConfigurationError, match="arn:of:secret") as caught:
        database.credentials("arn:of:secret")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("08006", DatabaseUnavailableError),
        ("25006", DatabaseUnavailableError),
        ("53300", DatabaseUnavailableError),
        ("57P01", DatabaseUnavailableError),
        ("57P03", DatabaseUnavailableError),
        ("40001", DatabaseBusyError),
        ("40P01", DatabaseBusyError),
        ("55P03", DatabaseBusyError),
        ("57014", DatabaseBusyError),
        ("22P02", DatabaseRefusedError),
        ("23502", DatabaseRefusedError),
        ("28P01", DatabaseRefusedError),
        ("42P01", DatabaseRefusedError),
        ("25P02", DatabaseRefusedError),
        ("XX000", DatabaseRefusedError),
    ],
)
def test_the_sqlstate_decides_what_an_error_is(code, expected):
    assert database._kind(code) is expected
