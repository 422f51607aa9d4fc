"""pgAdmin 4 for this machine's database: its environment, its settings, its process.

pgAdmin runs as its own desktop application does: without a login, on the loopback, and for him
alone who has the key of this run. Its data lies in ``<state>/pgadmin``::

    pgadmin4.db      its settings: servers, preferences, the history of queries
    config.py        what we set, read by pgAdmin at its start; nothing secret
    passfile         the passwords of the servers we register, mode 0600, gone when pgAdmin ends
    open.html        leads a browser to this run's page, mode 0600, gone when pgAdmin ends
    queries/         the saved queries
    output.log       what pgAdmin said
"""

from local.pgadmin.server import PgAdmin, PgAdminError

__all__ = ["PgAdmin", "PgAdminError"]
