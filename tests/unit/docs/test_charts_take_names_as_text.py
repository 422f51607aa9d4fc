"""A device's name in a chart of a notebook is text, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

STYLE = Path(__file__).parents[3] / "notebooks" / "charts.mplstyle"


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", ["$x^{\\frac$", "$$", "a$b$c", "\x1b[2J", "\u202egnp", "<script>"])
def test_a_name_is_no_formula(name: str, tmp_path: Path) -> None:
    style = pytest.importorskip("matplotlib.style")
    from matplotlib.figure import Figure

    with style.context(STYLE):
        figure = Figure()
        axes = figure.subplots()
        axes.plot([1, 2], label=name)
        axes.set_title(name)
        axes.legend()
        figure.savefig(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 1000
