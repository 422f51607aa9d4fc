"""``docs/parameters.md``: the parameters of both templates and the functions' environment."""

from __future__ import annotations

from typing import Any

from troposphere import Parameter, Template

from etl.reference.markdown import generated, table
from etl.reference.tuning import TUNING
from infrastructure.core import parameters as core
from infrastructure.parameters import add_parameters
from infrastructure.platform.settings import PlatformSettings
from infrastructure.setting_fields import settings_of
from infrastructure.settings import DeploySettings

__all__ = ["parameters_page"]

INTRODUCTION = """\
# Parameters

[Settings](settings.md) is the page of the file that you write. This page lists what its settings
become: the parameters of the CloudFormation templates, for those who look at a stack on the
console, and the environment variables that tune a function.
"""
CORE = """\
## The pipeline's stack

A parameter can be changed without a new build: a deployment with another value is an
update of the stack. A parameter without a default is required.
"""
PLATFORM = """\
## The platform stack

A parameter without a key is filled in by `etl deploy`.
"""
ENVIRONMENT = """\
## Environment of the functions

The template writes what a function needs to find its queue, bucket and database. The variables
below have defaults; `[tuning]` in the settings file sets them for every function. A value that
can't be read fails the function with a message that names the variable.
"""


def parameters_page() -> str:
    """The page, as Markdown."""
    template, platform = Template(), Template()
    core.add_parameters(template)
    add_parameters(platform, PlatformSettings)
    head = ["variable", "read by", "default", "what it does"]
    rows = ([f"`{one.name}`", one.reader, one.default, one.text] for one in TUNING)
    return "\n".join(
        [
            INTRODUCTION,
            generated("the fields of infrastructure/settings.py and its neighbours"),
            CORE,
            _parameters(template, DeploySettings),
            PLATFORM,
            _parameters(platform, PlatformSettings),
            ENVIRONMENT,
            table(head, rows),
        ]
    )


def _parameters(template: Template, owner: type[Any]) -> str:
    keys = {one.parameter: one.key for one in settings_of(owner)}
    rows = (
        [
            _code(name),
            _code(keys.get(name, "")),
            _allowed(one),
            _default(one),
            one.Description,
        ]
        for name, one in sorted(template.parameters.items())
    )
    return table(["parameter", "key in the settings file", "values", "default", ""], rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _default(parameter: Parameter) -> str:
    value = parameter.properties.get("Default")
    return "required" if value is None else _code(str(value)) or "empty"


def _allowed(parameter: Parameter) -> str:
    rules = parameter.properties
    if "AllowedValues" in rules:
        return ", ".join(f"`{value}`" for value in rules["AllowedValues"])
    if "MinValue" in rules:
        least = f"{rules['MinValue']:,}"
        return f"{least} to {rules['MaxValue']:,}" if "MaxValue" in rules else f"at least {least}"
    return {"CommaDelimitedList": "list", "Number": "number"}.get(rules["Type"], "text")
