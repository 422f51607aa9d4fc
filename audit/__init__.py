"""``make audit``: what can be checked of the project's security without an account in AWS.

::

    templates.py        writes every CloudFormation template (runs in .venv)
    infrastructure.py   checkov and cfn-lint on them; suppressions have reasons, and are needed
    permissions.py      every statement against AWS's Service Authorization Reference
    dependencies.py     pins, withdrawn releases, licences, known vulnerabilities
    secrets.py          no secret in the tree, none in the history
    words.py            words that readers stumble over (part of ``make lint``, runs in .venv)

Runs in ``.audit-venv``, with nothing of the product installed. It needs no network but the package
index that pip uses; what can't be checked for want of one is said, not passed over.
"""
