"""Colours for the blocks of our pages that Pygments has no fitting lexer for."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, using
from pygments.lexers import BashLexer, TextLexer
from pygments.token import Comment, Generic, Number, Text
from sphinx.application import Sphinx


class HexLexer(RegexLexer):
    """Bytes in hexadecimal, with a comment behind each part."""

    name = "hex"
    tokens: ClassVar = {
        "root": [(r"#.*$", Comment), (r"[0-9a-fA-F]+", Number.Hex), (r"\s+|.", Text)],
    }


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
    app.add_lexer("hex", HexLexer)
    return {"parallel_read_safe": True}
