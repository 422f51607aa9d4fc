"""What the pipeline costs on AWS, and where it meets a limit: on paper, from measured parts.

::

    prices.toml what AWS asks for, dated       measured.json   what each function uses, measured
                     |                                |
                     |        settings.py  --->  durations.py, batches.py
                     |                                |
                     '------> bill.py <--- usage.py <-'--> simulation.py <--- quotas.toml
                                |                              |
                                '--------> page.py <-----------'   docs/cost.md

Nothing here calls AWS, and nothing here has been compared with an invoice yet.
"""
