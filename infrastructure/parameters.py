"""CloudFormation parameters, made from the definitions of the settings."""

from __future__ import annotations

from typing import Any

from troposphere import Parameter, Template

from infrastructure.setting_fields import Setting, settings_of

__all__ = ["add_parameters", "parameter_of"]


def add_parameters(template: Template, owner: type[Any]) -> None:
    """Add a parameter for each setting of a dataclass that is one, under its heading."""
    for one in settings_of(owner):
        if not one.parameter:
            continue
        made = parameter_of(one)
        template.add_parameter(made)
        if one.group:
            template.add_parameter_to_group(made, one.group)


def parameter_of(setting: Setting) -> Parameter:
    """The parameter of one setting: its type, default, limits and description."""
    properties: dict[str, Any] = {"Type": _type(setting), "Description": setting.text}
    if setting.default is not None and not setting.required:
        properties["Default"] = _default(setting)
    if setting.choices:
        properties["AllowedValues"] = list(setting.choices)
    if setting.kind == "true or false":
        properties["AllowedValues"] = ["true", "false"]
    if setting.pattern:
        properties["AllowedPattern"] = setting.pattern
    what = "Value" if setting.is_number else "Length"
    if setting.least is not None:
        properties[f"Min{what}"] = int(setting.parameter_value(setting.least))
    if setting.most is not None:
        properties[f"Max{what}"] = int(setting.parameter_value(setting.most))
    return Parameter(setting.parameter, **properties)


def _type(setting: Setting) -> str:
    # CloudFormation's Number has no share such as 0.1 in its limits, so that a share is a String
    # with a pattern.
    types = {"whole number": "Number", "list of texts": "CommaDelimitedList"}
    return types.get(setting.kind, "String")


def _default(setting: Setting) -> str | int:
    text = setting.parameter_value(setting.default)
    return int(text) if setting.kind == "whole number" else text
