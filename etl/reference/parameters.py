"""``docs/parameters.md``: what a deployment may choose, from the dataclasses and the template."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterator

from troposphere import Parameter, Template

from etl.reference.markdown import generated, table
from etl.reference.tuning import TUNING
from infrastructure.core.parameters import add_parameters
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import RuntimeTarget
from workflow.settings import DefinitionSettings

__all__ = ["fields_of", "parameters_page"]

CLASSES = (
    DeploySettings,
    DatabaseSettings,
    RuntimeTarget,
    DefinitionSettings,
)

INTRODUCTION = """\
# Parameters

What a reading is, is said by [the contract](contract.md); what an operator chooses, by the file of
[Settings](settings.md). This page has what is behind them: what a deployment chooses in Python
(`infrastructure/settings.py`), which of it are parameters of the CloudFormation template, and what
tunes a function. What a single command takes is in [The command line](cli.md).
"""
PARAMETERS = """\
## Template parameters

Whatever is a parameter can be changed without building anything anew: a deployment with another
value is an update of the stack. The defaults suit a first deployment; a parameter without one must
be given. `infrastructure/core/parameters.py`
"""
TUNED = """\
## Environment of the functions

The template writes what a function needs to find its queue, bucket and database. What follows has
good defaults and may be set by `tuning`, for every function; a value that can't be read fails the
function with a message that names the variable.
"""


def parameters_page() -> str:
    """The page, as Markdown."""
    parts = [
        INTRODUCTION,
        generated("infrastructure/settings.py and infrastructure/core/parameters.py"),
        "## A deployment\n",
    ]
    for which in CLASSES:
        parts += [f"### {which.__name__}\n", f"{inspect.getdoc(which)}\n", _fields(which)]
    parts += [PARAMETERS, _parameters(), TUNED]
    head = ["variable", "read by", "default", "what it does"]
    parts.append(table(head, ([f"`{t.name}`", t.reader, t.default, t.text] for t in TUNING)))
    return "\n".join(parts)


def fields_of(which: type) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and docstring of each field of a dataclass, as its source has them."""
    tree = ast.parse(inspect.getsource(which)).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - it is the source of a class
    declared = {field.name for field in dataclasses.fields(which)}
    for line, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
            continue
        if line.target.id not in declared:
            continue
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = inspect.cleandoc(str(after.value.value))
        yield line.target.id, ast.unparse(line.annotation), _default(line.value), text


def _default(value: ast.expr | None) -> str:
    if value is None:
        return ""
    if isinstance(value, ast.Call):
        factory = next(k.value for k in value.keywords if k.arg == "default_factory")
        return f"{ast.unparse(factory)}()"
    return ast.unparse(value)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _fields(which: type) -> str:
    rows = (
        [_code(name), _code(type_), _code(default) or "required", text.replace("``", "`")]
        for name, type_, default, text in fields_of(which)
    )
    return table(["field", "type", "default", ""], rows)


def _parameters() -> str:
    template = Template()
    add_parameters(template)
    rows = (
        [_code(name), _allowed(parameter), _given(parameter), parameter.Description]
        for name, parameter in sorted(template.parameters.items())
    )
    return table(["parameter", "values", "default", ""], rows)


def _given(parameter: Parameter) -> str:
    value = parameter.properties.get("Default")
    return "required" if value is None else _code(str(value)) or "empty"


def _allowed(parameter: Parameter) -> str:
    given = parameter.properties
    if "AllowedValues" in given:
        return ", ".join(f"`{value}`" for value in given["AllowedValues"])
    if "MinValue" in given:
        return (
            f"{given['MinValue']:,} to {given['MaxValue']:,}"
            if "MaxValue" in given
            else (f"at least {given['MinValue']:,}")
        )
    return {"CommaDelimitedList": "list", "Number": "number"}.get(given["Type"], "text")
