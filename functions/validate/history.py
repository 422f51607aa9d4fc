"""Statistics of the last batches: one small object in S3, derived and never relied on.

Batches are validated in parallel, so the object is replaced only if it is still the one that was
read (``If-Match``); otherwise it is read again, a few times, and then the batch is left out. A
history that can't be read counts as empty: it decides about warnings, never about rows.
"""

from __future__ import annotations

import json
from typing import Any

from telemetry.clients import calling, client
from telemetry.logs import log

__all__ = ["Entry", "history_key", "read_history", "remember"]

Entry = dict[str, Any]
"""``{"batch_id", "accepted", "quantiles": {column: [...]}}``"""

KEPT = 50
ATTEMPTS = 4


def history_key(contract: str) -> str:
    """Key of the contract's history."""
    return f"quality/{contract}/history.json"


def read_history(bucket: str, key: str) -> tuple[list[Entry], str | None]:
    """The entries, oldest first, and the object's ETag (``None`` if there is no object)."""
    from botocore.exceptions import ClientError

    with calling("s3", f"read s3://{bucket}/{key}"):
        try:
            answer = client("s3").get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return [], None
            raise
        body = answer["Body"].read()
    try:
        entries = [
            {
                "batch_id": str(entry["batch_id"]),
                "accepted": int(entry["accepted"]),
                "quantiles": {
                    str(name): [float(value) for value in values]
                    for name, values in entry["quantiles"].items()
                },
            }
            for entry in json.loads(body)["batches"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        entries = []
    return entries, answer.get("ETag")


def remember(bucket: str, key: str, entry: Entry) -> bool:
    """Adds the batch, in place of an earlier entry of it; returns ``False`` where concurrent
    writers were always faster."""
    from botocore.exceptions import ClientError

    for _ in range(ATTEMPTS):
        entries, version = read_history(bucket, key)
        kept = [known for known in entries if known["batch_id"] != entry["batch_id"]]
        body = json.dumps({"batches": [*kept, entry][-KEPT:]}).encode()
        condition: dict[str, Any] = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        with calling("s3", f"write s3://{bucket}/{key}"):
            try:
                client("s3").put_object(
                    Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition
                )
                return True
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code not in ("PreconditionFailed", "ConditionalRequestConflict"):
                    raise
    log.info("The history was written concurrently: this batch is left out of it")
    return False
