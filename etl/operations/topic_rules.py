"""The topic rules of a deployed pipeline, one for each contract, by the stack's outputs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.aws.contract_objects import further_names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["basic_ingest_prefix", "contract_of_rule"]

_FURTHER_RULE = re.compile(r"TopicRule(?P<title>[A-Z][A-Za-z0-9]*)")
"""Part of the name that CloudFormation makes of a further rule's logical id."""
PREFIX = "BasicIngestPrefix"
"""Output with the prefix of topics that reach a rule directly; a further contract's ends with its
name in PascalCase."""


def basic_ingest_prefix(outputs: Mapping[str, str], key_name: str | None) -> str:
    """Prefix of topics that reach the rule of one contract alone: ``$aws/rules/<rule>``.

    ``outputs`` are the stack's; ``key_name``: the contract's name in keys, ``None`` for the first.
    """
    return next(prefix for name, prefix in _prefixes(outputs).items() if name == key_name)


def contract_of_rule(outputs: Mapping[str, str], rule: object) -> str | None:
    """The name in keys of the contract whose rule has that name; ``None`` for the first one.

    A rule that is not there any more was one of a contract that was removed, if its name says so:
    then the result is that contract's name without hyphens and underscores.
    """
    for name, prefix in _prefixes(outputs).items():
        if prefix == f"$aws/rules/{rule}":
            return name
    further = _FURTHER_RULE.search(rule) if isinstance(rule, str) else None
    return further["title"].lower() if further is not None else None


def _prefixes(outputs: Mapping[str, str]) -> dict[str | None, str]:
    """The prefixes by their contracts' names in keys."""
    by_letters = {_letters(name): name for name in further_names(outputs)}
    return {
        by_letters.get(key.removeprefix(PREFIX).lower()): prefix
        for key, prefix in outputs.items()
        if key == PREFIX or (key.startswith(PREFIX) and key[len(PREFIX) :].lower() in by_letters)
    }


def _letters(name: str) -> str:
    return name.replace("-", "").replace("_", "")
