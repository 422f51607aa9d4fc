"""``docs/latency.md``: the text of ``latency_page.md`` with measured and estimated figures.

Measured by ``python -m bench.latency``, which writes ``latency.json``; the estimate for AWS is
:mod:`etl.reference.latency_estimate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.cost.bill import bill
from etl.cost.durations import S3_SECONDS, billed_seconds
from etl.cost.formatting import dollars
from etl.cost.prices import price
from etl.cost.settings import SECONDS_A_MONTH, Fleet, Pipeline
from etl.reference import latency_estimate as estimate
from etl.reference.markdown import generated, table
from functions.inventory import function

__all__ = ["latency_page"]

TEMPLATE = Path(__file__).with_name("latency_page.md")
RESULTS = Path(__file__).with_name("latency.json")
TYPICAL = (10, 50)
"""Messages per second and readings per message of the tables with one line for each way."""
PARTS = {
    "gathering": "gathering: from the publication until its batch is taken from the queue",
    "stage": "staging or draining, until the execution goes on",
    "start": "states before the batch's first one, start of the map",
    "transform": "Transform",
    "validate": "Validate",
    "load": "Load, until its rows are visible",
}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "queue, window 1 s": {"trigger": "queue", "window_seconds": 1.0, "delivery": "mapping"},
    "queue, window 5 s": {"trigger": "queue", "window_seconds": 5.0, "delivery": "mapping"},
    "queue, window 20 s": {"trigger": "queue", "window_seconds": 20.0, "delivery": "mapping"},
    "queue, drain every 25 s": {"trigger": "queue", "window_seconds": 25.0, "delivery": "drain"},
    "schedule, 60 s": {"trigger": "schedule", "period_seconds": 60.0},
}
"""Each way of starting, and the settings of :class:`~etl.cost.settings.Pipeline` that are it."""
SHORTEST = "queue, window 1 s"
RATES = (10, 100, 1_000)
"""Readings per second of the table of costs."""
WINDOW = (10, 500)
"""Messages and readings of a batch of one second."""
Case = Mapping[str, Any]


def latency_page() -> str:
    """The page, as Markdown."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    cases: list[Case] = document["results"]
    text = TEMPLATE.read_text(encoding="utf-8").format(
        generated=generated("etl/reference/latency_page.md and latency.json"),
        summary=_summary(cases),
        cases=_cases(cases),
        parts=_parts(cases),
        aws_parts=_aws_parts(),
        dollars=_dollars(),
        validate=_validate(cases),
        machine=document.get("machine", ""),
        measured=document.get("measured", ""),
        s3=round(S3_SECONDS * 1000),
        cold=round(100 * estimate.COLD_SHARE),
    )
    return text.rstrip() + "\n"


def _ways() -> Iterator[tuple[str, Pipeline]]:
    for name, settings in WAYS.items():
        yield name, Pipeline(**settings)


def _summary(cases: Sequence[Case]) -> str:
    rows = []
    estimates = {name: estimate.estimated(pipeline) for name, pipeline in _ways()}
    for name in WAYS:
        aws = estimates.get(name)
        found = [one for one in cases if _is_typical(one, name)]
        here = [_seconds(found[0][each]) for each in ("p50", "p99")] if found else ["", ""]
        there = [_seconds(each) for each in (aws.p50, aws.p99)] if aws else ["", ""]
        if found or aws:
            rows.append([name, *here, *there])
    return table(["trigger", "here, p50", "here, p99", "AWS, p50", "AWS, p99"], rows, numbers=True)


def _cases(cases: Sequence[Case]) -> str:
    rows = [
        [
            one["way"],
            f"{one['rate']:,.0f}",
            one["readings"],
            f"{one['messages']:,}",
            *(_seconds(one[name]) for name in ("p50", "p95", "p99", "most")),
            f"{one['others']:.0%}",
            f"{one['busy']:.0%}",
        ]
        for one in cases
    ]
    head = ["trigger", "messages/s", "readings each", "messages", "p50", "p95", "p99", "max"]
    return table([*head, "others", "busy"], rows, numbers=True)


def _parts(cases: Sequence[Case]) -> str:
    shown = [one for one in cases if (one["rate"], one["readings"]) == TYPICAL and one["parts"]]
    rows = [[text, *(_millis(one["parts"][name]) for one in shown)] for name, text in PARTS.items()]
    rows.append(["**all**", *(_millis(sum(one["parts"].values())) for one in shown)])
    return table(["mean milliseconds", *(one["way"] for one in shown)], rows, numbers=True)


def _aws_parts() -> str:
    parts = estimate.parts(dict(_ways())[SHORTEST])
    rows = [[name, f"{seconds:.2f}", basis] for name, seconds, basis in parts]
    return table(["part", "seconds", "basis"], rows)


def _dollars() -> str:
    rows = []
    for name, pipeline in _ways():
        bills = [bill(Fleet(rate=float(rate), devices=rate), pipeline) for rate in RATES]
        rows.append([name, *(dollars(made.dollars()) for made in bills)])
    return table(["trigger", *(f"{rate:,} readings/s" for rate in RATES)], rows, numbers=True)


def _validate(cases: Sequence[Case]) -> str:
    """A table of what Validate's own invocation costs."""
    (here,) = [one for one in cases if _is_typical(one, SHORTEST)]
    billed = billed_seconds("validate", *WINDOW, Pipeline())
    aws = billed + estimate.INVOKE_SECONDS
    cold = estimate.COLD_SECONDS["validate"]
    share = billed * function("validate").memory / 1024 * SECONDS_A_MONTH
    requests = dollars(price("lambda_requests").each * SECONDS_A_MONTH)
    rows = [
        [
            "a warm batch here",
            f"{_millis(here['parts']['validate'])} ms of {_seconds(here['p50'])} s",
        ],
        ["a warm batch on AWS, by the estimate", f"{_millis(aws)} ms"],
        [
            "a cold start",
            f"{cold:.2f} s, after a quiet time and in {estimate.COLD_SHARE:.0%} of batches",
        ],
        [
            "a month with a batch each second",
            f"{requests} for requests, {dollars(price('lambda_seconds').each * share)} for time",
        ],
    ]
    return table(["Validate's invocation takes", "at most"], rows)


def _is_typical(case: Case, way: str) -> bool:
    return (case["way"], case["rate"], case["readings"]) == (way, *TYPICAL)


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _millis(value: float) -> str:
    return f"{1000 * value:,.0f}"
