"""The measurements as a Markdown page and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.measurement import Measurement
from bench.targets import Figure, figures
from etl.reference.markdown import table

__all__ = ["page", "plot"]

IMAGE = "images/performance.svg"
VERDICTS = {"target": "target reached", "minimum": "minimum reached", "below": "**not reached**"}
INTRODUCTION = """\
# Performance

<!-- Written by `make bench`: do not edit. -->

All measurements of one table were made in one run on one machine. The cases were interleaved:
each ran once per round, and each round began with a different case. Figures are medians, with
minimum and maximum. Each peer's result was first checked to be equal to ours: the same rows, the
same rejects for the same reasons, the same number of duplicates.

![Rates of all cases]({image})
"""
METHOD = """\
## What is measured

- **Transform**: messages of a simulated fleet with three firmwares (plain names; nested objects;
  short names with epoch milliseconds), 2 % of the readings and of the messages faulty, cleaned
  with `contracts/fleet.toml`. Input: the lines of a raw object in memory. Output: CSV in key
  order, and compressed rejects with their reasons. One core, one thread per library. The Python
  loops, the pandas and the DuckDB code are written for this one contract (`bench/peers/`). *whole
  function* also writes what the peers do not: Parquet, the groups of the COPY object, the report.
- **Load**: the fleet's rows in key order, into a table with a primary key and rows of 1,000
  devices; ours includes the ledger row in the same transaction. psql, ADBC and `to_sql` fail at
  the first existing row, so they load only new rows. For *50 % existing*, either half of the
  devices send all their rows again, or every device sends half of them again.
- **Raw object to rows**: transform and load, compared with dlt's `merge` (strategy `upsert`) of
  readings that the orjson loop has cleaned, as dictionaries and as Arrow tables.
- **Raw objects to rows**: a backlog of eight micro-batches of 50,000 readings. *Two in parallel*:
  two workers, each of which takes the next batch, decompresses, transforms and loads it, as the
  executions of the workflow's map do; the load of one batch overlaps with the transform of another.
  psql copies the same rows, cleaned before. All processes share the machine, the server included.
- **Peak memory**: resident set of a new process that transforms 64 MiB of lines.
- **Cold import**: import of each function's handler in a new process, with cached byte code.
- **Extract**: processor time of a drain, in all its threads, of a queue whose answers are prepared:
  receive, make envelopes, compress and delete, without the time of SQS, S3 or the network.
- **Real data**: all messages wait in the queue; the time is measured from the start of the first
  execution until all have ended and the queue is empty; then every reading must be accounted for.
  All servers of the local stack share the machine; *core time* is the processor time of them all.
"""
BOUNDS = Path(__file__).parent / "bounds.md"
"""Written by hand after profiling; part of the page."""


def page(measured: Sequence[Measurement], machine: dict[str, str]) -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION.format(image=IMAGE), "## Targets\n", _targets(figures(measured))]
    parts += ["## All measurements\n", _all(measured), METHOD, BOUNDS.read_text()]
    parts.append("## The machine\n")
    parts.append(table(["property", "value"], [[name, fact] for name, fact in machine.items()]))
    return "\n".join(parts)


def _targets(lines: Sequence[Figure]) -> str:
    rows = []
    for line in lines:
        ratio = line.peer is not None
        show = (lambda n: f"{n:.2f}x") if ratio else _number
        rows.append(
            [
                line.measure,
                _with_spread(line.ours),
                _with_spread(line.peer) if line.peer else "",
                f"**{show(line.value)}**" if ratio else "",
                ("under " if line.less_is_better else "") + show(line.minimum),
                ("under " if line.less_is_better else "") + show(line.target),
                VERDICTS[line.reached],
            ]
        )
    return table(["figure", "ours", "peer", "ratio", "minimum", "target", "result"], rows)


def _all(measured: Sequence[Measurement]) -> str:
    rows = []
    for one in measured:
        values = map(_number, (one.median, *one.spread))
        rows.append([one.subject, one.name, one.unit, *values, str(len(one.samples))])
    return table(["subject", "case", "unit", "median", "minimum", "maximum", "samples"], rows)


def _with_spread(one: Measurement) -> str:
    least, most = one.spread
    text = f"{_number(one.median)} {one.unit}"
    return f"{text} ({_number(least)} to {_number(most)})" if len(one.samples) > 1 else text


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{round(value, -2):,.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(measured: Sequence[Measurement], path: Path) -> None:
    """Draws rates as bars with their spread, one panel per subject."""
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


def _is_peer(one: Measurement) -> bool:
    ours = one.name.startswith(("telemetry-etl", "two in parallel")) or " existing" in one.name
    return not (ours or one.name == "new rows")
