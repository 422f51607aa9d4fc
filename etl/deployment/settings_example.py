"""The commented settings file that ``etl settings init`` writes, and the reference in the docs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from etl.deployment.settings_keys import known_entries
from etl.deployment.settings_schema import FREE_TABLES, TABLES, Entry

__all__ = ["example", "reference", "rows"]

WIDTH = 96
NEEDED = frozenset({"stack", "contract"})
"""Keys that the example sets; all others are commented out, at their defaults."""
ROLE = re.compile(r":\w+:`~?([^`]+)`")
_HEAD = """\
# Settings of one pipeline, for `etl plan`, `etl deploy`, `etl destroy` and `etl outputs`.
# What is commented out shows the default, or an example where there is none. Paths are relative to
# this file. Flags override it: `etl deploy --set run.trigger=queue`. No secrets belong here:
# passwords are in Secrets Manager, keys and SSO sessions where boto3 finds them.
"""


def example(stack: str = "telemetry", contract: str = "contracts/fleet.toml") -> str:
    """A settings file in TOML, every key with its comment."""
    lines = [_HEAD]
    for table, title in _tables():
        lines += ["", *_comment(f"{title}."), *_head_of(table), ""]
        for entry in _entries(table):
            lines += _comment(_plain(entry.text) + _choices(entry))
            lines += [_setting(entry, stack, contract), ""]
        if table in FREE_TABLES:
            name, value = FREE_TABLES[table]
            lines += [f'# {name} = "{value}"', ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _tables() -> Iterator[tuple[str, str]]:
    """Tables that hold anything, with their titles."""
    for table, title in TABLES.items():
        if table in FREE_TABLES or any(_entries(table)):
            yield table, title


def _head_of(table: str) -> list[str]:
    if not table:
        return []
    # Its mere presence asks for a second stack.
    return ["# [platform]"] if table == "platform" else [f"[{table}]"]


def _entries(table: str) -> Iterator[Entry]:
    return (one for one in known_entries().values() if one.table == table)


def _setting(entry: Entry, stack: str, contract: str) -> str:
    values = {"stack": stack, "contract": contract}
    if entry.key in NEEDED:
        return f"{entry.name} = {_toml(values[entry.key])}"
    return f"# {entry.name} = {_toml(_shown(entry))}"


def _shown(entry: Entry) -> Any:
    return entry.example if entry.example is not None else entry.default


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]


def _plain(text: str) -> str:
    return ROLE.sub(r"\1", text).replace("``", "")


def _choices(entry: Entry) -> str:
    said = _plain(entry.text)
    if not entry.choices or all(choice in said for choice in entry.choices):
        return ""
    return f" One of: {', '.join(entry.choices)}."


def reference() -> str:
    """Every key as Markdown tables, for the docs."""
    parts = []
    for table, title in _tables():
        head = f"### `[{table}]`" if table else "### At the top"
        parts += [head, "", f"{title}.", ""]
        if table in FREE_TABLES:
            name, value = FREE_TABLES[table]
            parts += [f'Names are your own, values texts, as in `{name} = "{value}"`.', ""]
            continue
        parts += ["| key | kind | default | what it is for |", "|---|---|---|---|"]
        parts += [_row(entry) for entry in _entries(table)]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(entry: Entry) -> str:
    text = ROLE.sub(r"`\1`", entry.text).replace("``", "`") + _choices(entry)
    told = _default(entry)
    quoted = f"`{told}`" if told else ""
    return f"| `{entry.name}` | {entry.kind} | {quoted} | {text} |"


def rows() -> Iterator[tuple[str, str, str]]:
    """Key, default and text of each entry, plain."""
    for entry in known_entries().values():
        yield entry.key, _default(entry), _plain(entry.text) + _choices(entry)


def _default(entry: Entry) -> str:
    """As TOML has it; empty where there is none."""
    return "" if entry.default in (None, "", ()) else _toml(entry.default)
