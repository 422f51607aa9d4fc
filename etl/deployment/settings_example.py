"""The commented settings file that ``etl settings init`` writes, and the reference in the docs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from etl.deployment.settings_schema import FREE_TABLES, TABLES, known_settings
from infrastructure.setting_fields import Setting
from infrastructure.settings import EXAMPLE_CONTRACT

__all__ = ["example", "reference", "rows"]

WIDTH = 96
_HEAD = """\
# Settings of one pipeline, for `etl plan`, `etl deploy`, `etl destroy` and `etl outputs`.
# Lines that are commented out show the default, or an example where there is none. Paths are
# relative to this file. Flags override it: `etl deploy --set run.trigger=queue`. No secrets belong
# here: passwords are in Secrets Manager, keys and SSO sessions where boto3 finds them.
"""


def example(
    stack: str = "telemetry",
    contract: str = EXAMPLE_CONTRACT,
    *further_contracts: str,
    values: Mapping[str, Any] | None = None,
    reason: str = "",
) -> str:
    """A settings file in TOML, every key with its comment.

    Only the stack, the contracts and ``values`` (by key) are set; all other keys are commented out,
    at their defaults. ``reason``: why these values were chosen, above the first of them.
    """
    several = [contract, *further_contracts]
    named = {"contracts": several} if further_contracts else {"contract": contract}
    chosen = {"stack": stack, **named, **(values or {})}
    explained = next((key for key in known_settings() if key in (values or {})), "")
    lines = [_HEAD]
    for table, title in TABLES.items():
        lines += ["", *_comment(f"{title}."), *_head_of(table), ""]
        for one in _settings(table):
            why = _comment(reason) if one.key == explained and reason else []
            lines += [*_comment(_text(one)), *why, _line(one, chosen), ""]
        if table in FREE_TABLES:
            name, value = FREE_TABLES[table]
            lines += [f'# {name} = "{value}"', ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _head_of(table: str) -> list[str]:
    if not table:
        return []
    # Its mere presence asks for a second stack.
    return ["# [platform]"] if table == "platform" else [f"[{table}]"]


def _settings(table: str) -> Iterator[Setting]:
    return (one for one in known_settings().values() if one.table == table)


def _line(setting: Setting, chosen: Mapping[str, Any]) -> str:
    if setting.key in chosen:
        return f"{setting.name} = {_toml(chosen[setting.key])}"
    shown = setting.default if setting.example is None else setting.example
    return f"# {setting.name} = {_toml(shown)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False)]


def _text(setting: Setting) -> str:
    """The text of a setting, and its allowed values where the text doesn't name them all."""
    explained = all(f"{one}:" in setting.text for one in setting.choices)
    # "At least 1" goes without saying.
    if explained if setting.choices else setting.most is None or not setting.limits:
        return setting.text
    return f"{setting.text} Allowed: {setting.limits}."


def reference() -> str:
    """Every key as Markdown tables, for the docs."""
    parts = []
    for table, title in TABLES.items():
        head = f"### `[{table}]`" if table else "### At the top"
        parts += [head, "", f"{title}.", ""]
        if table in FREE_TABLES:
            name, value = FREE_TABLES[table]
            parts += [f'Names are your own, values texts, as in `{name} = "{value}"`.', ""]
            continue
        parts += ["| key | kind | default | purpose |", "|---|---|---|---|"]
        parts += [_row(one) for one in _settings(table)]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(setting: Setting) -> str:
    default = _default(setting)
    quoted = f"`{default}`" if default else ""
    here = (
        "" if setting.local is None else f" On this machine's emulator: `{_toml(setting.local)}`."
    )
    return f"| `{setting.name}` | {setting.kind} | {quoted} | {_text(setting)}{here} |"


def rows() -> Iterator[tuple[str, str, str]]:
    """Key, default and text of each setting."""
    for one in known_settings().values():
        yield one.key, _default(one), _text(one)


def _default(setting: Setting) -> str:
    """The default as TOML has it; empty where there is none."""
    return "" if setting.default in (None, "", ()) else _toml(setting.default)
