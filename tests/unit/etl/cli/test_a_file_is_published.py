"""``etl publish`` without a pipeline's parts: its options reach the publication, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.authoring.samples import SampleError
from etl.cli import publish
from etl.cli.main import app
from etl.operations import publishing
from etl.operations.receipts import Receipt
from telemetry.contract import load_contract

FLEET = load_contract(Path("contracts/fleet.toml"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the publication; ``receipt`` or ``error`` is what comes of it."""
    found: dict[str, Any] = {}

    def publish_file(_target: Any, _contract: Any, path: Path, **options: Any) -> Receipt:
        found.update(options, path=path)
        if "error" in found:
            raise found["error"]
        options["notify"]("1 topic of the file: a\x1b[2Jb")
        receipt: Receipt = found.get("receipt", Receipt("20261123-publish", "publish", "", 2, 3))
        return receipt

    monkeypatch.setattr(publishing, "publish_file", publish_file)
    monkeypatch.setattr(publish, "target_of", lambda _: SimpleNamespace(contract=FLEET))
    return found


def test_options_reach_the_publication(asked: dict[str, Any]) -> None:
    options = [
        "--client",
        "box-1",
        "--topic",
        "telemetry/fleet/box-1",
        "--qos",
        "0",
        "--rate",
        "2.5",
    ]
    result = CliRunner().invoke(app, ["publish", "-", *options])
    assert result.exit_code == 0, result.output
    assert asked["path"] == Path("-")
    chosen = {name: asked[name] for name in ("device", "topic", "qos", "rate")}
    assert chosen == {
        "device": "box-1", "topic": "telemetry/fleet/box-1", "qos": 0, "rate": 2.5,
    }  # fmt: skip
    assert "published 2 messages, 3 readings" in result.output


@pytest.mark.usefixtures("asked")
def test_remarks_are_escaped_and_keep_off_standard_output() -> None:
    result = CliRunner().invoke(app, ["publish", "some.ndjson", "--json"])
    assert json.loads(result.stdout)["messages"] == 2
    assert r"a\x1b[2Jb" in result.stderr


def test_messages_without_an_acknowledgement_are_said(asked: dict[str, Any]) -> None:
    asked["receipt"] = Receipt("20261123-publish", "publish", "", 0, 0, unacknowledged=2)
    result = CliRunner().invoke(app, ["publish", "some.ndjson", "--qos", "0"])
    assert "sent 2 messages without an acknowledgement" in result.output


def test_a_file_of_no_messages_is_refused_with_a_sentence(asked: dict[str, Any]) -> None:
    asked["error"] = SampleError("some.bin: a binary file; only text in UTF-8 can be read")
    result = CliRunner().invoke(app, ["publish", "some.bin"])
    assert result.exit_code == 1
    assert "some.bin: a binary file" in result.output
    assert "Traceback" not in result.output


def test_there_is_no_quality_of_service_of_2(asked: dict[str, Any]) -> None:
    assert CliRunner().invoke(app, ["publish", "some.ndjson", "--qos", "2"]).exit_code == 2
    assert asked == {}
