"""Durations, counts and the whole picture in words."""

from __future__ import annotations

from etl.pictures.progress import ExecutionProgress, ItemCounts, StepProgress
from etl.pictures.states import Machine, Step
from etl.pictures.symbols import STATUS_WORDS

__all__ = ["describe", "duration", "step_text", "tally"]


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


def tally(counts: ItemCounts) -> str:
    """``12 succeeded, 1 failed, 3 running``; what is none is left out."""
    said = [
        f"{number:,} {word}"
        for number, word in (
            (counts.succeeded, "succeeded"),
            (counts.failed, "failed"),
            (counts.running, "running"),
            (counts.pending, "waiting"),
        )
        if number
    ]
    return ", ".join(said) or "no items"


def step_text(step: Step, progress: StepProgress) -> str:
    """The line below a state's name: how long, how often again."""
    said = []
    counts = None if step.inner else progress.counts
    if counts is not None and counts.total > 1:
        said.append(f"{counts.total:,}×")
    if progress.seconds is not None:
        median = "median " if counts is not None and counts.total > 1 else ""
        said.append(median + duration(progress.seconds))
    elif progress.status == "running" and (counts is None or counts.total <= 1):
        said.append("running")
    if progress.visits > 1 and counts is None:
        said.append(f"{progress.visits} visits")
    if progress.retries:
        said.append(f"{progress.retries} {'retry' if progress.retries == 1 else 'retries'}")
    return " · ".join(said)


def describe(machine: Machine, progress: ExecutionProgress | None = None) -> str:
    """The picture told for those who can't see it: each state, what follows, how it went."""
    sentences = []
    if progress is not None:
        took = f" after {duration(progress.seconds)}" if progress.seconds is not None else ""
        sentences.append(f"Execution {progress.name}: {STATUS_WORDS[progress.status]}{took}.")
    sentences.append(f"It starts with {machine.start}.")
    sentences += _sentences(machine, progress)
    return " ".join(sentences)


def _sentences(machine: Machine, progress: ExecutionProgress | None) -> list[str]:
    said = []
    for step in machine.steps.values():
        ways = [a for a in machine.arrows if a.source == step.name]
        parts = [
            f"{f'if {a.label}, ' if a.label and a.label != 'otherwise' else ''}"
            f"{'otherwise ' if a.label == 'otherwise' else ''}to {a.target}"
            for a in ways
            if not a.caught
        ]
        parts += [f"on an error to {a.target}" for a in ways if a.caught]
        text = f"{step.name} ({step.about or step.kind})"
        text += f": {'; '.join(parts)}" if parts else ": ends"
        said.append(text + _went(step, progress) + ".")
        for inner in step.inner:
            said.append(f"Inside {step.name}, starting with {inner.start}:")
            said += _sentences(inner, progress)
    return said


def _went(step: Step, progress: ExecutionProgress | None) -> str:
    if progress is None:
        return ""
    found = progress.steps.get(step.name)
    if found is None:
        return " [not reached]"
    words = [STATUS_WORDS[found.status], step_text(step, found)]
    if found.counts is not None:
        words.append(tally(found.counts))
    if found.error and found.status != "succeeded":
        words.append(found.error)
    return f" [{', '.join(word for word in words if word)}]"
