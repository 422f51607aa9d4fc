"""Chaos: everything that can go wrong in the pipeline, made to go wrong, many times in one run.

::

    faults.py     what can go wrong where: the (fault x step) matrix, and plans drawn from it
    preload.py    runs inside the function processes: makes planned faults happen
    injector.py   writes the plans, and reads what has fired
    saboteur.py   faults of the database: cut, crash, freeze, lock, deadlock
    traffic.py    messy messages, and what they must come to (the oracle's view)
    rig.py        the stand-ins and a deployed pipeline, with handles to break them by
    rounds.py     plan, feed until all has fired, let it heal, judge
    judging.py    nothing lost, nothing doubled, nothing left behind
    matrix.py     the results as the table in docs/internals/injected-faults.md

Nothing of the product knows of it: the functions' zips are those that are deployed anywhere. The
emulator runs ``preload.py`` in each function process before the function's own code; what S3, SQS
and PostgreSQL do wrong is done to the real (local) ones.

``make chaos FAULTS=5000 SEED=7`` is the long mode; a seed that a run has printed repeats its plans.
"""
