"""``docs/layout.md``: the objects in the data bucket, from the functions that make their keys."""

from __future__ import annotations

from dataclasses import replace

from etl.aws.contract_objects import CONTRACT_KEY, FURTHER
from etl.aws.target import DATABASE_CA_KEY
from etl.reference.markdown import generated, table
from functions.provision.allow_list import ALLOW_LIST_KEY
from functions.sweep.full_look import LOOK_KEY
from infrastructure.core import storage
from infrastructure.settings import DeploySettings
from telemetry.layout import (
    RawKey,
    clean_key,
    copy_groups_key,
    copy_key,
    drain_manifest_key,
    erasure_key,
    manifest_key,
    outcome_key,
    parse_raw_key,
    raw_key,
    receipt_key,
    receipt_messages_key,
    rejected_key,
    report_key,
)
from workflow.definition import MAP_RESULTS_PREFIX

__all__ = ["layout_page"]

TEXT = """\
# Objects in S3

One bucket contains all data between the queue and PostgreSQL; its name is the stack's output
`DataBucketName`. Only `raw/` must be kept: everything else can be created from it again.

{generated}
{table}
* `drain-1` stands for an execution, `b7f3` for a micro-batch, and `4f1c9a` for the digest of the
  contract. A batch id contains no dot and no slash.
* A micro-batch has messages of one contract. Keys don't name the first contract of a pipeline; they
  name each [further one](how-to-several-contracts.md), here `status`. All other keys are the same
  for all contracts, as each batch has an id of its own.
* The date in a key is the day (UTC) on which the execution that staged the batch started, not the
  day of the readings. So a retried step writes to the same key.
* The number after `.n` is the number of messages in the object, so that a listing is enough to
  count the staged messages.
* A batch is *settled* once it has the outcome `loaded`, `quarantined` or `discarded`. A batch
  with none of these after {grace} minutes is found by the [sweep](loading.md#the-sweep).
* Old versions of an object are kept for {versions} days. The bucket is encrypted with the stack's
  own key, and denies requests without TLS.

## An envelope

Each line of a raw object is one message, as JSON, always with the same five members:

| member | meaning |
|---|---|
| `message_id` | message id from SQS |
| `topic` | MQTT topic to which it was published |
| `client_id` | MQTT client id, which the devices' policy ties to the certificate |
| `received_at` | time at which the topic rule received it, in milliseconds since 1970 (UTC) |
| `payload` | bytes sent by the device, in base64 |

`topic`, `client_id` and `received_at` are `null` for a message that was not put into the queue by
the topic rule; its payload is then the complete body of the message.

An [erasure](how-to-delete.md) leaves a line for each message: `{{"forgotten":3}}` in the place of a
message that held three readings, and a sixth member `forgotten`, a number of readings, in a message
without some of its own.
"""


def layout_page() -> str:
    """The page, as Markdown."""
    from functions.sweep.handler import GRACE_SECONDS

    return TEXT.format(
        generated=generated("layers/shared/telemetry/layout.py and infrastructure/core/storage.py"),
        table=table(["key", "content", "retention"], _rows()),
        grace=GRACE_SECONDS // 60,
        versions=storage.DAYS_OF_OLD_VERSIONS,
    )


def _rows() -> list[tuple[str, str, str]]:
    key = raw_key("raw/2026/11/23/drain-1/", "b7f3", 512)
    raw = parse_raw_key(key)
    assert isinstance(raw, RawKey)  # noqa: S101 - raw_key made it
    colder = (
        f"unlimited; Glacier Instant Retrieval after {DeploySettings.glacier_days} days "
        "(`storage.*_days`)"
    )
    intermediate = f"{storage.DAYS_OF_INTERMEDIATES} days"
    bookkeeping = f"{storage.DAYS_OF_BOOKKEEPING} days"
    further = replace(raw, contract="status")
    rows = [
        (key, "a micro-batch: envelopes from the queue, one per line, gzip-compressed", colder),
        (
            clean_key(raw),
            "clean readings as Parquet, for analysts",
            "unlimited (`storage.clean_days`); none with `storage.clean = false`",
        ),
        (
            raw_key("raw/2026/11/23/drain-1/", "b7f3", 512, further.contract),
            "a micro-batch of a further contract",
            colder,
        ),
        (clean_key(further), "its clean readings", "unlimited (`storage.clean_days`)"),
        (copy_key(raw, "4f1c9a"), "rows for COPY, sorted by the key", intermediate),
        (
            copy_groups_key(raw, "4f1c9a"),
            "positions of each device's rows in that object, if they are too many for the report",
            intermediate,
        ),
        (
            rejected_key(raw),
            "rejects exactly as sent, with their reasons; only of batches that have any",
            "unlimited (`storage.rejected_days`)",
        ),
        (report_key(raw.batch_id), "counts of Transform and findings of Validate", "unlimited"),
        (
            outcome_key(key, "drain-1", "loaded"),
            "outcome of the batch in an execution",
            "unlimited",
        ),
        (LOOK_KEY, "older days with batches that are not settled, for the sweep", "unlimited"),
        (manifest_key("drain-1"), "list of the batches of an execution", bookkeeping),
        (drain_manifest_key("drain-1", 0), "that of one drain of a drain loop", bookkeeping),
        (receipt_key("p-20261123"), "receipt of a publisher: what it has sent", bookkeeping),
        (receipt_messages_key("p-20261123"), "digests of the messages it counts", bookkeeping),
        (
            erasure_key("20261123T063000-b7f3"),
            "record of an [erasure](how-to-delete.md), without the device's name",
            "unlimited",
        ),
        (
            f"{MAP_RESULTS_PREFIX}/...",
            "results of the Distributed Map, written by Step Functions",
            intermediate,
        ),
        (
            CONTRACT_KEY,
            "deployed contract",
            "unlimited",
        ),
        (f"{FURTHER}status/contract.toml", "a further contract", "unlimited"),
        (
            DATABASE_CA_KEY,
            "certificate authorities that the commands trust for PostgreSQL",
            "unlimited",
        ),
        (
            ALLOW_LIST_KEY,
            "serial numbers of devices that may register, where fleet provisioning is on",
            "unlimited",
        ),
    ]
    return [(f"`{place}`", text, kept) for place, text, kept in rows]
