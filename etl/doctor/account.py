"""Checks who calls, where, and within which quotas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from etl.cost.quotas import quota
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from infrastructure.regions import region_problems

__all__ = ["check_credentials", "check_quotas", "check_region"]

OTHER_FUNCTIONS = 4
"""Concurrent executions beside those of the map and of the queue's trigger: Extract, Summarize, the
sweep and a migration."""
RATES = {
    "iot_publish": (
        "iotcore",
        re.compile(r"inbound publish requests.* per account", re.I),
    ),
    "sqs_in_flight": ("sqs", re.compile(r"(in.?flight).*standard", re.I)),
}
"""Keys of ``quotas.toml``, each with its service and its name in Service Quotas."""
RAISE = "request a higher quota in the Service Quotas console of this region"


def check_credentials(examination: Examination) -> Iterator[CheckResult]:
    """Say who calls. The root user is a failure: IAM can't limit it."""
    caller = examination.caller
    if examination.local:
        yield passed("credentials", "the emulator accepts this machine's own credentials")
    elif caller.endswith(":root"):
        yield failed(
            "credentials",
            f"{caller} is the root user of the account, whom no policy limits",
            "deploy as a role: docs/deploy.md#permissions",
        )
    else:
        yield passed("credentials", f"{caller}, account {examination.account}")


def check_region(examination: Examination) -> Iterator[CheckResult]:
    """Compare region and partition with the account's and with what the settings ask for."""
    region, session = examination.region, examination.target.session
    if examination.local:
        yield passed("region", f"{region} (the emulator answers for every region)")
        return
    if not region:
        yield failed("region", "no region is set", "give --region, or set `region`")
        return
    partition = session.get_partition_for_region(region)
    if (of_caller := examination.caller.split(":")[1]) != partition:
        yield failed(
            "region",
            f"{region} is in partition {partition}, but these credentials are of {of_caller}",
            f"name a region of {of_caller}, or credentials of an account in {partition}",
        )
        return
    problems = list(region_problems(region, examination.platform))
    if problems:
        yield failed("region", "; ".join(problems), "choose another region, or change the setting")
    else:
        yield passed("region", f"{region}, partition {partition}, has every resource needed")


def check_quotas(examination: Examination) -> Iterator[CheckResult]:
    """Compare the quotas that a pipeline meets first with what it needs."""
    if examination.local:
        yield not_checked("quotas", "the emulator has no quotas")
        return
    yield _concurrency(examination)
    for key in RATES:
        yield _rate(examination, key)


def _concurrency(examination: Examination) -> CheckResult:
    """New accounts begin with 10 executions at once
    (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, read 2026-11)."""
    name, settings = "quota: Lambda concurrency", examination.settings[0]
    needed = settings.max_concurrency + settings.queue_concurrency + OTHER_FUNCTIONS
    limits = examination.target.client("lambda").get_account_settings()["AccountLimit"]
    most, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    if free >= needed:
        return passed(name, f"{free:,} executions at once are free, {needed} are needed")
    reserved = f", {most - free:,} of them reserved by other functions" if most > free else ""
    return failed(
        name,
        f"the account runs {most:,} functions at once{reserved}; these settings use {needed} and "
        "would be throttled",
        f"{RAISE} (Lambda, concurrent executions), or lower run.max_concurrency",
    )


def _rate(examination: Examination, key: str) -> CheckResult:
    service, pattern = RATES[key]
    default = quota(key)
    name = f"quota: {default.name}"
    pages = examination.target.client("service-quotas").get_paginator("list_service_quotas")
    listed: list[dict[str, Any]] = [
        one for page in pages.paginate(ServiceCode=service) for one in page["Quotas"]
    ]
    found = [one for one in listed if pattern.search(one["QuotaName"])]
    if not found:
        return not_checked(
            name,
            f"Service Quotas lists no such quota of {service}; AWS documents {default.limit:,.0f} "
            f"{default.unit} as the default",
        )
    value = min(float(one["Value"]) for one in found)
    if value < default.limit:
        return passed(
            name,
            f"{value:,.0f} {default.unit}, less than the usual {default.limit:,.0f}",
            f"if the fleet needs more: {RAISE}, or {default.remedy}",
        )
    return passed(name, f"{value:,.0f} {default.unit}")
