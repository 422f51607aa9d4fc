"""The state machine, composed with the SDK.

::

    Already staged? --bucket, prefix, batches given----------------------.
        | only a prefix: List staged batches -----------------.          |
        | neither:       Extract -----------------------------+--> Anything staged? --no--> Nothing
                                                              |          |                  to do
                                                                         v
                              Load batches: distributed map over the prefix, one Express
                              execution a batch:  Transform -> Validate -> Load
                                                  `- any failure: Record failure -> Batch failed
                                                                         |
                                                                     Summarize
                                                                         |
                                                                  How did it end?
                     succeeded -> All loaded | partial -> Tell of failed batches -> Partly loaded
                                             | failed  -> Tell of failure -> Not loaded
    A step around the batches that fails itself: Tell of breakdown -> Broken down

Decisions:

- **References only.** A state carries a bucket, a prefix and counts. The map's results go to S3 by
  its ``ResultWriter`` and are dropped from the payload (``ResultPath: null``), so that ten thousand
  batches are as light as one.
- **The map tolerates every failure; Summarize judges.** It reads how each batch ended from S3, so
  a child that vanished without a word counts as failed, which a tolerated percentage can't say.
- **The optimised integration** (``lambda:invoke``), not the function's ARN as the resource: it is
  what AWS develops further, and its ``ResultSelector`` lets the item stay beside the result, which
  Record failure needs.
- **Unqualified functions.** A version would tie a running execution to the code it began with, but
  the old version must then outlive the deployment that replaced it, and every deployment would
  leave one behind. Steps can be repeated and exchange references whose format only grows, so an
  execution may cross a deployment.

The resources say ``arn:aws``: cfn-lint knows Step Functions' integrations in no other partition.
``${...}`` are resolved by ``DefinitionSubstitutions`` of the template (or :func:`resolve`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workflow.inventory import function
from workflow.limits import check_definition
from workflow.retries import CHILD_TASK, MAP_RUN, PARENT_TASK, SERVICE_CALL, RetryRule
from workflow.settings import DefinitionSettings

if TYPE_CHECKING:
    from workflow.states.sdk import Catch, Chain, Choice, Graph, Retry, State

__all__ = ["MAP_RESULTS_PREFIX", "build_definition", "definition_json", "function_arn", "resolve"]

MAP_RESULTS_PREFIX = "map-results"
EXECUTION = "$$.Execution.Name"
# A function's own timeout strikes first and names the error; the state's is for a lost answer.
ANSWER_MARGIN_SECONDS = 5
SERVICE_CALL_SECONDS = 10


def function_arn(name: str) -> str:
    """Placeholder of a function's ARN."""
    return f"${{{function(name).title}FunctionArn}}"


def retries(rules: tuple[RetryRule, ...]) -> list[Retry]:
    """The SDK's retriers for these rules."""
    from workflow.states.extended import RetryWithJitter

    return [
        RetryWithJitter(
            error_equals=list(rule.errors),
            interval_seconds=rule.interval,
            max_attempts=rule.attempts,
            backoff_rate=rule.backoff,
            max_delay_seconds=rule.cap,
        )
        for rule in rules
    ]


def caught_by(next_step: State | Chain) -> Catch:
    """Every error goes to ``next_step``, with the error beside the input."""
    from workflow.states.sdk import Catch

    return Catch(error_equals=["States.ALL"], result_path="$.error", next_step=next_step)


def invoke(
    state_id: str,
    name: str,
    *,
    rules: tuple[RetryRule, ...],
    on_error: State | Chain,
    payload: dict[str, Any] | str,
    **fields: Any,
) -> State:
    """A task that invokes one of our functions and puts its answer at ``$.step.output``."""
    from workflow.states.extended import LambdaTask

    return LambdaTask(
        state_id,
        function=function_arn(name),
        payload=payload,
        timeout_seconds=function(name).timeout + ANSWER_MARGIN_SECONDS,
        result_path="$.step",
        retry=retries(rules),
        catch=caught_by(on_error),
        **fields,
    )


