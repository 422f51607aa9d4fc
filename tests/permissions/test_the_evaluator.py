"""The evaluator decides as AWS's pages on policy evaluation say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.permissions.policies import Named, Policies, Request

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/load"
OBJECT = "arn:aws:s3:::data/copy/a"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def statement(effect: str = "Allow", **members: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": ["s3:GetObject"], "Resource": OBJECT, **members}


def own(*statements: dict[str, Any]) -> list[Named]:
    return [Named(f"own {n}", one, holder=ROLE) for n, one in enumerate(statements)]


def guarding(resource: str, *statements: dict[str, Any]) -> list[Named]:
    return [Named(f"of it {n}", one, guards=(resource,)) for n, one in enumerate(statements)]


def allowed(
    statements: list[Named], action: str = "s3:GetObject", resource: str = OBJECT, **context: str
) -> bool:
    held = tuple((key.replace("__", ":"), value) for key, value in context.items())
    return Policies(statements, ACCOUNT).allow(Request(ROLE, action, resource, held))


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    assert not allowed([])
    assert allowed(own(statement()))
    assert not allowed(own(statement()), action="s3:PutObject")
    assert not allowed(own(statement()), resource="arn:aws:s3:::data/copy/b")


def test_another_roles_policy_is_not_ours() -> None:
    theirs = Named("theirs", statement(), holder=ROLE + "-other")
    assert not allowed([theirs])


def test_a_deny_wins_over_every_allow() -> None:
    assert not allowed(own(statement(), statement("Deny", Action="s3:*", Resource="*")))
    refusing = statement("Deny", Principal="*", Action="s3:*", Resource="*")
    assert not allowed(own(statement()) + guarding("arn:aws:s3:::data/*", refusing))


def test_within_the_account_either_side_is_enough() -> None:
    named = statement(Principal={"AWS": ROLE})
    assert allowed(guarding("arn:aws:s3:::data/*", named))


def test_naming_the_account_leaves_it_to_the_callers_own_policies() -> None:
    by_account = guarding("arn:aws:s3:::data/*", statement(Principal=ROOT))
    assert not allowed(by_account)
    assert allowed(by_account + own(statement()))


def test_a_key_is_used_only_where_its_policy_agrees() -> None:
    mine = own(statement(Action=["kms:Decrypt"], Resource=KEY))
    assert not allowed(mine, "kms:Decrypt", KEY)
    agrees = guarding(KEY, statement(Action=["kms:Decrypt"], Resource="*", Principal=ROOT))
    assert allowed(mine + agrees, "kms:Decrypt", KEY)
    assert not allowed(agrees, "kms:Decrypt", KEY)


def test_a_service_is_not_part_of_the_account() -> None:
    by_account = statement(Action=["kms:Decrypt"], Resource="*", Principal=ROOT)
    policies = Policies(guarding(KEY, by_account), ACCOUNT)
    assert not policies.allow(Request("logs.amazonaws.com", "kms:Decrypt", KEY))


def test_a_role_is_assumed_by_whom_it_trusts() -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    policies = Policies(guarding(ROLE, {**trust, "Action": "sts:AssumeRole"}), ACCOUNT)
    assert policies.allow(Request("lambda.amazonaws.com", "sts:AssumeRole", ROLE))
    assert not policies.allow(Request("iot.amazonaws.com", "sts:AssumeRole", ROLE))


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("arn:aws:s3:::data/*", "arn:aws:s3:::data/a/b", True),
        ("arn:aws:s3:::data/*", "arn:aws:s3:::data", False),
        ("arn:aws:s3:::data/copy/?", OBJECT, True),
        ("arn:aws:s3:::data/copy/?", "arn:aws:s3:::data/copy/aa", False),
        ("arn:aws:s3:::data/[a-z]", "arn:aws:s3:::data/a", False),
        ("arn:aws:s3:::Data/copy/a", OBJECT, False),
        ("*", OBJECT, True),
    ],
)
def test_wildcards_in_resources(pattern: str, resource: str, matches: bool) -> None:
    assert allowed(own(statement(Resource=pattern)), resource=resource) is matches


def test_the_case_of_an_action_does_not_matter() -> None:
    assert allowed(own(statement(Action="S3:getobject")))


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"k__a": "x"}}, {"k__a": "x"}, True),
        ({"StringEquals": {"k__a": ["x", "y"]}}, {"k__a": "y"}, True),
        ({"StringEquals": {"k__a": "x*"}}, {"k__a": "xy"}, False),
        ({"StringLike": {"k__a": "x*"}}, {"k__a": "xy"}, True),
        ({"ArnLike": {"k__a": "arn:*:alarm:s-*"}}, {"k__a": "arn:aws:alarm:s-1"}, True),
        ({"Bool": {"k__a": "false"}}, {"k__a": "False"}, True),
        ({"StringEquals": {"k__a": "x"}}, {}, False),
        ({"StringEqualsIfExists": {"k__a": "x"}}, {}, True),
        ({"StringEqualsIfExists": {"k__a": "x"}}, {"k__a": "y"}, False),
        ({"ArnLikeIfExists": {"k__a": "x*"}}, {"k__a": "xy"}, True),
        ({"StringEquals": {"k__a": "x", "k__b": "y"}}, {"k__a": "x"}, False),
        ({"StringEquals": {"k__a": "x"}, "Bool": {"k__b": "true"}}, {"k__a": "x"}, False),
    ],
)
def test_every_condition_must_hold(
    condition: dict[str, Any], context: dict[str, str], holds: bool
) -> None:
    spelled = {
        operator: {key.replace("__", ":"): values for key, values in keys.items()}
        for operator, keys in condition.items()
    }
    assert allowed(own(statement(Condition=spelled)), **context) is holds


def test_a_variable_stands_for_what_the_request_carries() -> None:
    each = own(statement(Resource="arn:aws:s3:::data/copy/${k:name}"))
    assert allowed(each, k__name="a")
    assert not allowed(each, k__name="b")
    assert not allowed(each)


@pytest.mark.parametrize(
    "unknown",
    [
        {"NotAction": "s3:*"},
        {"Condition": {"StringNotEquals": {"k": "x"}}},
        {"Condition": {"ForAllValues:StringLike": {"k": "x"}}},
    ],
)
def test_what_it_does_not_know_is_an_error(unknown: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=re.compile("statement with|condition with")):
        allowed(own(statement(**unknown)))
