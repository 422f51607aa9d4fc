"""Validate: judges a batch by its report, and writes what it finds into it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from functions.validate.history import Entry, history_key, read_history, remember
from functions.validate.judge import judge, overrule
from telemetry.contract import Checks, Contract, load_contracts
from telemetry.entry import lambda_entry
from telemetry.errors import BatchCorruptError
from telemetry.logs import log
from telemetry.manifest import Purpose, purpose_of
from telemetry.reports import parse_report, report_body
from telemetry.storage import get_object, put_object
from telemetry.tracing import step

__all__ = ["handle"]


@lambda_entry
def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Transform's result in, the same with ``verdict`` out.

    Raises ``BatchMissingError`` or ``BatchCorruptError`` where the report can't be read.
    """
    bucket, key = event["bucket"], event["report_key"]
    contract = _contract_of(event)
    checks, past = contract.checks, history_key(contract.name)
    compares = checks.volume is not None or bool(checks.drift)
    with step("read report"):
        entries = read_history(bucket, past)[0] if compares else []
        body = get_object(bucket, key)
    with step("judge"):
        report = judged(body, checks, key, entries, purpose_of(event))
    with step("write verdict"):
        if _says_more(report, json.loads(body)):
            put_object(bucket, key, report_body(report), "application/json")
        if compares and report["verdict"] in ("pass", "warn") and report["accepted"]:
            remember(bucket, past, _entry(report))
    for finding in report["findings"]:
        log.warning(finding["sentence"], check=finding["check"], level_found=finding["level"])
    log.info("Judged", verdict=report["verdict"], findings=len(report["findings"]))
    return {**event, "verdict": report["verdict"]}


def _contract_of(event: dict[str, Any]) -> Contract:
    """The contract that Transform has processed the batch under, as its raw key says."""
    contracts = load_contracts()
    return contracts.of_raw_key(str(event.get("raw_key"))) or contracts.first


def _says_more(report: dict[str, Any], stored: dict[str, Any]) -> bool:
    """True if the report has to be written: a batch that passes has nothing to add to Transform's,
    but one that is judged again may have findings there that don't hold any more."""
    passes = report["verdict"] == "pass" and not report["findings"]
    return not passes or bool(stored.get("verdict") or stored.get("findings"))


def _entry(report: dict[str, Any]) -> Entry:
    sketches = {
        name: column["quantiles"]
        for name, column in report["columns"].items()
        if "quantiles" in column
    }
    return {
        "batch_id": report["batch_id"],
        "accepted": report["accepted"],
        "quantiles": sketches,
    }


def judged(
    body: bytes,
    checks: Checks,
    key: str,
    history: Sequence[Entry] = (),
    purpose: Purpose = "load",
) -> dict[str, Any]:
    """The report with verdict and findings, compared with the batches before, not with itself.

    Raises ``BatchCorruptError`` where it is not one."""
    try:
        report = parse_report(body, key)
        before = [entry for entry in history if entry["batch_id"] != report.get("batch_id")]
        verdict, findings = overrule(*judge(report, checks, before), purpose)
    except (ValueError, KeyError, TypeError) as error:
        raise BatchCorruptError(
            f"The report {key} can't be read ({type(error).__name__}: {error}): replay the batch "
            "from its raw object."
        ) from error
    return {**report, "verdict": verdict, "findings": [found.as_dict() for found in findings]}
