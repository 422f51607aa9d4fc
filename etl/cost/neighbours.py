"""The same fleet by two simpler designs: a Lambda function on the queue, and a small server.

Both are priced for what they do, with the prices and assumptions of the bill and without the
database, which each needs. What they don't do is said in docs/cost.md and docs/comparison.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from etl.cost.batches import Batches, batches_of, payload_bytes
from etl.cost.bill import HOURS, Line, lines_of
from etl.cost.durations import CONNECT_SECONDS, MB_PER_VCPU, measurements
from etl.cost.platform_lines import LINE_BYTES, platform_bytes
from etl.cost.settings import SECONDS_A_MONTH, Fleet, Pipeline
from etl.cost.usage import GB, IOT_UNIT, Usage, iot_usage, queue_usage, units

__all__ = ["INSERTED_ROWS", "OWN_LAMBDA", "SERVER_GB", "own_lambda", "server"]

OWN_LAMBDA = Pipeline(
    trigger="queue", delivery="mapping", window_seconds=5.0, trigger_batch=10_000, pollers=5
)
"""The event source mapping of such a function; Lambda begins with five pollers
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html, read 2026-11)."""
INSERTED_ROWS = 22_700
"""Rows per second by ``execute_values``, measured: docs/performance.md."""
MEMORY_MB = 512
LOG_LINE = 300
ALARMS = 3
"""On errors, on dead letters and on the oldest message; all metrics are AWS's own."""
SERVER_GB = 20
"""Disk of the server, for the system, the broker's queue and logs."""


def own_lambda(fleet: Fleet) -> tuple[Line, ...]:
    """Monthly lines of topic rule, queue and one function that inserts what a batch holds."""
    batches = batches_of(fleet, OWN_LAMBDA)
    return lines_of([*iot_usage(fleet), *_insert(fleet, batches)])


def _insert(fleet: Fleet, batches: Batches) -> Iterator[Usage]:
    calls = batches.rate * SECONDS_A_MONTH
    # It takes the messages apart as Transform does, with less of a processor, and inserts the rows.
    cpu = measurements()["functions"]["transform"]["cpu_seconds"]
    seconds = cpu["message"] * batches.messages + cpu["reading"] * batches.readings
    seconds = seconds * MB_PER_VCPU / MEMORY_MB + CONNECT_SECONDS
    seconds += batches.readings / INSERTED_ROWS
    logged = calls * (LOG_LINE + LINE_BYTES + platform_bytes("INFO")) / GB
    yield from queue_usage(fleet, OWN_LAMBDA, batches)
    yield Usage("lambda_requests", calls, "readings")
    yield Usage("lambda_seconds", calls * seconds * MEMORY_MB / 1024, "readings")
    yield Usage("logs_ingested", logged, "readings")
    yield Usage("logs_stored", logged, "readings")
    yield Usage("alarms", ALARMS, "fixed")
    yield Usage("secrets", 1, "fixed")


def server(fleet: Fleet, *, broker: bool) -> tuple[Line, ...]:
    """Monthly lines of a small server that runs all day and inserts what it receives.

    ``broker``: the MQTT broker runs on it too; else it subscribes to IoT Core, which charges for
    each message once when it comes in and once when it is delivered.
    """
    found: Sequence[Usage] = (
        Usage("server_hours", HOURS, "fixed"),
        Usage("server_disk", SERVER_GB, "fixed"),
        Usage("server_address", HOURS, "fixed"),
    )
    if broker:
        return lines_of(found)
    without_rules = replace(fleet, basic_ingest=False)
    delivered = fleet.messages * SECONDS_A_MONTH * units(payload_bytes(fleet), IOT_UNIT)
    kept = [one for one in iot_usage(without_rules) if one.group in {"messaging", "devices"}]
    return lines_of([*found, *kept, Usage("iot_messages", delivered, "messaging")])
