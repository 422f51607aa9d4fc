"""Values of binary formats as JSON, by the advice of RFC 8949, section 6.1.

Bytes become base64url without padding, and a key that isn't a text becomes one. What JSON has no
number for (NaN and the infinities) becomes a text, which a column takes for what its contract says.
"""

from __future__ import annotations

import math
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence

__all__ = [
    "MAX_LEVELS",
    "SENML_LABELS",
    "BinaryError",
    "base64_string",
    "float_text",
    "object_text",
]

MAX_LEVELS = 100
"""Arrays, maps and tags within each other; a value nested deeper is not accepted."""
SENML_LABELS: Mapping[str, str] = {
    "-1": '"bver"', "-2": '"bn"', "-3": '"bt"', "-4": '"bu"', "-5": '"bv"', "-6": '"bs"',
    "0": '"n"', "1": '"u"', "2": '"v"', "3": '"vs"', "4": '"vb"', "5": '"s"', "6": '"t"',
    "7": '"ut"', "8": '"vd"',
}  # fmt: skip
"""Names of SenML's members by their numbers (RFC 8428, section 6)."""


class BinaryError(Exception):
    """Raised where bytes break the format or its limits."""


def float_text(value: float) -> str:
    """The shortest JSON number that is this double; a text where there is none."""
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else f'"{"-" if value < 0 else ""}Infinity"'


def base64_string(content: bytes) -> str:
    """The JSON string of bytes."""
    return f'"{urlsafe_b64encode(content).rstrip(b"=").decode()}"'


def object_text(keys: Sequence[str], values: Sequence[str]) -> str:
    """The JSON object of these JSON texts.

    Raises :class:`BinaryError` where two keys are the same, one of which would be lost.
    """
    if len(set(keys)) < len(keys):
        raise BinaryError
    return f"{{{','.join([f'{key}:{value}' for key, value in zip(keys, values, strict=True)])}}}"
