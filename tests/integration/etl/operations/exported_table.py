"""A table with a column of every type, partitioned, on the real PostgreSQL, and its exports."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any

import psycopg2

from etl.operations.export_cursor import ExportCursor
from etl.operations.export_destination import parse_destination
from etl.operations.export_query import Selection
from etl.operations.exporting import Export, Exported, write_rows
from functions.migrate.migration import migrate
from telemetry.contract import Contract
from telemetry.database import Credentials
from telemetry.ddl import qualified
from tests.fixtures.telemetry_database import CONTRACT, TelemetryDatabase, column

ANALYST = Credentials("telemetry_analyst", "only-reads")
KINDS = replace(
    CONTRACT,
    columns=(
        column("device_id", "text", required=True),
        column("ts", "timestamp", required=True),
        column("small", "smallint"),
        column("number", "integer"),
        column("big", "bigint"),
        column("single", "real"),
        column("double", "float"),
        column("price", "decimal", precision=38, scale=6),
        column("flag", "boolean"),
        column("state", "enum", values=(("ok", ()), ("", ()), ("a,b", ()))),
        column("note", "text"),
        column("extra", "jsonb"),
        column("seen", "timestamp"),
    ),
)
MONTHLY = replace(KINDS, partition="month")
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@dataclass
class ExportedTable:
    database: TelemetryDatabase
    contract: Contract

    @classmethod
    def create(cls, database: TelemetryDatabase, contract: Contract) -> ExportedTable:
        with closing(database.connect_owner()) as owner:
            migrate(owner, contract, database.loader, ANALYST)
        return cls(database, contract)

    @property
    def name(self) -> str:
        return qualified(self.contract)

    def connect(self) -> Any:
        dsn = self.database.server.dsn(ANALYST.username, ANALYST.password)
        return psycopg2.connect(dsn)

    def export(
        self,
        form: str = "csv",
        after: ExportCursor | None = None,
        selection: Selection | None = None,
    ) -> tuple[bytes, Exported]:
        out = io.BytesIO()
        found = self.export_to(out, form, after, selection)
        return out.getvalue(), found

    def export_to(
        self,
        out: IO[bytes],
        form: str = "csv",
        after: ExportCursor | None = None,
        selection: Selection | None = None,
    ) -> Exported:
        destination = parse_destination("-", form, overwrite=False)
        export = Export(destination=destination, selection=selection or Selection())
        with closing(self.connect()) as connection:
            return write_rows(connection, self.contract, export, after, out)

    def insert(self, *rows: tuple[Any, ...]) -> None:
        with closing(self.database.connect_owner()) as owner, owner, owner.cursor() as cursor:
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO {self.name} VALUES ({marks})", row)
