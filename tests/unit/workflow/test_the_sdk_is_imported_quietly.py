"""The SDK's import is slow and rude; nothing of that reaches who uses us."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )


def test_levels_handlers_and_warnings_are_as_before():
    done = run(
        "import logging, warnings\n"
        "root = logging.getLogger(); mine = logging.NullHandler()\n"
        "root.setLevel(logging.INFO); root.addHandler(mine)\n"
        "filters = list(warnings.filters)\n"
        "import workflow.states.sdk\n"
        "assert root.level == logging.INFO, root.level\n"
        "assert root.handlers == [mine], root.handlers\n"
        "assert logging.getLogger('sagemaker.config').level == logging.NOTSET\n"
        "assert warnings.filters == filters\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_our_modules_does_not_import_the_sdk():
    done = run(
        "import sys\n"
        "import etl.deployment.packaging, workflow.definition, etl.deployment.deploy, workflow.limits\n"
        "import etl.deployment.stack_build, workflow.settings, workflow.states, infrastructure.core\n"
        "assert not {'stepfunctions', 'sagemaker', 'polars'} & set(sys.modules)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
