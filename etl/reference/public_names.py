"""``docs/workflow-as-code.md``: the public names with their signatures and docstrings."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from layers.folders import ROOT

__all__ = ["PUBLIC_MODULES", "constant_text", "public_names_page"]

PAGE = ROOT / "docs" / "workflow-as-code.md"
PUBLIC_MODULES = ("etl.workflow", "etl.notebook", "etl.testing")
"""Modules whose ``__all__`` is public."""
BEGIN, END = "<!-- names -->\n", "<!-- end of names -->\n"
_SDK = "stepfunctions."
_ROLE = re.compile(r":\w+:`(?:[\w.]+\.)?([\w.]+)`")
_TYPE = re.compile(r"(?<![\w.])(?:[a-z_]\w*\.)+(?=[A-Z])")
"""Modules before the name of a type."""


def public_names_page() -> str:
    """The page, as Markdown: the written one with its list as the code gives it now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    names = "\n".join(part for module in PUBLIC_MODULES for part in _module(module))
    return f"{before}{BEGIN}\n{names}\n{END}{rest.partition(END)[2]}"


def _module(name: str) -> Iterator[str]:
    module = import_module(name)
    yield f"### `{name}`\n"
    of_sdk = [one for one in module.__all__ if _is_of_sdk(getattr(module, one))]
    for one in module.__all__:
        if one not in of_sdk:
            yield from _entry(one, getattr(module, one), module)
    if of_sdk:
        listed = ", ".join(f"`{one}`" for one in of_sdk)
        yield f"Of the SDK, as they are: {listed}.\n"


def _is_of_sdk(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith(_SDK)


def _entry(name: str, value: Any, module: Any) -> Iterator[str]:
    """Heading and text of one name; for a class, those of its public methods, too."""
    if inspect.isclass(value):
        shown = "" if issubclass(value, Exception) else _signature(value)
        yield f"#### `{name}{shown}`\n\n{_markdown(inspect.getdoc(value) or '')}\n"
        extends_sdk = any(_is_of_sdk(base) for base in value.__mro__)
        for method, member in () if extends_sdk else vars(value).items():
            if not method.startswith("_") and (doc := inspect.getdoc(member)):
                shown = _signature(member) if inspect.isfunction(member) else ""
                if shown or isinstance(member, property):
                    yield f"##### `{name}.{method}{shown}`\n\n{_markdown(doc)}\n"
    elif inspect.isfunction(value):
        yield f"#### `{name}{_signature(value)}`\n\n{_markdown(inspect.getdoc(value) or '')}\n"
    else:
        value_text = f" = {value!r}" if isinstance(value, tuple) else ""
        yield f"#### `{name}{value_text}`\n\n{_markdown(constant_text(name, module))}\n"


def _signature(function: Any) -> str:
    """Parameters and result as the source has them, without ``self``."""
    found = inspect.signature(function)
    shown = found.replace(
        parameters=[
            one.replace(annotation=_Plain(one.annotation))
            for one in found.parameters.values()
            if one.name != "self"
        ],
        return_annotation=_Plain(found.return_annotation),
    )
    return (
        str(shown).removesuffix(" -> None").removesuffix(f" -> {_Plain(inspect.Signature.empty)}")
    )


class _Plain:
    """An annotation, shown without quotation marks and modules."""

    def __init__(self, annotation: Any) -> None:
        self.text = _TYPE.sub("", str(annotation))

    def __repr__(self) -> str:
        return self.text


def constant_text(name: str, module: Any) -> str:
    """The text below a constant, in its module or in the one that it is imported from."""
    files = [Path(module.__file__)]
    for node in ast.parse(files[0].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in {one.name for one in node.names}:
            files.append(Path(str(import_module(str(node.module)).__file__)))
    for file in files:
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for node, after in pairwise(body):
            named = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
            if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return str(after.value.value)
    raise LookupError(f"{name} has no text below it")


def _markdown(text: str) -> str:
    """A docstring as Markdown: names as code, examples as blocks."""
    text = _ROLE.sub(r"`\1`", text).replace("``", "`")
    return re.sub(r"::\n\n((?:    .*\n?|\n)+)", _block, text).strip()


def _block(found: re.Match[str]) -> str:
    return f":\n\n```python\n{inspect.cleandoc(found[1])}\n```\n"
