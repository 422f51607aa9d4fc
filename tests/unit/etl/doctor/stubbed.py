"""A target on AWS whose clients answer from botocore's Stubber, which knows the services' shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from etl.aws.target import Target
from etl.cli.context import message_of
from etl.doctor.examination import Examination
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DatabaseSettings, DeploySettings

ACCOUNT = "123456789012"
REGION = "eu-central-1"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/jane@example.com"
SETTINGS = DeploySettings(
    stack="plant",
    contract=Path("contracts/fleet.toml"),
    database=DatabaseSettings(host="db.example.com"),
)


class Account:
    """What each call is answered with; a call that is not expected fails the test."""

    def __init__(self) -> None:
        self.session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name=REGION)
        self.target = Target("plant", REGION)
        self.target.__dict__["session"] = self.session
        self._stubbers: dict[str, Stubber] = {}

    def stub(self, service: str) -> Stubber:
        if service not in self._stubbers:
            client = self.session.client(service)
            self.target._clients[service] = client
            self._stubbers[service] = Stubber(client)
            self._stubbers[service].activate()
        return self._stubbers[service]

    def answers(
        self, service: str, call: str, answer: dict[str, Any], given: dict[str, Any] | None = None
    ) -> None:
        self.stub(service).add_response(call, answer, given)

    def refuses(self, service: str, call: str, code: str = "AccessDenied") -> None:
        self.stub(service).add_client_error(call, code, "not for you")

    def examination(self, **members: Any) -> Examination:
        settings: tuple[DeploySettings, PlatformSettings | None] = (SETTINGS, None)
        known = {"load_settings": lambda: settings, "explain": message_of, **members}
        found = Examination(target=self.target, **known)
        found.__dict__.update(caller=CALLER, account=ACCOUNT)
        return found

    def all_were_called(self) -> None:
        for stubber in self._stubbers.values():
            stubber.assert_no_pending_responses()


@contextmanager
def account() -> Iterator[Account]:
    found = Account()
    yield found
    found.all_were_called()


def with_role(role: str) -> tuple[DeploySettings, None]:
    return replace(SETTINGS, execution_role_arn=role), None
