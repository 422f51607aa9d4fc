"""Links from a page to a file of the repository lead to a listing of it on the site.

Without this such a link would offer a download: a reader who wants to see the test that proves a
sentence wants to read it, not to save it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx

FOLDER = "listing"


def to_listings(app: Sphinx, doctree: nodes.document) -> None:
    """Point every download of the page to the file's listing instead."""
    page = app.env.current_document.docname
    for found in list(doctree.findall(addnodes.download_reference)):
        path, _ = app.env.relfn2path(found["reftarget"], page)
        if not (Path(app.srcdir) / path).is_file():
            continue  # Sphinx reports it
        app.telemetry_listings.add(path)  # type: ignore[attr-defined]
        target = os.path.relpath(f"{FOLDER}/{path}.html", Path(page).parent)
        link = nodes.reference("", "", internal=True, refuri=target)
        link += found.children
        found.replace_self(link)


def listings(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file that another page has linked to."""
    formatter = HtmlFormatter(linenos="inline")
    for path in sorted(app.telemetry_listings):  # type: ignore[attr-defined]
        text = (Path(app.srcdir) / path).read_text(encoding="utf-8")
        try:
            lexer = get_lexer_for_filename(path)
        except ClassNotFound:
            lexer = TextLexer()
        body = f"<h1><code>{escape(path)}</code></h1>\n{highlight(text, lexer, formatter)}"
        yield f"{FOLDER}/{path}", {"title": path, "body": body, "display_toc": False}, "page.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.telemetry_listings = set()  # type: ignore[attr-defined]
    app.connect("doctree-read", to_listings, priority=400)  # before Sphinx collects downloads
    app.connect("html-collect-pages", listings)
    return {"parallel_read_safe": False}
