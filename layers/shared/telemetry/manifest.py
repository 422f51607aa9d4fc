"""The batches that an execution processes, and why: a manifest in S3 and the execution's input.

The manifest is one JSON array for each execution::

    [{"key": "raw/2026/11/23/<execution>/<batch>.n10.ndjson.gz", "size": 4711, "purpose": "load"}]

The distributed map reads it item by item, so the state machine carries a key and a count however
many batches there are (:class:`ExecutionInput`). An execution that drains the queue again and again
has a manifest for each drain with batches, and at its end one of all of them. Purposes:

===========  =====================================================================================
``load``     the default: a batch that the ledger has is answered from there, a quarantined batch
             is validated again
``replay``   as ``load``, but a batch that was loaded under another contract is loaded again
``repair``   as ``replay``, but a batch that was loaded is always loaded again and passes the
             quality gate: rows that are missing or changed in the table are written again
``release``  a quarantined or discarded batch passes the quality gate, because an operator says so
``discard``  an operator discards the batch: it gets a ledger row and no rows in the table
===========  =====================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from telemetry.checksums import Checksum
from telemetry.errors import BatchCorruptError, ConfigurationError
from telemetry.layout import manifest_key, parse_raw_key

__all__ = [
    "MOST_BATCHES",
    "MOST_DRAINS",
    "PURPOSES",
    "ExecutionInput",
    "Item",
    "Purpose",
    "execution_arn",
    "manifest_body",
    "parse_input",
    "parse_manifest",
    "purpose_of",
]

MOST_BATCHES = 10_000
"""Most batches of one execution: Summarize reads the outcome of each within one function call."""

MOST_DRAINS = 60
"""Most drains of one execution: each leaves events in its history, which is limited."""

Purpose = Literal["load", "replay", "repair", "release", "discard"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


@dataclass(frozen=True)
class Item:
    """One batch, as an item of the map."""

    key: str
    """Key of the raw object."""
    size: int
    """Size of the raw object in bytes, compressed."""
    purpose: Purpose = "load"


@dataclass(frozen=True, kw_only=True)
class ExecutionInput:
    """Input of an execution whose batches are known: references and counts, never data.

    Extract returns it, the sweep and an operator's replay start executions with it. An input that
    has every member without a default skips Extract (:meth:`required`).
    """

    bucket: str
    manifest: str
    """Key of the manifest; there is no such object where there are no batches."""
    batches: int
    concurrency: int
    """Batches that the map may process in parallel."""
    messages: int = 0
    bytes: int = 0
    """Size of the raw objects, compressed."""
    prefix: str | None = None
    """Prefix of the raw objects, where they were staged or listed under one."""
    manifest_sha256: str | None = None
    """SHA-256 of the manifest in hexadecimal; an input of an operator's own may have none."""

    @classmethod
    def of(
        cls,
        bucket: str,
        execution: str,
        items: Sequence[Item],
        *,
        concurrency: int,
        prefix: str | None = None,
        manifest: str | None = None,
    ) -> ExecutionInput:
        """The input of the execution of that name over these batches.

        ``manifest``: key of the manifest, where it isn't the execution's own.
        """
        keys = [raw for item in items if (raw := parse_raw_key(item.key)) is not None]
        return cls(
            bucket=bucket,
            manifest=manifest or manifest_key(execution),
            batches=len(items),
            concurrency=concurrency,
            messages=sum(raw.messages for raw in keys),
            bytes=sum(item.size for item in items),
            prefix=prefix,
            manifest_sha256=Checksum.of(manifest_body(items)).sha256,
        )

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Names of the members that an input must have."""
        return tuple(field.name for field in fields(cls) if field.default is MISSING)

    def as_dict(self) -> dict[str, Any]:
        """The input as JSON members; those that are not known are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def execution_arn(state_machine: str, name: str) -> str:
    """ARN of an execution, from the ARN of its state machine and its name."""
    return f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"


def parse_input(text: str | None) -> dict[str, Any]:
    """Members of an execution's input as Step Functions returns it; none where it is not an object.

    Anybody may start an execution by hand, with any input.
    """
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def manifest_body(items: Iterable[Item]) -> bytes:
    """Content of the manifest, ordered by key, each key once: the same items, the same bytes."""
    once = {item.key: item for item in items}
    return json.dumps([asdict(once[key]) for key in sorted(once)], separators=(",", ":")).encode()


def parse_manifest(body: bytes, name: str, sha256: str | None = None) -> list[Item]:
    """The items of a manifest.

    Raises :class:`BatchCorruptError` where it can't be parsed, or has not the SHA-256 that the
    execution's input names.
    """
    found = Checksum.of(body).sha256
    if sha256 is not None and found != sha256:
        raise BatchCorruptError(
            f"The manifest {name} is not the one that was written: its SHA-256 is {found[:12]}..., "
            f"and should be {sha256[:12]}.... Batches that it no longer names are still staged: "
            "the sweep loads them, or a replay of their prefix or days does."
        )
    try:
        return [
            Item(str(item["key"]), int(item["size"]), purpose_of(item)) for item in json.loads(body)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BatchCorruptError(
            f"The manifest {name} can't be read ({type(error).__name__}: {error}): start a "
            "new execution, which writes a new manifest."
        ) from error


def purpose_of(event: dict[str, object], default: Purpose = "load") -> Purpose:
    """The event's ``purpose``, or the default; raises :class:`ConfigurationError` if unknown."""
    named = event.get("purpose", default)
    for purpose in PURPOSES:
        if purpose == named:
            return purpose
    raise ConfigurationError(f"The purpose must be one of {', '.join(PURPOSES)}, not {named!r}.")
