"""Rewrites the objects of S3 without the readings of one device, old versions included.

The raw object of a batch first, with a line for each message as before
(:mod:`telemetry.forgotten`). The others are made of it again, as Transform makes them. Those of a
batch that an older contract made are filtered instead: that contract is not here any more.

Each write names the version that was read, so that two erasures at once don't undo each other.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.device_messages import DeviceMessages, device_column, find_messages
from etl.operations.device_names import DeviceNames
from etl.operations.quarantine import read_report
from etl.operations.receipts import RECORD, message_digest, read_receipts
from etl.operations.rejects import parse_lines
from etl.operations.report_markdown import as_markdown
from telemetry.checksums import Checksum
from telemetry.contract import Contract
from telemetry.errors import UserError
from telemetry.layout import (
    RawKey,
    clean_key,
    parse_raw_key,
    receipt_key,
    receipt_messages_key,
    rejected_key,
    report_key,
)
from telemetry.reports import report_body

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        DeleteMarkerEntryTypeDef,
        ObjectIdentifierTypeDef,
        ObjectVersionTypeDef,
    )

__all__ = [
    "ErasureError",
    "NewDigests",
    "contract_of_object",
    "new_digests",
    "rewrite_derived",
    "rewrite_raw",
    "rewrite_receipts",
]

ATTEMPTS = 10
"""Times that an object is written again which another program changes meanwhile."""
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict")
COUNTS = ("read", "accepted", "duplicates", "conflicts", "rejected", "set_aside", "forgotten")
TIMES = ("min_time", "max_time", "first_received_at", "last_received_at")
Written = dict[str, tuple[bytes, str]]
"""Body and content type by key."""
NewDigests = dict[int, tuple[int | None, int]]
"""Digest of each changed message: its new one (``None``: removed), and readings that it lost."""


class ErasureError(UserError):
    """Raised where an object can't be rewritten; the message says what to do."""


def rewrite_raw(target: Target, key: str, device: str, *, whole: bool) -> bool:
    """Rewrite a raw object without the device's readings, and delete its older versions.

    Returns false where it has none, or is gone. ``whole``: also remove mixed messages.
    """
    s3, bucket = target.client("s3"), target.bucket
    contract = contract_of_object(target, key)
    for _ in range(ATTEMPTS):
        try:
            found = s3.get_object(Bucket=bucket, Key=key)
        except s3.exceptions.NoSuchKey:
            return False
        raw = gzip.decompress(found["Body"].read())
        messages = find_messages(raw, contract, device)
        if not messages:
            delete_old_versions(target, [key])
            return False
        body = gzip.compress(messages.applied(raw, whole=whole), compresslevel=1, mtime=0)
        try:
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType="application/gzip",
                IfMatch=found["ETag"],
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in CHANGED:
                raise
            continue
        delete_old_versions(target, [key])
        return True
    raise ErasureError(f"{key} is being changed by another program: try again.")


def contract_of_object(target: Target, key: str) -> Contract:
    """The contract of a raw object. Raises :class:`ErasureError` where the pipeline has it no
    more: what its messages hold can't be known."""
    contract = target.contracts.of_raw_key(key)
    if contract is None:
        raise ErasureError(
            f"{key} is of a contract that the pipeline has no more. Add the contract again, then "
            "run the command again."
        )
    return contract


def new_digests(
    messages: DeviceMessages, *, whole: bool, contract: str | None = None
) -> NewDigests:
    """Digests by which receipts know the messages that are removed or shortened.

    ``contract``: the name of theirs in keys; ``None``: the first one.
    """
    found: NewDigests = {}
    for envelope, removal in messages.removals.items():
        if removal.mixed and not whole:
            continue
        _, _, client, _, payload = envelope
        after = (
            None if removal.payload is None else message_digest(client, removal.payload, contract)
        )
        found[message_digest(client, payload, contract)] = (after, removal.forgotten)
    return found


def rewrite_receipts(target: Target, digests: NewDigests) -> None:
    """Take the messages out of the receipts of their publishers, which then count what is left.

    A receipt that an interrupted call has left half-written is completed.
    """
    s3, bucket = target.client("s3"), target.bucket
    for receipt, _ in read_receipts(s3, bucket):
        if not receipt.digests:
            continue
        key = receipt_messages_key(receipt.publication)
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        records = list(RECORD.iter_unpack(body))
        left = list(_without(records, digests))
        if left != records:
            s3.put_object(Bucket=bucket, Key=key, Body=b"".join(RECORD.pack(*one) for one in left))
        readings = sum(number for _, number in left)
        if (receipt.messages, receipt.readings) != (len(left), readings):
            # What the publisher expected of them is not known any more.
            changed = replace(
                receipt,
                messages=len(left),
                readings=readings,
                rows=None,
                duplicates=None,
                rejected=None,
            )
            content = json.dumps(changed.as_dict()).encode()
            s3.put_object(Bucket=bucket, Key=receipt_key(receipt.publication), Body=content)
        delete_old_versions(target, [key, receipt_key(receipt.publication)])


