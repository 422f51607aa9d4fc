"""A bounded sample of the messages in files, whatever their size.

The sample is made of runs of consecutive messages from all parts of the files, chosen by reservoir
sampling with a fixed seed. Runs, because duplicates and the readings of one moment are adjacent;
from all parts, because later messages (another kind of device, a new firmware) count as much as the
first. The same files always give the same sample.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from etl.authoring.samples.documents import split
from etl.authoring.samples.files import opened, opened_content
from etl.authoring.samples.message import Message, SampleError
from etl.authoring.samples.recordings import message_of

__all__ = ["RUN", "Sample", "read_messages", "read_sample", "sample_of"]

RUN = 50
"""Length of a run: consecutive messages that are kept or dropped together."""
SAMPLE_BYTES = 64 << 20
"""Size limit of a sample."""
NOTIFY_EVERY = 10_000
"""Messages between two calls of ``notify``."""


@dataclass(frozen=True)
class Sample:
    """The messages kept, in the order of the files."""

    messages: tuple[Message, ...]
    total: int
    """Messages in the files."""
    form: str = ""
    """The kind of the files in words; empty where they have one message a line."""

    def description(self) -> str:
        """The size of the sample, in words."""
        kept = len(self.messages)
        form = f" ({self.form})" if self.form else ""
        if kept == self.total:
            return ("1 message" if kept == 1 else f"all {kept:,} messages") + form
        return f"{kept:,} of {self.total:,} messages{form}, in runs of {RUN} from all parts"


def read_messages(path: Path) -> Iterator[Message]:
    """All messages of a file, in their order. Raises :class:`SampleError`, ``OSError``."""
    with opened(path) as file:
        _, lines = split(file, path)
        for line in lines:
            yield message_of(line)[0]


def read_sample(
    paths: Sequence[Path], most: int, notify: Callable[[int], object] = lambda _: None
) -> Sample:
    """At most ``most`` messages of the files. Raises :class:`SampleError`, ``OSError``.

    ``notify`` is called every :data:`NOTIFY_EVERY` messages with the number read so far.
    """
    return _sample([(path, opened(path)) for path in paths], most, notify)


def sample_of(content: bytes, name: str, most: int) -> Sample:
    """At most ``most`` messages of a file's content, kept in memory. Raises :class:`SampleError`.

    ``name`` is the file's name, as errors mention it.
    """
    path = Path(name)
    return _sample([(path, opened_content(content, path))], most, lambda _: None)


def _sample(
    files: Sequence[tuple[Path, AbstractContextManager[BinaryIO]]],
    most: int,
    notify: Callable[[int], object],
) -> Sample:
    reservoir = _Reservoir(max(1, -(-most // RUN)))
    forms: Counter[str] = Counter()
    for path, opening in files:
        with opening as file:
            form, lines = split(file, path)
            forms[form] += 1
            for line in lines:
                reservoir.add(line)
                if reservoir.total % NOTIFY_EVERY == 0:
                    notify(reservoir.total)
    found = [message_of(line) for line in reservoir.lines()[: max(1, most)]]
    forms.update(kind for _, kind in found)
    if not found:
        names = ", ".join(str(path) for path, _ in files)
        raise SampleError(f"{names}: no message found; write one JSON object per line")
    said = ", ".join(form for form, _ in forms.most_common() if form)
    return Sample(tuple(message for message, _ in found), reservoir.total, said)


class _Reservoir:
    """Runs of messages, all kept with the same probability (Vitter's algorithm R)."""

    def __init__(self, runs: int) -> None:
        self.total = 0
        self._capacity = runs
        self._runs: dict[int, list[bytes]] = {}
        self._bytes = 0
        self._random = random.Random(0)  # noqa: S311 - the same sample each time

    def add(self, line: bytes) -> None:
        run, place = divmod(self.total, RUN)
        self.total += 1
        if place == 0:
            self._begin(run)
        if run in self._runs:
            self._runs[run].append(line)
            self._bytes += len(line)
            while self._bytes > SAMPLE_BYTES and len(self._runs) > 1:
                self._evict(self._random.choice([kept for kept in self._runs if kept != run]))
                self._capacity = len(self._runs)

    def _begin(self, run: int) -> None:
        if len(self._runs) >= self._capacity:
            place = self._random.randrange(run + 1)
            if place >= self._capacity:
                return
            self._evict(list(self._runs)[place])
        self._runs[run] = []

    def _evict(self, run: int) -> None:
        self._bytes -= sum(len(line) for line in self._runs.pop(run))

    def lines(self) -> list[bytes]:
        return [line for _, run in sorted(self._runs.items()) for line in run]
