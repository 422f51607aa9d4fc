"""Delivers OpenLineage events: to a file, to standard output, or to a lineage server by HTTP."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from telemetry.errors import UserError

__all__ = ["LineageDeliveryError", "is_address", "place_name", "post_events", "write_events"]

API_KEY = "OPENLINEAGE_API_KEY"
"""Variable with the server's key, as OpenLineage's own clients have it."""
TIMEOUT_SECONDS = 10.0
ATTEMPTS = 4
PASSING = (429, 502, 503, 504)
"""Status codes after which the same event is sent again."""
MOST_OF_ANSWER = 200
"""Most characters of a server's answer that are shown."""


class LineageDeliveryError(UserError):
    """Raised where an event can't be delivered; says how many were."""


def is_address(place: str) -> bool:
    """True where events go to a server, and not to a file."""
    return urlsplit(place).scheme in {"http", "https"}


def place_name(place: str) -> str:
    """Return a place as it is printed: of a server the host alone, as a URL may hold a key."""
    if is_address(place):
        found = urlsplit(place)
        return f"{found.scheme}://{found.hostname}"
    return "standard output" if place == "-" else place


def write_events(events: Iterable[Mapping[str, Any]], file: str, *, overwrite: bool) -> int:
    """Write one event a line to a file, which appears once it is complete, or for ``-`` to stdout.

    Returns their number. Raises :class:`LineageDeliveryError` where the file exists or can't be
    written.
    """
    if file == "-":
        return sum(_print(line) for line in _lines(events))
    path = Path(file)
    if path.exists() and not overwrite:
        raise LineageDeliveryError(f"{path} already exists: replace it with --overwrite.")
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                number = sum(out.write(line) > 0 for line in _lines(events))
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise LineageDeliveryError(f"{path} can't be written: {error.strerror}.") from error
    return number


def _print(line: str) -> bool:
    sys.stdout.write(line)
    return True


def _lines(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for event in events:
        yield json.dumps(event, ensure_ascii=True) + "\n"


def post_events(events: Iterable[Mapping[str, Any]], address: str) -> int:
    """Post each event to a server, such as ``http://127.0.0.1:5000/api/v1/lineage``.

    Returns their number. The key of ``OPENLINEAGE_API_KEY`` is sent as a bearer token. Raises
    :class:`LineageDeliveryError` at the first event that the server refuses or that doesn't arrive.
    """
    import urllib3

    retries = urllib3.Retry(
        ATTEMPTS - 1,
        backoff_factor=0.5,
        status_forcelist=PASSING,
        allowed_methods=None,
        redirect=0,
        raise_on_status=False,
        raise_on_redirect=False,
    )
    pool = urllib3.PoolManager(retries=retries, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(API_KEY):
        headers["Authorization"] = f"Bearer {key}"
    number = 0
    for event in events:
        try:
            answer = pool.request("POST", address, body=json.dumps(event), headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise _failed(address, number, type(error).__name__) from error
        if not 200 <= answer.status < 300:
            text = answer.data[:MOST_OF_ANSWER].decode("utf-8", "backslashreplace")
            raise _failed(address, number, f"status {answer.status} {text!r}")
        number += 1
    return number


def _failed(address: str, number: int, why: str) -> LineageDeliveryError:
    return LineageDeliveryError(
        f"{place_name(address)} did not take event {number + 1:,}: {why}. "
        f"{number:,} were taken; all of them may be sent again."
    )
