"""A pipeline in a notebook: start it, publish to it, run it, and look at what became of it.

::

    from etl.notebook import publish, read_rows, run, start_pipeline, watch_execution

    target = start_pipeline("contracts/plant.toml")
    publish(target, "samples/plant.ndjson")
    execution = run(target)
    watch_execution(target, execution)
    read_rows(target, "SELECT * FROM telemetry.plant")

``target`` is the pipeline: of it, ``contract``, ``bucket``, ``outputs``, ``connect()`` and
``client(service)`` are public. The names of ``__all__`` stay, or the changelog says what replaces
them. :mod:`etl.workflow` has what changes the workflow, :mod:`etl.testing` what checks a contract.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.aws.target import DEFAULT_STACK, DEFAULT_STATE, NoStackError, Target
from etl.operations.executions import describe
from etl.operations.executions import execution_arn as _arn
from etl.operations.executions import start as _start
from etl.operations.pictures import draw_definition, draw_execution, draw_trace, watch_execution
from etl.operations.reconciliation import Reconciliation
from etl.operations.reconciliation import reconcile as _reconcile
from etl.project import find_project
from layers.folders import INSTALLED, ROOT
from telemetry.escaping import escape_text
from telemetry.layout import RawKey, parse_raw_key, raw_prefix, rejected_key, report_key

if TYPE_CHECKING:
    import polars as pl

    from etl.authoring.diff import Change
    from etl.operations.receipts import Receipt

__all__ = [
    "batch_prefix",
    "compare_contracts",
    "draw_definition",
    "draw_execution",
    "draw_trace",
    "escape_text",
    "infer_contract",
    "open_pipeline",
    "parquet_options",
    "project_folder",
    "publish",
    "read_rejects",
    "read_reports",
    "read_rows",
    "reconcile",
    "run",
    "simulate",
    "start_pipeline",
    "watch_execution",
]

MOST_MESSAGES = 20_000
"""Most messages of a file that a contract is inferred from."""


def start_pipeline(
    contract: str | Path, *, stack: str | None = None, state: str | Path | None = None
) -> Target:
    """Start the local stack, deploy this contract's pipeline to it, and return the pipeline.

    Executions start when :func:`run` says so, or once a day. ``stack`` and ``state`` are by default
    those of the project that the notebook is in. Safe to run again. Raises ``ContractError``.
    """
    from etl.deployment.laptop import bring_up

    name, folder = _place(stack, state)
    return bring_up(folder, name, Path(contract), trigger="schedule", schedule="rate(1 day)")


def open_pipeline(
    *,
    stack: str | None = None,
    state: str | Path | None = None,
    region: str | None = None,
    profile: str | None = None,
) -> Target:
    """Return a deployed pipeline: with ``region`` or ``profile`` one on AWS, else this machine's.

    ``stack`` and ``state`` are by default those of the project that the notebook is in. Raises
    ``NoStackError`` where nothing runs on this machine.
    """
    from etl.deployment.laptop import local_target
    from local.stack import read

    name, folder = _place(stack, state)
    if region or profile:
        return Target(name, region, profile, folder)
    local = read(folder)
    if local is None:
        raise NoStackError("Nothing runs on this machine. Start it with `etl up`.")
    return local_target(folder, name, local)


def _place(stack: str | None, state: str | Path | None) -> tuple[str, Path]:
    """Name of the stack and folder of the local stack."""
    project = find_project()
    clone = ROOT / DEFAULT_STATE if not INSTALLED and Path.cwd().is_relative_to(ROOT) else None
    own = project.state if project else clone or DEFAULT_STATE
    named = stack or os.environ.get("ETL_STACK") or (project.stack if project else None)
    return named or DEFAULT_STACK, Path(state or os.environ.get("ETL_STATE") or own)


def project_folder() -> Path:
    """Return the folder of the project that the notebook is in; outside one, the working folder."""
    project = find_project()
    return project.folder if project else Path()


def publish(target: Target, file: str | Path, *, readings_per_message: int = 1) -> Receipt:
    """Publish the messages of a file by MQTT, as devices do.

    ``readings_per_message`` puts that many lines of the file, each a reading, into a message, where
    the contract has several in one. Raises ``SampleError`` for a file without messages.
    """
    from etl.operations.publishing import publish_file

    return publish_file(
        target, target.contract, Path(file), readings_per_message=readings_per_message
    )


def simulate(
    target: Target,
    *,
    devices: int = 5,
    rate: float = 100.0,
    duration: float = 3.0,
    mess: float = 0.0,
    seed: int = 1,
) -> Receipt:
    """Let simulated devices publish, with ``rate`` messages per second, for ``duration`` seconds.

    ``mess`` is the share of messages, and of readings, that are malformed (0 to 1).
    """
    from etl.operations.publishing import FleetPlan
    from etl.operations.publishing import simulate as simulate_fleet

    plan = FleetPlan(devices=devices, rate=rate, duration=duration, mess=mess, seed=seed)
    return simulate_fleet(target, target.contract, plan)


def run(target: Target, payload: dict[str, Any] | None = None) -> str:
    """Start an execution over all that waits, or over what ``payload`` names; return its ARN."""
    return _start(target, payload)


def reconcile(target: Target, wait: float = 60.0) -> Reconciliation:
    """Account for every published reading, once nothing is under way.

    Counts again for at most ``wait`` seconds; returns the last count, whose ``problems()`` are
    empty where it balances.
    """
    return _reconcile(target, wait)


def read_rows(target: Target, query: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
    """Return what an SQL query finds in the pipeline's database; each ``%s`` is a parameter."""
    import polars as pl

    with target.connect() as connection:
        return pl.read_database(
            query,
            connection.cursor(),
            execute_options={"vars": tuple(parameters)} if parameters else None,
            infer_schema_length=None,
        )


