"""The SDK's states with the fields Step Functions has gained since the SDK's last release (2022).

Each class subclasses the SDK's own, so a definition is still composed with ``Chain``, ``Choice``,
``add_retry``, ``add_catch`` and shipped with ``Workflow``. New fields are keyword arguments in the
SDK's snake case: ``max_delay_seconds=30`` becomes ``"MaxDelaySeconds": 30``.

Fields and their meaning: https://states-language.net/ and
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html (read 2026-03).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from workflow.states import sdk

__all__ = [
    "DistributedMap",
    "FailWithPaths",
    "LambdaTask",
    "NewField",
    "RetryWithJitter",
    "ServiceTask",
]

JitterStrategy = Literal["FULL", "NONE"]
LABEL_CHARACTERS = 40


class NewField(Enum):
    """Names that the SDK's own ``Field`` enumeration lacks; same convention."""

    ResultSelector = "result_selector"
    MaxDelaySeconds = "max_delay_seconds"
    JitterStrategy = "jitter_strategy"
    ItemReader = "item_reader"
    ItemSelector = "item_selector"
    ItemBatcher = "item_batcher"
    ResultWriter = "result_writer"
    MaxConcurrencyPath = "max_concurrency_path"
    ToleratedFailurePercentage = "tolerated_failure_percentage"
    ToleratedFailureCount = "tolerated_failure_count"
    Label = "label"
    ErrorPath = "error_path"
    CausePath = "cause_path"


def _with_placeholders(state: Any, fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Turn the SDK's placeholders into ``.$`` members, as it does for ``Parameters`` alone."""
    return {
        name: state._replace_placeholders(value) if name in names else value
        for name, value in fields.items()
    }


class RetryWithJitter(sdk.Retry):  # type: ignore[misc]
    """``Retry`` with a cap on the wait and with jitter, so that retries don't all come at once."""

    def __init__(
        self,
        *,
        error_equals: list[str],
        interval_seconds: int = 1,
        max_attempts: int = 3,
        backoff_rate: float = 2.0,
        max_delay_seconds: int = 30,
        jitter_strategy: JitterStrategy = "FULL",
    ) -> None:
        """``max_delay_seconds`` must exceed ``interval_seconds``; raises ``ValueError``."""
        if max_delay_seconds <= interval_seconds:
            raise ValueError(
                f"max_delay_seconds ({max_delay_seconds}) must exceed "
                f"interval_seconds ({interval_seconds})"
            )
        super().__init__(
            error_equals=list(error_equals),
            interval_seconds=interval_seconds,
            max_attempts=max_attempts,
            backoff_rate=backoff_rate,
            max_delay_seconds=max_delay_seconds,
            jitter_strategy=jitter_strategy,
        )

    def allowed_fields(self) -> list[Enum]:
        """The SDK's fields and the new ones."""
        return [*super().allowed_fields(), NewField.MaxDelaySeconds, NewField.JitterStrategy]


class ServiceTask(sdk.Task):  # type: ignore[misc]
    """``Task`` with a ``ResultSelector``; always with a timeout, which the SDK leaves open."""

    def __init__(self, state_id: str, *, timeout_seconds: int, **fields: Any) -> None:
        super().__init__(state_id, timeout_seconds=timeout_seconds, **fields)

    def allowed_fields(self) -> list[Enum]:
        """The SDK's fields and the new one."""
        return [*super().allowed_fields(), NewField.ResultSelector]

    def to_dict(self) -> dict[str, Any]:
        """The state in Amazon States Language."""
        return _with_placeholders(self, super().to_dict(), NewField.ResultSelector.name)


class LambdaTask(ServiceTask, sdk.LambdaStep):  # type: ignore[misc]
    """``LambdaStep`` that takes the function and its payload, and keeps nothing but the payload.

    The optimised integration ``lambda:invoke`` answers with the payload and a kilobyte of response
    metadata around it; the default ``result_selector`` keeps ``{"output": <payload>}``.

    The SDK's own constructor looks up the author's region to find the partition. A definition must
    not depend on where it is authored, so that is passed over and the partition is a parameter.
    """

    def __init__(
        self,
        state_id: str,
        *,
        function: str,
        timeout_seconds: int,
        payload: Any = None,
        partition: str = "aws",
        **fields: Any,
    ) -> None:
        """``payload``: object with ``.$`` members; ``None`` passes the state's whole input."""
        fields.setdefault("result_selector", {"output.$": "$.Payload"})
        sent = {"Payload.$": "$"} if payload is None else payload_member(payload)
        sdk.Task.__init__(
            self,
            state_id,
            resource=f"arn:{partition}:states:::lambda:invoke",
            parameters={"FunctionName": function, **sent},
            timeout_seconds=timeout_seconds,
            **fields,
        )


def payload_member(payload: Any) -> dict[str, Any]:
    """``Payload`` as a literal object, or as a path where ``payload`` is one."""
    if isinstance(payload, str) and payload.startswith("$"):
        return {"Payload.$": payload}
    return {"Payload": payload}


class FailWithPaths(sdk.Fail):  # type: ignore[misc]
    """``Fail`` whose error and cause come from the state's input."""

    def allowed_fields(self) -> list[Enum]:
        """The SDK's fields and the new ones."""
        return [*super().allowed_fields(), NewField.ErrorPath, NewField.CausePath]


class DistributedMap(sdk.Map):  # type: ignore[misc]
    """``Map`` in distributed mode: each item is an execution of its own, up to 10,000 at once."""

    def __init__(
        self,
        state_id: str,
        *,
        iterator: sdk.Chain | sdk.State,
        item_reader: dict[str, Any],
        execution_type: Literal["STANDARD", "EXPRESS"] = "EXPRESS",
        label: str | None = None,
        **fields: Any,
    ) -> None:
        """``item_reader``: ``{"Resource", "Parameters", "ReaderConfig"?}``.

        Raises ``ValueError`` for a label Step Functions would refuse.
        """
        if label is not None and len(label) > LABEL_CHARACTERS:
            raise ValueError(f"label {label!r} is longer than {LABEL_CHARACTERS} characters")
        super().__init__(state_id, item_reader=item_reader, label=label, **fields)
        self.attach_iterator(iterator)
        self.execution_type = execution_type

    def allowed_fields(self) -> list[Enum]:
        """The SDK's fields and the new ones."""
        return [
            *super().allowed_fields(),
            NewField.ItemReader,
            NewField.ItemSelector,
            NewField.ItemBatcher,
            NewField.ResultWriter,
            NewField.ResultSelector,
            NewField.MaxConcurrencyPath,
            NewField.ToleratedFailurePercentage,
            NewField.ToleratedFailureCount,
            NewField.Label,
        ]

    def to_dict(self) -> dict[str, Any]:
        """The state in Amazon States Language: ``ItemProcessor`` in place of ``Iterator``."""
        fields = super().to_dict()
        children = fields.pop("Iterator")
        fields["ItemProcessor"] = {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": self.execution_type},
            **children,
        }
        return _with_placeholders(
            self, fields, NewField.ItemSelector.name, NewField.ResultSelector.name
        )
