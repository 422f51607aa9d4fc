"""Sphinx's configuration of the site. The root of the sources is the repository's own.

So the links between pages, notebooks and code are the same on the site and on a git host: relative
paths. Nothing in the built site asks the network for anything.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

project = "Telemetry ETL"
author = "the Telemetry ETL contributors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_nb", "sphinx_copybutton", "diagrams", "highlighting", "listings", "navigation"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/internals/*.md", "notebooks/*.ipynb", "C*.md", "SECURITY.md"]
# Folders too, so that they are not even walked through.
exclude_patterns = [
    ".*",
    "bench",
    "etl",
    "functions",
    "infrastructure",
    "layers",
    "local",
    "tests",
    "workflow",
]
language = "en"
nitpicky = True
smartquotes = False  # would make one dash of the two of an option

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a heading may skip a level where that reads better
myst_enable_extensions = ["deflist", "html_image"]
myst_fence_as_directive = ["mermaid"]
nb_execution_mode = "off"  # `make notebooks` executes them; the site shows what they showed
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # would come from a CDN

html_theme = "furo"
html_title = "Telemetry ETL"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/favicon.svg"
html_additional_pages = {"index": "to_the_docs.html"}
templates_path = ["templates"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "color-brand-primary": "#0b6e78",
        "color-brand-content": "#0b6e78",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5cc8d1",
        "color-brand-content": "#5cc8d1",
    },
}
pygments_style = "tango"
pygments_dark_style = "github-dark"

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True
