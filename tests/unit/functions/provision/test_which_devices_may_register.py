"""A device registers if its serial number is in the list and its thing has no certificate yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions.provision import handler
from functions.provision.allow_list import decide, parse_allow_list
from telemetry.errors import BatchMissingError, StorageUnavailableError

LIST = b"""\xef\xbb\xbf# the first lot
box-07
  box-08   # spare

not a name
box-09\r
"""


def test_a_list_has_comments_blanks_and_line_ends_of_any_kind() -> None:
    assert parse_allow_list(LIST) == {"box-07", "box-08", "box-09"}
    assert parse_allow_list(b"") == frozenset()
    assert parse_allow_list(b"\xff\xfe\n\x00") == frozenset()


@pytest.mark.parametrize(
    "serial", [None, "", 7, ["box-07"], {"x": 1}, "box/07", "box-07\n", "+", "#", "x" * 129]
)
def test_what_is_no_serial_number_is_refused_even_where_the_list_has_it(serial: Any) -> None:
    listed = frozenset({str(serial)})
    assert not decide(serial, listed, []).allowed


def test_a_serial_number_of_the_list_is_allowed_once() -> None:
    allowed = parse_allow_list(LIST)
    assert decide("box-07", allowed, []).allowed
    assert not decide("box-10", allowed, []).allowed
    again = decide("box-07", allowed, ["arn:aws:iot:eu-central-1:1:cert/a"])
    assert not again.allowed
    assert "detach its certificate first" in again.reason


def test_certificates_are_asked_for_only_where_the_serial_number_is_allowed() -> None:
    def asked() -> Iterator[str]:
        raise AssertionError("asked AWS IoT about a device that is not in the list")
        yield

    assert not decide("box-10", parse_allow_list(LIST), asked()).allowed
    with pytest.raises(AssertionError):
        decide("box-07", parse_allow_list(LIST), asked())


class NoSuchThingError(Exception):
    """As AWS IoT answers for a thing that doesn't exist."""


class FakeIot:
    """AWS IoT with one thing, which has a certificate."""

    class exceptions:  # noqa: N801 - botocore's name
        ResourceNotFoundException = NoSuchThingError

    def list_thing_principals(self, *, thingName: str) -> dict[str, list[str]]:
        if thingName != "box-08":
            raise NoSuchThingError
        return {"principals": ["arn:aws:iot:eu-central-1:1:cert/a"]}


def event(**parameters: Any) -> dict[str, Any]:
    """The documented event of a pre-provisioning hook."""
    return {
        "claimCertificateId": "c",
        "certificateId": "n",
        "certificatePem": "-----BEGIN CERTIFICATE-----",
        "templateArn": "arn:aws:iot:us-east-1:1234567890:provisioningtemplate/MyTemplate",
        "clientId": "221a6d10-9c7f-42f1-9153-e52e6fc869c1",
        "parameters": parameters,
    }


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Key to object, or to the error that reading it raises."""
    held: dict[str, Any] = {"devices/allowed.txt": LIST}

    def get(name: str, key: str) -> bytes:
        assert name == "data"
        found = held.get(key, BatchMissingError("no such object"))
        if isinstance(found, Exception):
            raise found
        return bytes(found)

    monkeypatch.setenv("DATA_BUCKET", "data")
    monkeypatch.setattr(handler, "get_object", get)
    monkeypatch.setattr(handler, "client", lambda _: FakeIot())
    return held


def test_the_answer_is_that_of_a_hook(bucket: dict[str, Any]) -> None:
    assert handler.handle(event(SerialNumber="box-07")) == {"allowProvisioning": True}
    assert handler.handle(event(SerialNumber="box-08")) == {"allowProvisioning": False}
    assert handler.handle(event(SerialNumber="box-10")) == {"allowProvisioning": False}
    assert handler.handle(event()) == {"allowProvisioning": False}
    assert handler.handle({**event(), "parameters": None}) == {"allowProvisioning": False}


def test_without_a_list_no_device_registers(bucket: dict[str, Any]) -> None:
    bucket.clear()
    assert handler.handle(event(SerialNumber="box-07")) == {"allowProvisioning": False}


def test_an_unreachable_list_is_an_error_not_a_permission(bucket: dict[str, Any]) -> None:
    bucket["devices/allowed.txt"] = StorageUnavailableError("S3 is away")
    with pytest.raises(StorageUnavailableError):
        handler.handle(event(SerialNumber="box-07"))
