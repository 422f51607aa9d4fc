"""Every key that a settings file may hold: the catalogue's, and the fields of whole dataclasses."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Set
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from etl.deployment.settings_schema import ENTRIES, Entry, Kind
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings

__all__ = ["known_entries"]

FILLED_IN = frozenset(
    {
        "stack",
        "tags",
        "core_stack",
        "alert_topic_arn",
        "queue_name",
        "loader_secret_arn",
        "core_key_arn",
        "analyst_secret_arn",
        "database_name",
        "database_port",
        "log_retention_days",
    }
)
"""Fields of the platform that a deployment fills in: from the core stack, or as it is set there."""
_TEXTS = {
    "s3_prefix_list_id": "Id (pl-...) of the region's list of S3 addresses; looked up where empty.",
}
"""Said differently than in the code, where a deployment does more than the field itself."""
_KINDS: dict[object, Kind] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    tuple[str, ...]: "list of texts",
}


@cache
def known_entries() -> dict[str, Entry]:
    """By key, in the order of the file."""
    found = (*ENTRIES, *_parts(), *_entries("platform", PlatformSettings, FILLED_IN))
    return {one.key: one for one in found}


def _parts() -> Iterator[Entry]:
    """Parts of a deployment that are tables of their own, by the name of their field."""
    listed = {one.owner for one in ENTRIES}
    for one in fields(DeploySettings):
        part = one.default_factory
        if isinstance(part, type) and is_dataclass(part) and part not in listed:
            yield from _entries(one.name, part)


def _entries(table: str, owner: type[Any], left_out: Set[str] = frozenset()) -> Iterator[Entry]:
    """An entry for each field of a dataclass, with the text under it."""
    hints = get_type_hints(owner)
    told = _field_docs(owner)
    for name in (one.name for one in fields(owner) if one.name not in left_out):
        choices = get_args(hints[name]) if hints[name] not in _KINDS else ()
        yield Entry(
            key=f"{table}.{name}",
            kind=_KINDS.get(hints[name], "text"),
            text=_TEXTS.get(name) or told[name],
            owner=owner,
            choices=tuple(str(choice) for choice in choices),
        )


def _field_docs(owner: type[Any]) -> dict[str, str]:
    """The text under each field of a dataclass, in one line; its name where there is none."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for before, after in itertools.pairwise(body):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split())
    # A field without a text of its own is named well enough.
    names = (one.name for one in fields(owner))
    return {name: found.get(name, name.replace("_", " ").capitalize() + ".") for name in names}
