"""Whatever the parameters say, no resource that is made names one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from infrastructure.platform.rules import settings_problems
from infrastructure.platform.settings import PlatformSettings
from tests.unit.infrastructure.platform.deployments import (
    ANALYST,
    GIVEN_NETWORK,
    KEY,
    LOADER,
    NEW,
    OWNER,
    QUICKSIGHT_USER,
    SETTINGS,
    TOPIC,
)
from tests.unit.infrastructure.platform.resolving import Resolved

PSEUDO = "AWS::"
CHOICES = {
    "network": ("new", "given", "none"),
    "zones": (2, 3),
    "s3_prefix_list_id": ("", "pl-6ea54007"),
    "vpc_id": ("", "vpc-0123456789abcdef0"),
    "subnet_ids": ((), GIVEN_NETWORK["subnet_ids"]),
    "route_table_ids": ((), ("rtb-0123456789abcdef0",)),
    "secrets_security_group_id": ("", "sg-0123456789abcdef0"),
    "xray_endpoint": (False, True),
    "database": ("new", "given"),
    "database_host": ("", "db.example.com"),
    "database_security_group_id": ("", "sg-0123456789abcdef1"),
    "database_cidr": ("", "10.0.3.7/32"),
    "database_instance_id": ("", "readings"),
    "database_cluster_id": ("", "cluster"),
    "owner_secret_arn": ("", OWNER),
    "proxy": (False, True),
    "core_stack": ("", "golden"),
    "trace_group_name": ("", "golden"),
    "alert_topic_arn": ("", TOPIC),
    "queue_name": ("", "golden-queue"),
    "loader_secret_arn": ("", LOADER),
    "core_key_arn": ("", KEY),
    "analyst_secret_arn": ("", ANALYST),
    "quicksight_user": ("", QUICKSIGHT_USER),
    "monthly_budget": (0, 100),
    "budget_email": ("", "ops@example.com"),
    "budget_tag": ("", "user:Pipeline$golden"),
}
anything = st.fixed_dictionaries({k: st.sampled_from(v) for k, v in CHOICES.items()}).map(
    lambda chosen: replace(NEW, **chosen)
)


def mended(found: PlatformSettings) -> PlatformSettings:
    """The same with what its choices need."""
    network = "new" if found.network == "none" and found.database == "new" else found.network
    if found.proxy and network == "none":
        network = "new"
    instance = found.database_instance_id if not found.database_cluster_id else ""
    return replace(
        found,
        network=network,
        s3_prefix_list_id="pl-6ea54007",
        vpc_id=CHOICES["vpc_id"][1],
        subnet_ids=CHOICES["subnet_ids"][1],
        database_host="db.example.com",
        owner_secret_arn=OWNER,
        database_security_group_id=(
            "sg-0123456789abcdef1" if found.proxy else found.database_security_group_id
        ),
        database_cidr=found.database_cidr or "10.0.3.7/32",
        database_instance_id=instance if found.database_cluster_id else "readings",
        alert_topic_arn=TOPIC,
        queue_name="golden-queue",
        loader_secret_arn=LOADER,
        core_key_arn=KEY,
        budget_email="ops@example.com",
    )


sensible = anything.map(mended)
whatever = st.one_of(anything, sensible)


def dangling(template, settings: PlatformSettings) -> list[tuple[str, str]]:
    """Resources and outputs that are made, each with what it names and is not there."""
    resolved = Resolved(template, settings.parameters())
    there = {*resolved.resources, *template["Parameters"]}
    return [
        (name, reference)
        for name, body in {**resolved.resources, **resolved.outputs}.items()
        for reference in resolved.references(body)
        if not reference.startswith(PSEUDO) and reference not in there
    ]


@examples(max_examples=100)
@given(whatever)
def test_whatever_is_referred_to_is_there(template, settings: PlatformSettings):
    assert dangling(template, settings) == []


@pytest.mark.parametrize("name", SETTINGS)
def test_nothing_dangles_in_a_deployment_with_any_one_change(template, name):
    for field, values in CHOICES.items():
        for value in values:
            changed = replace(SETTINGS[name], **{field: value})
            assert dangling(template, changed) == [], (field, value)


@examples(max_examples=100)
@given(whatever)
def test_whatever_is_waited_for_is_there(template, settings: PlatformSettings):
    resolved = Resolved(template, settings.parameters())
    for name, body in resolved.resources.items():
        assert set(body.get("DependsOn", ())) <= set(resolved.resources), name


@examples(max_examples=100)
@given(sensible)
def test_no_property_of_a_sensible_deployment_is_an_empty_parameter(
    template, settings: PlatformSettings
):
    assert list(settings_problems(settings)) == []
    resolved = Resolved(template, settings.parameters())
    assert resolved.broken_rules() == []
    for name, body in resolved.resources.items():
        for reference in resolved.references(body["Properties"]):
            assert resolved.parameters.get(reference, "filled") != "", (name, reference)


@examples(max_examples=100)
@given(whatever)
def test_the_console_refuses_what_the_command_line_refuses(template, settings: PlatformSettings):
    refused = list(settings_problems(settings))
    assert bool(Resolved(template, settings.parameters()).broken_rules()) == bool(refused), refused
