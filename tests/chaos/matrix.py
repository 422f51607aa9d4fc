"""The (fault x step) matrix in ``docs/internals/injected-faults.md``, from the results of a run.

``python -m tests.chaos.matrix`` rewrites the block between the two markers from
``.build/chaos.json``, which every run of the suite writes.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.faults import KINDS, PIPELINE, Point, points

__all__ = ["BEGIN", "END", "block_of", "render", "skeleton"]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".build" / "chaos.json"
PAGE = ROOT / "docs" / "internals" / "injected-faults.md"
BEGIN = "<!-- chaos matrix: begin -->"
END = "<!-- chaos matrix: end -->"

INTRODUCTION = """\
Each cell says how often that fault was injected at that point, alone or together with a second one, in
the run named below, and what repaired it where that was observed: **r** the execution that had staged
the batch, with or without a retry; **s** the sweep; **p** an operator's replay, where a damaged object
has to be written again from the raw one, which no retry of the step that reads it can do.
After each round of faults the ledger had to balance to the unit, the table had to equal the
oracle's row for row, and every reject had to be kept verbatim: **0 readings lost, 0 duplicated**. An
empty cell can't happen: it is not a call, not a write, or doesn't involve the database. Raw objects
are never torn: S3 writes an object whole or not at all, and theirs is the only copy."""

_HEALERS = {"retry": "r", "sweep": "s", "replay": "p"}


def render(results: dict[str, Any]) -> str:
    """The block, markers included."""
    parts = [BEGIN, INTRODUCTION, *_tables(results["records"]), _told(results), END]
    return "\n\n".join(parts) + "\n"


def skeleton(block: str) -> list[str]:
    """The tables of a block with their counts taken out: which faults and points it names."""
    lines = [line for line in block.splitlines() if line.startswith("|")]
    return [re.sub(r"(?<=\| )\d+( [rsp])*(?= \|)", "n", line) for line in lines]


def block_of(page: str) -> str:
    """The block of a page."""
    return page[page.index(BEGIN) : page.index(END) + len(END)] + "\n"


def _told(results: dict[str, Any]) -> str:
    counts = Counter(record["suite"] for record in results["records"])
    return (
        f"The run of {results['day']}, seed {results['seed']}: "
        f"{len(results['records']):,} faults in {results['seconds'] / 60:.0f} minutes, "
        f"{counts['single']:,} of them alone, {counts['double']:,} in pairs, "
        f"{counts['pipeline']:,} around the functions."
    )


def _tables(records: Iterable[dict[str, str]]) -> Iterator[str]:
    cells: dict[tuple[str, str, str], list[str]] = {}
    for record in records:
        key = (record["function"], record["point"], record["kind"])
        cells.setdefault(key, []).append(record["healed_by"])
    every = points()
    for function in dict.fromkeys(point.function for point in every):
        rows = {p: kinds for p, kinds in every.items() if p.function == function}
        yield f"**{function.title()}**\n\n" + _table(rows, cells, database=False)
    touched = {p: kinds for p, kinds in every.items() if any(_of_database(k) for k in kinds)}
    yield "**The database, at points of Load**\n\n" + _table(touched, cells, database=True)
    lines = ["| around the functions | times |", "|---|---|"]
    lines += [f"| {name} | {len(cells.get(('pipeline', name, ''), ()))} |" for name in PIPELINE]
    yield "\n".join(lines)


def _table(
    rows: dict[Point, tuple[str, ...]],
    cells: dict[tuple[str, str, str], list[str]],
    *,
    database: bool,
) -> str:
    present = {kind for kinds in rows.values() for kind in kinds if _of_database(kind) == database}
    columns = [kind for kind in KINDS if kind in present]
    lines = [
        f"| at | {' | '.join(KINDS[kind] for kind in columns)} |",
        "|---|" + "---|" * len(columns),
    ]
    for point, kinds in rows.items():
        found = [
            _cell(cells.get((point.function, point.name, kind), [])) if kind in kinds else ""
            for kind in columns
        ]
        lines.append(f"| {_spelled(point.name)} | {' | '.join(found)} |")
    return "\n".join(lines)


def _cell(healers: list[str]) -> str:
    letters = sorted({_HEALERS[healer] for healer in healers if healer in _HEALERS})
    return " ".join([str(len(healers)), *letters])


def _spelled(name: str) -> str:
    when, _, rest = name.partition(" ")
    return f"{when} *{rest}*" if when in ("before", "after") else f"`{name}`"


def _of_database(kind: str) -> bool:
    return kind.startswith("db_")


def main() -> int:
    """Rewrite the block of the page; 1 where there are no results."""
    if not RESULTS.exists():
        sys.stderr.write(f"There is no {RESULTS}: run `make chaos` first.\n")
        return 1
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results["day"] = f"{datetime.fromtimestamp(RESULTS.stat().st_mtime, UTC):%Y-%m-%d}"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace(block_of(page), render(results)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
