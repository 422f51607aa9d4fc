"""Objects that every pipeline has beside its table: ledger, conflicts, and the loader's grants."""

from __future__ import annotations

from telemetry.contract.model import Contract
from telemetry.ddl.locks import plan_lock_grants
from telemetry.ddl.names import qualified, quote_name, quote_text
from telemetry.ddl.retention import RETENTION, plan_retention

__all__ = ["CONFLICTS", "ERASURES", "LEDGER", "plan_grants", "plan_ledger"]

SERVICE_SCHEMA = "etl"
LEDGER = '"etl"."ledger"'
"""The ledger's qualified and quoted name."""
CONFLICTS = '"etl"."conflicts"'
"""Qualified and quoted name of the table of conflicts with rows of the contract's table."""

ERASURES = '"etl"."erasures"'
"""Qualified and quoted name of the table of erasures, which counts the rows that each deleted."""

_STATUSES = "CHECK (status IN ('loaded', 'quarantined', 'discarded'))"
_BALANCE = "CHECK (read = accepted + duplicates + conflicts + rejected + set_aside + forgotten)"
_ACCEPTED = (
    "CHECK (status <> 'loaded' OR accepted = inserted + updated + unchanged + conflicts_in_table)"
)

_LEDGER_COLUMNS = f"""\
    batch_id text PRIMARY KEY,
    raw_key text NOT NULL,
    execution text NOT NULL,
    contract text NOT NULL,
    contract_digest text NOT NULL,
    status text NOT NULL CONSTRAINT ledger_status_check {_STATUSES},
    messages integer NOT NULL,
    read bigint NOT NULL,
    accepted bigint NOT NULL,
    duplicates bigint NOT NULL,
    conflicts bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL,
    set_aside bigint NOT NULL DEFAULT 0,
    forgotten bigint NOT NULL DEFAULT 0,
    rejected_by jsonb NOT NULL DEFAULT '{{}}',
    inserted bigint NOT NULL,
    inserted_before bigint NOT NULL DEFAULT 0,
    loads integer NOT NULL DEFAULT 1,
    updated bigint NOT NULL,
    unchanged bigint NOT NULL,
    conflicts_in_table bigint NOT NULL DEFAULT 0,
    min_time timestamptz,
    max_time timestamptz,
    first_received_at timestamptz,
    last_received_at timestamptz,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT every_reading_is_accounted_for
        {_BALANCE},
    CONSTRAINT every_accepted_reading_is_a_row
        {_ACCEPTED}"""

_CONFLICT_COLUMNS = """\
    contract text NOT NULL,
    batch_id text NOT NULL,
    raw_key text NOT NULL,
    contract_digest text NOT NULL,
    lost text NOT NULL CHECK (lost IN ('reading', 'row')),
    key jsonb NOT NULL,
    reading jsonb NOT NULL,
    digest bytea NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (contract, batch_id, lost, digest)"""

_ERASURE_COLUMNS = """\
    request text PRIMARY KEY,
    contract text NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL DEFAULT now()"""


def _evolve_ledger(newest: str, changes: str) -> str:
    """Changes a ledger that has no column ``newest`` yet.

    A lock that waits for all loads is taken only where there is something to change.
    """
    return f"""\
DO $evolve$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = {LEDGER!r}::regclass AND attname = {newest!r} AND NOT attisdropped
    ) THEN
        ALTER TABLE {LEDGER}
            {changes};
    END IF;
END $evolve$"""


_EVOLUTION = (
    (
        "set_aside",
        "ADD COLUMN set_aside bigint NOT NULL DEFAULT 0, "
        "DROP CONSTRAINT IF EXISTS every_reading_is_accounted_for, "
        "ADD CONSTRAINT every_reading_is_accounted_for "
        "CHECK (read = accepted + duplicates + rejected + set_aside)",
    ),
    (
        "loads",
        "ADD COLUMN inserted_before bigint NOT NULL DEFAULT 0, "
        "ADD COLUMN loads integer NOT NULL DEFAULT 1, "
        # The name that PostgreSQL gave to the check of a column in the ledgers of before.
        "DROP CONSTRAINT IF EXISTS ledger_status_check, "
        f"ADD CONSTRAINT ledger_status_check {_STATUSES}",
    ),
    (
        "conflicts",
        "ADD COLUMN conflicts bigint NOT NULL DEFAULT 0, "
        "ADD COLUMN conflicts_in_table bigint NOT NULL DEFAULT 0, "
        "DROP CONSTRAINT IF EXISTS every_reading_is_accounted_for, "
        "ADD CONSTRAINT every_reading_is_accounted_for "
        "CHECK (read = accepted + duplicates + conflicts + rejected + set_aside), "
        "DROP CONSTRAINT IF EXISTS every_accepted_reading_is_a_row, "
        f"ADD CONSTRAINT every_accepted_reading_is_a_row {_ACCEPTED}",
    ),
    (
        "last_received_at",
        "ADD COLUMN first_received_at timestamptz, ADD COLUMN last_received_at timestamptz",
    ),
    (
        "forgotten",
        "ADD COLUMN forgotten bigint NOT NULL DEFAULT 0, "
        "DROP CONSTRAINT IF EXISTS every_reading_is_accounted_for, "
        f"ADD CONSTRAINT every_reading_is_accounted_for {_BALANCE}",
    ),
)
"""Columns added to the ledger since its first version, oldest first."""


def plan_ledger() -> list[str]:
    """Statements that create the service schema, the ledger and the tables of conflicts and of
    erasures, or bring older ones forward."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {quote_name(SERVICE_SCHEMA)}",
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (\n{_LEDGER_COLUMNS}\n)",
        *(_evolve_ledger(newest, changes) for newest, changes in _EVOLUTION),
        f"CREATE INDEX IF NOT EXISTS ledger_by_execution ON {LEDGER} (execution)",
        f"CREATE INDEX IF NOT EXISTS ledger_by_arrival ON {LEDGER} (contract, last_received_at)",
        f"COMMENT ON TABLE {LEDGER} IS "
        + quote_text("One row per micro-batch, written in the transaction that loads its rows."),
        f"CREATE TABLE IF NOT EXISTS {CONFLICTS} (\n{_CONFLICT_COLUMNS}\n)",
        f"COMMENT ON TABLE {CONFLICTS} IS "
        + quote_text(
            "Readings that lost against an existing row of their key, and the former values of "
            "rows that a reading replaced."
        ),
        f"CREATE TABLE IF NOT EXISTS {ERASURES} (\n{_ERASURE_COLUMNS}\n)",
        f"COMMENT ON TABLE {ERASURES} IS "
        + quote_text("One row per erasure of a device, with the rows that it deleted."),
        *plan_retention(),
    ]


def plan_grants(contract: Contract, database: str, role: str) -> list[str]:
    """Statements that let the loader do its work and nothing else."""
    loader = quote_name(role)
    schemas = ", ".join(quote_name(name) for name in (contract.schema, SERVICE_SCHEMA))
    return [
        f"GRANT CONNECT, TEMPORARY ON DATABASE {quote_name(database)} TO {loader}",
        f"GRANT USAGE ON SCHEMA {schemas} TO {loader}",
        f"GRANT SELECT, INSERT, UPDATE ON {qualified(contract)}, {LEDGER} TO {loader}",
        f"GRANT SELECT, INSERT ON {CONFLICTS} TO {loader}",
        f"GRANT SELECT ON {ERASURES} TO {loader}",
        f"GRANT SELECT ON {RETENTION} TO {loader}",
        *plan_lock_grants(contract, role),
    ]
