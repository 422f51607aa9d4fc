"""``docs/cli.md``: all commands with their arguments and options, from the Typer code."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from etl.cli.main import app
from etl.reference.markdown import cell, generated, table

__all__ = ["commands_page"]

INTRODUCTION = """\
# The command line

Without `--region` or `--profile` a command acts on the local pipeline, which `etl up` starts.
With one of them it acts on a stack in AWS, named by `--stack`. These options come before the
command: `etl --profile ops --stack telemetry status`.

Results go to standard output, progress and notes to standard error. `--json` prints JSON for
scripts.

| exit status | meaning |
|---|---|
| 0 | success |
| 1 | the command failed, or its check found a problem |
| 2 | invalid arguments |
| 130 | interrupted with Ctrl-C |
"""
SECTION = re.compile(r"^##+ `etl (.+)`$", re.MULTILINE)
HELP = re.compile(r"^\* `--help`: .*\n", re.MULTILINE)
EMPTY = re.compile(r"\*\*Options\*\*:\n\n(?=\n|#|\Z)")
# Typer truncates the first sentences in this list; ours has them in full.
COMMANDS = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n?")


def commands_page() -> str:
    """The page, as Markdown."""
    command = get_command(app)
    context = typer.Context(command, info_name="etl")
    text = get_docs_for_click(obj=command, ctx=context, name="etl")
    text = COMMANDS.sub("", HELP.sub("", text))
    text = EMPTY.sub("", text).replace("&#x27;", "'")
    _, _, options = text.partition("**Options**:\n\n")
    own, _, rest = options.partition("\n\n## ")
    return "\n".join(
        [
            INTRODUCTION,
            generated("etl/cli/"),
            table(["command", ""], _listed(f"## {rest}")),
            "## Options before the command\n",
            own.rstrip() + "\n",
            re.sub(r"\n{3,}", "\n\n", f"## {rest}").rstrip() + "\n",
        ]
    )


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Each command with a link to its section, and the first sentence of its help."""
    for found in SECTION.finditer(text):
        help_text = text[found.end() :].strip().split("\n\n")[0]
        sentence = re.split(r"(?<=\.)\s", html.unescape(cell(help_text)))[0]
        yield f"[`etl {found[1]}`](#etl-{found[1].replace(' ', '-')})", sentence
