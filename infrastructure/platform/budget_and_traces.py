"""An X-Ray group for the core stack's traces, and a budget."""

from __future__ import annotations

from typing import Any

from troposphere import If, NoValue, Ref, Sub, Template, budgets, xray

from infrastructure.platform.conditions import HAS_BUDGET, HAS_BUDGET_TAG, HAS_TRACE_GROUP

__all__ = ["add_budget", "add_trace_group"]

ACTUAL_PERCENT = 80
FORECAST_PERCENT = 100


def add_trace_group(template: Template) -> None:
    """Add a group of the state machine's traces: a service map, metrics and insights of these
    alone."""
    template.add_resource(
        xray.Group(
            "TraceGroup",
            Condition=HAS_TRACE_GROUP,
            GroupName=Ref("TraceGroupName"),
            FilterExpression=Sub('service("${CoreStack}")'),
            InsightsConfiguration=xray.InsightsConfiguration(
                InsightsEnabled=True, NotificationsEnabled=False
            ),
        )
    )


def add_budget(template: Template) -> None:
    """Add a budget that sends an email when most of it is spent, and when all of it will be."""
    template.add_resource(
        budgets.Budget(
            "MonthlyCosts",
            Condition=HAS_BUDGET,
            Budget=budgets.BudgetData(
                BudgetName=Sub("${AWS::StackName}"),
                BudgetType="COST",
                TimeUnit="MONTHLY",
                BudgetLimit=budgets.Spend(Amount=Ref("MonthlyBudget"), Unit="USD"),
                CostFilters=If(HAS_BUDGET_TAG, {"TagKeyValue": [Ref("BudgetTag")]}, NoValue),
            ),
            NotificationsWithSubscribers=[
                _notification("ACTUAL", ACTUAL_PERCENT),
                _notification("FORECASTED", FORECAST_PERCENT),
            ],
        )
    )


def _notification(kind: str, percent: int) -> Any:
    return budgets.NotificationWithSubscribers(
        Notification=budgets.Notification(
            NotificationType=kind,
            ComparisonOperator="GREATER_THAN",
            Threshold=percent,
            ThresholdType="PERCENTAGE",
        ),
        Subscribers=[budgets.Subscriber(SubscriptionType="EMAIL", Address=Ref("BudgetEmail"))],
    )
