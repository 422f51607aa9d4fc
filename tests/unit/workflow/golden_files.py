"""Comparison with what the code gave when it was last reviewed."""

from __future__ import annotations

import json
import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def check_golden(name: str, value: object) -> None:
    """Compare with ``golden/<name>``; ``UPDATE_GOLDEN=1 make test`` writes it instead."""
    path = GOLDEN / name
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, (
        f"golden/{name} is not what the code gives now. Where the change is meant, run the test "
        "with UPDATE_GOLDEN=1 and review the difference with the code."
    )
