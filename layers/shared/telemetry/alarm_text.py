"""Reads the description of an alarm: headline, first step, commands and section of the runbook.

A description is ``MEANING. FIRST STEP Runbook: docs/runbook.md#NAME``, as the templates write it.
The command and the notifications show the same words.
"""

from __future__ import annotations

import re

__all__ = ["commands_of", "first_step_of", "headline_of", "runbook_of"]

RUNBOOK = "docs/runbook.md"
SECTION = re.compile(r"docs/[\w/-]+\.md#[\w-]+")
LINK = re.compile(r"(?:Runbook:|See) docs/\S*$")
"""End of a description, which names the section for the reader of an email."""
COMMAND = re.compile(r"\betl(?: [\w./=-]+)+")
PROSE = frozenset(("and", "if", "once", "or", "then", "to", "until", "where"))
"""Words that go on with the sentence after a command, such as ``etl replay --failed once ...``."""


def headline_of(description: str, name: str) -> str:
    """The meaning in words, and the alarm's name: ``Batches failed ... (alarm batches-...).``"""
    sentence = description.partition(". ")[0].rstrip(".")
    return f"{sentence} (alarm {name})." if sentence else f"The alarm {name} is firing."


def first_step_of(description: str) -> str:
    """The first step to take, without the path of the runbook; empty where there is none."""
    return LINK.sub("", description.partition(". ")[2]).strip()


def commands_of(text: str) -> tuple[str, ...]:
    """The commands in a sentence, such as ``("etl executions", "etl replay --failed")``."""
    found = []
    for match in COMMAND.finditer(text):
        words: list[str] = []
        for word in match[0].split():
            if word in PROSE:
                break
            words.append(word.rstrip("."))
            if word.endswith("."):
                break
        if len(words) > 1:
            found.append(" ".join(words))
    return tuple(dict.fromkeys(found))


def runbook_of(description: str, name: str) -> str:
    """Page and section of the runbook: named by the description, or derived from the name."""
    named = SECTION.search(description)
    return named[0] if named else f"{RUNBOOK}#{name}"
