from __future__ import annotations

from datetime import UTC, datetime, timedelta

from etl.pictures.history import read_visits

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def event(kind: str, seconds: float, **details: object) -> dict[str, object]:
    return {"type": kind, "timestamp": T0 + timedelta(seconds=seconds), **details}


def entered(name: str, seconds: float) -> dict[str, object]:
    return event("TaskStateEntered", seconds, stateEnteredEventDetails={"name": name})


def exited(name: str, seconds: float) -> dict[str, object]:
    return event("TaskStateExited", seconds, stateExitedEventDetails={"name": name})


def failed(error: str, seconds: float) -> dict[str, object]:
    return event("LambdaFunctionFailed", seconds, lambdaFunctionFailedEventDetails={"error": error})


def test_a_state_that_was_retried_counts_its_retries() -> None:
    history = [
        entered("Extract", 0),
        failed("QueueUnavailableError", 1),
        event("LambdaFunctionScheduled", 2),
        event("LambdaFunctionSucceeded", 3),
        exited("Extract", 3),
    ]
    (visit,) = read_visits(history)
    assert (visit.retries, visit.error) == (1, "QueueUnavailableError")
    assert visit.exited == T0 + timedelta(seconds=3)


def test_a_state_that_gave_up_shows_its_last_error() -> None:
    history = [entered("Extract", 0), failed("A", 1), failed("B", 2)]
    (visit,) = read_visits(history)
    assert (visit.retries, visit.error, visit.exited) == (1, "B", None)


def test_a_failure_that_was_caught_is_not_a_retry() -> None:
    history = [entered("Extract", 0), failed("ConfigurationError", 1), exited("Extract", 1)]
    (visit,) = read_visits(history)
    assert (visit.failures, visit.retries, visit.error) == (1, 0, "ConfigurationError")


def test_the_failure_of_the_execution_is_not_a_failure_of_its_last_state() -> None:
    history = [entered("Failed", 0), event("ExecutionFailed", 1)]
    (visit,) = read_visits(history)
    assert (visit.failures, visit.error, visit.seconds) == (0, None, None)
