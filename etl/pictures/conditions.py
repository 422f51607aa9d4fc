"""A rule of a Choice state as a short text for the label of an arrow."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["condition_text"]

_SIGNS = {
    "Equals": "=",
    "LessThan": "<",
    "GreaterThan": ">",
    "LessThanEquals": "≤",
    "GreaterThanEquals": "≥",
    "Matches": "matches",
}
_COMPARISON = re.compile(
    r"^(?:String|Numeric|Boolean|Timestamp)"
    r"(?P<sign>LessThanEquals|GreaterThanEquals|LessThan|GreaterThan|Equals|Matches)(?P<path>Path)?$"
)


def condition_text(rule: dict[str, Any]) -> str:
    """The text of a rule: ``batches > 0`` for
    ``{"Variable": "$.batches", "NumericGreaterThan": 0, ...}``.
    """
    if "Condition" in rule:  # JSONata
        return str(rule["Condition"]).removeprefix("{%").removesuffix("%}").strip()
    if "Not" in rule:
        return f"not ({condition_text(rule['Not'])})"
    for word in ("And", "Or"):
        if word in rule:
            return _joined(rule[word], word)
    name = _name(str(rule.get("Variable", "")))
    for key, value in rule.items():
        comparison = _COMPARISON.match(key)
        if comparison:
            other = _name(str(value)) if comparison["path"] else _value(value)
            return f"{name} {_SIGNS[comparison['sign']]} {other}"
        if key.startswith("Is"):
            return _is(name, key, bool(value))
    return name


def _joined(rules: list[dict[str, Any]], word: str) -> str:
    present = [_name(str(r["Variable"])) for r in rules if r.get("IsPresent") is True]
    if word == "And" and len(present) == len(rules):
        more = f" and {len(present) - 2} more" if len(present) > 3 else ""
        return f"has {', '.join(present[: 2 if more else None])}{more}"
    return f" {word.lower()} ".join(condition_text(rule) for rule in rules)


def _is(name: str, key: str, wanted: bool) -> str:
    if key == "IsPresent":
        return f"has {name}" if wanted else f"no {name}"
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key.removeprefix("Is")).lower()
    return f"{name} is {kind}" if wanted else f"{name} is not {kind}"


def _name(path: str) -> str:
    return path.removeprefix("$$.").removeprefix("$.")


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
