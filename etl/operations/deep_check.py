"""The deep check: the values in the table against the clean zone (Parquet), batch by batch.

Each batch that the ledger says was loaded into the contract's table is read from the clean zone,
spelled as Transform spells it for COPY, and copied into a temporary table of the table's own types;
PostgreSQL then compares by key. All of it is one snapshot, and one batch is in memory at a time.

A key may be in several batches, so one that differs from a batch's reading is held against the
readings of all others before it counts:

* ``keep_first``, ``keep_last`` and ``keep_greatest``: the row must equal, in all columns, a reading
  of one of the batches. Which of them the policy should have kept is not decided here;
* ``fill_missing``: each value of the row must be the value of such a reading in that column, and a
  column may be without a value only if all of these readings have none there.

A key that is not in the table is not missing where retention has dropped the rows of its time.

Not checked: rows that no batch has (the reconciliation counts rows), and batches that were
transformed again since they were loaded, which are counted as skipped.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etl.aws.target import Target
from etl.operations.deep_statements import DeepStatements
from etl.operations.table_life import has_record
from etl.operations.verdict import PLAIN, repair_of_days
from telemetry.checksums import parse_checksum, verify
from telemetry.contract.model import Contract
from telemetry.errors import BatchCorruptError
from telemetry.layout import clean_key, parse_raw_key, report_key

if TYPE_CHECKING:
    import polars as pl
    from psycopg2.extensions import cursor as Cursor

__all__ = ["DeepCheck", "check_values"]

NAMED = 5
"""Batches and keys that are named."""
REMEDY = "Repair the batch: it is transformed again."
Notify = Callable[[int, int], None]
"""Called with the batches checked so far, and those to check."""


@dataclass
class DeepCheck:
    """Result of a deep check. Counts are of keys unless they say otherwise."""

    policy: str
    batches: int = 0
    """Batches that were checked."""
    of_batches: int = 0
    """Batches that the ledger has loaded into the table."""
    rows: int = 0
    """Readings in the clean zone that were compared."""
    missing: int = 0
    """Readings whose key is not in the table."""
    dropped: int = 0
    """Readings whose row left the table because it is older than the retention."""
    different: int = 0
    """Keys whose row equals no reading."""
    columns: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Columns that differ: the rows, and those of them that have no value."""
    absent_columns: tuple[str, ...] = ()
    """Columns of the clean zone that the table doesn't have."""
    keys: list[str] = field(default_factory=list)
    """The first few keys that are missing or differ, as JSON."""
    affected: list[str] = field(default_factory=list)
    """Ids of all batches with such a key."""
    days: set[str] = field(default_factory=set)
    """Days in the keys of these batches."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Batches that could not be checked, by reason."""

    @property
    def holds(self) -> bool:
        """True if every value that was checked is right."""
        return not (self.missing or self.different or self.absent_columns)

    @property
    def command(self) -> str | None:
        """The command that repairs it; ``None`` where there is nothing to repair."""
        if self.absent_columns:
            return "etl deploy"
        if not self.affected:
            return None
        if len(self.affected) <= NAMED and all(map(PLAIN.fullmatch, self.affected)):
            return "etl replay --repair " + " ".join(f"--batch {name}" for name in self.affected)
        return repair_of_days(self.days)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        columns = {name: {"rows": n, "nulls": nulls} for name, (n, nulls) in self.columns.items()}
        return {
            "holds": self.holds,
            "policy": self.policy,
            "batches": self.batches,
            "of_batches": self.of_batches,
            "rows": self.rows,
            "missing": self.missing,
            "dropped": self.dropped,
            "different": self.different,
            "columns": columns,
            "absent_columns": list(self.absent_columns),
            "keys": [json.loads(key) for key in self.keys],
            "affected": self.affected,
            "skipped": dict(self.skipped),
            "command": self.command,
        }


@dataclass(frozen=True)
class _Loaded:
    raw_key: str
    contract_digest: str


def check_values(
    target: Target,
    sample: int | None = None,
    notify: Notify = lambda _done, _of: None,
    contract: Contract | None = None,
) -> DeepCheck:
    """Check the values of all batches of a contract, or of so many chosen at random.

    ``contract``: one of the pipeline's; without it, the first one.
    """
    contract = contract or target.contract
    found = DeepCheck(contract.on_conflict)
    with closing(target.connect()) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        with connection.cursor() as cursor:
            statements = DeepStatements.of(cursor, contract)
            for statement in statements.prepare():
                cursor.execute(statement)
            found.absent_columns = statements.absent
            chosen = _loaded(cursor, contract, sample)
            found.of_batches = _number_loaded(cursor, contract)
            for done, batch in enumerate(chosen, 1):
                frame = _clean_rows(target, batch, found.skipped)
                if frame is not None:
                    _compare(cursor, statements, batch, frame, found)
                notify(done, len(chosen))
            if contract.partition != "none" and has_record(cursor):
                cursor.execute(statements.forget_dropped())
                found.dropped = cursor.rowcount
            _explain(target, cursor, statements, contract)
            _summarize(cursor, statements, found)
        connection.rollback()  # the temporary tables
    return found


