"""Rejects as Transform left them in S3: found, filtered, counted, one line at a time.

A reject lies in ``rejected/date=<day>/<batch>.ndjson.gz``; a batch that is transformed anew (a
replay after a contract was mended) replaces its object, so that what is listed is what is rejected
now. Millions of rejects are read as a stream: an object is never held whole.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.time_range import ALWAYS, Span
from telemetry.layout import RAW, parse_raw_key, report_key

__all__ = ["Counts", "Reject", "Wanted", "count", "read_rejects"]

REJECTED = "rejected/"
EMPTY_GZIP = 20
"""Size in bytes of a gzip file of nothing: a batch without rejects."""
OPENED_AHEAD = 8
"""Objects whose bodies are under way at once: a request takes longer than most of them."""


@dataclass(frozen=True)
class Reject:
    """One reading that could not be a row, or a message that holds none."""

    day: str
    """``YYYY-MM-DD`` in the key: when the staging execution started."""
    batch_id: str
    message_id: str | None
    topic: str | None
    client_id: str | None
    received_at: int | None
    """Milliseconds since 1970, as the topic rule saw it."""
    index: int | None
    """Place in the message's array of readings; ``None`` where it is the message itself."""
    reasons: tuple[str, ...]
    """``kind`` or ``kind:column``."""
    reading: str | None
    """JSON text of the element, where ``index`` is set."""
    payload: bytes | None
    """What the device sent, byte for byte."""
    readings: int = 1
    """How many readings of the message this stands for: several where a batch has too many to tell
    one by one."""

    @property
    def device(self) -> str | None:
        """Who sent it: the client id, which the certificate vouches for."""
        return self.client_id

    @property
    def received(self) -> str | None:
        """``received_at`` as ISO text, where it is a time at all."""
        try:
            return (
                datetime.fromtimestamp((self.received_at or 0) / 1000, UTC).isoformat(
                    timespec="milliseconds"
                )
                if self.received_at is not None
                else None
            )
        except (ValueError, OverflowError, OSError):
            return None


@dataclass(frozen=True)
class Wanted:
    """Which rejects: each that is set must hold."""

    reasons: tuple[str, ...] = ()
    """Any of these: a whole reason, or its kind (``missing`` for ``missing:ts``)."""
    devices: tuple[str, ...] = ()
    """Any of these client ids, or levels of a topic."""
    batches: tuple[str, ...] = ()
    span: Span = ALWAYS
    """By the time the batch was staged."""

    def takes(self, reject: Reject) -> bool:
        """Whether reason and device are among those wanted."""
        if self.reasons and not any(
            wanted in (reason, reason.partition(":")[0])
            for wanted in self.reasons
            for reason in reject.reasons
        ):
            return False
        names = {reject.client_id, *(reject.topic or "").split("/")}
        return not self.devices or not names.isdisjoint(self.devices)


