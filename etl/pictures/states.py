"""The steps of a state machine and the arrows between them, as a picture shows them.

Reads the Amazon States Language of any state machine. Pure; nothing is drawn here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from etl.pictures.conditions import condition_text

__all__ = ["Arrow", "Machine", "Step", "read_machine"]

_PLACEHOLDER = re.compile(r"^\$\{(\w+?)(?:Function)?(?:Arn)?\}$")


@dataclass(frozen=True)
class Step:
    """One state."""

    name: str
    kind: str
    """``Task``, ``Choice``, ``Map``, ``Parallel``, ``Pass``, ``Wait``, ``Succeed`` or ``Fail``."""
    service: str = ""
    """Service that a task calls: ``lambda``, ``sns``, ``s3`` ...; empty for other kinds."""
    about: str = ""
    """Short text below the name."""
    ends: bool = False
    """True where the machine (or the branch) may end after it."""
    label: str = ""
    """Label of a Map, which the ARNs of its runs contain."""
    retriers: int = 0
    inner: tuple[Machine, ...] = ()
    """The machine that a Map runs for each item, or the branches of a Parallel."""


@dataclass(frozen=True)
class Arrow:
    """A transition from one state to another."""

    source: str
    target: str
    label: str = ""
    """Condition, for a Choice."""
    caught: bool = False
    """True where only an error leads to the target."""


@dataclass(frozen=True)
class Machine:
    """States of one level, in the order of the definition, and the arrows between them."""

    start: str
    steps: dict[str, Step] = field(default_factory=dict)
    arrows: tuple[Arrow, ...] = ()

    def reached_by_flow(self) -> set[str]:
        """Names of the states that can be reached without an error."""
        found: set[str] = set()
        ahead = [self.start]
        while ahead:
            name = ahead.pop()
            if name in found or name not in self.steps:
                continue
            found.add(name)
            ahead += [a.target for a in self.arrows if a.source == name and not a.caught]
        return found

    def every_step(self) -> list[Step]:
        """All steps, including those of inner machines."""
        found: list[Step] = []
        for step in self.steps.values():
            found.append(step)
            for machine in step.inner:
                found += machine.every_step()
        return found


def read_machine(definition: dict[str, Any]) -> Machine:
    """The machine of a document in Amazon States Language. Raises ``KeyError`` for any other."""
    states = definition["States"]
    arrows: list[Arrow] = []
    for name, state in states.items():
        arrows += _merged(_arrows_of(name, state))
    steps = {name: _step(name, state) for name, state in states.items()}
    return Machine(definition["StartAt"], steps, tuple(a for a in arrows if a.target in steps))


def _step(name: str, state: dict[str, Any]) -> Step:
    kind = state["Type"]
    service, about = _task(state) if kind == "Task" else ("", _words(state))
    inner: tuple[Machine, ...] = ()
    if kind == "Map":
        inner = (read_machine(state.get("ItemProcessor") or state["Iterator"]),)
    elif kind == "Parallel":
        inner = tuple(read_machine(branch) for branch in state["Branches"])
    retriers = len(state.get("Retry", ()))
    label = str(state.get("Label", ""))
    return Step(name, kind, service, about, bool(state.get("End")), label, retriers, inner)


def _task(state: dict[str, Any]) -> tuple[str, str]:
    """Service and short text, such as ``("lambda", "Lambda · extract")``."""
    resource = str(state.get("Resource", ""))
    parameters = state.get("Parameters") or state.get("Arguments") or {}
    _, _, integration = resource.partition(":states:::")
    if not integration:
        return "lambda", f"Lambda · {_last_part(resource)}"
    parts = integration.removeprefix("aws-sdk:").split(":")
    service = parts[0]
    if service == "lambda":
        function = parameters.get("FunctionName") or parameters.get("FunctionName.$", "")
        return service, f"Lambda · {_last_part(str(function))}"
    titles = {"sns": "SNS", "sqs": "SQS", "s3": "S3", "dynamodb": "DynamoDB"}
    return service, f"{titles.get(service, service)} · {'.'.join(parts[1:2]).partition('.')[0]}"


def _last_part(arn: str) -> str:
    """``${ExtractFunctionArn}`` is ``extract``, ``...:function:name:alias`` is ``name``."""
    placeholder = _PLACEHOLDER.match(arn)
    if placeholder:
        return placeholder[1].lower()
    _, marker, rest = arn.partition(":function:")
    return rest.partition(":")[0] if marker else arn.rpartition(":")[2]


def _words(state: dict[str, Any]) -> str:
    kind = str(state["Type"])
    if kind == "Map":
        config = (state.get("ItemProcessor") or {}).get("ProcessorConfig", {})
        distributed = config.get("Mode") == "DISTRIBUTED"
        most = state.get("MaxConcurrency")
        each = "an execution for each item" if distributed else "for each item"
        return f"{each}, {most} in parallel" if most else each
    if kind == "Wait":
        seconds = state.get("Seconds")
        return f"Wait {seconds} s" if seconds else "Wait"
    return {"Succeed": "Success", "Fail": "Failure"}.get(kind, kind)


def _arrows_of(name: str, state: dict[str, Any]) -> list[Arrow]:
    found = [
        Arrow(name, rule["Next"], condition_text(rule))
        for rule in state.get("Choices", ())
        if "Next" in rule
    ]
    if "Default" in state:
        found.append(Arrow(name, state["Default"], "otherwise"))
    if "Next" in state:
        found.append(Arrow(name, state["Next"]))
    for catcher in state.get("Catch", ()):
        errors = [e for e in catcher["ErrorEquals"] if e != "States.ALL"]
        found.append(Arrow(name, catcher["Next"], ", ".join(errors), caught=True))
    return found


def _merged(arrows: list[Arrow]) -> list[Arrow]:
    """One arrow for all that lead to the same target."""
    groups: dict[tuple[str, bool], list[Arrow]] = {}
    for arrow in arrows:
        groups.setdefault((arrow.target, arrow.caught), []).append(arrow)
    return [
        Arrow(same[0].source, target, " or ".join(a.label for a in same if a.label), caught)
        for (target, caught), same in groups.items()
    ]
