"""The pages that document the contract, as one text; docs/contract.md with its example is the first."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[4] / "docs"
PAGES = ("contract.md", "contract-messages.md", "contract-formats.md", "contract-types.md")
PAGE = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in PAGES)
