"""Keys of all objects in the data bucket: pure functions from ids to keys and back.

::

    raw/2026/11/23/<execution>/<batch>.n<messages>.ndjson.gz   envelopes as they left the queue
    raw/2026/11/23/<execution>/<batch>.<contract>.n<messages>.ndjson.gz
                                                               those of a further contract
    clean/staged_on=2026-11-23/<batch>.parquet                 the analysts' zone
    clean/<contract>/staged_on=2026-11-23/<batch>.parquet      that of a further contract
    copy/<batch>.<contract>.csv                                rows ready for COPY, in key order,
                                                               and their places by arrival
    copy/<batch>.<contract>.groups.json                        byte ranges of each device's rows,
                                                               where the report has no room for them
    rejected/date=2026-11-23/<batch>.ndjson.gz                 rejects, verbatim, with reasons
    reports/<batch>.json                                       counts and findings of a batch
    outcomes/2026/11/23/<execution>/<batch>.n<messages>.ndjson.gz/<other>.<status>.json
                                                               how the batch ended in an execution
    manifests/<execution>.json                                 the batches an execution processes
    manifests/<execution>/<drain>.json                         those of one drain of a drain loop
    sweep/look.json                                            older days that each sweep looks at
    receipts/<publication>.json                                the messages that a publisher sent
    receipts/<publication>.messages                            digests of these messages
    erasures/<request>.json                                    the batches that an erasure changes

A micro-batch has messages of one contract only. The first contract of a pipeline is not named in
keys, so that a pipeline which gets a second one keeps the objects that it has.

A raw object is written once; only an erasure (``etl devices forget``) rewrites it, with a line for
each message as before. The number of messages is part of its name, so that a listing alone shows
how much has been staged. A batch id never contains a dot or a slash; the date in a key is the date
the execution started (UTC), so a retried state writes to the same place.

The outcomes of a batch are under the name of its raw object, one for each execution that processed
it and each status there: a listing of ``raw/`` and one of ``outcomes/`` for the same day give the
history of every batch, without reading an object (:mod:`telemetry.batches`). A batch is *settled*
once one of them says ``loaded``, ``quarantined`` or ``discarded``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, get_args

__all__ = [
    "ERASURES",
    "OUTCOMES",
    "PARTITION",
    "RAW",
    "SETTLED",
    "OutcomeKey",
    "RawKey",
    "Status",
    "clean_key",
    "clean_prefix",
    "copy_groups_key",
    "copy_key",
    "day_prefix",
    "drain_manifest_key",
    "drain_manifests_prefix",
    "erasure_key",
    "is_contract_name",
    "manifest_key",
    "outcome_key",
    "outcomes_prefix",
    "parse_outcome_key",
    "parse_raw_key",
    "raw_key",
    "raw_prefix",
    "receipt_key",
    "receipt_messages_key",
    "rejected_key",
    "report_key",
]

RAW = "raw/"
OUTCOMES = "outcomes/"
ERASURES = "erasures/"
PARTITION = "staged_on"
"""Partition of the Parquet objects. Readers of such folders have it as one more column, so that no
contract may have a column of that name; ``date``, say, would hide a device's own."""

Status = Literal["loaded", "quarantined", "discarded", "failed"]
"""Status of a batch at the end of an execution."""
SETTLED: frozenset[Status] = frozenset({"loaded", "quarantined", "discarded"})
"""Statuses with a row in the ledger: the pipeline does nothing more by itself."""

_CONTRACT = r"[a-z][a-z0-9_-]{0,39}"
"""Names that a contract may have, and hardly any others: docs/contract.md."""
_RAW_KEY = re.compile(
    r"^raw/(?P<date>\d{4}/\d{2}/\d{2})/(?P<execution>[^/]+)/"
    rf"(?P<batch_id>[^/.]+)(?:\.(?P<contract>{_CONTRACT}))?\.n(?P<messages>\d+)\.ndjson\.gz$"
)
_OUTCOME_KEY = re.compile(
    r"^outcomes/(?P<raw>.+)/(?P<execution>[^/]+)\."
    rf"(?P<status>{'|'.join(get_args(Status))})\.json$"
)


@dataclass(frozen=True)
class RawKey:
    """The parts of a raw object's key."""

    date: str
    """``YYYY-MM-DD``: the day (UTC) the staging execution started."""
    execution: str
    batch_id: str
    messages: int
    """Number of envelopes in the object, one a line."""
    contract: str | None = None
    """Name of the contract; ``None``: the pipeline's first one."""