def batch_prefix(target: Target, execution: str) -> str:
    """Return the S3 prefix of the micro-batches that an execution (name or ARN) has staged."""
    found = describe(target, _arn(target, execution))
    return raw_prefix(found.name, found.started)


def read_reports(target: Target, execution: str) -> list[dict[str, Any]]:
    """Return the quality report of each micro-batch of an execution that has one."""
    keys = (report_key(raw.batch_id) for raw in _batches(target, execution))
    return [json.loads(body) for body in _bodies(target, keys)]


def read_rejects(target: Target, execution: str) -> list[dict[str, Any]]:
    """Return the rejects of an execution, each as it was sent and with its reason."""
    keys = (rejected_key(raw) for raw in _batches(target, execution))
    bodies = (gzip.decompress(body) for body in _bodies(target, keys))
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def _batches(target: Target, execution: str) -> Iterator[RawKey]:
    from etl.aws.s3 import listed

    for one in listed(target.client("s3"), target.bucket, batch_prefix(target, execution)):
        raw = parse_raw_key(one["Key"])
        if raw is not None:
            yield raw


def _bodies(target: Target, keys: Iterator[str]) -> Iterator[bytes]:
    """The objects that exist: a batch without rejects has no object of them."""
    from botocore.exceptions import ClientError

    client = target.client("s3")
    for key in keys:
        try:
            yield client.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise


def parquet_options(target: Target) -> dict[str, str]:
    """Return the ``storage_options`` with which polars reads the bucket of the pipeline."""
    credentials = target.session.get_credentials()
    frozen = credentials.get_frozen_credentials() if credentials else None
    options = {"aws_region": str(target.session.region_name)}
    if frozen is not None:
        options["aws_access_key_id"] = str(frozen.access_key)
        options["aws_secret_access_key"] = str(frozen.secret_key)
        if frozen.token:
            options["aws_session_token"] = frozen.token
    if target.local is not None:
        options |= {"aws_endpoint_url": target.local.endpoint_url, "aws_allow_http": "true"}
    return options


def infer_contract(file: str | Path, name: str) -> str:
    """Return a first contract for the messages of a file, as TOML; `etl contract infer` does this.

    Raises ``SampleError`` where none can be read.
    """
    from etl.authoring.infer import infer
    from etl.authoring.samples import read_sample
    from etl.authoring.toml_writer import write_contract

    path = Path(file)
    return write_contract(infer(read_sample([path], MOST_MESSAGES), name, path.name))


def compare_contracts(before: str | Path, after: str | Path) -> list[Change]:
    """Return what differs between two contract files, and what each change means for the rows.

    `etl contract diff` does this. Raises ``ContractError``.
    """
    from etl.authoring.diff import diff
    from etl.testing import load_contract

    return diff(load_contract(before), load_contract(after)).changes