@dataclass
class Counts:
    """How many, by what. A reject with two reasons counts under both."""

    rejects: int = 0
    batches: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    by_device: Counter[str] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, the most frequent first; days in their order."""
        return {
            "rejects": self.rejects,
            "batches": self.batches,
            "by_reason": dict(self.by_reason.most_common()),
            "by_device": dict(self.by_device.most_common()),
            "by_day": dict(sorted(self.by_day.items())),
        }


@dataclass(frozen=True)
class _Object:
    key: str
    day: str
    batch_id: str


Broken = Callable[[str], None]
Progress = Callable[[int], None]


def read_rejects(
    target: Target,
    wanted: Wanted,
    *,
    broken: Broken = lambda _: None,
    progress: Progress = lambda _: None,
) -> Iterator[Reject]:
    """The wanted rejects in the order of day, batch and message.

    ``broken`` gets a sentence for each object that can't be read to its end; the others go on.
    ``progress`` gets the number of objects read so far.
    """
    s3 = target.client("s3")
    for done, (found, body) in enumerate(_bodies(s3, target.bucket, _objects(target, wanted)), 1):
        try:
            for reject in _lines(found, body):
                if wanted.takes(reject):
                    yield reject
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            broken(f"{found.key} can't be read to its end: {error}")
        finally:
            body.close()
        progress(done)


def count(rejects: Iterator[Reject]) -> Counts:
    """Counts by reason, device and day."""
    counts = Counts()
    last = None
    for reject in rejects:
        counts.rejects += reject.readings
        counts.batches += reject.batch_id != last
        last = reject.batch_id
        counts.by_reason.update(dict.fromkeys(reject.reasons, reject.readings))
        counts.by_device[reject.device or ""] += reject.readings
        counts.by_day[reject.day] += reject.readings
    return counts


def _objects(target: Target, wanted: Wanted) -> Iterator[_Object]:
    """The objects that may hold wanted rejects."""
    s3, bucket = target.client("s3"), target.bucket
    if wanted.batches:
        found = (_of_batch(s3, bucket, batch) for batch in dict.fromkeys(wanted.batches))
        candidates: Iterator[_Object] = (one for one in found if one is not None)
    else:
        candidates = _listed(s3, bucket, wanted.span)
    if wanted.span.is_open:
        yield from candidates
        return
    day, staged = None, set[str]()
    for one in candidates:
        if one.day != day:
            day, staged = one.day, _staged(s3, bucket, one.day, wanted.span)
        if one.batch_id in staged:
            yield one


def _of_batch(s3: Any, bucket: str, batch_id: str) -> _Object | None:
    """A batch's rejects; its report knows where they are. ``None`` where there is no such batch."""
    try:
        body = s3.get_object(Bucket=bucket, Key=report_key(batch_id))["Body"].read()
        return _parsed(str(json.loads(body)["rejected_key"]))
    except s3.exceptions.NoSuchKey:
        return None


def _listed(s3: Any, bucket: str, span: Span) -> Iterator[_Object]:
    first, last = f"{span.first_key_day}", f"{span.last_key_day}"
    start = {} if span.is_open else {"StartAfter": f"{REJECTED}date={first}"}
    for entry in listed(s3, bucket, REJECTED, **start):
        found = _parsed(entry["Key"])
        if found is None or entry["Size"] <= EMPTY_GZIP:
            continue
        if found.day > last:
            return
        if found.day >= first:
            yield found


def _parsed(key: str) -> _Object | None:
    path = PurePosixPath(key)
    day, name = path.parent.name.removeprefix("date="), path.name
    if not name.endswith(".ndjson.gz"):
        return None
    return _Object(key, day, name.removesuffix(".ndjson.gz"))


def _staged(s3: Any, bucket: str, day: str, span: Span) -> set[str]:
    """Ids of the batches with this day in their key that were staged in the span."""
    prefix = f"{RAW}{day.replace('-', '/')}/"
    return {
        raw.batch_id
        for entry in listed(s3, bucket, prefix)
        if entry["LastModified"] in span and (raw := parse_raw_key(entry["Key"])) is not None
    }


def _bodies(s3: Any, bucket: str, objects: Iterator[_Object]) -> Iterator[tuple[_Object, Any]]:
    """Each object with its body, a few requests ahead of the reader."""

    def opened(one: _Object) -> tuple[_Object, Any]:
        return one, s3.get_object(Bucket=bucket, Key=one.key)["Body"]

    under_way: list[Future[tuple[_Object, Any]]] = []
    with ThreadPoolExecutor(OPENED_AHEAD) as threads:
        try:
            under_way += [threads.submit(opened, one) for one in islice(objects, OPENED_AHEAD)]
            while under_way:
                ready = under_way.pop(0).result()
                under_way += [threads.submit(opened, one) for one in islice(objects, 1)]
                yield ready
        finally:
            for left in under_way:  # the reader has had enough
                if not left.cancel() and left.exception() is None:
                    left.result()[1].close()


def _lines(found: _Object, body: Any) -> Iterator[Reject]:
    payload: bytes | None = None
    with gzip.GzipFile(fileobj=body, mode="rb") as lines:
        for text in lines:
            line = json.loads(text)
            if line["payload"] is not None:  # it stands in the first line of its message only
                payload = base64.b64decode(line["payload"])
            yield Reject(
                day=found.day,
                batch_id=found.batch_id,
                message_id=line["message_id"],
                topic=line["topic"],
                client_id=line["client_id"],
                received_at=line["received_at"],
                index=line["index"],
                reasons=tuple(line["reasons"]),
                reading=line.get("reading"),
                payload=payload,
                readings=int(line.get("readings", 1)),
            )