def _loaded(cursor: Cursor, contract: Contract, sample: int | None) -> list[_Loaded]:
    """The batches in the table, in the order of their keys; a sample in that of chance."""
    order = 'raw_key COLLATE "C"' if sample is None else "random() LIMIT %(sample)s"
    cursor.execute(
        "SELECT raw_key, contract_digest FROM etl.ledger WHERE status = 'loaded' "  # noqa: S608
        f"AND accepted > 0 AND contract = %(contract)s ORDER BY {order}",
        {"contract": contract.name, "sample": sample},
    )
    return [_Loaded(*row) for row in cursor.fetchall()]


def _number_loaded(cursor: Cursor, contract: Contract) -> int:
    cursor.execute(
        "SELECT count(*) FROM etl.ledger "
        "WHERE status = 'loaded' AND accepted > 0 AND contract = %s",
        (contract.name,),
    )
    [(number,)] = cursor.fetchall()
    return int(number)


def _clean_rows(target: Target, batch: _Loaded, skipped: Counter[str]) -> pl.DataFrame | None:
    """The batch's rows in the clean zone; ``None`` where they can't be compared."""
    import polars as pl

    s3, raw = target.client("s3"), parse_raw_key(batch.raw_key)
    if raw is None:
        skipped["its raw key has another form"] += 1
        return None
    try:
        found = s3.get_object(Bucket=target.bucket, Key=report_key(raw.batch_id))
        report = json.loads(found["Body"].read())
        # The report knows the key of its time, from before the partition had its present name.
        key = report.get("clean_key") or clean_key(raw)
        if key not in report.get("objects", {key: None}):
            skipped["it has no clean object: storage.clean was false"] += 1
            return None
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        skipped["its report or its clean object is missing"] += 1
        return None
    if report.get("contract_digest") != batch.contract_digest:
        skipped["it was transformed again since it was loaded, or not loaded since a restore"] += 1
        return None
    try:
        verify(body, parse_checksum((report.get("objects") or {}).get(key)), key, REMEDY)
        return pl.read_parquet(io.BytesIO(body))
    except (BatchCorruptError, pl.exceptions.PolarsError):
        skipped["its clean object is damaged"] += 1
        return None


def _stage(cursor: Cursor, statements: DeepStatements, frame: pl.DataFrame) -> Sequence[str]:
    """Copies the rows into the temporary table; returns their columns that the table has."""
    from functions.transform.copy import copy_csv

    names = [name for name in frame.columns if name in statements.columns]
    cursor.execute(statements.empty())
    cursor.copy_expert(statements.copy(names), io.BytesIO(copy_csv(frame.select(names))))
    return names


def _compare(
    cursor: Cursor,
    statements: DeepStatements,
    batch: _Loaded,
    frame: pl.DataFrame,
    found: DeepCheck,
) -> None:
    names = _stage(cursor, statements, frame)
    raw = parse_raw_key(batch.raw_key)
    assert raw is not None  # noqa: S101 - its clean object was read
    cursor.execute(statements.note_differences(names), (raw.batch_id, raw.date))
    found.batches += 1
    found.rows += frame.height


def _explain(
    target: Target, cursor: Cursor, statements: DeepStatements, contract: Contract
) -> None:
    """Removes the differences that a reading of another batch explains."""
    cursor.execute(statements.any_differences())
    [(differences,)] = cursor.fetchall()
    if not differences:
        return
    ignored: Counter[str] = Counter()
    for batch in _overlapping(cursor, statements, contract):
        frame = _clean_rows(target, batch, ignored)
        if frame is not None:
            names = _stage(cursor, statements, frame)
            for statement in statements.explain(names):
                cursor.execute(statement)


def _overlapping(
    cursor: Cursor, statements: DeepStatements, contract: Contract
) -> Iterator[_Loaded]:
    """The batches whose times meet those of the differences."""
    cursor.execute(
        "SELECT raw_key, contract_digest FROM etl.ledger AS l WHERE status = 'loaded' "  # noqa: S608
        f"AND accepted > 0 AND contract = %s AND {statements.may_explain()}",
        (contract.name,),
    )
    yield from [_Loaded(*row) for row in cursor.fetchall()]


def _summarize(cursor: Cursor, statements: DeepStatements, found: DeepCheck) -> None:
    cursor.execute(statements.totals())
    [(found.missing, found.different)] = cursor.fetchall()
    cursor.execute(statements.by_column())
    found.columns = {name: (int(rows), int(nulls)) for name, rows, nulls in cursor.fetchall()}
    cursor.execute(statements.examples(), (NAMED,))
    found.keys = [key for (key,) in cursor.fetchall()]
    cursor.execute(statements.batches())
    for batch_id, day in cursor.fetchall():
        found.affected.append(batch_id)
        found.days.add(day)
