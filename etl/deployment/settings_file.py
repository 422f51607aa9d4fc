"""Settings as entered in a file or on the command line: read, checked, named by key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.deployment.settings_schema import FREE_TABLES, INSTEAD, known_settings
from infrastructure.setting_fields import Setting
from telemetry.contract.limits import beyond_limits, problem_lines
from telemetry.errors import UserError

__all__ = ["EnteredSettings", "SettingsError", "flag_value", "from_flags", "read_file"]


class SettingsError(UserError):
    """Raised where settings can't be used; lists every problem, each with its key and a way out."""


@dataclass(frozen=True)
class EnteredSettings:
    """Values by key. Files are paths that hold from any folder; lists are tuples."""

    values: dict[str, Any]
    source: str
    """Name of the file or place that they come from, for messages."""

    def over(self, other: EnteredSettings) -> EnteredSettings:
        """These values, and those of ``other`` for keys that are not among these.

        A key here also overrides the one that it stands in place of.
        """
        kept = {k: v for k, v in other.values.items() if INSTEAD.get(k) not in self.values}
        return EnteredSettings({**kept, **self.values}, other.source)


def read_file(path: Path) -> EnteredSettings:
    """Read a settings file. Raises :class:`SettingsError` naming every problem, ``OSError``."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise SettingsError(f"{path} is not TOML: its values are nested too deeply") from error
    except ValueError as error:  # also of a number of 5,000 digits
        raise SettingsError(f"{path} is not TOML: {error}") from error
    values: dict[str, Any] = {}
    problems = list(problem_lines(list(beyond_limits(document))))
    if not problems:
        values, problems = _checked(dict(_flattened(document)), path.parent)
    if problems:
        raise SettingsError(f"{path}:\n  " + "\n  ".join(problems))
    return EnteredSettings(values, str(path))


def from_flags(flags: Mapping[str, Any]) -> EnteredSettings:
    """Check the values of flags by key; files are relative to where the command runs."""
    values, problems = _checked(dict(flags), Path())
    if problems:
        raise SettingsError("\n  ".join(problems))
    return EnteredSettings(values, "the command line")


def flag_value(text: str) -> tuple[str, Any]:
    """Key and value of ``--set KEY=VALUE``: the value is TOML, or else a text.

    Raises :class:`SettingsError`.
    """
    key, sign, value = text.partition("=")
    if not sign:
        raise SettingsError(f"--set {text}: give a key and a value, as in --set run.trigger=queue")
    key = key.strip()
    known = known_settings().get(key)
    if known is not None and known.kind in ("text", "file"):
        return key, value.strip().strip('"')
    if key.partition(".")[0] in FREE_TABLES:
        return key, value
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key, value


def _flattened(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and not prefix:
            # An empty table counts too: [platform] with nothing in it.
            if name not in FREE_TABLES and not value:
                yield key, {}
            yield from _flattened(value, f"{name}.")
        else:
            yield key, value


def _checked(flat: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    problems: list[str] = []
    known = known_settings()
    for key, value in flat.items():
        if key in known:
            try:
                values[key] = _read(known[key], value, folder)
            except ValueError as error:
                problems.append(f"{key}: {error}")
        elif key.partition(".")[0] in FREE_TABLES and "." in key:
            if isinstance(value, str):
                values[key] = value
            else:
                problems.append(f'{key}: not a text; write "{value}"')
        elif value == {} and any(one.startswith(f"{key}.") for one in known):
            # The mere presence of [platform] asks for a second stack; other tables may be empty.
            if key == "platform":
                values[key] = True
        else:
            problems.append(f"{key} is not a setting{_nearest(key, known)}")
    if {"contract", "contracts"} <= flat.keys():
        problems.append(
            "contract and contracts are both set: `contract` names the file of a pipeline's only "
            "contract, `contracts` lists the files of all of them. Keep one of the two"
        )
    return values, problems


def _read(setting: Setting, value: Any, folder: Path) -> Any:
    """The value as the dataclass takes it. Raises ``ValueError`` with what is wrong."""
    if setting.kind == "file" and isinstance(value, str):
        return _file(value, folder)
    if setting.kind == "list of files" and _are_texts(value):
        if not value:
            raise ValueError("the list is empty; name at least one file")
        return tuple(_file(one, folder) for one in value)
    if setting.kind == "list of texts" and _are_texts(value):
        return tuple(value)
    if _fits(setting.kind, value):
        typed = float(value) if setting.kind == "number" else value
        if problem := setting.problem(typed):
            raise ValueError(problem)
        return typed
    article = "" if setting.kind == "true or false" else "a "
    raise ValueError(f"expected {article}{setting.kind}, found {_spelled(value)}")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _file(name: str, folder: Path) -> Path:
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _fits(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "true or false"
    wanted: dict[str, type | tuple[type, ...]] = {
        "text": str,
        "whole number": int,
        "number": (int, float),
    }
    return kind in wanted and isinstance(value, wanted[kind])


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _nearest(key: str, known: Mapping[str, Setting]) -> str:
    """A question about the known key that was probably meant."""
    own = key.rpartition(".")[2]
    same_name = [one for one in known if one.rpartition(".")[2] == own]
    close = same_name or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not close:
        by_name = {one.rpartition(".")[2]: one for one in known}
        close = [by_name[n] for n in difflib.get_close_matches(own, by_name, n=1, cutoff=0.6)]
    return f": did you mean {close[0]}?" if close else ": `etl settings list` shows every key"
