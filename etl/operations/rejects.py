"""Reads, filters and counts the rejects that Transform wrote to S3.

Rejects are in ``rejected/date=<day>/<batch>.ndjson.gz``. A batch that is transformed again
(a replay with a corrected contract) replaces its object, so the listing shows what is rejected now.
Rejects are streamed, as there may be millions: an object is never in memory as a whole.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.contract_choice import ContractsOfBatches, has_several
from etl.operations.device_names import DeviceNames
from etl.operations.time_range import ALWAYS, TimeRange
from telemetry.layout import RAW, parse_raw_key, report_key

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client

__all__ = [
    "Reject",
    "RejectCounts",
    "RejectFilter",
    "count",
    "most_first",
    "parse_lines",
    "read_rejects",
]

REJECTED = "rejected/"
EMPTY_GZIP = 20
"""Size in bytes of an empty gzip file, which a batch without rejects has."""
OPENED_AHEAD = 8
"""Objects that are requested in parallel: most are smaller than a request is slow."""


@dataclass(frozen=True)
class Reject:
    """One reading that could not become a row, or a message without readings."""

    day: str
    """``YYYY-MM-DD`` in the key: when the staging execution started."""
    batch_id: str
    message_id: str | None
    topic: str | None
    client_id: str | None
    received_at: int | None
    """Time at which the topic rule received it, in milliseconds since 1970."""
    index: int | None
    """Position in the message's array of readings; ``None`` for the message itself."""
    reasons: tuple[str, ...]
    """``kind`` or ``kind:column``."""
    reading: str | None
    """JSON text of the element, where ``index`` is set."""
    payload: bytes | None
    """The bytes that the device sent, unchanged."""
    readings: int = 1
    """Readings that this stands for: several where a batch has too many rejects to list."""
    device: str | None = None
    """Name of the device, as the contract's key names it: see ``device_names``."""
    contract: str | None = None
    """Name of its batch's contract, in a pipeline of several."""

    @property
    def received(self) -> str | None:
        """``received_at`` as an ISO time in UTC; ``None`` where it is not a valid time."""
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
class RejectFilter:
    """The conditions of a selection: a reject must meet all that are set."""

    reasons: tuple[str, ...] = ()
    """One of these reasons, or of these kinds of reasons (``missing`` for ``missing:ts``)."""
    devices: tuple[str, ...] = ()
    """One of these devices, client ids, or levels of the topic."""
    batches: tuple[str, ...] = ()
    time_range: TimeRange = ALWAYS
    """The batch was staged in this time range."""
    contracts: tuple[str, ...] = ()
    """The batch is of one of these contracts."""

    def matches(self, reject: Reject) -> bool:
        """True where reason and device match; the listing matches batches, contracts and times."""
        if self.reasons and not any(
            wanted in (reason, reason.partition(":")[0])
            for wanted in self.reasons
            for reason in reject.reasons
        ):
            return False
        names = {reject.device, reject.client_id, *(reject.topic or "").split("/")}
        return not self.devices or not names.isdisjoint(self.devices)


def most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    """Names with their counts, the most frequent first, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


@dataclass
class RejectCounts:
    """Numbers of rejects by reason, device and day. One with two reasons counts under both."""

    rejects: int = 0
    batches: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    by_device: Counter[str] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)
    by_contract: Counter[str] = field(default_factory=Counter)
    """Empty where the pipeline has one contract."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, the most frequent first; days in their order."""
        return {
            "rejects": self.rejects,
            "batches": self.batches,
            "by_reason": dict(most_first(self.by_reason)),
            "by_device": dict(most_first(self.by_device)),
            "by_day": dict(sorted(self.by_day.items())),
            **({"by_contract": dict(most_first(self.by_contract))} if self.by_contract else {}),
        }


@dataclass(frozen=True)
class _Object:
    key: str
    day: str
    batch_id: str


class _Whose:
    """The contracts of objects of rejects, whose own keys don't name them."""

    def __init__(self, target: Target) -> None:
        self._several = has_several(target)
        self._contracts = target.contracts
        self._batches = ContractsOfBatches(target)
        self._names: dict[str, DeviceNames] = {}

    def name(self, one: _Object) -> str:
        """The name of the contract of the object's batch."""
        return self._batches.name(one.day, one.batch_id)

    def of(self, one: _Object) -> tuple[str | None, DeviceNames]:
        """The name to show, where the pipeline has several, and the devices of its readings."""
        name = self.name(one) if self._several else self._contracts.first.name
        if name not in self._names:
            contract = self._contracts.of_key(name) or self._contracts.first
            self._names[name] = DeviceNames(contract)
        return name if self._several else None, self._names[name]


OnUnreadable = Callable[[str], None]
OnProgress = Callable[[int], None]