@dataclass(frozen=True)
class OutcomeKey:
    """The parts of an outcome's key."""

    raw_key: str
    execution: str
    """The execution that processed the batch, perhaps not the one that staged it."""
    status: Status

    @property
    def settled(self) -> bool:
        """True if the ledger has a row of the batch."""
        return self.status in SETTLED


def is_contract_name(text: str) -> bool:
    """True for a text that names a contract in a key."""
    return re.fullmatch(_CONTRACT, text) is not None


def day_prefix(day: date) -> str:
    """Prefix of everything staged by executions that started on that day (UTC)."""
    return f"{RAW}{day:%Y/%m/%d}/"


def raw_prefix(execution: str, started: datetime) -> str:
    """Prefix under which one execution stages; ``started`` is timezone-aware."""
    return f"{RAW}{started.astimezone(UTC):%Y/%m/%d}/{execution}/"


def raw_key(prefix: str, batch_id: str, messages: int, contract: str | None = None) -> str:
    """Key of one raw micro-batch under an execution's prefix; ``None``: of the first contract."""
    of = "" if contract is None else f".{contract}"
    return f"{prefix}{batch_id}{of}.n{messages}.ndjson.gz"


def parse_raw_key(key: str) -> RawKey | None:
    """The parts of a raw key, or ``None`` where the key is not one."""
    match = _RAW_KEY.match(key)
    if match is None:
        return None
    return RawKey(
        date=match["date"].replace("/", "-"),
        execution=match["execution"],
        batch_id=match["batch_id"],
        messages=int(match["messages"]),
        contract=match["contract"],
    )


def clean_key(raw: RawKey) -> str:
    """Key of the batch's Parquet object."""
    return f"{clean_prefix(raw.contract)}{PARTITION}={raw.date}/{raw.batch_id}.parquet"


def clean_prefix(contract: str | None = None) -> str:
    """Prefix of the Parquet objects of one contract; ``None``: of the first one.

    That of the first one holds the others' folders, too, but no object of theirs is right below a
    partition of it.
    """
    return "clean/" if contract is None else f"clean/{contract}/"


def copy_key(raw: RawKey, digest: str) -> str:
    """Key of the batch's COPY-ready object, made with the contract of that digest.

    Two executions may process a batch at once, with a deployment between them: neither may load
    rows that were made with the other contract.
    """
    return f"copy/{raw.batch_id}.{digest}.csv"


def copy_groups_key(raw: RawKey, digest: str) -> str:
    """Key of the byte ranges of each device's rows in the COPY-ready object."""
    return f"copy/{raw.batch_id}.{digest}.groups.json"


def rejected_key(raw: RawKey) -> str:
    """Key of the batch's rejects."""
    return f"rejected/date={raw.date}/{raw.batch_id}.ndjson.gz"


def report_key(batch_id: str) -> str:
    """Key of the batch's report."""
    return f"reports/{batch_id}.json"


def outcomes_prefix(raw: str) -> str:
    """Prefix of all outcomes of one batch, by its raw key, or of all batches under a prefix."""
    inner = raw.removeprefix(RAW)
    return f"{OUTCOMES}{inner}" if inner.endswith("/") or not inner else f"{OUTCOMES}{inner}/"


def outcome_key(raw_key: str, execution: str, status: Status) -> str:
    """Key of the outcome of one batch in one execution."""
    return f"{outcomes_prefix(raw_key)}{execution}.{status}.json"


def parse_outcome_key(key: str) -> OutcomeKey | None:
    """The parts of an outcome's key, or ``None`` where the key is not one."""
    match = _OUTCOME_KEY.match(key)
    if match is None or parse_raw_key(RAW + match["raw"]) is None:
        return None
    status: Status = match["status"]  # type: ignore[assignment]
    return OutcomeKey(RAW + match["raw"], match["execution"], status)


def manifest_key(execution: str) -> str:
    """Key of the manifest of one execution."""
    return f"manifests/{execution}.json"


def drain_manifests_prefix(execution: str) -> str:
    """Prefix of the manifests of the drains of one execution."""
    return f"manifests/{execution}/"


def drain_manifest_key(execution: str, drain: int) -> str:
    """Key of the manifest of one drain of an execution that drains again and again."""
    return f"{drain_manifests_prefix(execution)}{drain:04d}.json"


def erasure_key(request: str) -> str:
    """Key of the record of an erasure."""
    return f"{ERASURES}{request}.json"


def receipt_key(publication: str) -> str:
    """Key of a publisher's receipt."""
    return f"receipts/{publication}.json"


def receipt_messages_key(publication: str) -> str:
    """Key of the digests of the messages that a receipt counts."""
    return f"receipts/{publication}.messages"
