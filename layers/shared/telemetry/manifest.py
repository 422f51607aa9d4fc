"""Which batches an execution deals with, and why: one JSON array in S3 for each execution.

::

    [{"key": "raw/2026/11/23/<execution>/<batch>.n10.ndjson.gz", "size": 4711, "purpose": "load"}]

The distributed map reads it item by item, so the state machine carries a key and a count however
many batches there are. Purposes:

===========  =====================================================================================
``load``     the usual; what the ledger has is answered from there, a quarantined batch is judged
             again
``replay``   the same, but a batch that was loaded under another contract is loaded again
``release``  a person lets a quarantined or discarded batch pass the quality gate
``discard``  a person gives a batch up: it gets a ledger row and no rows in the table
===========  =====================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from telemetry.errors import BatchCorruptError, ConfigurationError

__all__ = ["PURPOSES", "Item", "Purpose", "manifest_body", "parse_manifest", "purpose_of"]

Purpose = Literal["load", "replay", "release", "discard"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


@dataclass(frozen=True)
class Item:
    """One batch, as an item of the map."""

    key: str
    """Of the raw object."""
    size: int
    """Bytes of it, compressed."""
    purpose: Purpose = "load"


def manifest_body(items: Iterable[Item]) -> bytes:
    """The manifest in the order of the keys, each of them once; the same items, the same bytes."""
    once = {item.key: item for item in items}
    return json.dumps([asdict(once[key]) for key in sorted(once)], separators=(",", ":")).encode()


def parse_manifest(body: bytes, name: str) -> list[Item]:
    """The items of a manifest. Raises :class:`BatchCorruptError` where it is none."""
    try:
        return [
            Item(str(item["key"]), int(item["size"]), purpose_of(item)) for item in json.loads(body)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BatchCorruptError(
            f"The manifest {name} can't be read ({type(error).__name__}: {error}): start the "
            "execution anew, which writes another."
        ) from error


def purpose_of(given: dict[str, object], default: Purpose = "load") -> Purpose:
    """The member ``purpose``, or the default. Raises :class:`ConfigurationError` for another."""
    named = given.get("purpose", default)
    for purpose in PURPOSES:
        if purpose == named:
            return purpose
    raise ConfigurationError(f"The purpose must be one of {', '.join(PURPOSES)}, not {named!r}.")
