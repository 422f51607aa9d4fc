"""Colours for the blocks of our pages that Pygments has no fitting lexer for."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, using
from pygments.lexers import BashLexer, TextLexer
from pygments.token import Generic
from sphinx.application import Sphinx


class ConsoleLexer(RegexLexer):
    """Commands behind ``$`` and what they print; a line of output may begin with ``#``."""

    name = "console"
    tokens: ClassVar = {
        "root": [
            (r"^(\$ )(.*\n)", bygroups(Generic.Prompt, using(BashLexer))),
            (r".*\n", Generic.Output),
        ]
    }


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.add_lexer("console", ConsoleLexer)
    app.add_lexer("csv", TextLexer)
    return {"parallel_read_safe": True}
