"""``docs/cli.md``: every command, its arguments and options, from the Typer code itself."""

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

Without `--region` or `--profile` a command acts on this machine's stand-ins, which `etl up` starts.
With one of them it acts on a stack in AWS, named by `--stack`. These options come before the
command: `etl --profile ops --stack telemetry status`.

Results go to standard output, progress and remarks to standard error. `--json` prints what a
script would read. A command exits with 0 when it did what it was asked to, with 1 when it could not
or what it checks is not so, with 2 when it was called in a wrong way, and with 130 after Ctrl-C.
"""
SECTION = re.compile(r"^##+ `etl (.+)`$", re.MULTILINE)
HELP = re.compile(r"^\* `--help`: .*\n", re.MULTILINE)
EMPTY = re.compile(r"\*\*Options\*\*:\n\n(?=\n|#|\Z)")
# The first sentences, cut short: our own list has them whole.
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
    """Each command with a link to its section, and its first sentence."""
    for found in SECTION.finditer(text):
        said = text[found.end() :].strip().split("\n\n")[0]
        sentence = re.split(r"(?<=\.)\s", html.unescape(cell(said)))[0]
        yield f"[`etl {found[1]}`](#etl-{found[1].replace(' ', '-')})", sentence
