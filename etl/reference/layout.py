"""``docs/layout.md``: what lies where in the data bucket, from the functions that make the keys."""

from __future__ import annotations

from etl.aws.target import CONTRACT_KEY, DATABASE_CA_KEY
from etl.reference.markdown import generated, table
from infrastructure.core import storage
from telemetry.layout import (
    RawKey,
    clean_key,
    copy_groups_key,
    copy_key,
    manifest_key,
    outcome_key,
    parse_raw_key,
    raw_key,
    receipt_key,
    rejected_key,
    report_key,
)
from workflow.definition import MAP_RESULTS_PREFIX

__all__ = ["layout_page"]

TEXT = """\
# What lies where in S3

One bucket holds everything between the queue and PostgreSQL; its name is the stack's output
`DataBucketName`. Nothing else needs to be kept: from `raw/` all the rest can be made again.

{generated}
{table}
* `drain-1` stands for an execution, `b7f3` for a micro-batch and `4f1c9a` for the contract by its
  digest. A batch id has no dot and no slash.
* The date in a key is the day (UTC) on which the execution that staged the batch started, not the
  day of the readings. So a step that is tried again writes to the same place.
* The number behind `.n` is the number of messages in the object. A listing alone tells how much has
  been staged.
* A batch is *settled* once an outcome of it says `loaded`, `quarantined` or `discarded`. One with
  none of these after {grace} minutes is found by the [sweep](loading.md#the-sweep).
* Old versions of an object stay {versions} days. The bucket is encrypted with the stack's own key
  and refuses requests without TLS.

## An envelope

A line of a raw object is one message, as JSON, with the same five members always:

| member | |
|---|---|
| `message_id` | SQS's id of the message |
| `topic` | the MQTT topic it was published to |
| `client_id` | the MQTT client, which the policy of devices ties to the certificate |
| `received_at` | milliseconds since 1970 at which the topic rule saw it |
| `payload` | the bytes that the device sent, in base64 |

`topic`, `client_id` and `received_at` are `null` where something else than the topic rule put the
message into the queue; then the payload is the whole body of that message.
"""


def layout_page() -> str:
    """The page, as Markdown."""
    from functions.sweep.handler import GRACE_SECONDS

    return TEXT.format(
        generated=generated("layers/shared/telemetry/layout.py and infrastructure/core/storage.py"),
        table=table(["key", "what it is", "how long it stays"], _rows()),
        grace=GRACE_SECONDS // 60,
        versions=storage.DAYS_OF_OLD_VERSIONS,
    )


def _rows() -> list[tuple[str, str, str]]:
    key = raw_key("raw/2026/11/23/drain-1/", "b7f3", 512)
    raw = parse_raw_key(key)
    assert isinstance(raw, RawKey)  # noqa: S101 - the key is one
    colder = (
        f"for ever; infrequent access after {storage.DAYS_TO_INFREQUENT} days, "
        f"Glacier instant retrieval after {storage.DAYS_TO_GLACIER}"
    )
    made_again = f"{storage.DAYS_OF_INTERMEDIATES} days"
    books = f"{storage.DAYS_OF_BOOKKEEPING} days"
    rows = [
        (key, "a micro-batch: envelopes as they left the queue, one a line, compressed", colder),
        (clean_key(raw), "the clean readings, Parquet: the analysts' zone", "for ever"),
        (copy_key(raw, "4f1c9a"), "rows ready for COPY, sorted by the key", made_again),
        (copy_groups_key(raw, "4f1c9a"), "where each device's rows lie in it", made_again),
        (rejected_key(raw), "the rejects, verbatim, with their reasons", "for ever"),
        (report_key(raw.batch_id), "what Transform counted and Validate found", "for ever"),
        (outcome_key(key, "drain-1", "loaded"), "how the batch ended in an execution", "for ever"),
        (manifest_key("drain-1"), "the batches that an execution deals with", books),
        (receipt_key("p-20261123"), "what a publisher says it has sent", books),
        (f"{MAP_RESULTS_PREFIX}/...", "what Step Functions writes of its Map", made_again),
        (
            CONTRACT_KEY,
            "the contract that is deployed",
            "for ever",
        ),
        (DATABASE_CA_KEY, "the authorities that the commands trust for PostgreSQL", "for ever"),
    ]
    return [(f"`{place}`", text, kept) for place, text, kept in rows]
