"""The report that is sent with an issue: the results without secrets, account numbers and names."""

from __future__ import annotations

import json
import platform
import re
import socket
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etl.doctor.check_result import CheckResult

__all__ = ["REPLACEMENTS", "redact", "report"]

REPLACEMENTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), "<key id>"),
    (re.compile(r"(?i)((?:password|secret|token)\"?\s*[=:]\s*)(\"[^\"]*\"|\S+)"), r"\1<secret>"),
    (re.compile(r"(?<=:)(assumed-role/[^/\s]+)/[^\s,;:)]+"), r"\1/<session>"),
    (re.compile(r"(?<=::\d{12}:)user/[^\s,;:)]+"), "user/<user>"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<email>"),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "<account>"),
    (re.compile(r"(?<![\w.])(?!127\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), "<address>"),
    (re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:.])"), "<address>"),
    (
        re.compile(
            r"(?<![\w./-])(?:[a-zA-Z0-9-]+\.)+"
            r"(?:com|net|org|info|biz|io|co|cloud|dev|app|aws|internal|local|lan|corp|intranet|home|eu|"
            r"uk|us|de|fr|nl|be|at|ch|it|es|se|fi|dk|pl|cn|jp|in|au|ca|br|kr)\b"
        ),
        "<host>",
    ),
)
"""Patterns of what identifies an account, a person or a machine, in the order they are replaced."""


def redact(text: str, names: Iterable[str] = ()) -> str:
    """Return the text without what identifies an account, a person or a machine.

    ``names``: texts to replace wherever they are, such as the host of the database.
    """
    for name in sorted({one for one in names if one}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "<name>", text)
    for pattern, replacement in REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


def report(
    results: list[CheckResult], *, region: str, local: bool, names: Iterable[str] = ()
) -> str:
    """Return the report as JSON text."""
    hidden = {*names, socket.gethostname(), str(Path.home()), str(Path.cwd())}
    content: dict[str, Any] = {
        "telemetry_etl": version("telemetry-etl"),
        "python": platform.python_version(),
        "system": f"{sys.platform} {platform.machine()}",
        "target": "stand-ins" if local else "aws",
        "region": region,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "results": [
            {key: redact(value, hidden) for key, value in result.as_dict().items()}
            for result in results
        ],
    }
    return json.dumps(content, indent=2) + "\n"
