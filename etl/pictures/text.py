"""Durations, counts and the whole picture in words."""

from __future__ import annotations

from etl.pictures.progress import ExecutionProgress, ItemCounts, StepProgress
from etl.pictures.states import Machine, Step
from etl.pictures.symbols import STATUS_WORDS

__all__ = ["counts_text", "describe", "duration", "step_text"]


def duration(seconds: float) -> str:
    """``85 ms``, ``1.83 s``, ``2 min 5 s``, ``3 h 4 min``."""
    if seconds < 0.0005:
        return "under 1 ms"
    if seconds < 0.9995:
        return f"{round(seconds * 1000)} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def counts_text(counts: ItemCounts) -> str:
    """``12 succeeded, 1 failed, 3 running``; zeros are left out."""
    parts = [
        f"{number:,} {word}"
        for number, word in (
            (counts.succeeded, "succeeded"),
            (counts.failed, "failed"),
            (counts.running, "running"),
            (counts.pending, "waiting"),
        )
        if number
    ]
    return ", ".join(parts) or "no items"


def step_text(step: Step, progress: StepProgress) -> str:
    """The line below a state's name: its duration and its retries."""
    parts = []
    counts = None if step.inner else progress.counts
    if counts is not None and counts.total > 1:
        parts.append(f"{counts.total:,}×")
    if progress.seconds is not None:
        median = "median " if counts is not None and counts.total > 1 else ""
        parts.append(median + duration(progress.seconds))
    elif progress.status == "running" and (counts is None or counts.total <= 1):
        parts.append("running")
    if progress.visits > 1 and counts is None:
        parts.append(f"{progress.visits} visits")
    if progress.retries:
        parts.append(f"{progress.retries} {'retry' if progress.retries == 1 else 'retries'}")
    return " · ".join(parts)


def describe(machine: Machine, progress: ExecutionProgress | None = None) -> str:
    """The picture in words, for screen readers: each state, the next ones, and its result."""
    sentences = []
    if progress is not None:
        took = f" after {duration(progress.seconds)}" if progress.seconds is not None else ""
        sentences.append(f"Execution {progress.name}: {STATUS_WORDS[progress.status]}{took}.")
    sentences.append(f"It starts with {machine.start}.")
    sentences += _sentences(machine, progress)
    return " ".join(sentences)


def _sentences(machine: Machine, progress: ExecutionProgress | None) -> list[str]:
    parts = []
    for step in machine.steps.values():
        arrows = [a for a in machine.arrows if a.source == step.name]
        links = [
            f"{f'if {a.label}, ' if a.label and a.label != 'otherwise' else ''}"
            f"{'otherwise ' if a.label == 'otherwise' else ''}to {a.target}"
            for a in arrows
            if not a.caught
        ]
        links += [f"on an error to {a.target}" for a in arrows if a.caught]
        text = f"{step.name} ({step.about or step.kind})"
        text += f": {'; '.join(links)}" if links else ": ends"
        parts.append(text + _result_text(step, progress) + ".")
        for inner in step.inner:
            parts.append(f"Inside {step.name}, starting with {inner.start}:")
            parts += _sentences(inner, progress)
    return parts


def _result_text(step: Step, progress: ExecutionProgress | None) -> str:
    if progress is None:
        return ""
    found = progress.steps.get(step.name)
    if found is None:
        return " [not reached]"
    words = [STATUS_WORDS[found.status], step_text(step, found)]
    if found.counts is not None:
        words.append(counts_text(found.counts))
    if found.error and found.status != "succeeded":
        words.append(found.error)
    return f" [{', '.join(word for word in words if word)}]"
