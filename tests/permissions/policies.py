"""A small evaluator of IAM policies: statements of one account, as AWS documents their logic.

Deny wins; else an Allow is needed, of the caller's own policies or of the resource's. A key asks for
its policy's consent in any case, and a role's trust is all that counts for assuming it
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html, read 2026-11). There are no
boundaries, organisations' policies or session policies here. Anything it doesn't know is an error:
an operator that is skipped would be a condition that always holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

__all__ = ["Named", "Policies", "Request", "listed"]

Statement = Mapping[str, Any]
KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Request:
    """What IAM is asked: may this principal do this to that?"""

    principal: str
    """ARN of a role, name of a service, or whom else a policy is given to."""
    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()
    why: str = field(default="", compare=False)

    def __str__(self) -> str:
        held = ", ".join(f"{key}={value}" for key, value in self.context)
        who = self.principal.rpartition("/")[2]
        return f"{who}: {self.action} on {self.resource} [{held}] ({self.why})"


@dataclass(frozen=True)
class Named:
    """One statement, where it stands, and what it is about."""

    name: str
    """``<resource>.<policy>.<Sid>``."""
    statement: Statement
    holder: str | None = None
    """Principal whose own policy it is; ``None`` in a policy of a resource."""
    guards: tuple[str, ...] = ()
    """Patterns of the resources that a resource's policy is about."""


class Policies:
    """Every statement that counts."""

    def __init__(self, statements: Iterable[Named], account: str) -> None:
        self.statements = list(statements)
        self._account = f"arn:aws:iam::{account}:root"

    def replacing(self, name: str, *others: Statement) -> Policies:
        """The same with other statements in the place of one, or with none."""
        changed = []
        for one in self.statements:
            if one.name != name:
                changed.append(one)
            else:
                changed += [Named(name, other, one.holder, one.guards) for other in others]
        return Policies(changed, self._account.split(":")[4])

    def allow(self, request: Request) -> bool:
        """Whether the request is allowed."""
        own = [s for s in self.statements if s.holder == request.principal]
        of_resource = [s for s in self.statements if _guarding(s, request)]
        matching = [s for s in own if _matches(s.statement, request)]
        by_name, by_account = [], []
        for one in of_resource:
            if _matches(one.statement, request):
                kind = self._principal(one.statement, request)
                if kind:
                    (by_account if kind == "account" else by_name).append(one)
        if any(s.statement["Effect"] == "Deny" for s in [*matching, *by_name, *by_account]):
            return False
        if request.action.startswith("kms:"):
            return bool(by_name or (matching and by_account))
        if request.action.startswith("sts:"):
            return bool(by_name)
        return bool(matching or by_name)

    def _principal(self, statement: Statement, request: Request) -> str | None:
        """How a resource's policy names who asks: not at all, itself, or by the account."""
        named = statement["Principal"]
        if named == "*":
            return "itself"
        for kind, values in named.items():
            if kind not in ("AWS", "Service"):
                raise ValueError(f"a principal of kind {kind}")
            if request.principal in listed(values):
                return "itself"
            if self._account in listed(values) and not request.principal.endswith(".amazonaws.com"):
                return "account"
        return None


def listed(value: Any) -> list[Any]:
    """The members of what may stand alone or in a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _guarding(one: Named, request: Request) -> bool:
    return any(_like(request.resource, guarded) for guarded in one.guards)


def _matches(statement: Statement, request: Request) -> bool:
    unknown = set(statement) - KNOWN
    if unknown:
        raise ValueError(f"a statement with {sorted(unknown)}")
    context = dict(request.context)
    # A trust policy has no resource: it is about its role.
    resources = [_filled(pattern, context) for pattern in listed(statement.get("Resource", "*"))]
    return (
        any(_like(request.action.lower(), one.lower()) for one in listed(statement["Action"]))
        and any(one is not None and _like(request.resource, one) for one in resources)
        and all(
            _holds(operator, context.get(key), values)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _filled(pattern: str, context: dict[str, str]) -> str | None:
    """The pattern with policy variables replaced; ``None`` where one is not known."""
    if any(name not in context for name in VARIABLE.findall(pattern)):
        return None
    return VARIABLE.sub(lambda found: context[found[1]], pattern)


def _holds(operator: str, actual: str | None, expected: Any) -> bool:
    """A key that the request doesn't carry fails every operator known here but ``...IfExists``."""
    if operator.endswith("IfExists") and actual is None:
        return True
    operator = operator.removesuffix("IfExists")
    if operator not in ("Bool", "StringEquals", "StringLike", "ArnEquals", "ArnLike"):
        raise ValueError(f"a condition with {operator}")
    if actual is None:
        return False
    if operator == "Bool":
        return actual.lower() in [str(one).lower() for one in listed(expected)]
    if operator == "StringEquals":
        return actual in listed(expected)
    return any(_like(actual, one) for one in listed(expected))


def _like(value: str, pattern: str) -> bool:
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.DOTALL)
