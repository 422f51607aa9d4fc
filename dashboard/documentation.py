"""The documentation as the control room shows it: pages of ``docs/`` as HTML, without scripts.

Alarms name sections of the runbook, which an operator reads at night, perhaps without a clone of
the repository at hand. Links to other pages stay within the control room; links to code, and
pictures, are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from layers.folders import ROOT

__all__ = ["DocumentationPage", "read_page", "section_address"]

FOLDER = ROOT / "docs"
PAGE = re.compile(r"[a-z][a-z0-9-]*")
LINK = re.compile(r"(?:([a-z][a-z0-9-]*)\.md)?(#[\w-]+)?")
"""A link to another page or section of the same folder."""


@dataclass(frozen=True)
class DocumentationPage:
    """One page, ready to be shown."""

    title: str
    html: Markup


def section_address(named: str) -> str:
    """Address in the control room of a section such as ``docs/runbook.md#no-data``."""
    page, _, section = named.removeprefix("docs/").partition("#")
    return f"/docs/{page.removesuffix('.md')}#{section}"


@lru_cache(maxsize=32)
def read_page(name: str) -> DocumentationPage | None:
    """The page of that name, such as ``runbook``; ``None`` where there is none."""
    path = FOLDER / f"{name}.md"
    if PAGE.fullmatch(name) is None or not path.is_file():
        return None
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(path.read_text(encoding="utf-8"))
    title = _prepare(tokens)
    html = parser.renderer.render(tokens, parser.options, {})
    html = html.replace("<pre>", '<pre tabindex="0">')  # so that the keyboard can scroll it
    return DocumentationPage(title or name, Markup(html))  # noqa: S704 - our own page, HTML off


def _prepare(tokens: list[Token]) -> str:
    """Gives headings their anchors and links their addresses; returns the title."""
    title = ""
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            text = tokens[at + 1].content
            title = title or (text if token.tag == "h1" else "")
            token.attrSet("id", _anchor(text))
        if token.type == "table_open":
            token.attrSet("class", "rows")
        for child in token.children or ():
            if child.type == "link_open":
                _resolve(child)
        if token.children:
            token.children = [child for child in token.children if child.type != "image"]
    return title


def _resolve(link: Token) -> None:
    address = str(link.attrs.get("href", ""))
    found = LINK.fullmatch(address)
    if found:
        link.attrSet("href", f"/docs/{found[1]}{found[2] or ''}" if found[1] else found[2] or "#")
    elif address.startswith("https://"):
        link.attrSet("rel", "noreferrer")
    else:
        link.attrs.pop("href", None)


def _anchor(text: str) -> str:
    """The anchor that git hosts give a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