def read_rejects(
    target: Target,
    reject_filter: RejectFilter,
    *,
    unreadable: OnUnreadable = lambda _: None,
    progress: OnProgress = lambda _: None,
) -> Iterator[Reject]:
    """The rejects that match, in the order of day, batch and message.

    ``unreadable`` gets a sentence for each object that can't be read to its end; reading continues
    with the next one. ``progress`` gets the number of objects read so far.
    """
    s3, whose = target.client("s3"), _Whose(target)
    objects = _objects(target, reject_filter)
    if reject_filter.contracts:
        objects = (one for one in objects if whose.name(one) in reject_filter.contracts)
    for done, (found, body) in enumerate(_bodies(s3, target.bucket, objects), 1):
        contract, names = whose.of(found)
        try:
            for reject in parse_lines(found.day, found.batch_id, body, names):
                if reject_filter.matches(reject):
                    yield reject if contract is None else replace(reject, contract=contract)
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            unreadable(f"{found.key} can't be read to its end: {error}")
        finally:
            body.close()
        progress(done)


def count(rejects: Iterator[Reject]) -> RejectCounts:
    """Counts by reason, device and day."""
    counts = RejectCounts()
    last = None
    for reject in rejects:
        counts.rejects += reject.readings
        counts.batches += reject.batch_id != last
        last = reject.batch_id
        counts.by_reason.update(dict.fromkeys(reject.reasons, reject.readings))
        counts.by_device[reject.device or ""] += reject.readings
        counts.by_day[reject.day] += reject.readings
        if reject.contract is not None:
            counts.by_contract[reject.contract] += reject.readings
    return counts


def _objects(target: Target, reject_filter: RejectFilter) -> Iterator[_Object]:
    """The objects that may hold matching rejects."""
    s3, bucket = target.client("s3"), target.bucket
    if reject_filter.batches:
        found = (_of_batch(s3, bucket, batch) for batch in dict.fromkeys(reject_filter.batches))
        candidates: Iterator[_Object] = (one for one in found if one is not None)
    else:
        candidates = _listed(s3, bucket, reject_filter.time_range)
    if reject_filter.time_range.is_open:
        yield from candidates
        return
    day, staged = None, set[str]()
    for one in candidates:
        if one.day != day:
            day, staged = one.day, _staged(s3, bucket, one.day, reject_filter.time_range)
        if one.batch_id in staged:
            yield one


def _of_batch(s3: S3Client, bucket: str, batch_id: str) -> _Object | None:
    """The object that a batch's report names; ``None`` where there is no such batch, or no reject
    in it."""
    try:
        body = s3.get_object(Bucket=bucket, Key=report_key(batch_id))["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    report = json.loads(body)
    key = str(report["rejected_key"])
    # Older reports have no checksums of objects, and their batches always an object of rejects.
    return _parsed(key) if key in report.get("objects", {key: None}) else None


def _listed(s3: S3Client, bucket: str, time_range: TimeRange) -> Iterator[_Object]:
    first, last = f"{time_range.first_key_day}", f"{time_range.last_key_day}"
    start = {} if time_range.is_open else {"StartAfter": f"{REJECTED}date={first}"}
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


def _staged(s3: S3Client, bucket: str, day: str, time_range: TimeRange) -> set[str]:
    """Ids of the batches with this day in their key that were staged in the time range."""
    prefix = f"{RAW}{day.replace('-', '/')}/"
    return {
        raw.batch_id
        for entry in listed(s3, bucket, prefix)
        if entry["LastModified"] in time_range and (raw := parse_raw_key(entry["Key"])) is not None
    }


def _bodies(
    s3: S3Client, bucket: str, objects: Iterator[_Object]
) -> Iterator[tuple[_Object, StreamingBody]]:
    """Each object with its body, requested ahead of the reader."""

    def opened(one: _Object) -> tuple[_Object, StreamingBody]:
        return one, s3.get_object(Bucket=bucket, Key=one.key)["Body"]

    requests: list[Future[tuple[_Object, StreamingBody]]] = []
    with ThreadPoolExecutor(OPENED_AHEAD) as threads:
        try:
            requests += [threads.submit(opened, one) for one in islice(objects, OPENED_AHEAD)]
            while requests:
                ready = requests.pop(0).result()
                requests += [threads.submit(opened, one) for one in islice(objects, 1)]
                yield ready
        finally:
            for left in requests:  # the reader has stopped
                if not left.cancel() and left.exception() is None:
                    left.result()[1].close()


def parse_lines(
    day: str, batch_id: str, body: StreamingBody | IO[bytes], names: DeviceNames
) -> Iterator[Reject]:
    """The rejects of one object, gzip-compressed, as Transform writes it."""
    payload: bytes | None = None
    with gzip.GzipFile(fileobj=body, mode="rb") as lines:
        for text in lines:
            line = json.loads(text)
            if line["payload"] is not None:  # only the first line of a message holds it
                payload = base64.b64decode(line["payload"])
            topic, client_id, reading = line["topic"], line["client_id"], line.get("reading")
            yield Reject(
                day=day,
                batch_id=batch_id,
                message_id=line["message_id"],
                topic=topic,
                client_id=client_id,
                received_at=line["received_at"],
                index=line["index"],
                reasons=tuple(line["reasons"]),
                reading=reading,
                payload=payload,
                readings=int(line.get("readings", 1)),
                device=names.find(topic, client_id, reading, payload),
            )
