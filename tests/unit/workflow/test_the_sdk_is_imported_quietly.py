"""The SDK's import is slow and rude; nothing of that reaches who uses us."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from workflow.states.without_sagemaker import skip_sagemaker


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


WITHOUT_SAGEMAKER = """
import sys
from workflow.states.without_sagemaker import skip_sagemaker
skip_sagemaker(); skip_sagemaker()
import json
from workflow.definition import definition_json
print(json.dumps(definition_json()))
from stepfunctions.steps import ModelStep
from sagemaker.model import Model
assert not {'pandas', 'numpy'} & set(sys.modules)
try:
    Model()
except RuntimeError as error:
    assert str(error) == "Model needs sagemaker, which etl does not import"
else:
    raise AssertionError
"""


def test_without_sagemaker_the_definition_is_the_same_and_a_model_is_refused(
    definition: dict[str, Any],
) -> None:
    done = run(WITHOUT_SAGEMAKER)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == definition


def test_a_sagemaker_that_is_imported_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sagemaker", ModuleType("sagemaker"))
    before = list(sys.meta_path)
    skip_sagemaker()
    assert sys.meta_path == before
