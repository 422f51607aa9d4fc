"""Deploying from the command line: settings file, plan, steps of two stacks, and what is told.

``settings_file`` reads what a person wrote; ``template_diff`` and ``change_set`` find what would
change, ``review`` puts both together; ``steps`` returns the order of things as data, ``carry_out``
does them. Only ``telling`` prints.
"""