def notify(state_id: str, subject: str, message: str, then: State, if_untold: State) -> Chain:
    """Publish to the topic, then ``then``; an execution that could tell nobody fails as such."""
    from workflow.states.extended import ServiceTask
    from workflow.states.sdk import Chain

    tell = ServiceTask(
        state_id,
        resource="arn:aws:states:::sns:publish",
        parameters={"TopicArn": "${TopicArn}", "Subject": subject, "Message.$": message},
        result_path=None,
        timeout_seconds=SERVICE_CALL_SECONDS,
        retry=retries(SERVICE_CALL),
        catch=caught_by(if_untold),
    )
    return Chain([tell, then])


def batch_steps() -> Chain:
    """What happens to one micro-batch; input is one item of the map."""
    from workflow.states.extended import FailWithPaths, ServiceTask
    from workflow.states.sdk import Catch, Chain

    failed = FailWithPaths("Batch failed", error_path="$.error.Error", cause_path="$.error.Cause")
    record = ServiceTask(
        "Record failure",
        comment="Summarize reads how each batch ended; this is how a failed one says so.",
        resource="arn:aws:states:::aws-sdk:s3:putObject",
        parameters={
            "Bucket.$": "$.bucket",
            # raw/2026/11/23/<execution>/<file>: the sixth part. The batch id would need the file
            # name without its endings, which no intrinsic function can give.
            "Key.$": "States.Format('outcomes/{}/failed/{}.json', $.execution, "
            "States.ArrayGetItem(States.StringSplit($.key, '/'), 5))",
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
        # The first error is the one to report, not that it could not be recorded.
        catch=Catch(error_equals=["States.ALL"], result_path=None, next_step=failed),
    )
    on_error = Chain([record, failed])
    common: dict[str, Any] = {"rules": CHILD_TASK, "on_error": on_error}
    item = {f"{name}.$": f"$.{name}" for name in ("bucket", "key", "size", "execution")}
    so_far = "$.step.output"
    transform = invoke("Transform", "transform", payload=item, **common)
    validate = invoke("Validate", "validate", payload=so_far, **common)
    load = invoke("Load", "load", payload=so_far, output_path="$.step.output", **common)
    return Chain([transform, validate, load])


def load_batches(settings: DefinitionSettings, on_error: Chain) -> State:
    """The distributed map over the staged prefix; its output is its input."""
    from workflow.states.extended import DistributedMap

    return DistributedMap(
        "Load batches",
        label="Batches",
        iterator=batch_steps(),
        item_reader={
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket.$": "$.bucket", "Prefix.$": "$.prefix"},
        },
        item_selector={
            "bucket.$": "$.bucket",
            "key.$": "$$.Map.Item.Value.Key",
            "size.$": "$$.Map.Item.Value.Size",
            "execution.$": EXECUTION,
        },
        max_concurrency=settings.max_concurrency,
        tolerated_failure_percentage=100,
        result_writer={
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "${DataBucketName}", "Prefix": MAP_RESULTS_PREFIX},
        },
        result_path=None,
        retry=retries(MAP_RUN),
        catch=caught_by(on_error),
    )


def how_did_it_end(untold: State) -> Choice:
    """What Summarize found decides how the execution ends, and who is told."""
    from workflow.states.extended import FailWithPaths
    from workflow.states.sdk import Choice, ChoiceRule, Succeed

    ended = Choice("How did it end?")
    partial = notify(
        "Tell of failed batches",
        "Telemetry: some batches failed",
        "$.message",
        Succeed("Partly loaded"),
        untold,
    )
    # The error of a Fail state is a name to match on, its cause a text for a person.
    failed = notify(
        "Tell of failure",
        "Telemetry: batches failed",
        "$.message",
        FailWithPaths("Not loaded", error="BatchesFailed", cause_path="$.message"),
        untold,
    )
    ended.add_choice(ChoiceRule.StringEquals("$.status", "succeeded"), Succeed("All loaded"))
    ended.add_choice(ChoiceRule.StringEquals("$.status", "partial"), partial)
    ended.default_choice(failed)
    return ended


