"""A template as it takes effect: parameters put in, conditions decided. Pure.

Two templates are compared by what they make, not by how they are written: a changed value of a
parameter is a changed property of each resource that uses it. What only AWS knows (attributes of
resources, the account) stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["Resolved", "resolve"]

Resolved = dict[str, dict[str, Any]]
"""Logical id to the resource with its values put in; without those whose condition fails."""
LISTS = ("CommaDelimitedList", "List<")
NOTHING = {"Ref": "AWS::NoValue"}
PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")


def resolve(template: dict[str, Any], parameters: dict[str, str]) -> Resolved:
    """The resources of a template as these values of its parameters make them."""
    reader = _Reader(template, parameters)
    return {
        name: {key: reader.value(part) for key, part in resource.items()}
        for name, resource in template.get("Resources", {}).items()
        if reader.holds(resource.get("Condition"))
    }


class _Reader:
    def __init__(self, template: dict[str, Any], parameters: dict[str, str]) -> None:
        self.conditions: dict[str, Any] = template.get("Conditions", {})
        self.parameters: dict[str, Any] = {
            name: _typed(declared, parameters.get(name, declared.get("Default", "")))
            for name, declared in template.get("Parameters", {}).items()
        }

    def holds(self, condition: str | None) -> bool:
        """Whether a condition of that name holds; no condition does."""
        return condition is None or self._truth(self.conditions.get(condition, {}))

    def _truth(self, rule: Any) -> bool:
        """Conditions about what only AWS knows count as true."""
        if not isinstance(rule, dict) or len(rule) != 1:
            return True
        ((name, given),) = rule.items()
        decide: dict[str, Callable[[Any], bool]] = {
            "Condition": self.holds,
            "Fn::Equals": lambda both: str(self.value(both[0])) == str(self.value(both[1])),
            "Fn::Not": lambda one: not self._truth(one[0]),
            "Fn::And": lambda some: all(map(self._truth, some)),
            "Fn::Or": lambda some: any(map(self._truth, some)),
        }
        return decide.get(name, lambda _: True)(given)

    def value(self, part: Any) -> Any:
        """A part of a resource with everything known put in."""
        if isinstance(part, list):
            return [kept for kept in map(self.value, part) if kept != NOTHING]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            ((name, given),) = part.items()
            known = _FUNCTIONS.get(name)
            if known is not None:
                return known(self, given)
        found = {key: self.value(inner) for key, inner in part.items()}
        return {key: inner for key, inner in found.items() if inner != NOTHING}

    def _ref(self, name: str) -> Any:
        return self.parameters.get(name, {"Ref": name})

    def _if(self, given: list[Any]) -> Any:
        return self.value(given[1] if self.holds(given[0]) else given[2])

    def _sub(self, given: Any) -> Any:
        if not isinstance(given, str):
            return {"Fn::Sub": [given[0], self.value(given[1])]}
        text = PLACEHOLDER.sub(lambda m: str(self.parameters.get(m[1], m[0])), given)
        return {"Fn::Sub": text} if "${" in text else text

    def _join(self, given: list[Any]) -> Any:
        separator, parts = given[0], self.value(given[1])
        if isinstance(parts, list) and all(isinstance(one, str) for one in parts):
            return separator.join(parts)
        return {"Fn::Join": [separator, parts]}


_FUNCTIONS: dict[str, Any] = {
    "Ref": _Reader._ref,
    "Fn::If": _Reader._if,
    "Fn::Sub": _Reader._sub,
    "Fn::Join": _Reader._join,
}


def _typed(declared: dict[str, Any], value: Any) -> Any:
    if str(declared.get("Type", "")).startswith(LISTS):
        return [part for part in str(value).split(",") if part] if value else []
    return str(value)
