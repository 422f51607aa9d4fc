"""Validate: judges a batch by its report and writes the verdict into it."""

from __future__ import annotations

import json
from typing import Any

from functions.validate.judge import judge
from telemetry import metrics
from telemetry.contract import Checks, load_contract
from telemetry.entry import lambda_entry
from telemetry.errors import BatchCorruptError
from telemetry.logs import log
from telemetry.storage import get_object, put_object

__all__ = ["handle"]


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Transform's result in, the same with ``verdict`` out.

    Raises ``BatchMissingError`` or ``BatchCorruptError`` where the report can't be read.
    """
    bucket, key = event["bucket"], event["report_key"]
    report = judged(get_object(bucket, key), load_contract().checks, key)
    body = json.dumps(report, ensure_ascii=False, indent=1).encode()
    put_object(bucket, key, body, "application/json")
    for finding in report["findings"]:
        log.warning(finding["sentence"], check=finding["check"], level_found=finding["level"])
    metrics.count("BatchesQuarantined", report["verdict"] == "quarantine")
    return {**event, "verdict": report["verdict"]}


def judged(body: bytes, checks: Checks, key: str) -> dict[str, Any]:
    """The report with verdict and findings. Raises ``BatchCorruptError`` where it is not one."""
    try:
        report: dict[str, Any] = json.loads(body)
        verdict, findings = judge(report, checks)
    except (ValueError, KeyError, TypeError) as error:
        raise BatchCorruptError(
            f"The report {key} can't be read ({type(error).__name__}: {error}): replay the batch "
            "from its raw object."
        ) from error
    return {**report, "verdict": verdict, "findings": [found.as_dict() for found in findings]}