def _without(records: Iterable[tuple[int, int]], digests: NewDigests) -> Iterable[tuple[int, int]]:
    for digest, readings in records:
        after, lost = digests.get(digest, (digest, 0))
        if after is not None:
            yield after, readings - lost


def rewrite_derived(target: Target, key: str, device: str) -> dict[str, Any] | None:
    """Write the objects that Transform made of a raw object again, without the device.

    Returns the counts of the batch's new report for the ledger; ``None`` where it has no report,
    as a batch that never got through Transform. Raises :class:`ErasureError`.
    """
    s3, bucket = target.client("s3"), target.bucket
    raw = parse_raw_key(key)
    if raw is None:
        raise ErasureError(f"{key} is not the key of a raw micro-batch.")
    contract = contract_of_object(target, key)
    for _ in range(ATTEMPTS):
        found = s3.get_object(Bucket=bucket, Key=key)
        lines = gzip.decompress(found["Body"].read())
        report, written, counts = read_report(target, raw.batch_id), Written(), None
        if report is not None:
            again = report.get("contract_digest") == contract.digest
            rewrite = _transformed if again else _filtered
            before = {**report, "raw_key": key}
            written, counts = rewrite(target, contract, raw, lines, before, device)
        elif _present(target, raw):  # Transform did not get to its end
            before = {"raw_key": key}
            written, _ = _transformed(target, contract, raw, lines, before, device)
        for name, (body, content_type) in written.items():
            s3.put_object(Bucket=bucket, Key=name, Body=body, ContentType=content_type)
        stale = _ever_present(target, raw) - written.keys()
        delete_versions(target, stale)
        delete_old_versions(target, [key, *written])  # of the raw object after an interruption too
        if s3.head_object(Bucket=bucket, Key=key)["ETag"] == found["ETag"]:
            return counts
    raise ErasureError(f"{key} is being changed by another program: try again.")


def _derived(raw: RawKey) -> tuple[str, ...]:
    """Beginnings of the names of the batch's objects, but for its report."""
    return (clean_key(raw), rejected_key(raw), f"copy/{raw.batch_id}.", _page_key(raw))


def _page_key(raw: RawKey) -> str:
    """Key of the page beside the report, which older versions of Validate and Load wrote."""
    return report_key(raw.batch_id).removesuffix(".json") + ".md"


def _present(target: Target, raw: RawKey) -> set[str]:
    """Names of these objects that are there."""
    s3 = target.client("s3")
    return {entry["Key"] for prefix in _derived(raw) for entry in listed(s3, target.bucket, prefix)}


def _ever_present(target: Target, raw: RawKey) -> set[str]:
    """Names of these objects, also of those of which only older versions are left, as after an
    erasure that was interrupted between deleting an object and its versions."""
    return _present(target, raw) | {
        one["Key"] for prefix in _derived(raw) for one in _all_versions(target, prefix)
    }


def _transformed(
    target: Target,
    contract: Contract,
    raw: RawKey,
    lines: bytes,
    before: dict[str, Any],
    device: str,
) -> tuple[Written, dict[str, Any]]:
    """The objects as Transform makes them of the raw object now, with Validate's verdict.

    No object is made in the clean zone for a batch that has none there.
    """
    from functions.transform.handler import transform

    execution, name = str(before.get("execution", "")), clean_key(raw)
    present = _present(target, raw)
    clean = name in before.get("objects", {name: None}) or name in present
    objects, report = transform(lines, contract, before["raw_key"], execution, clean=clean)
    written: Written = {
        stored.key: (stored.body, stored.content_type)
        for stored in objects
        if not stored.only_over or stored.key in present
    }
    return written | _report(target, raw, report, before, device), _counts(report)


def _report(
    target: Target, raw: RawKey, report: dict[str, Any], before: dict[str, Any], device: str
) -> Written:
    """The report, and its page where there is one, with the verdict of before. A finding may quote
    a reading."""
    named = (json.dumps(one, ensure_ascii=False) for one in before.get("findings", ()))
    findings = [json.loads(one) for one in named if device not in one]
    judged = {**report, "verdict": before.get("verdict"), "findings": findings}
    written: Written = {report_key(raw.batch_id): (report_body(judged), "application/json")}
    if _page_key(raw) in _present(target, raw):
        page = as_markdown(judged).encode()
        written[_page_key(raw)] = (page, "text/markdown; charset=utf-8")
    return written


def _counts(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "batch_id": report["batch_id"],
        "contract_digest": report["contract_digest"],
        "rejected_by": report["rejected_by"],
        **{name: report.get(name, 0) for name in COUNTS},
        **{name: report.get(name) for name in TIMES},
    }


