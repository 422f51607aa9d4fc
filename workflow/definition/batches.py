"""The distributed maps over the batches, and the steps of one batch in them.

There are two maps of the same steps, as a map has one next state: that of a drain loop leads to the
next drain, the other to the end. Names of states have to be unique within a whole state machine
(https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html, read 2026-11), so those
of the loop's map have one addition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflow.definition.tasks import SERVICE_CALL_SECONDS, caught_by, invoke, retries
from workflow.retries import CHILD_TASK, MAP_RUN, SERVICE_CALL

if TYPE_CHECKING:
    from workflow.states.sdk import Chain, State

__all__ = [
    "DRAINED",
    "DRAINED_LABEL",
    "LOAD_BATCHES",
    "LOAD_DRAINED",
    "MAP_RESULTS_PREFIX",
    "MAP_RUN_LABEL",
    "batch_steps",
    "load_batches",
    "load_drained_batches",
]

LOAD_BATCHES = "Load batches"
LOAD_DRAINED = "Load drained batches"
DRAINED = " (drained)"
"""Added to the names of the steps of a batch in :data:`LOAD_DRAINED`."""
MAP_RESULTS_PREFIX = "map-results"
MAP_RUN_LABEL = "Batches"
"""Part of the ARNs of the map's child executions."""
DRAINED_LABEL = "Drained"
"""The same for the map of a drain loop."""
CAUSE_IS_RECORDED = "The outcome of the batch, in S3, has the cause."
EXECUTION = "$$.Execution.Name"
ITEM = ("bucket", "key", "size", "execution", "purpose")
"""Members of Transform's input."""


def batch_steps(added: str = "", *, silent: bool = False) -> Chain:
    """The steps of one micro-batch; the input is one item of the map.

    ``added`` to each name makes them unique. ``silent``: neither a result nor a cause is returned,
    because the map keeps those of all its children in one payload.
    """
    from workflow.states.extended import FailWithPaths, ServiceTask
    from workflow.states.sdk import Catch, Chain

    cause = {"cause": CAUSE_IS_RECORDED} if silent else {"cause_path": "$.error.Cause"}
    failed = FailWithPaths(f"Batch failed{added}", error_path="$.error.Error", **cause)
    record = ServiceTask(
        f"Record failure{added}",
        comment="Summarize reads the outcome of each batch from S3; this is that of a failed one.",
        resource="arn:aws:states:::aws-sdk:s3:putObject",
        parameters={
            "Bucket.$": "$.bucket",
            # As telemetry.layout.outcome_key writes it; a test compares the two.
            "Key.$": "States.Format('outcomes/{}/{}/{}/{}/{}/{}.failed.json', "
            + ", ".join(f"$.parts[{place}]" for place in range(1, 6))
            + ", $.execution)",
            "ContentType": "application/json",
            "Body": {
                "status": "failed",
                "raw_key.$": "$.key",
                "error.$": "$.error.Error",
                "cause.$": "$.error.Cause",
            },
        },
        result_path=None,
        timeout_seconds=SERVICE_CALL_SECONDS,
        retry=retries(SERVICE_CALL),
        # The first error is the one to report, not the failure to record it.
        catch=Catch(error_equals=["States.ALL"], result_path=None, next_step=failed),
    )
    on_error = Chain([record, failed])
    common: dict[str, Any] = {"rules": CHILD_TASK, "on_error": on_error}
    item = {f"{name}.$": f"$.{name}" for name in ITEM}
    so_far = "$.step.output"
    transform = invoke(f"Transform{added}", "transform", payload=item, **common)
    validate = invoke(f"Validate{added}", "validate", payload=so_far, **common)
    output = None if silent else so_far
    load = invoke(f"Load{added}", "load", payload=so_far, output_path=output, **common)
    return Chain([transform, validate, load])


def load_batches(on_error: Chain) -> State:
    """The distributed map over the manifest; its output is its input.

    The concurrency comes with the manifest: a backfill of thousands may put less load on the
    database than new batches do.
    """
    return _map(
        LOAD_BATCHES,
        MAP_RUN_LABEL,
        batch_steps(),
        on_error,
        result_writer={
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "${DataBucketName}", "Prefix": MAP_RESULTS_PREFIX},
        },
    )


def load_drained_batches(on_error: Chain) -> State:
    """The same over the batches of one drain of several; the results are in the outcomes alone.

    Few batches come from one drain, and two more objects for each would cost more than the drain.
    """
    return _map(LOAD_DRAINED, DRAINED_LABEL, batch_steps(DRAINED, silent=True), on_error)


def _map(name: str, label: str, steps: Chain, on_error: Chain, **more: Any) -> State:
    from workflow.states.extended import DistributedMap

    return DistributedMap(
        name,
        label=label,
        iterator=steps,
        item_reader={
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.manifest"},
        },
        item_selector={
            "bucket.$": "$.bucket",
            "key.$": "$$.Map.Item.Value.key",
            # raw, 2026, 11, 23, <execution>, <file>: the parts of the outcome's key.
            "parts.$": "States.StringSplit($$.Map.Item.Value.key, '/')",
            "size.$": "$$.Map.Item.Value.size",
            "purpose.$": "$$.Map.Item.Value.purpose",
            "execution.$": EXECUTION,
        },
        max_concurrency_path="$.concurrency",
        tolerated_failure_percentage=100,
        result_path=None,
        retry=retries(MAP_RUN),
        catch=caught_by(on_error),
        **more,
    )
