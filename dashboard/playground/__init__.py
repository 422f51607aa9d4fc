"""The playground: a contract is inferred from messages and checked with them at each change.

::

    page ─▶ SampleStore     messages, in memory
         ─▶ WorkProcess     a process of its own, with limits of time and memory
         ─▶ results         the functions behind ``etl contract infer`` and ``check``
         ─▶ contract_files  the only file that is written: the contract that is saved
"""
