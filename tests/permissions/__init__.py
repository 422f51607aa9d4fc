"""The permissions are exact: what happens is allowed, and nothing that is allowed never happens.

::

    recorder.py     runs inside the function processes: writes down each call of AWS
    run.py          a deployed pipeline in which everything happens once, recorded
    deployed.py     the stack as it is deployed: real names, and every policy as resolved
    calls.py        a recorded call as the requests that IAM is asked
    machine.py      the same for the state machine, the schedules, the topic rule
    deployer.py     the calls of etl plan, deploy and destroy, judged by the printed policy
    documented.py   what the emulator can't show, with the page of AWS that asks for it
    refused.py      what must never be allowed
    policies.py     the evaluator

Two judges: the emulator, which is started so that it holds functions, devices and queues to their
policies while the run goes on; and the evaluator here, to which all is put that the emulator doesn't
ask about (the key, the state machine's own calls, logs, traces, the VPC, who assumes a role) and
every change of every statement. What IAM itself says is AWS's to show: ``etl deploy`` to an account
is the last proof.
"""
