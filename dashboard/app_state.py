"""The state that all pages share: the pipeline, the answer cache, and how long answers are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import TypeVar

from starlette.requests import Request

from dashboard.cache import Answer, AnswerCache
from dashboard.health import Facts, Health, diagnose
from dashboard.jobs import Jobs
from dashboard.playground.process import WorkProcess
from dashboard.playground.results import warm_up
from dashboard.playground.samples import SampleStore
from dashboard.rendering import Pages
from dashboard.security import Keys
from dashboard.sources import alarms_and_queues, ledger
from dashboard.sources.executions import latest_executions, unprocessed_batches
from dashboard.sources.pipeline import Pipeline
from dashboard.sources.quality import quarantined_count
from etl.aws.contract_objects import further_names
from etl.aws.target import Target
from etl.operations.reconciliation import Reconciliation

__all__ = ["LONG_SECONDS", "MEDIUM_SECONDS", "SHORT_SECONDS", "ControlRoom"]

SHORT_SECONDS, MEDIUM_SECONDS, LONG_SECONDS = 2.0, 5.0, 15.0
"""Seconds that an answer is kept, by how much it costs to get."""
RECONCILIATION_SECONDS = 10.0
"""Least time between two reconciliations."""
RECONCILIATION_PAUSE = 20.0
"""Least time between two reconciliations, in multiples of what the last one took."""
STALE_RECONCILIATION_SECONDS = 60.0
"""An older reconciliation is not shown as if it were of now: no page was open meanwhile."""
T = TypeVar("T")


class ControlRoom:
    """One running control room."""

    def __init__(self, target: Target, *, dsn: str | None = None, read_only: bool = False) -> None:
        """``dsn`` names another way to the database than the stack's parameters and secret."""
        self.pipeline = Pipeline(target, dsn)
        self.cache = AnswerCache()
        self.jobs = Jobs(finished=self.refresh)
        self.samples = SampleStore()
        self.work = WorkProcess(warm_up)
        self.keys = Keys()
        self.read_only = read_only
        self._on_laptop = target.local is not None
        self.pages = Pages(
            stack=target.stack,
            location=_location(target),
            on_laptop=self._on_laptop,
            read_only=read_only,
            form_key=self.keys.form,
            jobs=self.jobs,
            contract_name=self.contract_name,
            level=lambda: self.health().level,
        )

    def ask(
        self, key: Hashable, question: Callable[[Pipeline], T], max_age: float = SHORT_SECONDS
    ) -> Answer[T]:
        """The answer to a question about the pipeline, shared by all pages.

        ``max_age`` is in seconds.
        """
        return self.cache.get(key, max_age, lambda: question(self.pipeline))

    def refresh(self) -> None:
        """Drop every cached answer, because an action has changed the pipeline."""
        self.pipeline.refresh()
        self.cache.clear()

    def contract_names(self) -> tuple[str, ...]:
        """Names of the deployed contracts, the first one's first; empty where not known."""

        def names(pipeline: Pipeline) -> tuple[str, ...]:
            outputs = pipeline.target.outputs
            return (outputs["ContractName"], *further_names(outputs))

        return self.ask("contract", names, LONG_SECONDS).value or ()

    def contract_name(self) -> str:
        """Names of the deployed contracts as one text; empty where they are not known."""
        return ", ".join(self.contract_names())

    def chosen_contract(self, request: Request) -> str | None:
        """The contract that an address names, in a pipeline of several.

        ``None`` where it names none, where there is no such one, and where there is only one.
        """
        names, asked = self.contract_names(), request.query_params.get("contract", "")
        return asked if len(names) > 1 and asked in names else None

    def shown_contract(self, request: Request) -> str | None:
        """The contract of a page about one table: without a name, the first of several."""
        names = self.contract_names()
        first = names[0] if len(names) > 1 else None
        return self.chosen_contract(request) or first

    def facts(self) -> Facts:
        """The answers that the pipeline's health is judged by."""
        share = self.ask("checks", _warn_share, LONG_SECONDS).value
        return Facts(
            executions=self.ask("executions", latest_executions),
            unprocessed=self.ask("unprocessed", unprocessed_batches, LONG_SECONDS),
            queues=self.ask("queues", alarms_and_queues.queues),
            alarms=self.ask("alarms", alarms_and_queues.alarm_states, LONG_SECONDS),
            triggers=self.ask("triggers", alarms_and_queues.queue_triggers, MEDIUM_SECONDS),
            throughput=self.ask("throughput", ledger.throughput),
            quarantined=self.ask("quarantined", quarantined_count, MEDIUM_SECONDS),
            reconciliation=self.reconciliation(),
            warn_reject_share=0.05 if share is None else share,
            on_laptop=self._on_laptop,
        )

    def reconciliation(self) -> Answer[Reconciliation]:
        """The last reconciliation.

        It lists the bucket, so it runs in the background, and less often the longer it takes.
        """

        def run() -> Reconciliation:
            return alarms_and_queues.reconciliation(self.pipeline)

        last: Answer[Reconciliation] = self.cache.get_in_background(
            "reconciliation", float("inf"), run
        )
        max_age = max(RECONCILIATION_SECONDS, last.took * RECONCILIATION_PAUSE)
        longest = 2 * max_age + STALE_RECONCILIATION_SECONDS
        return self.cache.get_in_background("reconciliation", max_age, run, longest)

    def health(self) -> Health:
        """The pipeline's health, with the problems found."""
        return diagnose(self.facts())

    def close(self) -> None:
        """Stop the background work and close the database connections."""
        self.work.close()
        self.cache.close()
        with contextlib.suppress(Exception):  # it may be gone already
            self.pipeline.database.close()


def _warn_share(pipeline: Pipeline) -> float:
    """The least share of rejects (0..1) at which a contract's checks warn."""
    return min(contract.checks.warn_reject_share for contract in pipeline.target.contracts)


def _location(target: Target) -> str:
    if target.local is not None:
        return "this machine"
    return f"AWS {target.session.region_name or ''}".strip()
