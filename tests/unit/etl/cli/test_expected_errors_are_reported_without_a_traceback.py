"""Each exception class is an expected failure with a message, or is handled inside its package."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

import pytest
import typer

from etl.cli.context import guard
from telemetry.errors import UserError

ROOT = Path(__file__).parents[4]
PACKAGES = ("layers", "functions", "workflow", "infrastructure", "etl", "local", "dashboard")
INTERNAL = {
    "AnswerError": "becomes a reject",
    "BadFilterError": "answered with 400 by the trace store",
    "BadRequestError": "answered with 400 by the trace store",
    "BinaryError": "becomes a reject",
    "DoubtError": "has the definition of a format decide",
    "EnvironmentDiedError": "becomes a fault of the function, in the emulator",
    "FormatError": "becomes a reject",
    "FunctionFailedError": "becomes the error of the command that has invoked the function",
    "FunctionFault": "a fault of the function, in the emulator",
    "InflationError": "becomes a reject",
    "RowsChangedError": "the load begins again",
    "RunTooLargeError": "the run is halved",
    "SourceSyntaxError": "becomes a ContractError with file and key",
    "TimeLimitError": "becomes a reject",
    "_StoppedError": "ends the COPY of an export that is not read any more",
    "TimePatternError": "becomes a ContractError with file and key",
    "UndeclaredMetricError": "a bug",
    "_LineError": "becomes a reject",
    "_OutOfTime": "ends a search in the control room",
    "_TooManyConflictsError": "puts the batch into quarantine",
}


def _classes() -> dict[str, list[str]]:
    """The bases of each class, by name; read as text, as not all can be imported here."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                    found[node.name] = bases
    return found


def _ancestors(name: str, classes: dict[str, list[str]]) -> set[str]:
    found = {name}
    for base in classes.get(name, ()):
        found |= _ancestors(base, classes)
    return found


def _is_exception(name: str, classes: dict[str, list[str]]) -> bool:
    known = (getattr(builtins, one, None) for one in _ancestors(name, classes))
    return any(isinstance(one, type) and issubclass(one, BaseException) for one in known)


def test_every_exception_class_is_a_user_error_or_is_internal() -> None:
    classes = _classes()
    exceptions = {name for name in classes if _is_exception(name, classes)}
    users = {name for name in exceptions if "UserError" in _ancestors(name, classes)}

    assert {"StackError", "SettingsError", "LocalStackError", "TelemetryError"} <= users
    assert exceptions - users == set(INTERNAL)


def test_a_user_error_ends_a_command_with_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    class NewError(UserError):
        pass

    @guard
    def command() -> None:
        raise NewError("There is no such thing.")

    with pytest.raises(typer.Exit) as ended:
        command()

    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "error There is no such thing.\n"


def test_a_bug_keeps_its_traceback() -> None:
    @guard
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