def _filtered(
    target: Target,
    contract: Contract,
    raw: RawKey,
    lines: bytes,
    before: dict[str, Any],
    device: str,
) -> tuple[Written, dict[str, Any]]:
    """The clean zone and the rejects that an older contract made, less those of the device."""
    clean, rejected = before.get("clean_key") or clean_key(raw), rejected_key(raw)
    parquet, accepted = _filtered_parquet(target, clean, device_column(contract), device)
    rejects, gone = _filtered_rejects(target, rejected, lines, DeviceNames(contract), device)
    by_reason = {
        reason: left
        for reason, number in before.get("rejected_by", {}).items()
        if (left := number - gone[reason]) > 0
    }
    counts = {
        "accepted": accepted,
        "conflicts": max(0, before.get("conflicts", 0) - gone["conflict"]),
        "rejected": sum(by_reason.values()),
        "rejected_by": by_reason,
    }
    # Its COPY object is deleted, and the groups of that name devices.
    copy = {name: value for name, value in before.get("copy", {}).items() if name != "groups"}
    report = {**before, **counts, **({"copy": copy} if copy else {})}
    left = sum(report.get(name, 0) for name in COUNTS if name not in ("read", "forgotten"))
    report["forgotten"] = report["read"] - left
    written: Written = {clean: (parquet, "application/vnd.apache.parquet")}
    if rejects is not None:
        written[rejected] = (rejects, "application/x-ndjson+gzip")
    sums = {name: Checksum.of(body).as_dict() for name, (body, _) in written.items()}
    report["objects"] = {**report.get("objects", {}), **sums}
    return written | _report(target, raw, report, before, device), _counts(report)


def _filtered_parquet(target: Target, key: str, column: str, device: str) -> tuple[bytes, int]:
    """The Parquet object without the device's rows, and the number of rows left."""
    import polars as pl

    s3 = target.client("s3")
    try:
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        raise ErasureError(
            f"A batch was made with an older contract and has no object {key} (storage.clean = "
            "false, or it has expired), so that its rows can't be counted again: replay the batch "
            "with today's contract, then run this command again."
        ) from None
    frame = pl.read_parquet(io.BytesIO(body))
    if column not in frame.columns:
        raise ErasureError(
            f"{key} was made with an older contract and has no column {column}: replay its batch "
            "with today's contract, then run this command again."
        )
    kept = frame.filter(pl.col(column).cast(pl.String).ne_missing(device))
    buffer = io.BytesIO()
    kept.write_parquet(buffer, compression="zstd")
    return buffer.getvalue(), kept.height


def _filtered_rejects(
    target: Target, key: str, lines: bytes, names: DeviceNames, device: str
) -> tuple[bytes | None, Counter[str]]:
    """The rejects that are not the device's, and the number of those that were, by reason; no
    rejects where there is no object of them."""
    s3 = target.client("s3")
    try:
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None, Counter()
    texts = gzip.decompress(body).splitlines()
    gone, kept = Counter[str](), []
    payloads = _payloads(lines) if texts else {}
    last: str | None = None
    for text, reject in zip(texts, parse_lines("", "", io.BytesIO(body), names), strict=True):
        if reject.device == device:
            gone[reject.reasons[0]] += reject.readings
            continue
        line, payload = json.loads(text), reject.payload
        if line["message_id"] != last or line["payload"] is not None:
            sent = base64.b64encode(payload).decode() if payload is not None else None
            line["payload"] = payloads.get(line["message_id"], sent)
        last = line["message_id"]
        kept.append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return gzip.compress(b"".join(kept), compresslevel=1, mtime=0), gone


def _payloads(lines: bytes) -> dict[str | None, str]:
    """The payload of each message of a raw object as it is now, by its id."""
    found: dict[str | None, str] = {}
    for line in lines.splitlines():
        try:
            envelope = json.loads(line)
            found[envelope["message_id"]] = envelope["payload"]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def delete_old_versions(target: Target, keys: Iterable[str]) -> None:
    """Delete all versions of these objects but the latest ones."""
    for key in keys:
        _delete(target, _versions(target, key, latest=False))


def delete_versions(target: Target, keys: Iterable[str]) -> None:
    """Delete objects with all their versions."""
    s3 = target.client("s3")
    for key in keys:
        s3.delete_object(Bucket=target.bucket, Key=key)
        _delete(target, _versions(target, key, latest=True))


def _versions(target: Target, key: str, *, latest: bool) -> list[ObjectIdentifierTypeDef]:
    return [
        {"Key": key, "VersionId": one["VersionId"]}
        for one in _all_versions(target, key)
        if one["Key"] == key and (latest or not one["IsLatest"])
    ]


def _all_versions(
    target: Target, prefix: str
) -> Iterator[ObjectVersionTypeDef | DeleteMarkerEntryTypeDef]:
    """All versions and delete markers of the objects below a prefix."""
    pages = (
        target.client("s3")
        .get_paginator("list_object_versions")
        .paginate(Bucket=target.bucket, Prefix=prefix)
    )
    for page in pages:
        yield from page.get("Versions", ())
        yield from page.get("DeleteMarkers", ())


def _delete(target: Target, versions: list[ObjectIdentifierTypeDef]) -> None:
    s3 = target.client("s3")
    for one in versions:
        s3.delete_object(Bucket=target.bucket, Key=one["Key"], VersionId=one["VersionId"])
