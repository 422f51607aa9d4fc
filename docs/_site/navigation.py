"""The order of the pages, by what a reader wants: learn, do, look up, understand, change the code.

The index page reads well on a git host because this isn't in it. A page that is on no list is an
error of the build; a page that is on a list and not (or not yet) there is left out.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

PAGES = {
    "Learn": ["tutorial", "install"],
    "Do": [
        "authoring",
        "deploy",
        "how-to-contract",
        "workflow-as-code",
        "how-to-devices",
        "how-to-several-contracts",
        "how-to-run",
        "control-room",
        "runbook",
        "how-to-notify",
        "how-to-on-call",
        "how-to-missing",
        "repair",
        "how-to-delete",
        "how-to-export",
        "pgadmin",
        "analytics",
        "how-to-connect",
    ],
    "Notebooks": [
        "/notebooks/build_and_run",
        "/notebooks/your_own_telemetry",
        "/notebooks/analyse",
    ],
    "Look up": [
        "contract",
        "contract-messages",
        "contract-formats",
        "contract-types",
        "payload-families",
        "cli",
        "settings",
        "parameters",
        "tables",
        "layout",
        "metrics",
        "glossary",
    ],
    "Understand": [
        "architecture",
        "workflow",
        "guarantees",
        "loading",
        "performance",
        "latency",
        "cost",
        "platform",
        "threat-model",
        "comparison",
    ],
    "Internals": [
        "internals/finding-things",
        "internals/failure-cases",
        "internals/injected-faults",
        "internals/second-opinion",
        "internals/load-path",
        "internals/rollups",
        "internals/control-room",
        "internals/platform",
    ],
    "Project": ["/CHANGELOG", "/CONTRIBUTING", "/SECURITY"],
}


def present(app: Sphinx, page: str) -> bool:
    """True where the page exists."""
    place = Path(app.srcdir) / (page.lstrip("/") if page.startswith("/") else f"docs/{page}")
    return any(place.with_name(place.name + end).is_file() for end in (".md", ".ipynb"))


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the lists below the index page, hidden: the sidebar is made of them."""
    if page != app.config.root_doc:
        return
    for caption, pages in PAGES.items():
        found = [each for each in pages if present(app, each)]
        for each in set(pages) - set(found):
            logging.getLogger(__name__).info("not there yet: %s", each)
        if found:
            listed = "\n".join(found)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry point."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True}
