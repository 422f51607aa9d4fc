"""The generated pages, each with the function that writes it."""

from __future__ import annotations

from collections.abc import Callable

from etl.deployment.settings_example import reference
from etl.reference.commands import commands_page
from etl.reference.cost import cost_page
from etl.reference.latency import latency_page
from etl.reference.layout import layout_page
from etl.reference.metrics import metrics_page
from etl.reference.parameters import parameters_page
from etl.reference.public_names import public_names_page
from etl.reference.tables import tables_page
from layers.folders import ROOT

__all__ = ["DOCS", "PAGES"]

DOCS = ROOT / "docs"


def _settings_page() -> str:
    """``docs/settings.md``, with every key between its two markers."""
    begin, end = "<!-- reference -->\n", "<!-- end of reference -->\n"
    before, _, rest = (DOCS / "settings.md").read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{reference()}\n{end}{rest.partition(end)[2]}"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": commands_page,
    "cost.md": cost_page,
    "latency.md": latency_page,
    "layout.md": layout_page,
    "metrics.md": metrics_page,
    "parameters.md": parameters_page,
    "settings.md": _settings_page,
    "tables.md": tables_page,
    "workflow-as-code.md": public_names_page,
}
"""File name in :data:`DOCS` to the function that returns the page as it should be now."""
