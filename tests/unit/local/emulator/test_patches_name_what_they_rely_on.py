"""Each patch names every part of MiniStack that it uses, and the check finds what is missing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator.compatibility import PATCHES, PINNED, missing_names, relied_on

MODULES = sorted(file for file in PATCHES.glob("*.py") if "ministack" in file.read_text())
PLAIN_METHODS = ("get", "values", "set", "exception")
"""Methods of dictionaries, context variables and loggers: Python's, not MiniStack's."""


def path_of(node: ast.expr, imported: dict[str, str]) -> str | None:
    """The dotted name below ``ministack`` that an expression reads, if it is one."""
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute):
        found = path_of(node.value, imported)
        return found and (found if node.attr in PLAIN_METHODS else f"{found}.{node.attr}")
    return None


def used_names(file: Path) -> Iterator[str]:
    """Every name of MiniStack that a module reads, replaces or wraps."""
    tree = ast.parse(file.read_text())
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}".removeprefix("ministack.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (found := path_of(node, imported)):
            yield found


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_each_name_of_ministack_that_a_patch_uses_is_in_its_table(file: Path) -> None:
    listed = [f"{name.partition('[')[0]}." for name in table_of(file)]
    # A module, or a part on the way to a listed name, is named by what is listed below it.
    assert not {
        name for name in used_names(file) if not any(one.startswith(f"{name}.") for one in listed)
    }


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_a_table_names_nothing_that_its_patch_does_not_use(file: Path) -> None:
    text = file.read_text()
    text = (
        text[: text.index("RELIES_ON = ")] + text[text.index("\n\n", text.index("RELIES_ON = ")) :]
    )
    for name in table_of(file):
        path, _, key = name.removesuffix("]").partition("[")
        last = path.rpartition(".")[2]
        assert last in text or last.removeprefix("_execute_") in text, name
        assert key in text, name


def table_of(file: Path) -> list[str]:
    for statement in ast.parse(file.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "RELIES_ON":
            return list(ast.literal_eval(statement.value))
    return []


def test_the_tables_of_all_patches_are_read() -> None:
    tables = {name for file in MODULES for name in table_of(file)}
    assert relied_on() == sorted(tables)
    assert len(tables) > 100


def test_the_pinned_version_is_the_one_that_is_installed() -> None:
    assert f"ministack=={PINNED}" in Path("requirements/emulator.in").read_text().split()


def test_names_that_the_installed_package_lacks_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "fakestack" / "services"
    services.mkdir(parents=True)
    (tmp_path / "fakestack" / "__init__.py").write_text("")
    (services / "__init__.py").write_text("")
    (services / "sqs.py").write_text("_HANDLERS = {'CreateQueue': print}\nclass Queue: size = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    present = ["services.sqs._HANDLERS[CreateQueue]", "services.sqs.Queue.size"]
    gone = ["services.sqs._HANDLERS[DeleteQueue]", "services.sqs._queues", "services.sns._fanout",
            "services.sqs.Queue.length", "services.sqs.Queue[size]"]  # fmt: skip
    try:
        assert missing_names([*present, *gone], "fakestack") == [f"fakestack.{n}" for n in gone]
    finally:
        for name in [name for name in sys.modules if name.startswith("fakestack")]:
            del sys.modules[name]
