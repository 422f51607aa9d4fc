"""Sample messages from files: NDJSON, a JSON array or one object, envelopes; plain or ``.gz``.

Whatever the size of the files, a bounded sample is kept: runs of consecutive messages, spread over
all of them by a reservoir with a fixed seed. Runs, because duplicates and the readings of one
moment lie side by side; spread, because what comes late in a file (another kind of device, a new
firmware) counts as much as what comes first. The same files always give the same sample.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from telemetry.errors import UserError

__all__ = ["RUN", "Message", "Sample", "SampleError", "read_sample"]

RUN = 50
"""Consecutive messages that are kept or left out together."""
SAMPLE_BYTES = 64 << 20
"""Kept at most."""
WHOLE_BYTES = 128 << 20
"""Largest file that is read as a whole, which a JSON array must be."""
TOLD_EVERY = 10_000

ENVELOPE = {"payload", "topic", "client_id", "received_at"}
"""Members of what the topic rule sends; the raw objects in S3 have ``message_id`` as well."""


class SampleError(UserError):
    """Raised where a sample can't be read; the message says what would be one."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a device sent it, with what is known of its way."""

    payload: bytes
    topic: str | None = None
    client_id: str | None = None
    received_at: int | None = None
    """Epoch milliseconds."""
    message_id: str | None = None


@dataclass(frozen=True)
class Sample:
    """The messages kept, in the order of the files."""

    messages: tuple[Message, ...]
    total: int
    """Messages in the files."""

    def sentence(self) -> str:
        """What was read, for a person."""
        kept = len(self.messages)
        if kept == self.total:
            return f"all {kept:,} messages"
        return f"{kept:,} of {self.total:,} messages, in runs of {RUN} spread over all of them"


def read_sample(
    paths: Sequence[Path], most: int, told: Callable[[int], object] = lambda _: None
) -> Sample:
    """At most ``most`` messages of the files. Raises :class:`SampleError`, ``OSError``.

    ``told`` is called now and then with the number of messages seen so far.
    """
    reservoir = _Reservoir(max(1, -(-most // RUN)))
    for path in paths:
        for line in _lines(path):
            reservoir.add(line)
            if reservoir.total % TOLD_EVERY == 0:
                told(reservoir.total)
    messages = tuple(_message(line) for line in reservoir.lines()[: max(1, most)])
    if not messages:
        names = ", ".join(str(path) for path in paths)
        raise SampleError(f"{names}: there is no message in it; give one JSON object a line")
    return Sample(messages, reservoir.total)


class _Reservoir:
    """Runs of messages, each as likely to be kept as any other (Vitter's algorithm R)."""

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


def _lines(path: Path) -> Iterator[bytes]:
    """The messages of a file, each as its own text."""
    try:
        with _open(path) as file:
            begin = _first_line(file)
            if begin is None:
                return
            if not _is_document(begin):
                whole = _whole(begin, file, path)
                if whole is not None:
                    yield from whole
                    return
                file.seek(0)
                begin = _first_line(file) or b""
            yield begin
            yield from (line.rstrip(b"\r\n") for line in file if line.strip())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SampleError(f"{path}: is no whole gzip file ({error}); compress it again") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def _first_line(lines: Iterable[bytes]) -> bytes | None:
    return next((line.rstrip(b"\r\n") for line in lines if line.strip()), None)


def _is_document(line: bytes) -> bool:
    """Whether a line is an object by itself: then each line is taken as a message."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _whole(begin: bytes, rest: BinaryIO, path: Path) -> list[bytes] | None:
    """The messages of a file that is one JSON array, or one message over several lines."""
    from functions.transform.careful import element_texts

    if begin.lstrip(b"\xef\xbb\xbf \t")[:1] not in (b"[", b"{"):
        return None
    body = begin + b"\n" + rest.read(WHOLE_BYTES)
    if len(body) > WHOLE_BYTES:
        if not begin.lstrip().startswith(b"["):
            return None
        raise SampleError(
            f"{path}: a JSON array is read as a whole, which this one is too large for; "
            "write one object a line (jq -c '.[]')"
        )
    try:
        text = body.decode("utf-8-sig")
        found = json.loads(text)
        if isinstance(found, dict) or _is_one_message(found):
            return [text.encode()]
        return [element.encode() for element in element_texts(text, ())]
    except (ValueError, RecursionError):
        return None


def _is_one_message(found: list[Any]) -> bool:
    """Whether an array is a payload: records of SenML or rows say nothing without the others."""
    from etl.authoring.message_shape import is_pack

    rows = all(
        isinstance(e, list) and not any(isinstance(v, list | dict) for v in e) for e in found
    )
    based = is_pack(found) and any(record.keys() & {"bn", "bt"} for record in found)
    return based or (rows and bool(found))


def _message(line: bytes) -> Message:
    if b'"payload"' in line and b'"received_at"' in line:
        unwrapped = _unwrapped(line)
        if unwrapped is not None:
            return unwrapped
    return Message(line)


def _unwrapped(line: bytes) -> Message | None:
    """The message in an envelope; ``None`` where the line is none."""
    try:
        found: dict[str, Any] = json.loads(line)
        if found.keys() - {"message_id"} != ENVELOPE:
            return None
        payload = base64.b64decode(found["payload"], validate=True)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = [found.get(name) for name in ("topic", "client_id", "message_id")]
    received = found["received_at"]
    if any(text is not None and not isinstance(text, str) for text in texts):
        return None
    if received is not None and type(received) is not int:
        return None
    topic, client, number = texts
    return Message(payload, topic, client, received, number)
