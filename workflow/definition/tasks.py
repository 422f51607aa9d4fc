"""The tasks of the state machine: calls of functions and services, with Retry and Catch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.inventory import function
from workflow.retries import SERVICE_CALL, RetryRule

if TYPE_CHECKING:
    from workflow.states.sdk import Catch, Chain, Retry, State

__all__ = ["SERVICE_CALL_SECONDS", "caught_by", "function_arn", "invoke", "notify", "retries"]

# A function's own timeout comes first and names the error; the state's is for a lost response.
ANSWER_MARGIN_SECONDS = 5
SERVICE_CALL_SECONDS = 10


def function_arn(name: str) -> str:
    """Placeholder of a function's ARN, such as ``${TransformFunctionArn}`` for ``transform``."""
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
    """A task that invokes one of our functions and puts its result at ``$.step.output``."""
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


def notify(state_id: str, subject: str, message: str, then: State, if_unsent: State) -> Chain:
    """Publish to the topic, then ``then``; ``if_unsent`` is where a failed notification leads."""
    from workflow.states.extended import ServiceTask
    from workflow.states.sdk import Chain

    publish = ServiceTask(
        state_id,
        resource="arn:aws:states:::sns:publish",
        parameters={"TopicArn": "${TopicArn}", "Subject": subject, "Message.$": message},
        result_path=None,
        timeout_seconds=SERVICE_CALL_SECONDS,
        retry=retries(SERVICE_CALL),
        catch=caught_by(if_unsent),
    )
    return Chain([publish, then])
