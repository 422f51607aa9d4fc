"""One definition of each setting: a dataclass field whose metadata describes it completely.

From the field follow the default, the CloudFormation parameter with its limits, the value that is
passed at a deployment, the key in the settings file with its check, the commented example, the
docs, and the help of command-line options. A class below this package, which can't import it,
writes the same metadata as a plain mapping.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypedDict, TypeVar, Unpack, get_args, get_origin, get_type_hints

__all__ = ["Kind", "Setting", "about", "parameter_values", "setting", "settings_of"]

T = TypeVar("T")
Kind = Literal[
    "text", "whole number", "number", "true or false", "file", "list of texts", "list of files"
]

_KINDS: dict[object, Kind] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "file",
    tuple[str, ...]: "list of texts",
    tuple[Path, ...]: "list of files",
}


class Metadata(TypedDict, total=False):
    """Keys of a field's metadata, explained at :class:`Setting`."""

    key: str
    parameter: str
    group: str
    least: float
    most: float
    choices: tuple[Any, ...]
    pattern: str
    required: bool
    divisor: int
    example: Any
    local: Any


def about(text: str, **more: Unpack[Metadata]) -> dict[str, Any]:
    """Metadata of a dataclass field that is a setting; ``text`` says in a sentence what it is."""
    return {"text": text, **more}


def setting(default: T, text: str, **more: Unpack[Metadata]) -> T:
    """A dataclass field with a default that is a setting."""
    made: T = field(default=default, metadata=about(text, **more))
    return made


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a deployment, read from its field."""

    path: tuple[str, ...]
    """Attribute names that lead to the field, such as ``("alarms", "lag_seconds")``."""
    kind: Kind
    default: Any
    """Value where nothing is set; ``None`` where a value is required or where there is none."""
    text: str
    """Purpose in a sentence or two, shown wherever the setting appears."""
    key: str = ""
    """Dotted key in the settings file, ``table.name``; empty: not for users to set."""
    parameter: str = ""
    """Parameter of the CloudFormation template; empty: a change needs a new build."""
    group: str = ""
    """Heading above the parameter on CloudFormation's console; a field without one stands under
    the heading of the field before."""
    least: float | None = None
    """Smallest number, or shortest text."""
    most: float | None = None
    """Largest number, or longest text."""
    choices: tuple[Any, ...] = ()
    pattern: str = ""
    """Regular expression that a text matches as a whole."""
    required: bool = False
    """The template has no default for it, even where the dataclass has."""
    divisor: int = 1
    """The parameter counts units of so many, rounded up: minutes in periods of five minutes."""
    example: Any = None
    """Shown in the example file where there is no default."""
    local: Any = None
    """Value on this machine's emulator, where it differs from the default."""

    @property
    def table(self) -> str:
        """Table of the settings file; empty: the top of the file."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Name within its table."""
        return self.key.rpartition(".")[2]

    @property
    def is_number(self) -> bool:
        """True for a number: its limits are limits of the value, not of a length."""
        return self.kind in ("whole number", "number")

    @property
    def limits(self) -> str:
        """Values that are allowed, in words; empty: any of its kind."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        if self.least is None and self.most is None:
            return ""
        what = "" if self.is_number else "a length of "
        if self.most is None:
            return f"{what}at least {self.least:,}"
        if self.least is None:
            return f"{what}at most {self.most:,}"
        return f"{what}{self.least:,} to {self.most:,}"

    def parameter_value(self, value: Any) -> str:
        """The value as CloudFormation takes it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, tuple):
            return ",".join(value)
        return str(value if self.divisor == 1 else math.ceil(value / self.divisor))

    def problem(self, value: Any) -> str:
        """Reason for which a value of the right kind can't be used; empty where it can."""
        if value == "" and self.default == "":
            return ""
        if self.choices and value not in self.choices:
            return f"{value!r} is not one of {self.limits}"
        size = value if self.is_number else len(self.parameter_value(value))
        if (self.least is not None and size < self.least) or (
            self.most is not None and size > self.most
        ):
            return f"{value!r} is out of range: {self.limits} is allowed"
        if self.pattern and not re.fullmatch(self.pattern, self.parameter_value(value)):
            return f"{value!r} does not match {self.pattern}"
        return ""


def settings_of(owner: type[Any]) -> tuple[Setting, ...]:
    """The settings of a dataclass and of the dataclasses in it, in the order of their fields."""
    found, group = [], ""
    for one in _settings(owner, ()):
        group = one.group or group
        found.append(replace(one, group=group))
    return tuple(found)


def _settings(owner: type[Any], path: tuple[str, ...]) -> Iterator[Setting]:
    hints = get_type_hints(owner)
    for one in fields(owner):
        here, hint = (*path, one.name), hints[one.name]
        if is_dataclass(hint) and isinstance(hint, type):
            yield from _settings(hint, here)
        elif one.metadata:
            value_type, choices = _value_type(hint)
            yield Setting(
                path=here,
                kind=_KINDS[value_type],
                default=None if one.default is MISSING else one.default,
                **{"choices": choices, **one.metadata},
            )


def _value_type(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Type of a field's values, and the values where there is a choice of them."""
    if isinstance(hint, UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0]), get_args(hint)
    return hint, ()


def parameter_values(settings: Any) -> dict[str, str]:
    """Values of a template's parameters, from an instance of a dataclass of settings."""
    return {
        one.parameter: one.parameter_value(reduce(getattr, one.path, settings))
        for one in settings_of(type(settings))
        if one.parameter
    }
