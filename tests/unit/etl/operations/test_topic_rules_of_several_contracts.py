"""Each contract's topic rule is found by the stack's outputs, whose names end with the contract's."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

from etl.operations.dead_letters import envelope_of
from etl.operations.metrics import _of_iot
from etl.operations.redrive import _body_of
from etl.operations.topic_rules import basic_ingest_prefix, contract_of_rule

OUTPUTS = {
    "FurtherContracts": "box_status,meters",
    "BasicIngestPrefix": "$aws/rules/stack_TopicRule_A1",
    "BasicIngestPrefixBoxStatus": "$aws/rules/stack_TopicRuleBoxStatus_B2",
    "BasicIngestPrefixMeters": "$aws/rules/stack_TopicRuleMeters_C3",
    "BasicIngestPrefixOther": "$aws/rules/other",
}
ONE = {"BasicIngestPrefix": "$aws/rules/rule"}


def failed(rule: str) -> Any:
    body = {
        "ruleName": rule, "topic": "t/box", "clientId": "box", "failures": [],
        "base64OriginalPayload": base64.b64encode(b"{}").decode(),
    }  # fmt: skip
    return {"MessageId": "m", "Body": json.dumps(body), "Attributes": {"SentTimestamp": "7"}}


def test_a_rule_is_of_its_contract() -> None:
    assert basic_ingest_prefix(OUTPUTS, None) == "$aws/rules/stack_TopicRule_A1"
    assert basic_ingest_prefix(OUTPUTS, "box_status") == "$aws/rules/stack_TopicRuleBoxStatus_B2"
    assert contract_of_rule(OUTPUTS, "stack_TopicRuleBoxStatus_B2") == "box_status"
    assert contract_of_rule(OUTPUTS, "stack_TopicRule_A1") is None
    assert contract_of_rule(ONE, "rule") is None
    assert contract_of_rule({}, None) is None


def test_what_a_rule_could_not_deliver_goes_back_under_its_contract() -> None:
    further = json.loads(_body_of(failed("stack_TopicRuleMeters_C3"), OUTPUTS) or "")
    first = json.loads(_body_of(failed("stack_TopicRule_A1"), OUTPUTS) or "")
    assert further == {**first, "contract": "meters"}
    assert sorted(first) == ["client_id", "payload", "received_at", "topic"]
    assert envelope_of(failed("stack_TopicRuleMeters_C3"), OUTPUTS).contract == "meters"
    assert envelope_of(failed("stack_TopicRule_A1"), OUTPUTS).contract is None


def test_each_rules_throttling_is_a_signal() -> None:
    target: Any = SimpleNamespace(outputs=OUTPUTS)
    rules = {
        signal.name: signal.dimensions[0][1]
        for signal in _of_iot(target)
        if signal.metric == "RuleMessageThrottled"
    }
    assert rules == {
        "RuleMessageThrottled": "stack_TopicRule_A1",
        "RuleMessageThrottled/box_status": "stack_TopicRuleBoxStatus_B2",
        "RuleMessageThrottled/meters": "stack_TopicRuleMeters_C3",
    }
