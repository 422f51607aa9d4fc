"""Draws the Mermaid diagrams of the pages while the site is built, for light and for dark.

Mermaid itself draws them (mermaidx runs it without a browser), so that they are what a git host
shows; but no script is left for the reader to load. A drawing takes a second, so drawings are kept
beside the site, by the hash of what they were made from.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any, ClassVar

import mermaidx
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Helvetica, Arial, sans-serif"
LIGHT = {
    "primaryColor": "#e3f2f3",
    "primaryBorderColor": "#0b6e78",
    "primaryTextColor": "#16272a",
    "lineColor": "#44585c",
    "textColor": "#16272a",
    "noteBkgColor": "#fdf3d7",
    "noteBorderColor": "#c9a227",
    "noteTextColor": "#3b2f07",
    "edgeLabelBackground": "#ffffff",
    "tertiaryColor": "#f4f8f8",
    "clusterBkg": "#f4f8f8",
    "clusterBorder": "#b9cfd1",
}
DARK = {
    "darkMode": True,
    "primaryColor": "#143a3f",
    "primaryBorderColor": "#5cc8d1",
    "primaryTextColor": "#e6f0f1",
    "lineColor": "#9db3b6",
    "textColor": "#e6f0f1",
    "noteBkgColor": "#4a3d12",
    "noteBorderColor": "#d9b847",
    "noteTextColor": "#fdf3d7",
    "edgeLabelBackground": "#131416",
    "tertiaryColor": "#1a2224",
    "clusterBkg": "#1a2224",
    "clusterBorder": "#3c5558",
}
NATURAL = re.compile(r"max-width: ([\d.]+)px")
THEMES = {"light": LIGHT, "dark": DARK}


def draw(source: str, theme: str, kept: Path) -> str:
    """The SVG of a diagram, drawn or as it was drawn before.

    Raises ``MermaidRenderError`` where Mermaid can't read it.
    """
    config = {
        "themeVariables": THEMES[theme] | {"fontFamily": FONT},
        "sequence": {"mirrorActors": False},
        "htmlLabels": False,
    }
    made_from = json.dumps([mermaidx.__name__, source, config], sort_keys=True)
    name = f"d{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"
    file = kept / f"{name}.svg"
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        svg = mermaidx.render(source, theme="base", config=config).svg()
        # Its styles and markers go by this id, and a page has many diagrams.
        file.write_text(svg.replace("my-svg", name), encoding="utf-8")
    return file.read_text(encoding="utf-8")


class Diagram(SphinxDirective):
    """A fenced block of ``mermaid``."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """The two drawings; the theme shows one of them."""
        source = "\n".join(self.content)
        kept = Path(self.env.app.outdir).parent / "diagrams"
        drawings = []
        for theme in THEMES:
            try:
                svg = draw(source, theme, kept)
            except Exception as error:
                logging.getLogger(__name__).warning(
                    "Mermaid can't draw this: %s", error, location=self.get_location()
                )
                return []
            natural = NATURAL.search(svg)
            width = f"{natural[1]}px" if natural else "34rem"
            drawings.append(f'<div class="only-{theme}" style="--natural: {width}">{svg}</div>')
        label = html.escape("Diagram. Its text: " + "; ".join(source.splitlines()), quote=True)
        figure = f'<div class="diagram" role="img" aria-label="{label}">{"".join(drawings)}</div>'
        return [nodes.raw("", figure, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.add_directive("mermaid", Diagram)
    return {"parallel_read_safe": False}
