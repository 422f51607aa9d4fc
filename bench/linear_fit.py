"""A linear model of a quantity measured for micro-batches of several sizes."""

from __future__ import annotations

import numpy as np

__all__ = ["fit"]

PARTS = ("call", "message", "reading")
ZERO = 1e-9
"""Coefficients below it are rounding errors of zero."""


def fit(points: list[tuple[int, int, float]]) -> dict[str, float]:
    """The amounts per call, per message and per reading, none of them negative.

    ``points`` are messages, readings, and the measured value. The fit minimizes the squares of the
    relative errors, so that small batches count as much as large ones.
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
    return {name: float(f"{v:.4g}") if v > ZERO else 0.0 for name, v in whole.items()}
