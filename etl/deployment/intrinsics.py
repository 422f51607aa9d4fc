"""Resolves a template's intrinsic functions: parameters are filled in, conditions decided.

Two templates are compared by the resources that they make, not by their text: a changed value of
a parameter is a changed property of each resource that uses it. Values that only AWS knows
(attributes of resources, the account) stay unresolved. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["ResolvedResources", "resolve_template"]

ResolvedResources = dict[str, dict[str, Any]]
"""Logical id to the resource with its values filled in; without those whose condition fails."""
LIST_TYPES = ("CommaDelimitedList", "List<")
NO_VALUE = {"Ref": "AWS::NoValue"}
PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")


def resolve_template(template: dict[str, Any], parameters: dict[str, str]) -> ResolvedResources:
    """Return the resources of a template for these values of its parameters."""
    resolver = _Resolver(template, parameters)
    return {
        name: {key: resolver.value(part) for key, part in resource.items()}
        for name, resource in template.get("Resources", {}).items()
        if resolver.holds(resource.get("Condition"))
    }


class _Resolver:
    def __init__(self, template: dict[str, Any], parameters: dict[str, str]) -> None:
        self.conditions: dict[str, Any] = template.get("Conditions", {})
        self.parameters: dict[str, Any] = {
            name: _typed(declared, parameters.get(name, declared.get("Default", "")))
            for name, declared in template.get("Parameters", {}).items()
        }

    def holds(self, condition: str | None) -> bool:
        """Return whether the condition of that name holds; ``None`` always holds."""
        return condition is None or self._truth(self.conditions.get(condition, {}))

    def _truth(self, rule: Any) -> bool:
        """Evaluate a rule; one about values that only AWS knows counts as true."""
        if not isinstance(rule, dict) or len(rule) != 1:
            return True
        ((name, arguments),) = rule.items()
        decide: dict[str, Callable[[Any], bool]] = {
            "Condition": self.holds,
            "Fn::Equals": lambda pair: str(self.value(pair[0])) == str(self.value(pair[1])),
            "Fn::Not": lambda rules: not self._truth(rules[0]),
            "Fn::And": lambda rules: all(map(self._truth, rules)),
            "Fn::Or": lambda rules: any(map(self._truth, rules)),
        }
        return decide.get(name, lambda _: True)(arguments)

    def value(self, part: Any) -> Any:
        """Resolve a part of a resource as far as its values are known."""
        if isinstance(part, list):
            return [kept for kept in map(self.value, part) if kept != NO_VALUE]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            ((name, arguments),) = part.items()
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(self, arguments)
        values = {key: self.value(inner) for key, inner in part.items()}
        return {key: inner for key, inner in values.items() if inner != NO_VALUE}

    def _ref(self, name: str) -> Any:
        return self.parameters.get(name, {"Ref": name})

    def _if(self, arguments: list[Any]) -> Any:
        return self.value(arguments[1] if self.holds(arguments[0]) else arguments[2])

    def _sub(self, arguments: Any) -> Any:
        if not isinstance(arguments, str):
            return {"Fn::Sub": [arguments[0], self.value(arguments[1])]}
        text = PLACEHOLDER.sub(lambda m: str(self.parameters.get(m[1], m[0])), arguments)
        return {"Fn::Sub": text} if "${" in text else text

    def _join(self, arguments: list[Any]) -> Any:
        separator, parts = arguments[0], self.value(arguments[1])
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return separator.join(parts)
        return {"Fn::Join": [separator, parts]}


_FUNCTIONS: dict[str, Any] = {
    "Ref": _Resolver._ref,
    "Fn::If": _Resolver._if,
    "Fn::Sub": _Resolver._sub,
    "Fn::Join": _Resolver._join,
}


def _typed(declared: dict[str, Any], value: Any) -> Any:
    if str(declared.get("Type", "")).startswith(LIST_TYPES):
        return [part for part in str(value).split(",") if part] if value else []
    return str(value)
