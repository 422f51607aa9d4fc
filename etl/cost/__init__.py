"""A model of the pipeline's cost on AWS and of the rate it can take, from measured durations
and recorded counts.

::

    prices.toml   AWS's prices, dated    measured.json   what each function uses, measured
                     |                   recorded.json   what an execution asks for, counted
                     |                          |
                     |   settings.py  --->  counts.py, durations.py, batches.py  <--- levels.py
                     |                          |
                     '----> bill.py <- usage.py +--> simulation.py <--- quotas.toml
                              |                 '--> latency.py
                              |                             |
                              '---> reference/cost.py <-----'   docs/cost.md

The model makes no call to AWS, and its results have not been compared with an invoice yet.
"""
