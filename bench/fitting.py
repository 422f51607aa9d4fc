"""A straight line through what was measured of micro-batches of several sizes."""

from __future__ import annotations

import numpy as np

__all__ = ["line"]

PARTS = ("call", "message", "reading")
NOTHING = 1e-9
"""What the arithmetic leaves of nothing."""


def line(points: list[tuple[int, int, float]]) -> dict[str, float]:
    """So much a call, a message and a reading, none of it below nothing.

    ``points``: messages, readings, and the value. Least squares of relative errors, so that small
    batches count as much as large ones.
    """
    values = np.array([value for *_, value in points], dtype=float)
    sizes = np.array([(1, count, readings) for count, readings, _ in points], dtype=float)
    weights = 1 / np.maximum(values, values.max() / 1000 or 1)
    used = list(range(len(PARTS)))
    while True:
        found, *_ = np.linalg.lstsq(sizes[:, used] * weights[:, None], values * weights, rcond=None)
        if (found >= 0).all():
            break
        used.pop(int(found.argmin()))
    whole = dict.fromkeys(PARTS, 0.0)
    whole |= {PARTS[at]: float(value) for at, value in zip(used, found, strict=True)}
    return {name: float(f"{v:.4g}") if v > NOTHING else 0.0 for name, v in whole.items()}
