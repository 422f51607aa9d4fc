"""How a deployment goes: a bar on a terminal, a line for each resource where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from etl.aws.stack_events import StackEvent
from etl.cli.progress import DeployProgress
from etl.deployment.contract_review import ContractReview
from etl.deployment.plan import DeployPlan, Upload
from etl.deployment.stack_diff import StackReview, review_resources
from etl.deployment.steps import Step
from etl.deployment.template_diff import ResourceDiff

PLAN = DeployPlan(
    stack="s",
    region="r",
    local=False,
    steps=[],
    stacks=[
        StackReview(
            stack="s",
            status=None,
            resources=review_resources([ResourceDiff(n, "T", "add") for n in "ABCDE"], None),
        )
    ],
    contract=ContractReview(name="c", table="t", first=True),
    uploads=[Upload("a.zip", 2_000_000)],
)


def event(resource: str, status: str, reason: str = "", kind: str = "T") -> StackEvent:
    return StackEvent(
        id=f"{resource}{status}", resource=resource, type=kind, status=status, reason=reason
    )


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    with DeployProgress(console, PLAN) as progress:
        progress.begin(Step("upload", "s", "put new zips"))
        progress.listener.sent(1_500_000)
        if terminal:
            progress._bar.refresh()
        progress.begin(Step("core", "s", "the pipeline itself"))
        progress.listener.notify("phase")
        for name in "ABCDE":
            progress.listener.event(event(name, "CREATE_IN_PROGRESS"))
        progress.listener.event(event("A", "CREATE_COMPLETE"))
        progress.listener.event(event("A", "CREATE_COMPLETE"))
        progress.listener.event(event("B", "CREATE_FAILED", "no [such] thing"))
        progress.listener.event(event("s", "CREATE_FAILED", kind="AWS::CloudFormation::Stack"))
        if terminal:
            progress._bar.refresh()
    return out.getvalue()


def test_without_a_terminal_each_finished_resource_is_a_line():
    assert shown(terminal=False).splitlines() == [
        "• phase",
        "  ✓ A",
        "  ✗ B CREATE_FAILED: no [such] thing",
    ]


@pytest.mark.parametrize("part", ["1.5/2.0 MB", "1/5", "C, D, E", "✗ B CREATE_FAILED", "• phase"])
def test_on_a_terminal_the_bar_counts_and_names_what_is_being_made(part):
    assert part in shown(terminal=True)
