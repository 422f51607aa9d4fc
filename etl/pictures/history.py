"""What an execution's history says of an error, read without asking AWS."""

from __future__ import annotations

import json
import re

__all__ = ["error_message"]

ERROR_MESSAGE = re.compile(r'\{"errorMessage": ?("(?:[^"\\]|\\.)*")')
"""How the error object of a Lambda function begins."""


def error_message(cause: str | None) -> str | None:
    """The message of a cause: of a Lambda function's error object, without its stack trace.

    The object may be cut off, as traces have it. Any other cause is returned as it is.
    """
    message = ERROR_MESSAGE.match(cause or "")
    return str(json.loads(message[1])) if message else cause
