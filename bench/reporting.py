"""Results as a page and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.aims import Figure, figures
from bench.measuring import Measured

__all__ = ["page", "plot"]

IMAGE = "images/performance.svg"
MARKS = {"aim": "aim reached", "reach": "reached", "below": "**not reached**"}
INTRODUCTION = """\
# Performance

Written by `make bench`: do not edit. What one table sets side by side was measured in one run on
one machine: each way once, then each way again, beginning with another one each time.
Figures are medians; the least and the most stand beside them. A peer's time counts only because
its result was found equal to ours: the same rows, the same rejects for the same reasons, the same
number of duplicates.

![Rates side by side]({image})
"""
HOW = """\
## What is measured

- **Transform**: messages of a simulated fleet of three firmwares (plain names, nested weather, old
  short names with epoch milliseconds), 2 % of readings and of messages with something wrong,
  through `contracts/fleet.toml` as any other contract. In: the lines of a raw object in memory;
  out: CSV in key order and compressed rejects with their reasons. On one core, every library with
  one thread. The loops, the pandas and the DuckDB way are written for this one contract
  (`bench/peers/`). *whole function* also writes what the peers don't: Parquet, the groups of the
  COPY object, the report.
- **Load**: rows like the fleet's in key order, into a table that has rows of 1,000 devices already
  and its primary key; ours with the ledger row in the same transaction. psql, ADBC and `to_sql`
  fail at the first row that is there already, so theirs are always new. *half there* is told two
  ways: some devices send all they sent before, or each device half of it.
- **Raw object to rows**: transform and load against dlt's `merge` (strategy `upsert`) of readings
  that the orjson loop has cleaned, as dictionaries and as Arrow tables.
- **Peak memory**: resident set of a fresh process that transforms 64 MiB of lines.
- **Cold import**: of each function's handler in a fresh process, byte code cached.
- **Real data**: all messages wait in the queue; the clock runs from the first execution's start
  until every reading is accounted for. All servers of the local stack share the machine.
"""
BOUNDS = Path(__file__).parent / "bounds.md"
"""Written by hand after a profile; the page ends with it."""


def page(measured: Sequence[Measured], machine: dict[str, str]) -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION.format(image=IMAGE), "## The aims\n", _aims(figures(measured))]
    parts += ["## All that was measured\n", _everything(measured), HOW, BOUNDS.read_text()]
    parts.append("## The machine\n")
    parts.append(_table(["", ""], [[name, fact] for name, fact in machine.items()]))
    return "\n".join(parts)


def _aims(lines: Sequence[Figure]) -> str:
    rows = []
    for line in lines:
        ratio = line.peer is not None
        show = (lambda n: f"{n:.2f}x") if ratio else _number
        rows.append(
            [
                line.measure,
                _told(line.ours),
                _told(line.peer) if line.peer else "",
                f"**{show(line.value)}**" if ratio else "",
                ("under " if line.less_is_better else "") + show(line.reach),
                ("under " if line.less_is_better else "") + show(line.aim),
                MARKS[line.reached],
            ]
        )
    return _table(["measure", "ours", "peer", "ratio", "reach", "aim", ""], rows)


def _everything(measured: Sequence[Measured]) -> str:
    rows = []
    for one in measured:
        told = map(_number, (one.median, *one.spread))
        rows.append([one.subject, one.name, one.unit, *told, str(len(one.samples))])
    return _table(["subject", "way", "unit", "median", "least", "most", "samples"], rows)


def _told(one: Measured) -> str:
    least, most = one.spread
    told = f"{_number(one.median)} {one.unit}"
    return f"{told} ({_number(least)} to {_number(most)})" if len(one.samples) > 1 else told


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{round(value, -2):,.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plot(measured: Sequence[Measured], path: Path) -> None:
    """Rates as bars, one panel per subject, the spread as whiskers."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "telemetry-etl"  # the same figures give the same file
    from matplotlib import pyplot

    rates = [one for one in measured if one.unit in ("readings/s", "rows/s")]
    subjects = list(dict.fromkeys(one.subject for one in rates))
    sizes = [sum(one.subject == subject for one in rates) + 1 for subject in subjects]
    figure, axes = pyplot.subplots(
        len(subjects),
        figsize=(8, 0.32 * sum(sizes) + 0.6 * len(subjects)),
        height_ratios=sizes,
        squeeze=False,
        layout="constrained",
    )
    for subject, axis in zip(subjects, axes[:, 0], strict=True):
        bars = [one for one in rates if one.subject == subject][::-1]
        medians = [one.median for one in bars]
        spread = [
            [one.median - one.spread[0] for one in bars],
            [one.spread[1] - one.median for one in bars],
        ]
        theirs = ["#b0b7c3" if _is_peer(one) else "#1f6feb" for one in bars]
        axis.barh([one.name for one in bars], medians, xerr=spread, color=theirs, height=0.7)
        axis.set_title(f"{subject} ({bars[0].unit})", loc="left", fontsize=10)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axis.tick_params(labelsize=8)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _is_peer(one: Measured) -> bool:
    ours = one.name.startswith(("telemetry-etl", "two at once")) or " there" in one.name
    return not (ours or one.name == "all new")
