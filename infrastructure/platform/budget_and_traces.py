"""The core's traces as a group of X-Ray, and a budget."""

from __future__ import annotations

from typing import Any

from troposphere import If, NoValue, Ref, Sub, Template, budgets, xray

from infrastructure.platform.conditions import HAS_BUDGET, HAS_BUDGET_TAG, HAS_TRACE_GROUP

__all__ = ["add_budget", "add_trace_group"]

ACTUAL_PERCENT = 80
FORECAST_PERCENT = 100


def add_trace_group(template: Template) -> None:
    """Traces of the core's state machine: a service map, metrics and insights of them alone."""
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
    """Told by e-mail when most of it is spent, and when all of it will be."""
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
                _told("ACTUAL", ACTUAL_PERCENT),
                _told("FORECASTED", FORECAST_PERCENT),
            ],
        )
    )


def _told(kind: str, percent: int) -> Any:
    return budgets.NotificationWithSubscribers(
        Notification=budgets.Notification(
            NotificationType=kind,
            ComparisonOperator="GREATER_THAN",
            Threshold=percent,
            ThresholdType="PERCENTAGE",
        ),
        Subscribers=[budgets.Subscriber(SubscriptionType="EMAIL", Address=Ref("BudgetEmail"))],
    )
