"""Sample messages from files: NDJSON, a JSON array or one object, envelopes; plain or ``.gz``.

The sample is bounded, whatever the size of the files: runs of consecutive messages from all parts
of the files, chosen by reservoir sampling with a fixed seed. Runs, because duplicates and the
readings of one moment are adjacent; from all parts, because later messages (another kind of device,
a new firmware) count as much as the first. The same files always give the same sample.
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
"""Length of a run: consecutive messages that are kept or dropped together."""
SAMPLE_BYTES = 64 << 20
"""Size limit of a sample."""
WHOLE_BYTES = 128 << 20
"""Size limit of a JSON array, which is read as a whole."""
NOTIFY_EVERY = 10_000
"""Messages between two calls of ``notify``."""

ENVELOPE = {"payload", "topic", "client_id", "received_at"}
"""Members of an envelope of the topic rule; raw objects in S3 have ``message_id`` as well."""


class SampleError(UserError):
    """Raised when a sample can't be read; the message says what is wrong with the file."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a device sent it, with the rest of its envelope where that is known."""

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

    def description(self) -> str:
        """The size of the sample, in words."""
        kept = len(self.messages)
        if kept == self.total:
            return "1 message" if kept == 1 else f"all {kept:,} messages"
        return f"{kept:,} of {self.total:,} messages, in runs of {RUN} from all parts"


def read_sample(
    paths: Sequence[Path], most: int, notify: Callable[[int], object] = lambda _: None
) -> Sample:
    """At most ``most`` messages of the files. Raises :class:`SampleError`, ``OSError``.

    ``notify`` is called every :data:`NOTIFY_EVERY` messages with the number read so far.
    """
    reservoir = _Reservoir(max(1, -(-most // RUN)))
    for path in paths:
        for line in _lines(path):
            reservoir.add(line)
            if reservoir.total % NOTIFY_EVERY == 0:
                notify(reservoir.total)
    messages = tuple(_message(line) for line in reservoir.lines()[: max(1, most)])
    if not messages:
        names = ", ".join(str(path) for path in paths)
        raise SampleError(f"{names}: no message found; write one JSON object per line")
    return Sample(messages, reservoir.total)


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


def _lines(path: Path) -> Iterator[bytes]:
    """The messages of a file, each as JSON text."""
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
        raise SampleError(f"{path}: truncated or damaged gzip file ({error})") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def _first_line(lines: Iterable[bytes]) -> bytes | None:
    return next((line.rstrip(b"\r\n") for line in lines if line.strip()), None)


def _is_document(line: bytes) -> bool:
    """True for a line that is a JSON object: then each line is one message."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _whole(begin: bytes, rest: BinaryIO, path: Path) -> list[bytes] | None:
    """The messages of a file that is one JSON array, or one message on several lines."""
    from functions.transform.careful import element_texts

    if begin.lstrip(b"\xef\xbb\xbf \t")[:1] not in (b"[", b"{"):
        return None
    body = begin + b"\n" + rest.read(WHOLE_BYTES)
    if len(body) > WHOLE_BYTES:
        if not begin.lstrip().startswith(b"["):
            return None
        raise SampleError(
            f"{path}: JSON array of more than {WHOLE_BYTES >> 20} MiB; "
            "write one object per line instead (jq -c '.[]')"
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
    """True for an array that is one payload: SenML records or rows that belong together."""
    from etl.authoring.message_shape import is_senml_pack

    rows = all(
        isinstance(e, list) and not any(isinstance(v, list | dict) for v in e) for e in found
    )
    based = is_senml_pack(found) and any(record.keys() & {"bn", "bt"} for record in found)
    return based or (rows and bool(found))


def _message(line: bytes) -> Message:
    if b'"payload"' in line and b'"received_at"' in line:
        unwrapped = _unwrapped(line)
        if unwrapped is not None:
            return unwrapped
    return Message(line)


def _unwrapped(line: bytes) -> Message | None:
    """The message in an envelope; ``None`` for a line that is not an envelope."""
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
