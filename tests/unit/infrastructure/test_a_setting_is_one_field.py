"""From one field follow the parameter, its value, and the check of what a person enters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from infrastructure.parameters import parameter_of
from infrastructure.setting_fields import Setting, about, parameter_values, setting, settings_of


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: float = setting(0.5, "A share.", parameter="Share", pattern=r"^0\.\d+$")


@dataclass(frozen=True, kw_only=True)
class Outer:
    host: str = field(metadata=about("A host.", key="top.host", parameter="Host", least=1))
    minutes: int = setting(
        30, "Minutes.", parameter="Periods", group="Times", least=1, most=1440, divisor=5
    )
    mode: Literal["a", "b"] = setting("a", "A mode.", key="top.mode", parameter="Mode")
    names: tuple[str, ...] = setting((), "Names.", parameter="Names")
    quiet: bool = setting(False, "Quiet.", parameter="Quiet")
    secret: str = setting("", "A secret.", parameter="Secret", required=True)
    inner: Inner = field(default_factory=Inner)
    free: dict[str, str] = field(default_factory=dict)


SETTINGS = {one.path[-1]: one for one in settings_of(Outer)}


def declared(name: str) -> dict[str, object]:
    made = parameter_of(SETTINGS[name]).to_dict()
    return {key: value for key, value in made.items() if key != "Description"}


def test_fields_of_inner_dataclasses_are_settings_and_plain_fields_are_not():
    assert [".".join(one.path) for one in SETTINGS.values()][-1] == "inner.share"
    assert "free" not in SETTINGS


def test_a_heading_holds_until_the_next_one():
    assert [one.group for one in SETTINGS.values()] == ["", *["Times"] * 6]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("host", {"Type": "String", "MinLength": 1}),
        ("minutes", {"Type": "Number", "Default": 6, "MinValue": 1, "MaxValue": 288}),
        ("mode", {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]}),
        ("names", {"Type": "CommaDelimitedList", "Default": ""}),
        ("quiet", {"Type": "String", "Default": "false", "AllowedValues": ["true", "false"]}),
        ("secret", {"Type": "String"}),
        ("share", {"Type": "String", "Default": "0.5", "AllowedPattern": r"^0\.\d+$"}),
    ],
)
def test_the_parameter_has_type_default_and_limits_of_the_field(name, expected):
    assert declared(name) == expected


def test_values_are_passed_as_cloudformation_takes_them():
    values = parameter_values(
        Outer(host="db", minutes=7, names=("x", "y"), quiet=True, inner=Inner(share=0.25))
    )
    assert values == {
        "Host": "db",
        "Periods": "2",
        "Mode": "a",
        "Names": "x,y",
        "Quiet": "true",
        "Secret": "",
        "Share": "0.25",
    }


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("host", "", "'' is out of range: a length of at least 1"),
        ("minutes", 0, "0 is out of range: 1 to 1,440 is allowed"),
        ("minutes", 1441, "1441 is out of range"),
        ("mode", "c", "'c' is not one of a, b"),
        ("share", 1.0, "1.0 does not match"),
        ("minutes", 1440, ""),
        ("secret", "", ""),
        ("quiet", True, ""),
        ("names", ("x",), ""),
        ("share", 0.1, ""),
    ],
)
def test_a_value_that_the_parameter_would_refuse_is_named_with_what_is_allowed(
    name, value, problem
):
    found = SETTINGS[name].problem(value)
    assert found.startswith(problem) if problem else found == ""


def test_a_text_longer_than_its_limit_is_refused():
    name = Setting(path=("name",), kind="text", default="", text="A name.", most=3)
    assert name.problem("four") == "'four' is out of range: a length of at most 3 is allowed"
