"""Templates of a pipeline with several contracts: what each adds, and what they share."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.core.alarms import ALARMS
from infrastructure.core.build import build_template, template_json
from infrastructure.core.device_policy import crossing_topics, device_topic
from infrastructure.core.ingest import RULE_SELECT
from infrastructure.core.shared_topics import OTHER, OWN, check_topics, overlap, pattern
from infrastructure.platform.build import build_platform_template
from telemetry.contract import Analytics, Contract, ContractSet
from telemetry.contract.topics import TopicFilter
from telemetry.errors import ContractError
from tests.unit.infrastructure.core.test_the_template import CFN_LINT
from tests.unit.infrastructure.platform.deployments import SETTINGS


def further(contract: Contract, name: str, topic: str, **changes: Any) -> Contract:
    """A contract like the first one, under another name, for another table."""
    return replace(contract, name=name, table=name.replace("-", "_"), topic=topic, **changes)


@pytest.fixture(scope="session")
def contracts(contract: Contract) -> ContractSet:
    packed = further(contract, "box-status", "status/+", compression="gzip", partition="day")
    return ContractSet((contract, packed, further(contract, "events", "events/{site}/{device}/#")))


@pytest.fixture(scope="session")
def built(contracts: ContractSet, artifacts, settings, definition) -> dict[str, Any]:
    template = build_template(contracts, artifacts, settings, definition)
    plain: dict[str, Any] = json.loads(json.dumps(template.to_dict()))
    return plain


def changed(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in one if one[name] != other.get(name)}


def test_one_contract_has_what_it_had_before(contract, artifacts, settings, definition, template):
    """The template that the golden files hold."""
    alone = build_template(ContractSet.of([contract]), artifacts, settings, definition)
    assert json.loads(template_json(alone)) == template
    assert not any("further" in name.lower() for name in (*template, *template["Outputs"]))


def test_a_further_contract_adds_a_rule_and_its_alarms(template, built) -> None:
    before, after = template["Resources"], built["Resources"]
    rules = {f"TopicRule{name}" for name in ("BoxStatus", "Events")}
    alarms = {
        f"{alarm}Alarm{name}"
        for alarm in ("RuleErrorAction", "RuleThrottled", "RuleNotFound")
        for name in ("BoxStatus", "Events")
    }
    maintenance = {
        "MaintenanceFailedAlarm",
        "MaintenanceSchedule",
        "MaintenanceScheduleRole",
    }
    assert set(after) - set(before) == rules | alarms | maintenance
    assert changed(before, after) == {
        "DevicePolicy",
        "Dashboard",  # its list of alarms
        "MigrateRole",  # partitions
        "ExtractFunction",  # smaller micro-batches, as one contract is compressed
        "StageFunction",
    }


def test_each_rule_writes_its_contract_s_name_but_the_first(built) -> None:
    sql = {
        name: resource["Properties"]["TopicRulePayload"]["Sql"]
        for name, resource in built["Resources"].items()
        if resource["Type"] == "AWS::IoT::TopicRule"
    }
    assert sql == {
        "TopicRule": f"{RULE_SELECT} FROM 'telemetry/golden/+'",
        "TopicRuleBoxStatus": f"{RULE_SELECT}, 'box-status' AS contract FROM 'status/+'",
        "TopicRuleEvents": f"{RULE_SELECT}, 'events' AS contract FROM 'events/+/+/#'",
    }


def test_each_alarm_on_a_rule_watches_its_own(built) -> None:
    for name, rule in (("", "TopicRule"), ("BoxStatus", "TopicRuleBoxStatus")):
        alarm = built["Resources"][f"RuleThrottledAlarm{name}"]["Properties"]
        assert alarm["Dimensions"] == [{"Name": "RuleName", "Value": {"Ref": rule}}]
        (query,) = built["Resources"][f"RuleErrorActionAlarm{name}"]["Properties"]["Metrics"]
        assert f"RuleName = '${{{rule}}}'" in query["Expression"]["Fn::Sub"]
    names = [
        resource["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        for resource in built["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert len(set(names)) == len(names) == len(ALARMS) + 2 * 3 + 1
    assert {"rule-throttled", "rule-throttled-box-status", "rule-throttled-events"} <= set(names)


def test_the_outputs_name_the_further_contracts(contracts, built, template) -> None:
    outputs = {name: output["Value"] for name, output in built["Outputs"].items()}
    assert outputs["FurtherContracts"] == "box-status,events"
    assert outputs["TopicFilterBoxStatus"] == "status/+"
    assert outputs["BasicIngestPrefixEvents"] == {"Fn::Sub": "$aws/rules/${TopicRuleEvents}"}
    assert outputs["ContractDigestEvents"] == contracts.named("events").digest
    assert changed(template["Outputs"], built["Outputs"]) == set()


def test_a_device_may_publish_the_topics_of_each_contract_to_its_own_rule(built) -> None:
    connect, publish, denied = built["Resources"]["DevicePolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert connect["Action"] == ["iot:Connect"]
    topics = [one["Fn::Sub"].partition(":topic/")[2] for one in publish["Resource"]]
    thing = "${!iot:Connection.Thing.ThingName}"
    assert topics == [
        f"telemetry/golden/{thing}",
        f"$aws/rules/${{TopicRule}}/telemetry/golden/{thing}",
        f"status/{thing}",
        f"$aws/rules/${{TopicRuleBoxStatus}}/status/{thing}",
        f"events/*/{thing}/*",
        f"$aws/rules/${{TopicRuleEvents}}/events/*/{thing}/*",
    ]
    assert [one["Fn::Sub"].partition(":topic/")[2] for one in denied["Resource"]] == [
        f"events/*/*/{thing}/*",
        f"$aws/rules/${{TopicRuleEvents}}/events/*/*/{thing}/*",
    ]


def test_a_rule_stays_the_same_whichever_contracts_are_beside_it(
    contract, contracts, artifacts, settings, definition, built
) -> None:
    fewer = ContractSet((contract, contracts.named("events")))
    alone = build_template(fewer, artifacts, settings, definition).to_dict()["Resources"]
    assert (
        json.loads(json.dumps(alone["TopicRuleEvents"])) == (built["Resources"]["TopicRuleEvents"])
    )


def test_the_platform_has_data_sets_and_a_dashboard_for_each(contract, contracts) -> None:
    settings = SETTINGS["everything"]
    before = build_platform_template(ContractSet((contract,)), settings).to_dict()["Resources"]
    after = build_platform_template(contracts, settings).to_dict()["Resources"]
    assert changed(before, after) == set()
    added = set(after) - set(before)
    sets = {name for name in before if name.endswith("DataSet")}
    for title in ("BoxStatus", "Events"):
        assert {f"{name}Of{title}" for name in sets} <= added
        assert f"QuickSightDashboardOf{title}" in added
    assert len(added) == 2 * (2 * len(sets) + 1)
    ids = [
        (name, json.dumps(resource["Properties"][key], default=vars))
        for name, resource in after.items()
        for key in ("DataSetId", "DashboardId")
        if key in resource["Properties"] and "Schedule" not in resource["Properties"]
    ]
    kinds = {(after[name]["Type"], one) for name, one in ids}
    assert len(kinds) == len(ids)


def test_a_further_contract_may_be_the_only_one_with_views(contract, contracts) -> None:
    without = replace(contract, analytics=Analytics(views=False))
    made = build_platform_template(
        ContractSet((without, *contracts.further)), SETTINGS["everything"]
    ).to_dict()["Resources"]
    assert "QuickSightSource" in made
    assert "QuickSightDashboard" not in made
    assert "QuickSightDashboardOfEvents" in made


def test_cfn_lint_finds_nothing(contracts, built, tmp_path) -> None:
    core, platform = tmp_path / "core.json", tmp_path / "platform.json"
    core.write_text(json.dumps(built))
    platform.write_text(template_json(build_platform_template(contracts, SETTINGS["everything"])))
    files = [str(core), str(platform)]
    command = [sys.executable, "-c", CFN_LINT, "--include-checks", "I", "-t", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["role", "ro-le"])
def test_a_name_that_would_be_another_resource_is_refused_or_not_taken(
    contract, artifacts, settings, definition, name: str
) -> None:
    contracts = ContractSet((contract, further(contract, name, "status/+")))
    if name == "role":
        with pytest.raises(ContractError, match="can't be named role"):
            build_template(contracts, artifacts, settings, definition)
    else:
        made = build_template(contracts, artifacts, settings, definition).to_dict()["Resources"]
        assert "TopicRuleRoLe" in made


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("t/+/{device}", "t/{device}/+", "another device"),
        ("t/{device}/up", "t/{line}/up", "another device"),
        ("t/{line}/up", "t/{device}/up", "another device"),
        ("t/{line}/state", "t/{row}/state", None),
        ("t/{device}/#", "t/all/{device}", "another device"),
        ("t/{device}/up", "t/all/{device}/up", None),
        ("a/{device}/#", "a/{site}/{device}", "another device"),
        ("site/{site}/{device}", "site/{site}/{room}/{device}", "denies"),
        ("a/{device}", "b/{device}", None),
        ("a/{device}", "a/{device}", None),
        ("a/{device}/up", "a/{device}/status", None),
        ("a/{site}/{device}", "a/{site}/{device}", None),
        ("a/{site}/{device}/up", "a/{site}/{device}/down", None),
    ],
)
def test_topics_that_one_policy_can_not_keep_apart_are_refused(
    contract, first: str, second: str, why: str | None
) -> None:
    contracts = ContractSet((replace(contract, topic=first), further(contract, "other", second)))
    if why is None:
        check_topics(contracts)
        return
    with pytest.raises(ContractError, match=rf"overlap.*{why}"):
        check_topics(contracts)


def test_a_template_of_such_contracts_is_refused(contract, artifacts, settings, definition) -> None:
    one = replace(contract, topic="t/{device}/#")
    contracts = ContractSet((one, further(contract, "other", "t/{site}/{device}")))
    with pytest.raises(ContractError, match="overlap"):
        build_template(contracts, artifacts, settings, definition)


LEVEL = st.sampled_from(["a", "b", "+"])
FILTERS = st.tuples(
    st.lists(LEVEL, min_size=1, max_size=3), st.sampled_from([[], ["#"]]), st.integers(0, 3)
).map(
    lambda parts: TopicFilter(
        ("t", *parts[0][: parts[2]], "{device}", *parts[0][parts[2] :], *parts[1])
    )
)
TOPICS = st.lists(st.sampled_from(["a", "b", "x", "y"]), min_size=1, max_size=6).map(
    lambda levels: "/".join(("t", *levels))
)


@given(one=FILTERS, other=FILTERS, topics=st.lists(TOPICS, max_size=30))
def test_what_is_not_refused_is_no_other_device_s(
    one: TopicFilter, other: TopicFilter, topics: list[str]
) -> None:
    """No topic of the device x by one filter is another device's by the other."""
    if overlap(pattern(one, OWN), pattern(other, OTHER)):
        return
    for topic in topics:
        assert one.device_of(topic) != "x" or other.device_of(topic) in (None, "x")


