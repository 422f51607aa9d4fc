"""The control room: what all its pages share, and how old each answer may be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import TypeVar

from dashboard.cache import Answer, Shared
from dashboard.health import Facts, Health, diagnose
from dashboard.jobs import Jobs
from dashboard.rendering import Pages
from dashboard.security import Keys
from dashboard.sources import alarms_and_queues as watch
from dashboard.sources import executions as runs
from dashboard.sources import ledger
from dashboard.sources import quality as holding
from dashboard.sources.pipeline import Pipeline
from etl.aws.target import Target
from etl.operations.reconciliation import Reconciliation

__all__ = ["Room"]

SOON, LATER, SELDOM = 2.0, 5.0, 15.0
"""Seconds that an answer holds."""
ACCOUNT_SECONDS = 10.0
ACCOUNT_EFFORT = 20.0
"""The account is counted anew after so many times as long as the last count took."""
T = TypeVar("T")


class Room:
    """One running control room."""

    def __init__(self, target: Target, *, dsn: str | None = None, read_only: bool = False) -> None:
        self.pipeline = Pipeline(target, dsn)
        self.shared = Shared()
        self.jobs = Jobs(finished=self.changed)
        self.keys = Keys()
        self.read_only = read_only
        self.pages = Pages(
            stack=target.stack,
            place=_place(target),
            read_only=read_only,
            form_key=self.keys.form,
            jobs=self.jobs,
            contract_name=self.contract_name,
            level=lambda: self.health().level,
        )

    def ask(
        self, key: Hashable, question: Callable[[Pipeline], T], seconds: float = SOON
    ) -> Answer[T]:
        """The answer to a question about the pipeline, shared among all pages."""
        return self.shared.ask(key, seconds, lambda: question(self.pipeline))

    def changed(self) -> None:
        """Something was done: nothing that was known holds any more."""
        self.pipeline.forget()
        self.shared.forget()

    def contract_name(self) -> str:
        """Of the deployed contract, or nothing."""
        answer = self.ask("contract", lambda p: p.target.outputs["ContractName"], SELDOM)
        return answer.value or ""

    def facts(self) -> Facts:
        """What the verdict on the pipeline's health rests on."""
        checks = self.ask("checks", lambda p: p.target.contract.checks, SELDOM)
        share = checks.value.warn_reject_share if checks.value else 0.05
        return Facts(
            executions=self.ask("executions", runs.newest),
            unsettled=self.ask("unsettled", runs.unsettled, SELDOM),
            queues=self.ask("queues", watch.queues),
            alarms=self.ask("alarms", watch.ringing, SELDOM),
            pace=self.ask("pace", ledger.pace),
            held=self.ask("held", holding.held_number, LATER),
            account=self.account(),
            warn_reject_share=share,
        )

    def account(self) -> Answer[Reconciliation]:
        """The reconciliation. It lists the bucket, so it is counted behind the pages' back, and
        the seldomer the longer that takes."""
        key = "account"
        before: Answer[Reconciliation] = self.shared.ask_behind(
            key, float("inf"), lambda: watch.account(self.pipeline)
        )
        holds = max(ACCOUNT_SECONDS, before.took * ACCOUNT_EFFORT)
        return self.shared.ask_behind(key, holds, lambda: watch.account(self.pipeline))

    def health(self) -> Health:
        """The verdict."""
        return diagnose(self.facts())

    def close(self) -> None:
        """Let go of everything."""
        self.shared.close()
        with contextlib.suppress(Exception):  # it may be gone already
            self.pipeline.database.close()


def _place(target: Target) -> str:
    if target.local is not None:
        return "this machine"
    return f"AWS {target.session.region_name or ''}".strip()
