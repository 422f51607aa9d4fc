"""The distributed map over the batches, and the steps of one batch in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflow.definition.tasks import SERVICE_CALL_SECONDS, caught_by, invoke, retries
from workflow.retries import CHILD_TASK, MAP_RUN, SERVICE_CALL

if TYPE_CHECKING:
    from workflow.states.sdk import Chain, State

__all__ = ["MAP_RESULTS_PREFIX", "MAP_RUN_LABEL", "batch_steps", "load_batches"]

MAP_RESULTS_PREFIX = "map-results"
MAP_RUN_LABEL = "Batches"
"""Part of the ARNs of the map's child executions."""
EXECUTION = "$$.Execution.Name"
ITEM = ("bucket", "key", "size", "execution", "purpose")
"""Members of Transform's input."""


def batch_steps() -> Chain:
    """The steps of one micro-batch; the input is one item of the map."""
    from workflow.states.extended import FailWithPaths, ServiceTask
    from workflow.states.sdk import Catch, Chain

    failed = FailWithPaths("Batch failed", error_path="$.error.Error", cause_path="$.error.Cause")
    record = ServiceTask(
        "Record failure",
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
    transform = invoke("Transform", "transform", payload=item, **common)
    validate = invoke("Validate", "validate", payload=so_far, **common)
    load = invoke("Load", "load", payload=so_far, output_path="$.step.output", **common)
    return Chain([transform, validate, load])


def load_batches(on_error: Chain) -> State:
    """The distributed map over the manifest; its output is its input.

    The concurrency comes with the manifest: a backfill of thousands may put less load on the
    database than new batches do.
    """
    from workflow.states.extended import DistributedMap

    return DistributedMap(
        "Load batches",
        label=MAP_RUN_LABEL,
        iterator=batch_steps(),
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
        result_writer={
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "${DataBucketName}", "Prefix": MAP_RESULTS_PREFIX},
        },
        result_path=None,
        retry=retries(MAP_RUN),
        catch=caught_by(on_error),
    )
