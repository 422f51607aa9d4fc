"""Checks of an account before a deployment, and of a pipeline after it (``etl doctor``).

Each module yields results on one topic; :mod:`etl.doctor.examination` runs them in order, and
:mod:`etl.doctor.report` writes a report without names, for an issue. Everything is read-only except
the change set and the canary, which have to be agreed to.
"""
