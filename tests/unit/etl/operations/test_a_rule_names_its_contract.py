"""The contract of a message that a topic rule could not deliver, by the rule's name."""

from __future__ import annotations

import pytest

from etl.operations.topic_rules import contract_of_rule, is_rule_of_removed

OUTPUTS = {
    "ContractName": "uplink",
    "FurtherContracts": "box-status,events",
    "BasicIngestPrefix": "$aws/rules/s_TopicRule_1",
    "BasicIngestPrefixBoxStatus": "$aws/rules/s_TopicRuleBoxStatus_2",
    "BasicIngestPrefixEvents": "$aws/rules/s_TopicRuleEvents_3",
}


@pytest.mark.parametrize(
    ("rule", "contract"),
    [
        ("s_TopicRule_1", None),
        ("s_TopicRuleBoxStatus_2", "box-status"),
        # Made before its contract was removed and added again.
        ("s_TopicRuleBoxStatus_9Z", "box-status"),
        ("TopicRule_s_TopicRuleEvents_0", "events"),
        ("s_TopicRule_9Z", None),
        # The first one, when it was a further one.
        ("s_TopicRuleUplink_4", None),
        ("by_hand", None),
        (None, None),
    ],
)
def test_a_rule_is_of_a_contract_that_there_is(rule, contract):
    assert contract_of_rule(OUTPUTS, rule) == contract
    assert not is_rule_of_removed(OUTPUTS, rule)


def test_the_rule_of_a_removed_contract_is_no_other_one_s():
    assert is_rule_of_removed(OUTPUTS, "s_TopicRuleJoins_5")
    assert not is_rule_of_removed(OUTPUTS | {"FurtherContracts": "joins"}, "s_TopicRuleJoins_5")


def test_a_pipeline_of_one_contract_takes_whatever_a_rule_of_its_own_left():
    alone = {"ContractName": "uplink", "BasicIngestPrefix": "$aws/rules/s_TopicRule_1"}
    assert not is_rule_of_removed(alone, "s_TopicRule_8")
    assert is_rule_of_removed(alone, "s_TopicRuleJoins_5")
