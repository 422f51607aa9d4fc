"""Every key that a settings file may hold: the catalogue's, and the platform's own fields."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from functools import cache
from typing import get_args, get_type_hints

from workflow.deployment.catalogue import ENTRIES, Entry, Kind
from workflow.platform.settings import PlatformSettings

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
    bool: "true or false",
    tuple[str, ...]: "list of texts",
}


@cache
def known_entries() -> dict[str, Entry]:
    """By key, in the order of the file."""
    return {one.key: one for one in (*ENTRIES, *_platform_entries())}


def _platform_entries() -> Iterator[Entry]:
    hints = get_type_hints(PlatformSettings)
    told = _field_docs(PlatformSettings)
    for one in fields(PlatformSettings):
        if one.name not in FILLED_IN:
            yield _entry(one, hints[one.name], _TEXTS.get(one.name) or told[one.name])


def _entry(one: Field[object], hint: object, told: str) -> Entry:
    choices = get_args(hint) if hint not in _KINDS else ()
    return Entry(
        key=f"platform.{one.name}",
        kind=_KINDS.get(hint, "text"),
        text=told,
        owner=PlatformSettings,
        choices=tuple(str(choice) for choice in choices),
    )


def _field_docs(owner: type[PlatformSettings]) -> dict[str, str]:
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
