"""The change set's word and the templates' put together, and told to a person."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from etl.cli.plan_view import print_plan
from etl.deployment.change_set import ReportedChange
from etl.deployment.contract_review import ContractReview
from etl.deployment.plan import CHANGES, LOSES, UNCHANGED, DeployPlan, Upload
from etl.deployment.stack_diff import StackReview, StateChange, review_resources, state_changes
from etl.deployment.template_diff import PropertyChange, ResourceDiff

QUEUE = "AWS::SQS::Queue"


def diff(path: str = "QueueName", policy: str = "Delete", kind: str = QUEUE) -> ResourceDiff:
    return ResourceDiff("Q", kind, "modify", [PropertyChange(path, "a", "b")], policy)


def reported(replacement: str = "always", **facts: object) -> ReportedChange:
    given = {"id": "Q", "type": QUEUE, "action": "Modify", "properties": {"QueueName": "always"}}
    return ReportedChange(**{**given, "replacement": replacement, **facts})  # type: ignore[arg-type]


def test_a_replacement_that_loses_something_says_what():
    (found,) = review_resources([diff()], [reported()])
    assert (found.replacement, found.loses) == ("always", "the messages in it")


def test_a_replacement_that_keeps_the_old_one_loses_nothing():
    (found,) = review_resources([diff(policy="Retain")], [reported()])
    assert (found.replacement, found.loses) == ("always", "")


def test_a_change_set_that_is_trusted_decides():
    (found,) = review_resources([diff()], [reported("never")])
    assert (found.replacement, found.loses) == ("never", "")


def test_a_change_set_that_is_not_trusted_does_not_decide():
    (found,) = review_resources([diff()], [reported("never")], trusted=False)
    assert found.replacement == "always"
    (found,) = review_resources([diff("DelaySeconds")], [reported()], trusted=False)
    assert found.replacement == "never"


def test_where_the_change_set_says_nothing_the_templates_do():
    (found,) = review_resources([diff()], [])
    assert (found.reported, found.replacement) == (False, "always")
    (unasked,) = review_resources([diff()], None)
    assert unasked.reported


def test_what_only_refers_to_a_change_follows_it():
    change = reported("maybe", causes=("DataKey",))
    (found,) = review_resources([], [change])
    assert found.only_follows
    assert (found.follows, found.loses) == (("DataKey",), "")


def test_a_removed_resource_loses_what_it_holds_unless_it_stays():
    removed = ResourceDiff("Q", QUEUE, "remove")
    (found,) = review_resources([removed], [reported(action="Remove", properties={})])
    assert found.loses == "the messages in it"
    kept = ResourceDiff("B", "AWS::S3::Bucket", "remove", old_policy="Retain")
    (found,) = review_resources([kept], None)
    assert (found.loses, found.policy) == ("", "Retain")


def test_what_loses_something_comes_first():
    others = [ResourceDiff("A", "T", "remove"), ResourceDiff("C", "T", "add")]
    found = review_resources([*others, diff()], None)
    assert [one.id for one in found] == ["Q", "A", "C"]


def machine(*changes: PropertyChange) -> list[StateChange]:
    kind = "AWS::StepFunctions::StateMachine"
    return state_changes(review_resources([ResourceDiff("M", kind, "modify", [*changes])], None))


def test_a_changed_definition_is_reported_state_by_state():
    inner = "DefinitionString.States.Batches.ItemProcessor.States"
    assert machine(
        PropertyChange(f"{inner}.Load.Retry", 1, 2),
        PropertyChange(f"{inner}.Load.TimeoutSeconds", 1, 2),
        PropertyChange(f"{inner}.Check", None, {"Type": "Pass"}),
        PropertyChange("DefinitionString.States.Old", {"Type": "Pass"}, None),
        PropertyChange("DefinitionString.TimeoutSeconds", 1, 2),
        PropertyChange("RoleArn", 1, 2),
    ) == [
        StateChange("modify", "Batches/Load", ("Retry", "TimeoutSeconds")),
        StateChange("add", "Batches/Check"),
        StateChange("remove", "Old"),
        StateChange("modify", "(the state machine itself)", ("TimeoutSeconds",)),
    ]


def a_plan(
    *diffs: ResourceDiff, status: str | None = "CREATE_COMPLETE", **facts: object
) -> DeployPlan:
    review = StackReview(stack="s", status=status, resources=review_resources(diffs, None))
    given = {
        "stack": "s",
        "region": "r",
        "local": False,
        "steps": [],
        "stacks": [review],
        "contract": ContractReview(name="c", table='"t"."c"', first=False),
        "uploads": [],
    }
    return DeployPlan(**{**given, **facts})  # type: ignore[arg-type]


def told(plan: DeployPlan) -> str:
    out = io.StringIO()
    print_plan(Console(file=out, width=100), plan)
    return out.getvalue()


@pytest.mark.parametrize(
    ("diffs", "code"), [([], UNCHANGED), ([diff("DelaySeconds")], CHANGES), ([diff()], LOSES)]
)
def test_the_exit_status_informs_a_script(diffs, code):
    assert a_plan(*diffs).exit_code == code
    assert a_plan(*diffs).as_dict()["changes"] is (code != UNCHANGED)


def test_a_person_is_warned_of_a_loss_with_both_values():
    text = told(a_plan(diff()))
    assert "~ Q SQS::Queue replaced: the messages in it is lost" not in text
    assert "~ Q SQS::Queue replaced, and with it the messages in it" in text
    assert "QueueName: a → b" in text
    assert "warning: data would be lost. Q is replaced: the messages in it" in text


def test_a_document_is_not_poured_out_but_named():
    text = told(a_plan(diff("DashboardBody", kind="AWS::CloudWatch::Dashboard")))
    assert "      DashboardBody: changed document" in text.splitlines()
    assert "a → b" not in text


def test_nothing_to_do_is_said_in_a_line():
    assert told(a_plan()).splitlines() == [
        "stack s: no changes",
        "contract c: no changes",
        "uploads: none",
        "Nothing would change.",
    ]


def test_uploads_are_reported_with_their_sizes():
    text = told(a_plan(uploads=[Upload("layers/a.zip", 60_800_000), Upload("f.zip", 5_000)]))
    assert "uploads: 2 zips, 60.8 MB" in text
    assert "+ f.zip 5.0 kB" in text


def test_a_contract_that_the_migration_refuses_is_reported_with_what_to_run():
    review = ContractReview(
        name="c", table='"t"."c"', first=False, changes=[], refused="run: ALTER TABLE"
    )
    assert "no changes" in told(a_plan(contract=review))