def _broken_down(untold: State) -> Chain:
    from workflow.states.extended import FailWithPaths

    return notify(
        "Tell of breakdown",
        "Telemetry: an execution broke down",
        "States.Format('Execution {} broke down with {}. What is queued goes on with the next "
        "execution; what was staged is safe under raw/ in the data bucket and can be replayed by "
        "its prefix. {}', $$.Execution.Id, $.error.Error, States.JsonToString($.error))",
        FailWithPaths("Broken down", error_path="$.error.Error", cause_path="$.error.Cause"),
        untold,
    )


def _extract_states(on_error: Chain) -> tuple[State, State]:
    """Two ways to find batches with the same function: drain the queue, or list a prefix."""
    common: dict[str, Any] = {
        "rules": PARENT_TASK,
        "on_error": on_error,
        "output_path": "$.step.output",
    }
    started = {"execution.$": EXECUTION, "started.$": "$$.Execution.StartTime"}
    extract = invoke("Extract", "extract", payload=started, **common)
    listing = invoke(
        "List staged batches", "extract", payload={**started, "prefix.$": "$.prefix"}, **common
    )
    return extract, listing


def build_definition(settings: DefinitionSettings | None = None) -> Graph:
    """The graph to hand to the SDK's ``Workflow`` or to :func:`definition_json`.

    Imports ``stepfunctions``, which takes seconds. Raises ``DefinitionError`` where the result
    would break a limit or a rule of the language.
    """
    from workflow.states.extended import FailWithPaths
    from workflow.states.sdk import Chain, Choice, ChoiceRule, Graph, Succeed

    settings = settings or DefinitionSettings()
    untold = FailWithPaths(
        "Nobody was told", error_path="$.error.Error", cause_path="$.error.Cause"
    )
    broken = _broken_down(untold)
    extract, listing = _extract_states(broken)
    summarize = invoke(
        "Summarize",
        "summarize",
        payload={"bucket.$": "$.bucket", "prefix.$": "$.prefix", "execution.$": EXECUTION},
        rules=PARENT_TASK,
        on_error=broken,
        output_path="$.step.output",
    )
    loading = Chain([load_batches(settings, broken), summarize, how_did_it_end(untold)])
    anything = Choice("Anything staged?")
    anything.add_choice(ChoiceRule.NumericGreaterThan("$.batches", 0), loading)
    anything.default_choice(Succeed("Nothing to do"))
    extract.next(anything)
    listing.next(anything)
    staged = Choice("Already staged?")
    given = [ChoiceRule.IsPresent(f"$.{name}", True) for name in ("bucket", "prefix", "batches")]
    staged.add_choice(ChoiceRule.And(given), anything)
    staged.add_choice(ChoiceRule.IsPresent("$.prefix", True), listing)
    staged.default_choice(extract)
    graph = Graph(
        staged,
        comment="Micro-batches of device telemetry, from the queue through S3 into PostgreSQL.",
        timeout_seconds=settings.execution_timeout_seconds,
    )
    check_definition(graph.to_dict())
    return graph


def definition_json(settings: DefinitionSettings | None = None) -> dict[str, Any]:
    """The same in Amazon States Language, as plain data."""
    plain: dict[str, Any] = json.loads(json.dumps(build_definition(settings).to_dict()))
    return plain


def resolve(definition: dict[str, Any], substitutions: dict[str, str]) -> dict[str, Any]:
    """Replace ``${Name}`` as CloudFormation's ``DefinitionSubstitutions`` does."""
    text = json.dumps(definition)
    for name, value in substitutions.items():
        text = text.replace(f"${{{name}}}", json.dumps(value)[1:-1])
    resolved: dict[str, Any] = json.loads(text)
    return resolved
