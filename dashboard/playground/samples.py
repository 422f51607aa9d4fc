"""Messages that a user has dropped or pasted: in memory, bounded, and never written to disk."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from telemetry.errors import UserError

__all__ = ["MOST_BYTES", "PASTED", "SampleGoneError", "SampleStore", "StoredSample", "file_name"]

MOST_BYTES = 10 * 1000 * 1000
"""Most bytes of one sample; larger files are for the command line."""
MOST_SAMPLES = 8
MOST_BYTES_KEPT = 64 * 1000 * 1000
PASTED = "messages.ndjson"
"""Name of a sample that was pasted."""
LONGEST_NAME = 100


class SampleGoneError(UserError):
    """Raised for a sample that made room for newer ones, or is of an earlier run."""


@dataclass(frozen=True)
class StoredSample:
    """The content of a file of messages, as the user gave it."""

    id: str
    name: str
    content: bytes


class SampleStore:
    """The newest samples of this run of the control room."""

    def __init__(self) -> None:
        self._samples: OrderedDict[str, StoredSample] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, name: str, content: bytes) -> StoredSample:
        """Keep a sample; the oldest ones make room for it."""
        sample = StoredSample(secrets.token_urlsafe(12), file_name(name), content)
        with self._lock:
            self._samples[sample.id] = sample
            while len(self._samples) > MOST_SAMPLES or self._size() > MOST_BYTES_KEPT:
                self._samples.popitem(last=False)
        return sample

    def get(self, id: str) -> StoredSample:
        """The sample with this id. Raises :class:`SampleGoneError`."""
        with self._lock:
            sample = self._samples.get(id)
            if sample is None:
                raise SampleGoneError(
                    "These messages are no longer in memory: drop or paste them again."
                )
            self._samples.move_to_end(id)
            return sample

    def _size(self) -> int:
        return sum(len(sample.content) for sample in self._samples.values())


def file_name(name: str) -> str:
    """The last part of a path as a browser reports it, shortened."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    return last[-LONGEST_NAME:] or PASTED
