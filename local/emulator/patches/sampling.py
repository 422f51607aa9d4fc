"""AWS X-Ray: sampling rules of a template are kept, and don't apply.

AWS creates ``AWS::XRay::SamplingRule`` and asks it which executions to trace. MiniStack 1.5.33 has
no X-Ray and refuses the whole template. Here the rule becomes a resource with an ARN: every
execution that a schedule starts is traced, whatever the rule says. Remove when the emulator knows
the type.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import provisioners

__all__ = ["apply"]

RELIES_ON = (
    "core.responses.get_account_id", "core.responses.get_region",
    "services.cloudformation.provisioners._RESOURCE_HANDLERS",
)  # fmt: skip

Document = dict[str, Any]
KIND = "AWS::XRay::SamplingRule"
LONGEST_NAME = 32


def apply() -> None:
    """Let templates have sampling rules."""
    provisioners._RESOURCE_HANDLERS[KIND] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }


def _create(_logical_id: str, properties: Document, _stack: str) -> tuple[str, Document]:
    name = (properties.get("SamplingRule") or {}).get("RuleName", "")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"RuleName must have 1 to {LONGEST_NAME} characters")
    arn = f"arn:aws:xray:{get_region()}:{get_account_id()}:sampling-rule/{name}"
    return arn, {"RuleARN": arn}


def _update(
    _physical_id: str, _old: Document, new: Document, stack: str = "", *_: Any, **_more: Any
) -> tuple[str, Document]:
    return _create("", new, stack)


def _delete(_physical_id: str, _properties: Document) -> None:
    """Nothing is kept but the stack's resource."""
