"""Run a statement as the database's owner, which no command of ours does: ``as-owner STATEMENT``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import psycopg2

from local.stack import read


def main(state: str, statement: str) -> None:
    local = read(Path(state))
    assert local is not None, "nothing runs"
    database = local.database
    with closing(
        psycopg2.connect(
            host=database.host,
            port=database.port,
            dbname=database.name,
            user=database.owner,
            password=Path(database.owner_password_file).read_text().strip(),
        )
    ) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


if __name__ == "__main__":
    main(*sys.argv[1:])
