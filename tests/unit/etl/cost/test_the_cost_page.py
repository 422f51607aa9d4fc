"""docs/cost.md says what the model says: every figure is worked out anew."""

from __future__ import annotations

import os

from etl.reference.cost import PAGE, page


def test_the_page_is_what_the_model_gives_now():
    text = page()
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, (
        "docs/cost.md is not what the model gives now. Where the change is meant, write it with "
        "`python -m etl.reference.cost` and review the difference with the code."
    )
