"""The report of a batch as bytes, with a checksum of its own.

Transform writes it, with ``"verdict": null``. Validate and Load write their findings into it, where
they have any. The verdict of a batch without findings is not written: it travels to Load with the
event, and Load writes it into the outcome. So a report without a verdict alone says nothing: the
batch may have died before it was judged (``etl.operations.quarantine.verdict_of``).

Any of them may write it twice. So its checksum can't travel with the reference to it, as those of
the other objects do: it is a member of the report, over all the others.

``copy.groups`` has the byte ranges of each device's rows in the COPY object, packed. Where they are
too many, and in older reports, ``copy.groups_key`` names an object with them.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from telemetry.checksums import Checksum
from telemetry.errors import BatchCorruptError

__all__ = ["pack", "parse_report", "report_body", "unpack"]

OWN = "sha256"
REMEDY = "replay the batch from its raw object, which writes the report again."


def report_body(report: dict[str, Any]) -> bytes:
    """The report as JSON, with its checksum."""
    members = {name: value for name, value in report.items() if name != OWN}
    return _json(members | {OWN: Checksum.of(_json(members)).sha256})


def parse_report(body: bytes, name: str) -> dict[str, Any]:
    """The report without its checksum, which older reports have none of.

    Raises :class:`BatchCorruptError`, with the name of the object, if it is not what was written.
    """
    try:
        report: Any = json.loads(body)
        if not isinstance(report, dict):
            raise TypeError("it is not a JSON object")
    except (ValueError, TypeError) as error:
        raise BatchCorruptError(
            f"The report {name} can't be parsed ({type(error).__name__}: {error}): {REMEDY}"
        ) from error
    expected = report.pop(OWN, None)
    if expected not in (None, Checksum.of(_json(report)).sha256):
        raise BatchCorruptError(
            f"The report {name} is not what was written: the SHA-256 of its members is not the one "
            f"in its member '{OWN}': {REMEDY}"
        )
    return report


def pack(content: bytes) -> str:
    """Content as a text for a report, compressed."""
    return base64.b64encode(zlib.compress(content)).decode()


def unpack(text: str) -> bytes:
    """The content of such a text; raises :class:`BatchCorruptError` if it is not one."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (ValueError, zlib.error) as error:
        raise BatchCorruptError(
            f"Packed content of a report can't be read ({error}): {REMEDY}"
        ) from error


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, indent=1).encode()
