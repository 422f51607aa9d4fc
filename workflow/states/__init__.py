"""States of the SDK, and what the SDK of 2022 lacks.

Importing this package costs nothing; each of these modules imports ``stepfunctions``, which
takes seconds. Do that inside the function that authors:

- :mod:`workflow.states.sdk`: the SDK's own names, imported without its side effects
- :mod:`workflow.states.extended`: subclasses with the fields Step Functions has gained since

:mod:`workflow.states.without_sagemaker` makes that import three times as fast.
"""
