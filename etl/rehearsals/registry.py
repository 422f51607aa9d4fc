"""All rehearsals, in the order in which to make them."""

from __future__ import annotations

from etl.rehearsals.database_failures import DatabaseAway, WrongPassword
from etl.rehearsals.disk_full import DiskFull
from etl.rehearsals.message_failures import ClockWrong, KeyTooSmall, PoisonBatch, WrongContract
from etl.rehearsals.model import Rehearsal
from etl.rehearsals.traffic_failures import ExpiredCertificate, QueueBacklog, Throttled

__all__ = ["REHEARSALS"]

_ALL: tuple[type[Rehearsal], ...] = (
    DatabaseAway,
    WrongContract,
    PoisonBatch,
    KeyTooSmall,
    WrongPassword,
    QueueBacklog,
    ClockWrong,
    ExpiredCertificate,
    Throttled,
    DiskFull,
)
REHEARSALS: dict[str, type[Rehearsal]] = {one.name: one for one in _ALL}
"""The rehearsals by name."""