@given(one=FILTERS, other=FILTERS)
def test_overlap_does_not_depend_on_the_order(one: TopicFilter, other: TopicFilter) -> None:
    left, right = pattern(one, OWN), pattern(other, OTHER)
    assert overlap(left, right) == overlap(right, left)
    assert overlap(left, left)


def test_a_policy_that_is_too_long_is_refused_before_aws_does(
    contract, artifacts, settings, definition
) -> None:
    def build(number: int) -> None:
        more = [further(contract, f"c{n}", f"c{n}/{'x' * 20}/+") for n in range(number)]
        build_template(ContractSet((contract, *more)), artifacts, settings, definition)

    build(4)
    with pytest.raises(ContractError, match="2,048"):
        build(12)


def test_the_names_of_two_contracts_never_come_to_one(contract) -> None:
    for one, other in combinations(("a-b", "a_b", "ab"), 2):
        with pytest.raises(ContractError, match="hyphens"):
            ContractSet((further(contract, one, "x/+"), further(contract, other, "y/+")))


def test_all_patterns_of_the_policy_are_those_of_its_topics(contracts) -> None:
    """The patterns that overlaps are found by are those of the policy."""
    for contract in contracts:
        topic = contract.topic_filter
        levels = [level.replace("{1,}", "*").replace("+", "*") for level in pattern(topic, OWN)]
        assert device_topic(topic).split("/")[: len(levels)] == [
            "${!iot:Connection.Thing.ThingName}" if level == OWN else level for level in levels
        ]
        assert len(crossing_topics(topic)) == len(topic.other_places)
