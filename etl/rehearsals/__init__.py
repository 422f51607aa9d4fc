"""Failures provoked for real on a laptop stack, to rehearse being on call (``etl game-day``).

A rehearsal publishes a known number of readings over MQTT, breaks something, waits until it shows,
and proves after the repair that each reading is accounted for. :mod:`etl.rehearsals.registry` has
all of them, :mod:`etl.rehearsals.running` runs one.

The stack is one of its own, in the folder ``game-day`` of the state folder: PostgreSQL is stopped
and the disk filled there, and a stack of ``etl up`` notices nothing. Never in AWS.
"""
