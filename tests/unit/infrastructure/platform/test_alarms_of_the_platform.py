"""Alarms over several metrics, and alarms over alarms."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infrastructure.core.alarms import ALARMS
from infrastructure.platform.alarms import MATH_ALARMS, alarm_title
from infrastructure.platform.composites import COMPOSITES, CORE_ALARMS
from telemetry.metric_table import LEVELS, covers
from tests.unit.infrastructure.platform.deployments import SETTINGS
from tests.unit.infrastructure.platform.resolving import Resolved

PAGE = Path("docs/platform.md")
LONGEST_DESCRIPTION = 1024
"""Characters, says PutMetricAlarm; a composite's rule has 10,240 and names 100 alarms at most."""
LONGEST_RULE, MOST_NAMED = 10_240, 100
NAMES = [spec.name for spec in (*MATH_ALARMS, *COMPOSITES)]


def properties(resources: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[alarm_title(name)]["Properties"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_has_the_cores_name_and_notifies_its_topic(resources, name):
    alarm = properties(resources, name)
    assert alarm["AlarmName"] == {"Fn::Sub": f"${{CoreStack}}-{name}"}
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlertTopicArn"}]


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_says_what_to_do_and_has_its_section(resources, name):
    text = properties(resources, name)["AlarmDescription"]
    assert len(text) <= LONGEST_DESCRIPTION
    assert text.endswith(f"See docs/platform.md#{name}")
    assert f"\n### {name}\n" in PAGE.read_text()


def test_no_section_of_the_page_is_about_an_alarm_that_is_gone():
    told = PAGE.read_text().split("## The alarms", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^### (.+)$", told, re.MULTILINE) == NAMES


@pytest.mark.parametrize("spec", MATH_ALARMS, ids=lambda spec: spec.name)
def test_an_expression_uses_the_metrics_that_it_is_given_and_no_others(resources, spec):
    queries = properties(resources, spec.name)["Metrics"]
    (watched,) = [query for query in queries if query["ReturnData"]]
    expression = watched["Expression"]
    text = expression["Fn::Sub"] if isinstance(expression, dict) else expression
    words = set(re.findall(r"\b[a-z]\w*", re.sub(r"\$\{\w+\}", "", text)))
    assert words == {query["Id"] for query in queries if not query["ReturnData"]}


def test_a_composite_names_only_alarms_that_are_there(template):
    resolved = Resolved(template, SETTINGS["everything"].parameters())
    own = {name for name in NAMES if alarm_title(name) in resolved.resources}
    for spec in COMPOSITES:
        rule = properties(resolved.resources, spec.name)["AlarmRule"]["Fn::Sub"]
        named = re.findall(r'ALARM\("\$\{CoreStack\}-([a-z-]+)"\)', rule)
        assert len(named) == rule.count("ALARM(") <= MOST_NAMED
        assert len(rule) <= LONGEST_RULE
        assert set(named) <= own | CORE_ALARMS


def test_a_composite_waits_for_the_alarms_of_its_own_stack(resources):
    for spec in COMPOSITES:
        waited = resources[alarm_title(spec.name)].get("DependsOn", [])
        named = {*spec.any_of, *spec.while_any_of} - CORE_ALARMS
        assert set(waited) == {alarm_title(name) for name in named}


def test_the_cause_is_the_database_only_while_both_sides_fire(template):
    made = Resolved(template, replace(SETTINGS["everything"], observability="full").parameters())
    rule = properties(made.resources, "database-is-the-cause")["AlarmRule"]["Fn::Sub"]
    one, other = rule.split(" AND ")
    assert "load-slow" in one
    assert "database-cpu" in other


def test_a_database_that_is_not_rds_has_no_alarms_of_its_own(template):
    made = Resolved(template, SETTINGS["alarms only"].parameters()).resources
    assert alarm_title("backlog") in made
    assert alarm_title("database-cpu") not in made
    assert alarm_title("database-is-the-cause") not in made


def test_without_the_core_there_are_none(template):
    made = Resolved(template, SETTINGS["new network and database"].parameters()).resources
    assert not [name for name in made if name.endswith("Alarm")]


def test_the_cores_alarms_that_are_named_are_there():
    """All the time, under no condition of the core's: a composite can't name what is not there."""
    core = pytest.importorskip("infrastructure.core.alarms")
    always = {spec.name for spec in core.ALARMS if spec.condition is None}
    assert always >= CORE_ALARMS


@pytest.mark.parametrize("level", LEVELS)
def test_a_composite_names_only_alarms_that_the_core_has_at_its_level(template, level):
    made = Resolved(template, replace(SETTINGS["everything"], observability=level).parameters())
    own = {spec.name for spec in MATH_ALARMS}
    there = {spec.name for spec in ALARMS if covers(level, spec.level)}
    for spec in COMPOSITES:
        text = properties(made.resources, spec.name)["AlarmRule"]["Fn::Sub"]
        named = set(re.findall(r"CoreStack}-([a-z-]+)", text))
        assert named - own <= there
        # All that there is of those that it may name.
        assert named == {*spec.any_of, *spec.while_any_of} & (own | there)
