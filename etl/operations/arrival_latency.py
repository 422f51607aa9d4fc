"""Time from the arrival of messages at AWS IoT Core to their rows, as the ledger has it.

No device's clock is in it, and every level of observability has it: it is read from the database.
The ledger notes the start of the transaction that loads, which the commit follows within
milliseconds for a small batch, and within seconds for a large one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.pictures.text import duration
from telemetry.ddl import LEDGER
from telemetry.ddl.analytics import AHEAD

__all__ = ["STATEMENT", "ArrivalLatency", "parse_latency"]

STATEMENT = f"""
SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (
           ORDER BY greatest(loaded_at - last_received_at, '0'))) AS newest,
       extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (
           ORDER BY greatest(loaded_at - first_received_at, '0'))) AS oldest,
       extract(epoch FROM greatest(max(loaded_at - first_received_at), '0')) AS longest
FROM {LEDGER}
WHERE loads = 1 AND status = 'loaded' AND loaded_at > now() - interval '1 hour'
  AND first_received_at <= last_received_at
  AND last_received_at <= loaded_at + interval '{AHEAD}'
"""  # noqa: S608 - our own names
"""One row of the batches of the last hour. A batch that was loaded again (a replay) does not count;
one whose first load was late does, because its readings were."""


@dataclass(frozen=True)
class ArrivalLatency:
    """Seconds from the arrival at AWS IoT Core to the rows, of the batches of the last hour."""

    newest: float
    """Median over the batches, of the newest message of each: it waited least."""
    oldest: float
    """Median over the batches, of the oldest message of each."""
    longest: float
    """The oldest message of the slowest batch."""

    @property
    def sentence(self) -> str:
        """The figures in words, for a line of the status."""
        newest, oldest, longest = map(duration, (self.newest, self.oldest, self.longest))
        return (
            f"in the last hour, rows followed the arrival of their message by {newest} "
            f"(newest of a batch) to {oldest} (oldest), {longest} at most"
        )


def parse_latency(row: Mapping[str, Any]) -> ArrivalLatency | None:
    """The row that :data:`STATEMENT` returns; ``None`` without batches that say when they came."""
    if any(row[name] is None for name in ("newest", "oldest", "longest")):
        return None
    return ArrivalLatency(float(row["newest"]), float(row["oldest"]), float(row["longest"]))
