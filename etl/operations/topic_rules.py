"""The topic rules of a deployed pipeline, one for each contract, by the stack's outputs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.aws.contract_objects import further_names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["basic_ingest_prefix", "contract_of_rule", "is_rule_of_removed"]

PREFIX = "BasicIngestPrefix"
"""Output with the prefix of topics that reach a rule directly; a further contract's ends with its
name in PascalCase."""
_RULE_NAME = re.compile(r"TopicRule([A-Za-z0-9]*)_[A-Za-z0-9]+$")


def basic_ingest_prefix(outputs: Mapping[str, str], key_name: str | None) -> str:
    """Prefix of topics that reach the rule of one contract alone: ``$aws/rules/<rule>``.

    ``outputs`` are the stack's; ``key_name``: the contract's name in keys, ``None`` for the first.
    """
    return next(prefix for name, prefix in _prefixes(outputs).items() if name == key_name)


def contract_of_rule(outputs: Mapping[str, str], rule: object) -> str | None:
    """The name in keys of the contract whose rule has that name; ``None`` for the first one, and
    for a rule of which nothing is known.

    ``outputs`` are the stack's. A contract that was removed and added again has another rule: the
    one of before is known by its logical id.
    """
    for name, prefix in _prefixes(outputs).items():
        if prefix == f"$aws/rules/{rule}":
            return name
    return _by_letters(outputs).get(_letters_of_rule(rule))


def is_rule_of_removed(outputs: Mapping[str, str], rule: object) -> bool:
    """True for the rule of a further contract that the pipeline has no more."""
    letters = _letters_of_rule(rule)
    if not letters or letters == _letters(outputs.get("ContractName", "")):
        return False  # the first one's, also where that has been a further one
    prefixes = _prefixes(outputs).values()
    return f"$aws/rules/{rule}" not in prefixes and letters not in _by_letters(outputs)


def _letters_of_rule(rule: object) -> str:
    """The letters of the contract's name in the name that CloudFormation gave to its rule,
    ``<stack>_<logical id>_<suffix>``; empty for the first one's and for any other name."""
    found = _RULE_NAME.search(str(rule))
    return found[1].lower() if found else ""


def _by_letters(outputs: Mapping[str, str]) -> dict[str, str]:
    return {_letters(name): name for name in further_names(outputs)}


def _prefixes(outputs: Mapping[str, str]) -> dict[str | None, str]:
    """The prefixes by their contracts' names in keys."""
    by_letters = _by_letters(outputs)
    return {
        by_letters.get(key.removeprefix(PREFIX).lower()): prefix
        for key, prefix in outputs.items()
        if key == PREFIX or (key.startswith(PREFIX) and key[len(PREFIX) :].lower() in by_letters)
    }


def _letters(name: str) -> str:
    return name.replace("-", "").replace("_", "")
