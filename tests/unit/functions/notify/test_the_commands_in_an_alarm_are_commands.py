"""The commands that notifications show are those of the program, for every alarm."""

from __future__ import annotations

import pytest
import typer

from etl.cli.main import app
from infrastructure.core.alarm_spec import AlarmSpec
from infrastructure.core.alarms import ALARMS
from infrastructure.core.channels import CHANNEL_ALARMS
from infrastructure.core.maintenance import MAINTENANCE_ALARM
from infrastructure.platform.alarms import MATH_ALARMS
from telemetry.alarm_text import commands_of, first_step_of, headline_of, runbook_of


@pytest.mark.parametrize(
    "spec", [*ALARMS, *CHANNEL_ALARMS, MAINTENANCE_ALARM], ids=lambda spec: spec.name
)
def test_an_alarm_names_a_command_with_options_that_it_has(spec: AlarmSpec) -> None:
    found = commands_of(first_step_of(spec.description))
    assert found
    for command in found:
        known: typer.core.click.Command = typer.main.get_command(app)  # type: ignore[name-defined]
        words = command.split()[1:]
        while words and hasattr(known, "commands") and words[0] in known.commands:
            known = known.commands[words.pop(0)]
        assert known.callback is not None, command
        options = {name for one in known.params for name in one.opts}
        assert {word for word in words if word.startswith("-")} <= options, command
        values = [word for word in words if not word.startswith("-")]
        taken = [one for one in known.params if one.param_type_name == "argument"]
        flags = sum(word.startswith("-") for word in words)
        assert len(values) <= len(taken) + flags, command


def test_a_description_has_its_parts() -> None:
    description = "A is wrong. See why: etl sweep --dry-run. Else. See docs/platform.md#cpu"
    assert headline_of(description, "cpu") == "A is wrong (alarm cpu)."
    assert first_step_of(description) == "See why: etl sweep --dry-run. Else."
    assert commands_of(description) == ("etl sweep --dry-run",)
    assert runbook_of(description, "cpu") == "docs/platform.md#cpu"
    assert headline_of("", "cpu") == "The alarm cpu is firing."
    assert (first_step_of(""), commands_of("settle etl")) == ("", ())
    assert runbook_of("", "cpu") == "docs/runbook.md#cpu"
    assert all(spec.first for spec in MATH_ALARMS)
