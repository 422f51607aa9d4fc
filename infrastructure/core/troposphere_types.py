"""Corrections of property types that troposphere 4.11 gets wrong.

It generates one class for each *name* of a property type, so ``LoggingConfig`` and
``ScalingConfig`` of ``AWS::Lambda`` describe another resource's type of the same name. cfn-lint
checks the result against CloudFormation's own schema.
"""

from __future__ import annotations

from troposphere import awslambda

__all__ = ["FunctionLoggingConfig", "QueueScalingConfig"]


class FunctionLoggingConfig(awslambda.LoggingConfig):  # type: ignore[misc]
    """``LoggingConfig`` of ``AWS::Lambda::Function``."""

    props = {**awslambda.LoggingConfig.props, "LogFormat": (str, True)}  # noqa: RUF012


class QueueScalingConfig(awslambda.ScalingConfig):  # type: ignore[misc]
    """``ScalingConfig`` of ``AWS::Lambda::EventSourceMapping``."""

    props = {"MaximumConcurrency": (int, False)}  # noqa: RUF012
