"""Files for tools that people already have: a dashboard for Grafana, a project for dbt.

Each is a pure function of the contract, so that a changed contract gets a changed file. Whoever
reads the data through them needs the analyst's login and nothing else: the views of a contract have
what the ledger says about its batches (``docs/how-to-connect.md``).
"""
