"""A second opinion on the state machine: interpreters and validators that others wrote.

The emulator runs the definition everywhere else in these tests. Here two more interpreters run it,
moto's (which embeds LocalStack's) and ``aws-local-stepfunctions``, with the functions, the storage
and the database of a deployed pipeline. What has to be changed for them is in ``adaptations.py``.
"""
