"""The permissions are exact: what happens is allowed, and nothing that is allowed never happens.

::

    recorder.py     runs inside the function processes: writes down each call of AWS
    run.py          a deployed pipeline in which everything happens once, recorded
    deployed.py     the stack as it is deployed: real names, and every policy as resolved
    calls.py        a recorded call as the requests that IAM is asked
    machine.py      the same for the state machine, the schedules, the topic rule
    documented.py   what the emulator can't show, with the page of AWS that asks for it
    refused.py      what must never be allowed
    policies.py     the evaluator

AWS would ask IAM at each call. The emulator isn't made to: its functions call with the account's
own keys. So the real calls are recorded and judged here by the policies that were deployed. What
IAM really says is AWS's to show; ``etl deploy`` to an account is the last proof.
"""
