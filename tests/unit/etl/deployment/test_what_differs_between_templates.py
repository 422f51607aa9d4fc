"""Two templates and their parameters' values: what they make, and what differs, value by value."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from etl.deployment.intrinsics import resolve_template
from etl.deployment.template_diff import PropertyChange, diff_resources, shorten

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Mode": {"Type": "String", "Default": "both"},
        "Seconds": {"Type": "Number", "Default": 20},
        "Subnets": {"Type": "CommaDelimitedList", "Default": ""},
    },
    "Conditions": {
        "Queue": {
            "Fn::Or": [
                {"Fn::Equals": [{"Ref": "Mode"}, "queue"]},
                {"Fn::Equals": [{"Ref": "Mode"}, "both"]},
            ]
        },
        "Vpc": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Subnets"}]}, ""]}]},
    },
    "Resources": {
        "Trigger": {
            "Type": "T::Trigger",
            "Condition": "Queue",
            "Properties": {"Window": {"Ref": "Seconds"}},
        },
        "Load": {
            "Type": "T::Function",
            "Properties": {
                "Name": {"Fn::Sub": "${AWS::StackName}-${Mode}"},
                "Network": {
                    "Fn::If": ["Vpc", {"Subnets": {"Ref": "Subnets"}}, {"Ref": "AWS::NoValue"}]
                },
                "Role": {"Fn::GetAtt": ["LoadRole", "Arn"]},
            },
        },
    },
}


def made(**values: str) -> dict[str, dict[str, Any]]:
    return resolve_template(TEMPLATE, values)


def test_parameters_are_put_in_and_defaults_where_nothing_is_given():
    assert made(Seconds="30")["Trigger"]["Properties"] == {"Window": "30"}
    assert made()["Trigger"]["Properties"] == {"Window": "20"}


def test_what_only_aws_knows_stays_as_it_is_written():
    properties = made()["Load"]["Properties"]
    assert properties["Name"] == {"Fn::Sub": "${AWS::StackName}-both"}
    assert properties["Role"] == {"Fn::GetAtt": ["LoadRole", "Arn"]}


def test_a_condition_decides_about_resources_and_values():
    assert "Trigger" not in made(Mode="schedule")
    assert "Network" not in made()["Load"]["Properties"]
    with_vpc = made(Subnets="subnet-1,subnet-2")["Load"]["Properties"]
    assert with_vpc["Network"] == {"Subnets": ["subnet-1", "subnet-2"]}


def test_a_changed_parameter_is_a_change_of_what_uses_it():
    (trigger,) = diff_resources(made(), made(Seconds="30"))
    assert (trigger.id, trigger.action) == ("Trigger", "modify")
    assert trigger.changes == [PropertyChange("Window", "20", "30")]


def test_a_condition_that_no_longer_holds_removes_its_resource():
    diffs = {one.id: one for one in diff_resources(made(), made(Mode="schedule"))}
    assert diffs["Trigger"].action == "remove"
    assert diffs["Load"].changes[0].path == "Name"


def one(properties: dict[str, Any], **beside: Any) -> dict[str, dict[str, Any]]:
    return {"R": {"Type": "T", "Properties": properties, **beside}}


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[PropertyChange]:
    found = diff_resources(one(old), one(new))
    return found[0].changes if found else []


def test_the_smallest_part_that_differs_is_named():
    old = {"Environment": {"Variables": {"A": "1", "B": "2"}}}
    new = {"Environment": {"Variables": {"A": "1", "B": "3", "C": "4"}}}
    assert changes(old, new) == [
        PropertyChange("Environment.Variables.B", "2", "3"),
        PropertyChange("Environment.Variables.C", None, "4"),
    ]


def test_an_entry_more_in_a_list_of_named_ones_is_no_change_of_the_others():
    old = {"Rules": [{"Id": "a", "Days": 1}, {"Id": "b", "Days": 2}]}
    new = {"Rules": [{"Id": "new", "Days": 9}, *old["Rules"]]}
    assert changes(old, new) == [PropertyChange("Rules[new]", None, {"Id": "new", "Days": 9})]


def test_a_document_in_a_text_is_compared_as_a_document():
    old = {"DefinitionString": json.dumps({"States": {"A": {"End": True}}, "TimeoutSeconds": 1})}
    new = {"DefinitionString": json.dumps({"TimeoutSeconds": 2, "States": {"A": {"End": True}}})}
    assert changes(old, new) == [PropertyChange("DefinitionString.TimeoutSeconds", 1, 2)]


def test_a_reference_is_one_value():
    old, new = {"Role": {"Ref": "A"}}, {"Role": {"Ref": "B"}}
    assert changes(old, new) == [PropertyChange("Role", {"Ref": "A"}, {"Ref": "B"})]


def test_what_becomes_of_a_resource_is_reported_beside_its_properties():
    (found,) = diff_resources(
        one({}, DeletionPolicy="Delete", UpdateReplacePolicy="Retain"),
        one({}, DeletionPolicy="Retain", UpdateReplacePolicy="Retain"),
    )
    assert found.changes == [PropertyChange("DeletionPolicy", "Delete", "Retain")]
    assert found.old_policy == "Retain"


def test_a_long_value_is_cut():
    assert shorten("x" * 100) == "x" * 59 + "…"
    assert shorten(None) == "-"
    assert shorten({"a": 1}) == '{"a":1}'


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab{", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Id", "Key", "a", "b.c", "Ref"]), inner, max_size=3)
    ),
    max_leaves=8,
)
properties = st.dictionaries(st.sampled_from("ABC"), values, max_size=3)


@given(properties)
def test_nothing_differs_from_itself(given_properties):
    assert diff_resources(one(given_properties), one(given_properties)) == []


@given(properties, properties)
def test_a_difference_is_never_missed_and_every_change_shown_is_one(old, new):
    found = diff_resources(one(old), one(new))
    assert bool(found) == (old != new)
    for resource in found:
        assert all(change.old != change.new or change.old is None for change in resource.changes)
        assert resource.changes
