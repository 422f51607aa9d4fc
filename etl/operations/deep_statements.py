"""The SQL of the deep check. Pure, but for the look at the table's columns."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.contract.model import Contract
from telemetry.ddl import in_dropped_range, qualified, quote_name, quote_text

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

__all__ = ["DeepStatements"]

STAGED = '"deep staged"'
DIFFERENCES = '"deep differences"'


@dataclass(frozen=True)
class DeepStatements:
    """Statements for one contract's table as it is now.

    Two temporary tables: the rows of one batch, and a difference for each key and batch. A
    difference has the names of the columns that differ; none of a key that is not in the table.
    """

    contract: Contract
    columns: tuple[str, ...]
    """Columns of the contract that the table has."""
    absent: tuple[str, ...]
    """Columns of the contract that the table doesn't have."""

    @classmethod
    def of(cls, cursor: Cursor, contract: Contract) -> DeepStatements:
        """The statements for the table as it is now."""
        cursor.execute(f"SELECT * FROM {qualified(contract)} LIMIT 0")
        present = {column.name for column in cursor.description or ()}
        names = [column.name for column in contract.columns]
        return cls(
            contract,
            tuple(name for name in names if name in present),
            tuple(name for name in names if name not in present),
        )

    def prepare(self) -> Iterator[str]:
        """Create the temporary tables."""
        listed = ", ".join(quote_name(name) for name in self.columns)
        table = qualified(self.contract)
        yield f"CREATE TEMP TABLE {STAGED} AS SELECT {listed} FROM {table} LIMIT 0"
        keys = ", ".join(quote_name(name) for name in self.contract.key)
        yield (
            f"CREATE TEMP TABLE {DIFFERENCES} AS SELECT {keys}, ''::text AS \" batch\", "
            f"''::text AS \" day\", '{{}}'::text[] AS \" columns\" "
            f"FROM {table} LIMIT 0"
        )
        yield f"CREATE INDEX ON {DIFFERENCES} ({keys})"

    def empty(self) -> str:
        """Forget the batch before."""
        return f"TRUNCATE {STAGED}"

    def copy(self, names: Sequence[str]) -> str:
        """COPY into the table of one batch."""
        listed = ", ".join(quote_name(name) for name in names)
        return f"COPY {STAGED} ({listed}) FROM STDIN (FORMAT csv)"

    def note_differences(self, names: Sequence[str]) -> str:
        """Note what differs in the batch. Parameters: batch id, day.

        With LIMIT the planner looks each key up, and never scans a large table.
        """
        own = [name for name in names if name not in self.contract.key]
        different = self._different(own, "t", "s")
        return (
            f"INSERT INTO {DIFFERENCES} SELECT {self._keys('s')}, %s, %s, "
            f"CASE WHEN t.present THEN {different} END FROM {STAGED} AS s LEFT JOIN LATERAL ("
            f"SELECT true AS present, {self._listed('r', own)} "
            f"FROM {qualified(self.contract)} AS r WHERE {self._same('r', 's')} LIMIT 1"
            f") AS t ON true WHERE t.present IS NULL OR cardinality({different}) > 0"
        )

    def explain(self, names: Sequence[str]) -> Iterator[str]:
        """Remove the differences that the readings of this batch explain."""
        own = [name for name in names if name not in self.contract.key]
        row = (
            f"{STAGED} AS s CROSS JOIN LATERAL (SELECT {self._listed('r', own)} "
            f"FROM {qualified(self.contract)} AS r WHERE {self._same('r', 's')} LIMIT 1) AS t"
        )
        different = self._different(own, "t", "s")
        where = f'{self._same("d", "s")} AND d." columns" IS NOT NULL'
        if self.contract.on_conflict != "fill_missing":
            yield (
                f"DELETE FROM {DIFFERENCES} AS d USING {row} "
                f"WHERE {where} AND cardinality({different}) = 0"
            )
            return
        # A column without a value is never explained: another reading of the key has one.
        empty = self._empty(own, "t")
        yield (
            f'UPDATE {DIFFERENCES} AS d SET " columns" = ARRAY('
            f'SELECT unnest(d." columns") INTERSECT SELECT unnest({different} || {empty})) '
            f"FROM {row} WHERE {where}"
        )
        yield f'DELETE FROM {DIFFERENCES} AS d WHERE cardinality(d." columns") = 0'

    def forget_dropped(self) -> str:
        """Remove the keys that are not in the table because retention dropped their rows."""
        return (
            f'DELETE FROM {DIFFERENCES} AS d WHERE d." columns" IS NULL '
            f"AND {in_dropped_range(self.contract, 'd')}"
        )

    def any_differences(self) -> str:
        """True if a row differs."""
        return f'SELECT EXISTS (SELECT FROM {DIFFERENCES} WHERE " columns" IS NOT NULL)'

    def may_explain(self) -> str:
        """Condition on a ledger row ``l``: its times meet those of the differences."""
        *_, last = self.contract.key
        if self.contract.column(last).type != "timestamp":
            return "true"
        return (
            "(l.min_time IS NULL OR EXISTS ("
            f"SELECT FROM {DIFFERENCES} AS d WHERE d.{quote_name(last)} "
            "BETWEEN l.min_time AND l.max_time))"
        )

    def totals(self) -> str:
        """Number of keys that are missing, and of keys that differ."""
        keys = ", ".join(f"d.{quote_name(name)}" for name in self.contract.key)
        return (
            f'SELECT count(DISTINCT ({keys})) FILTER (WHERE " columns" IS NULL), '
            f'count(DISTINCT ({keys})) FILTER (WHERE " columns" IS NOT NULL) '
            f"FROM {DIFFERENCES} AS d"
        )

    def by_column(self) -> str:
        """Rows that differ by column, and those of them that have no value there."""
        own = [name for name in self.columns if name not in self.contract.key]
        if not own:
            return "SELECT NULL, 0, 0 WHERE false"
        values = ", ".join(f"({quote_text(name)}, t.{quote_name(name)} IS NULL)" for name in own)
        return (
            f"SELECT v.name, count(*), count(*) FILTER (WHERE v.empty) FROM ("
            f'SELECT DISTINCT {self._keys("d")}, c.name AS " column" FROM {DIFFERENCES} AS d '
            f'CROSS JOIN LATERAL unnest(d." columns") AS c (name)) AS d '
            f"JOIN {qualified(self.contract)} AS t ON {self._same('t', 'd')} "
            f"CROSS JOIN LATERAL (VALUES {values}) AS v (name, empty) "
            'WHERE v.name = d." column" GROUP BY 1 ORDER BY 2 DESC, 1'
        )

    def examples(self) -> str:
        """The first keys, as JSON. Parameter: how many."""
        parts = ", ".join(f"{quote_text(n)}, d.{quote_name(n)}" for n in self.contract.key)
        return (
            f"SELECT DISTINCT jsonb_build_object({parts})::text FROM {DIFFERENCES} AS d "
            "ORDER BY 1 LIMIT %s"
        )

    def batches(self) -> str:
        """Ids and days of the batches with a difference."""
        return f'SELECT DISTINCT " batch", " day" FROM {DIFFERENCES} ORDER BY 1, 2'

    def _keys(self, alias: str) -> str:
        return ", ".join(f"{alias}.{quote_name(name)}" for name in self.contract.key)

    def _listed(self, alias: str, names: Sequence[str]) -> str:
        return ", ".join(f"{alias}.{quote_name(name)}" for name in names) or "1 AS nothing"

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(
            f"{one}.{quote_name(name)} = {other}.{quote_name(name)}" for name in self.contract.key
        )

    def _empty(self, names: Sequence[str], row: str) -> str:
        """An array of the names of the columns without a value."""
        cases = ", ".join(
            f"CASE WHEN {row}.{quote_name(name)} IS NULL THEN {quote_text(name)} END"
            for name in names
        )
        return f"array_remove(ARRAY[{cases}]::text[], NULL)"

    def _different(self, names: Sequence[str], row: str, reading: str) -> str:
        """An array of the names of the columns that differ."""
        cases = ", ".join(
            f"CASE WHEN {row}.{quote_name(name)} IS DISTINCT FROM {reading}.{quote_name(name)} "
            f"THEN {quote_text(name)} END"
            for name in names
        )
        return f"array_remove(ARRAY[{cases}]::text[], NULL)"
