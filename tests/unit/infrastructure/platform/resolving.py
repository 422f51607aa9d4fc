"""What CloudFormation makes of a template once the parameters are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Plain = dict[str, Any]
ABSENT = object()
LISTS = ("SubnetIds", "RouteTableIds")


class Resolved:
    """A template under one set of parameters."""

    def __init__(self, template: Plain, parameters: dict[str, str]) -> None:
        self.template = template
        self.parameters = {"AWS::Partition": "aws", **parameters}
        holds = {n: r for n, r in template["Resources"].items() if self._made(r)}
        self.resources: Plain = {name: self.value(body) for name, body in holds.items()}
        told = {n: o for n, o in template["Outputs"].items() if self._made(o)}
        self.outputs: Plain = {name: self.value(body) for name, body in told.items()}

    def holds(self, condition: str) -> bool:
        """Whether a named condition is true."""
        return bool(self._test(self.template["Conditions"][condition]))

    def broken_rules(self) -> list[str]:
        """What CloudFormation would refuse the parameters with."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self._test(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._test(assertion["Assert"])
        ]

    def value(self, node: Any) -> Any:
        """A node with every ``Fn::If`` decided, and without what is ``AWS::NoValue``."""
        if isinstance(node, list):
            return [v for v in map(self.value, node) if v is not ABSENT]
        if not isinstance(node, dict):
            return node
        if "Fn::If" in node:
            condition, yes, no = node["Fn::If"]
            return self.value(yes if self.holds(condition) else no)
        if node == {"Ref": "AWS::NoValue"}:
            return ABSENT
        found = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in found.items() if value is not ABSENT}

    def references(self, node: Any) -> Iterator[str]:
        """Logical ids and parameters that a resolved node names, but for its dependencies."""
        if isinstance(node, list):
            for entry in node:
                yield from self.references(entry)
        elif isinstance(node, dict):
            if "Ref" in node:
                yield node["Ref"]
            elif "Fn::GetAtt" in node:
                yield node["Fn::GetAtt"][0]
            elif "Fn::Sub" in node:
                yield from (n.split(".")[0] for n in re.findall(r"\$\{([^!}]+)\}", node["Fn::Sub"]))
            else:
                for value in node.values():
                    yield from self.references(value)

    def _made(self, body: Plain) -> bool:
        return "Condition" not in body or self.holds(body["Condition"])

    def _test(self, rule: Any) -> Any:
        if not isinstance(rule, dict):
            return rule
        ((name, given),) = rule.items()
        match name:
            case "Condition":
                return self.holds(given)
            case "Ref":
                text = self.parameters[given]
                return text.split(",") if given in LISTS else text
            case "Fn::Join":
                return given[0].join(self._test(given[1]))
            case "Fn::Equals":
                # CloudFormation compares texts: the parameter "0" equals the number 0.
                return str(self._test(given[0])) == str(self._test(given[1]))
            case "Fn::EachMemberEquals":
                return all(member == given[1] for member in self._test(given[0]))
            case "Fn::Not":
                return not self._test(given[0])
            case "Fn::And":
                return all(map(self._test, given))
            case "Fn::Or":
                return any(map(self._test, given))
        raise AssertionError(f"conditions don't know {name}")
