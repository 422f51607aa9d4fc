"""`etl up` without a word about channels leaves them as they run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from etl.aws.target import NoStackError, Target
from etl.deployment import deploy, laptop
from infrastructure.settings import DatabaseSettings, DeploySettings


@pytest.mark.parametrize(
    ("running", "asked", "expected"),
    [
        (None, None, False), ({}, None, False), ({"ChannelsSecretArn": "arn:c"}, None, True),
        (None, True, True), ({"ChannelsSecretArn": "arn:c"}, False, False),
    ],
)  # fmt: skip
def test_channels_stay_as_they_run_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    running: dict[str, str] | None,
    asked: bool | None,
    expected: bool,
) -> None:
    class Running(Target):
        @property
        def outputs(self) -> dict[str, str]:  # type: ignore[override]
            if running is None:
                raise NoStackError("none")
            return running

    deployed: list[DeploySettings] = []
    settings = DeploySettings(
        stack="plant", contract=laptop.DEFAULT_CONTRACT, database=DatabaseSettings(host="h")
    )
    monkeypatch.setattr(laptop, "start_stand_ins", lambda *_, **__: SimpleNamespace(region="r"))
    monkeypatch.setattr(laptop, "local_target", lambda state, stack, _: Running(stack, state=state))
    monkeypatch.setattr(laptop, "deployed_contracts", lambda _: None)
    monkeypatch.setattr(laptop, "laptop_settings", lambda *_: settings)
    monkeypatch.setattr(laptop, "create_database", lambda *_: None)
    monkeypatch.setattr(deploy, "deploy", lambda _, wanted, **__: deployed.append(wanted))
    laptop.bring_up(tmp_path, "plant", None, channels=asked)
    assert [one.channels for one in deployed] == [expected]
