"""``make audit``: security checks of the project that need no AWS account.

::

    templates.py        writes every CloudFormation template (runs in .venv)
    infrastructure.py   checkov and cfn-lint on them; each suppression has a reason and is needed
    permissions.py      every statement against AWS's Service Authorization Reference
    dependencies.py     pins, yanked releases, licences, known vulnerabilities
    secrets.py          no secret in the files, none in the history
    words.py            words that readers stumble over (part of ``make lint``, runs in .venv)

Runs in ``.audit-venv``, without the product installed. It needs no network except the package index
that pip uses. A check that can't run without network is reported, not skipped silently.
"""
