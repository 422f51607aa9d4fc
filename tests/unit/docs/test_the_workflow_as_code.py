"""docs/workflow-as-code.md: its examples run, its numbers are the code's, and what it calls public
is documented and typed."""

from __future__ import annotations

import inspect
import io
import json
import re
import subprocess
import sys
import tomllib
import urllib.request
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from etl.deployment.settings_schema import FREE_TABLES, known_settings
from etl.reference.public_names import PAGE, PUBLIC_MODULES, constant_text
from functions.sweep.batch_state import MOST_FAILURES
from telemetry.errors import PermanentError, TransientError, names_of
from workflow.editor import WorkflowEditor
from workflow.own_states import own_rules

TEXT = PAGE.read_text(encoding="utf-8").partition("<!-- names -->")[0]
BLOCKS = re.findall(r"^( *)```(\w+)\n(.*?)^\1```", TEXT, re.MULTILINE | re.DOTALL)
PLANT = "arn:aws:lambda:eu-central-1:123456789012:function:plant-state"


def blocks(language: str) -> list[str]:
    return [inspect.cleandoc(f"\n{text}") for _, kind, text in BLOCKS if kind == language]


FUNCTION, CUSTOMIZE, NOTEBOOK = blocks("python")


def run(source: str, **names: Any) -> dict[str, Any]:
    exec(compile(source, str(PAGE), "exec"), names)
    return names


@pytest.mark.parametrize("source", [CUSTOMIZE, NOTEBOOK], ids=["file", "notebook"])
def test_each_customization_makes_a_sound_workflow(source, definition):
    editor = WorkflowEditor(definition, {"plant": PLANT})
    run(source)["customize"](editor)
    assert PLANT in json.dumps(editor.definition())


def test_the_settings_are_settings():
    (document,) = map(tomllib.loads, blocks("toml"))
    assert "run.customization" in known_settings()
    assert set(document) - {"run"} == {"own_functions"} <= set(FREE_TABLES)
    assert set(document["run"]) == {"customization"}
    assert "workflow.invoke(\n" in CUSTOMIZE
    assert [name for name in document["own_functions"] if f'"{name}"' not in CUSTOMIZE] == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [('{"closed": false}', None), ('{"closed": true}', "PlantClosedError"), (None, "PlantUnr")],
)
def test_the_function_lets_a_batch_pass_or_names_its_error(monkeypatch, answer, error):
    def answered(*_: Any, **__: Any) -> io.StringIO:
        if answer is None:
            raise OSError("timed out")
        return io.StringIO(answer)

    monkeypatch.setattr(urllib.request, "urlopen", answered)
    handle = run(FUNCTION)["handle"]
    if error is None:
        assert handle({"raw_key": "raw/1"}, None) is None
        return
    with pytest.raises(Exception, match=r"raw/1 came|timed out") as raised:
        handle({"raw_key": "raw/1"}, None)
    assert raised.type.__name__.startswith(error)
    assert raised.type.__name__ in FUNCTION


def test_the_seconds_are_those_of_the_definition(definition):
    editor = WorkflowEditor(definition)
    left = editor.seconds_left
    assert f"has {left:.0f} s, of which" in TEXT.replace("\n ", "")
    waits = sum(rule.longest_wait for rule in own_rules((), in_batch=True))
    assert f"own retries take {waits:.0f} s" in TEXT
    editor.limit_retries("Transform", 2)
    assert f"{editor.seconds_left - left:.0f} s more" in TEXT


def test_the_sweep_treats_the_errors_as_the_page_says():
    assert f"until it has failed {MOST_FAILURES} times" in TEXT
    assert "PermanentError" in names_of(PermanentError)
    assert "TransientError" in names_of(TransientError)
    assert "TransientError" in own_rules((), in_batch=True)[0].errors
    retried = {name for rule in own_rules((), in_batch=False) for name in rule.errors}
    assert not retried & set(names_of(PermanentError))


PUBLIC = [(module, name) for module in PUBLIC_MODULES for name in import_module(module).__all__]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_a_public_name_exists_and_is_typed_and_explained(module, name):
    value = getattr(import_module(module), name)
    if not (inspect.isfunction(value) or inspect.isclass(value)):
        assert constant_text(name, import_module(module))
        return
    assert inspect.getdoc(value), name
    functions = [value] if inspect.isfunction(value) else []
    if inspect.isclass(value) and not value.__module__.startswith("stepfunctions."):
        own = inspect.getmembers(value, inspect.isfunction)
        functions = [one for key, one in own if not key.startswith("_") and key in vars(value)]
    for function in functions:
        assert inspect.getdoc(function), function
        named = inspect.signature(function)
        assert named.return_annotation is not inspect.Signature.empty, function
        untyped = [
            one.name
            for one in named.parameters.values()
            if one.annotation is inspect.Parameter.empty and one.name != "self"
        ]
        assert untyped == [], function


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_what_is_not_public_is_not_there_by_star(module):
    names: dict[str, Any] = {}
    exec(f"from {module} import *", names)
    assert set(names) - {"__builtins__"} == set(import_module(module).__all__)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Parallel'"):
        _ = import_module("etl.workflow").Parallel


def test_nothing_of_the_sdk_is_imported_before_it_is_used():
    code = "import sys, etl.workflow; sys.exit('stepfunctions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path.cwd(), check=False).returncode == 0
