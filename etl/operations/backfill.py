"""A backfill loads all batches that were staged in a time range, one execution after the other.

Its id follows from the range and the deployed contract, and the names of its executions begin with
it. So a second call (after Ctrl-C, after a crash, on another machine) finds and follows the
execution that is still running, and skips the batches that this backfill has already processed:
their outcomes name the execution, and the ledger has them. A batch that the ledger has lost since
is left to do.

A repair also loads what the ledger has loaded. It goes in rounds, as the table may be damaged
again: an interrupted round is continued for a day, and one that has ended is followed by another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from etl.aws.target import Target
from etl.operations.batch_selection import batches_in
from etl.operations.batches import Batch
from etl.operations.contract_choice import deployed_digest, key_names
from etl.operations.executions import execution_arn
from etl.operations.ledger_restoration import recorded
from etl.operations.replaying import load_again, loadable
from etl.operations.reruns import RerunProgress, Tally, chunks, watch
from etl.operations.time_range import TimeRange

__all__ = ["BATCHES_PER_EXECUTION", "Backfill"]

BATCHES_PER_EXECUTION = 1000
"""Takes about two minutes, with ten batches in parallel and a second for each."""
ROUND = timedelta(days=1)
"""A repair that stopped so long ago is not continued: the next one begins with the first batch."""


@dataclass(frozen=True)
class Backfill:
    """All batches staged in a time range, loaded with the contract that is deployed now."""

    target: Target
    time_range: TimeRange
    digest: str
    repair: bool = False
    """Load again what the ledger has loaded with this contract."""
    contracts: tuple[str | None, ...] = ()
    """Only batches of the contracts that keys name so; empty: of all."""

    @classmethod
    def of(
        cls,
        target: Target,
        time_range: TimeRange,
        *,
        repair: bool = False,
        contract: str | None = None,
    ) -> Backfill:
        """The backfill of a time range with the deployed contracts, or with the named one of them.

        Raises ``ContractError``.
        """
        # A change of any of these contracts begins a backfill of its own.
        digest = (
            deployed_digest(target)
            if contract is None
            else " ".join((contract, target.contracts.named(contract).digest))
        )
        return cls(target, time_range, digest, repair, key_names(target, contract))

    @property
    def id(self) -> str:
        """An id that is always the same for this time range and contract."""
        start, end = self.time_range.start.isoformat(), self.time_range.end.isoformat()
        identity = f"{start} {end} {self.digest}"
        kind = "repair" if self.repair else "backfill"
        return f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    @cached_property
    def prefix(self) -> str:
        """Beginning of the names of its executions, of a repair those of the present round."""
        return f"{self.id}-{self._round()}-" if self.repair else f"{self.id}-"

    def all(self) -> Iterator[Batch]:
        """Every batch of the time range that can be loaded again."""
        return loadable(
            self.target,
            (
                batch
                for batch in batches_in(self.target, self.time_range)
                if not self.contracts or batch.raw.contract in self.contracts
            ),
        )

    def left(self) -> Iterator[Batch]:
        """The batches that this backfill has not processed yet."""
        return (batch for batch, settled in self._judged(self.all()) if not settled)

    def _judged(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, bool]]:
        """Each batch, and whether one of its executions has settled it; failed ones are retried."""
        for part in chunks(batches, BATCHES_PER_EXECUTION):
            own = [batch for batch in part if _settled_in(batch, self.prefix)]
            known = recorded(self.target, own) if own else set()
            done = {batch.key for batch in own if batch.raw.batch_id in known}
            yield from ((batch, batch.key in done) for batch in part)

    def _round(self) -> int:
        """Number of the round: of the last one where it was interrupted, else of the next one."""
        ours = re.compile(rf"{self.id}-(\d+)-")
        numbers, last = [0], datetime.min.replace(tzinfo=UTC)
        for batch in self.all():
            for outcome in batch.outcomes:
                if match := ours.match(outcome.execution):
                    numbers.append(int(match[1]))
                    last = max(last, outcome.written_at)
        running = [int(match[1]) for name in self.running() if (match := ours.match(name))]
        if running:
            return max(running)
        newest = max(numbers)
        if newest == 0 or datetime.now(UTC) - last > ROUND:
            return newest + 1
        prefix = f"{self.id}-{newest}-"
        complete = all(_settled_in(batch, prefix) for batch in self.all())
        return newest + 1 if complete else newest

    def tallies(self) -> tuple[Tally, Tally]:
        """Counts of all batches of the time range, and of those that are left."""
        whole, left = Tally(), Tally()
        for batch, settled in self._judged(self.all()):
            whole.add(batch)
            if not settled:
                left.add(batch)
        return whole, left

    def running(self) -> list[str]:
        """Names of its executions that are still running since an earlier call was interrupted."""
        states = self.target.client("stepfunctions")
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=self.target.outputs["StateMachineArn"], statusFilter="RUNNING"
        )
        names = (e["name"] for page in pages for e in page["executions"])
        return sorted(name for name in names if name.startswith(f"{self.id}-"))

    def run(
        self, size: int = BATCHES_PER_EXECUTION, concurrency: int | None = None
    ) -> Iterator[RerunProgress]:
        """Follow the executions that are running, then load the batches that are left.

        Starts one execution after the other, of up to ``size`` batches; yields their progress.
        """
        for name in self.running():
            yield from watch(self.target, execution_arn(self.target, name))
        kind = self.prefix.removesuffix("-")
        for part in chunks(self.left(), size):
            yield from load_again(
                self.target, part, kind=kind, repair=self.repair, concurrency=concurrency
            )


def _settled_in(batch: Batch, prefix: str) -> bool:
    """True where an execution whose name begins so has settled the batch."""
    return any(o.settled and o.execution.startswith(prefix) for o in batch.outcomes)
