"""The report of a batch as Markdown, for whoever asks for it. Pure."""

from __future__ import annotations

from typing import Any

__all__ = ["as_markdown"]


def as_markdown(report: dict[str, Any]) -> str:
    """A page about one batch. Without a verdict it says that the batch has none."""
    verdict = report["verdict"]
    lines = [f"# Batch {report.get('batch_id', '')}: {verdict or 'no verdict yet'}", ""]
    lines += [f"* **{f['check']}** ({f['level']}): {f['sentence']}" for f in report["findings"]]
    if verdict is None:
        lines.append("It was transformed; no execution has checked and loaded it since.")
    elif not report["findings"]:
        lines.append("Every check of the contract holds.")
    counts = ("messages", "read", "accepted", "duplicates", "conflicts", "rejected")
    lines += ["", "| readings | |", "|---|---:|"]
    lines += [f"| {name} | {report[name]:,} |" for name in counts if name in report]
    if report.get("min_time"):
        lines += ["", f"Times from {report['min_time']} to {report['max_time']}."]
    if report["rejected_by"]:
        lines += ["", "| rejected for | readings |", "|---|---:|"]
        by_count = sorted(report["rejected_by"].items(), key=lambda item: (-item[1], item[0]))
        lines += [f"| `{reason}` | {count:,} |" for reason, count in by_count]
    lines += ["", "| column | no value | invalid | out of range |", "|---|---:|---:|---:|"]
    for name, found in report["columns"].items():
        numbers = (found.get(kind, 0) for kind in ("nulls", "invalid", "out_of_range"))
        lines.append(f"| `{name}` | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    return "\n".join(lines) + "\n"
