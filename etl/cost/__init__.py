"""A model of the pipeline's cost on AWS and of the rate it can take, from measured durations.

::

    prices.toml   AWS's prices, dated          measured.json   what each function uses, measured
                     |                                |
                     |        settings.py  --->  durations.py, batches.py
                     |                                |
                     '------> bill.py <--- usage.py <-'--> simulation.py <--- quotas.toml
                                |                              |
                                '---> reference/cost.py <------'   docs/cost.md

The model makes no call to AWS, and its results have not been compared with an invoice yet.
"""
