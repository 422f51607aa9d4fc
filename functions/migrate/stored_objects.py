"""Finds batches of which S3 has neither the messages nor the readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from telemetry.layout import RAW, clean_key, parse_raw_key
from telemetry.storage import StoredObject

__all__ = ["missing_batches"]

Listing = Callable[[str], Iterable[StoredObject]]
"""Lists the objects below a prefix."""


def missing_batches(listing: Listing, raw_keys: Iterable[str]) -> list[str]:
    """Raw keys of the batches that have neither a raw object nor one in the clean zone.

    Only days that one of the batches was staged on are listed; a day is a request for each 1,000
    objects. A key that is none of ours counts as missing.
    """
    wanted = {key: parse_raw_key(key) for key in raw_keys}
    known = {key: raw for key, raw in wanted.items() if raw is not None}
    days = {key: f"{RAW}{raw.date.replace('-', '/')}/" for key, raw in known.items()}
    lost = _unlisted(listing, {key: (day, key) for key, day in days.items()})
    clean = {key: clean_key(known[key]) for key in lost}
    lost = _unlisted(
        listing, {key: (f"{name.rpartition('/')[0]}/", name) for key, name in clean.items()}
    )
    return sorted(lost | (wanted.keys() - known.keys()))


def _unlisted(listing: Listing, objects: Mapping[str, tuple[str, str]]) -> set[str]:
    """The raw keys whose object, given with a prefix of it, is not listed."""
    raw_keys = {name: key for key, (_, name) in objects.items()}
    for prefix in sorted({prefix for prefix, _ in objects.values()}):
        for found in listing(prefix):
            raw_keys.pop(found.key, None)
    return set(raw_keys.values())
